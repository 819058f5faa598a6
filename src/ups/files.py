"""Files and folders that are written whole or not at all: the only place that renames.

Everything is written beside its place, under a hidden name with a random part, brought to the disk (fsync), and put in
its place by one rename. Whoever looks there meanwhile, or after the power failed, finds the old content or the new one.
What a killed process left beside the place is removed by the next one that writes there: the lock that a living writer
holds on what it writes is gone with the process.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from ups.errors import SettingError

try:
    import fcntl
except ImportError:  # Windows: nothing is known of other writers, so their leftovers stay
    fcntl = None

_ENDING = ".partial"


def write_whole(path: Path | str, content: bytes | Callable[[IO[bytes]], object]) -> None:
    """Write a file; its folder is made, a file of that name is replaced, links are followed.

    Args:
        path: the file.
        content: its bytes, or a function that writes them to an open file.

    Raises:
        OSError: the file can't be written; what stood there before is unharmed.
    """
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path)
    part = _beside(path)
    try:
        with part.open("wb") as file:
            _lock_new(file.fileno())
            file.write(content) if isinstance(content, bytes) else content(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
        sync(path.parent)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def new_folder(folder: Path | str, kind: str, mark: str) -> Iterator[Path]:
    """An empty folder beside `folder` that takes its place when the block ends well, and vanishes when it does not.

    Args:
        folder: what is to be written; links are followed.
        kind: what it will be, for messages: "a checkpoint".
        mark: a file that every folder of this kind holds. Only such a folder, or an empty one, is replaced.

    Raises:
        SettingError: something else stands there.
        OSError: the folder can't be written; what stood there before is unharmed.
    """
    folder = Path(os.path.realpath(folder))
    check_replaceable(folder, kind, mark)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(folder)
    part = _beside(folder)
    part.mkdir()
    lock = _lock_folder(part)
    try:
        yield part
        for path in sorted(part.rglob("*"), reverse=True):
            sync(path)
        sync(part)
        check_replaceable(folder, kind, mark)
        _put(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def check_replaceable(folder: Path, kind: str, mark: str) -> None:
    """Raises SettingError where `folder` is there, not empty and no folder of this kind, see `new_folder`."""
    if not folder.exists() or (folder / mark).is_file():
        return
    if not folder.is_dir() or any(folder.iterdir()):
        raise SettingError(f"{folder} exists and is not {kind}; choose another folder or remove it")


def sync(path: Path) -> None:
    """Bring a file's content, or the names in a folder, to the disk, the latter where the system can."""
    folder = path.is_dir()
    reading = folder or fcntl is not None  # Windows syncs no file that is open for reading
    try:
        handle = os.open(path, os.O_RDONLY if reading else os.O_RDWR)
    except OSError:
        if folder:  # Windows opens no folder, and needs not to
            return
        raise
    try:
        os.fsync(handle)
    except OSError:
        if not folder:  # network drives sync no folder
            raise
    finally:
        os.close(handle)


def _put(part: Path, folder: Path) -> None:
    """Put `part` in `folder`'s place; what stood there is at `part` afterwards, or gone."""
    if not folder.exists():
        os.rename(part, folder)
    elif not _exchange(part, folder):  # two renames: the only moment at which nothing is there
        old = _beside(folder)
        os.rename(folder, old)
        try:
            os.rename(part, folder)
        except BaseException:
            os.rename(old, folder)
            raise
        shutil.rmtree(old, ignore_errors=True)
    sync(folder.parent)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names at once, where the system can (Linux); returns whether it did."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None) if os.name == "posix" else None
    if rename is None:
        return False
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return rename(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(6)}{_ENDING}")


def _lock(handle: int) -> None:
    if fcntl is not None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _lock_new(handle: int) -> None:
    """Lock what was just made, where the system and the drive have locks."""
    with suppress(OSError):
        _lock(handle)


def _lock_folder(folder: Path) -> int | None:
    """A handle whose lock says that the folder is being written; None where folders can't be locked."""
    if fcntl is None:
        return None
    handle = os.open(folder, os.O_RDONLY)
    _lock_new(handle)
    return handle


def _remove_leftovers(path: Path) -> None:
    """Remove what writers of `path` that are no more have left beside it."""
    if fcntl is None:
        return
    beginning = f".{path.name}."
    for left in path.parent.iterdir():
        if left.name.startswith(beginning) and left.name.endswith(_ENDING):
            with suppress(OSError):  # a living writer's lock, or another process removes it
                handle = os.open(left, os.O_RDONLY)
                try:
                    _lock(handle)
                    shutil.rmtree(left) if left.is_dir() else left.unlink()
                finally:
                    os.close(handle)
