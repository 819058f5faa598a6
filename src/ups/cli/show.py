"""What the commands print. Names come from files, so all of it is text: no markup, no control of the terminal."""

from __future__ import annotations

import json
import logging
import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.text import Text


def show(content: object) -> None:
    """With rich, as wide as the terminal; where output goes to a file, wide enough for every table."""
    from rich.console import Console

    class Plain(Console):
        """Whatever strings are in tables, titles and lines: cleaned, and neither markup nor emoji codes."""

        def render_str(self, text: str, **options: Any) -> Text:
            return super().render_str("\n".join(map(printable, text.split("\n"))), **options)

    width = None if sys.stdout.isatty() else 160
    Plain(width=width, markup=False, emoji=False).print(content)


def say(text: object, file: IO[str] | None = None) -> None:
    """Print a line, cleaned, to standard output or another file."""
    print(printable(str(text)), file=file)


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, where that is a terminal; what it gives takes the number that is done, and of all."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def answer(values: dict[str, Any]) -> None:
    """Print an answer as a line of JSON, at once.

    Raises:
        ValueError: it holds a number that JSON does not know.
    """
    print(json.dumps(values, allow_nan=False), flush=True)


def printable(text: str) -> str:
    """The text with every character that controls a terminal or the direction of writing as its code, on one line."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(c) if unicodedata.category(c) in _CONTROL and c not in _JOINERS else c for c in text)


_CONTROL = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode's categories: control, format (of direction, say), halves of characters, separators of lines, paragraphs."""
_JOINERS = "\u200c\u200d"
"""Several scripts are written with these."""


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


class PrintableFormatter(logging.Formatter):
    """Messages of the log as `say` prints them."""

    def format(self, record: logging.LogRecord) -> str:
        """The message, cleaned."""
        return printable(super().format(record))
