"""Fills the disk under writers: run as `python -m kill.full FOLDER NAME...` on a small file system of its own.

Every operation is run with no room to spare, and with more and more of it. It has to end with an error of ours or
OSError; what stood there has to be there, and nothing else.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import traceback
from pathlib import Path

from kill.operations import INPUTS, OPERATIONS, TARGET, tree

PAGE = 4096
"""Bytes of which a file takes a multiple."""


def _leave(folder: Path, spare: int) -> None:
    """Have a file take all room but so many bytes."""
    status = os.statvfs(folder)
    with (folder / "ballast").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, status.f_bfree * status.f_frsize - spare))


def _attempt(operation, folder: Path) -> str:
    """Whether it was "written" or "refused", or what went wrong, in a process of its own."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        from ups.errors import UpsError

        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            operation.run(folder)
            said = "written"
        except (UpsError, OSError) as error:
            said = "refused" if "\n" not in str(error) else f"several lines: {error}"
        except BaseException:
            said = traceback.format_exc()[-500:]
        os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        said = file.read()
    _, status = os.wait()
    return said or f"it ended with {status}"


def fill(name: str, folder: Path, steps: int) -> tuple[int, list[str]]:
    """How often the disk was full, and what went wrong."""
    operation, refused, faults = OPERATIONS[name], 0, []
    with tempfile.TemporaryDirectory() as place:
        base, work = Path(place) / "base", folder / "work"
        base.mkdir()
        operation.prepare(base)
        shutil.copytree(base, work)
        if (said := _attempt(operation, work)) != "written":
            return 0, [f"{name} fails with room to spare: {said}"]
        new = tree(work / TARGET)
        need = sum(3 * p.stat().st_size // 2 + 2 * PAGE for p in (work / TARGET).rglob("*"))
        for step in range(steps):
            shutil.rmtree(work)
            shutil.copytree(base, work)
            _leave(folder, need * step // (steps - 1))
            said, now = _attempt(operation, work), f"{name}, {step}/{steps - 1} of {need:,} bytes to spare"
            (folder / "ballast").unlink()
            refused += said == "refused"
            if said not in ("written", "refused"):
                faults.append(f"{now}: {said}")
            try:
                operation.whole(work)
            except Exception as error:
                faults.append(f"{now}: what stood there is gone: {error}")
            expected = [new] if said == "written" else [tree(base / TARGET)]
            if not operation.steps and name not in ("evaluate", "files") and tree(work / TARGET) not in expected:
                faults.append(f"{now}: {said}, but other files stand there")
            if tree(work / INPUTS) != tree(base / INPUTS):
                faults.append(f"{now}: inputs have changed")
            if left := [p.name for p in work.rglob("*") if p.name.endswith((".partial", ".old"))]:
                faults.append(f"{now}: {left[:3]} are left")
    shutil.rmtree(work)
    return refused, faults


if __name__ == "__main__":
    wrong = []
    for chosen in sys.argv[3:]:
        count, found = fill(chosen, Path(sys.argv[1]), int(sys.argv[2]))
        print(f"{chosen}: {count} of {sys.argv[2]} runs met a full disk, {len(found)} faults", flush=True)
        wrong += found + ([] if count else [f"{chosen}: the disk was never full"])
    print("\n".join(wrong))
    sys.exit(bool(wrong))
