"""Work for `ups batch`'s processes that needs no model: a part is its recordings' names, slowly written."""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path
from typing import IO, Any

from ups.files import write_whole


def write_names(asked: Any, paths: list[str], target: str) -> tuple[int, int]:
    """The part; whoever begins the one of "stay" for the first time stays in the middle of it, and says who it is."""
    folder = Path(asked)
    (folder / f"{Path(target).name}-{uuid.uuid4().hex}").write_text("")  # a call

    def write(file: IO[bytes]) -> None:
        for path in paths:
            file.write(f"{path}\n".encode())
            file.flush()
            if path == "stay" and not (folder / "stays").exists():
                (folder / "new").write_text(str(os.getpid()))
                os.replace(folder / "new", folder / "stays")
                time.sleep(600)

    write_whole(target, write)
    return len(paths), 0
