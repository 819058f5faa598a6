"""What the commands print."""

from __future__ import annotations

import sys


def show(content: object) -> None:
    """With rich, as wide as the terminal; where output goes to a file, wide enough for every table."""
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else 160).print(content)
