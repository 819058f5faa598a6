"""Uploads on their way to the disk."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from fastapi import UploadFile


def keep(file: UploadFile, path: Path) -> None:
    """Write an upload to a file."""
    file.file.seek(0)
    with path.open("wb") as target:
        shutil.copyfileobj(file.file, target)


def plain_name(name: str | None) -> str:
    """A file's name without folders, of letters, digits and . _ - alone, which readers tell kinds of files by."""
    last = re.sub(r"[^\w.\- ]", "_", (name or "").replace("\\", "/").rsplit("/", 1)[-1]).lstrip(".")
    return last if len(last.encode()) <= 200 and last else f"recording{Path(last).suffix[:20]}"
