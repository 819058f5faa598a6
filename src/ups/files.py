"""Files and folders that are written whole or not at all: the only place that renames.

Everything is written beside its place, under a hidden name with a random part, brought to the disk (fsync), and put in
its place by one rename. Whoever looks there meanwhile, or after the power failed, finds the old content or the new one.
What a killed process left beside the place is removed by the next one that writes there: the lock that a living writer
holds on what it writes is gone with the process. Two writers of one folder would undo each other's work, so the second
is refused.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import re
import secrets
import shutil
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from ups.errors import SettingError

try:
    import fcntl
except ImportError:  # Windows: nothing is known of other writers, so their leftovers stay
    fcntl = None

log = logging.getLogger("ups")
_ENDING, _ASIDE = ".partial", ".old"
"""Of what is being written, and of what was moved out of the way where two names can't be exchanged at once."""
_CHUNK = 1 << 20


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
    _tidy(path)
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
        SettingError: something else stands there, or another process is writing this folder.
        OSError: the folder can't be written; what stood there before is unharmed.
    """
    folder = Path(os.path.realpath(folder))
    put_back(folder)
    check_replaceable(folder, kind, mark)
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = _beside(folder)
    part.mkdir()
    lock = None
    try:
        lock = _lock_folder(part)
        if _tidy(folder, part):
            raise SettingError(f"{folder}: another process is writing it; wait for that, or choose another folder")
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


@contextmanager
def alone(folder: Path | str) -> Iterator[None]:
    """Makes a folder, and keeps other processes that ask for the same out of it until the block ends.

    The lock is the system's, on the folder itself: it ends with the process, and leaves no file behind.

    Raises:
        SettingError: another process is in there.
        OSError: the folder can't be made.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        lock = _lock_folder(folder)
    except BlockingIOError as error:
        raise SettingError(
            f"{folder}: another process is writing there; wait for it, or choose another folder"
        ) from error
    try:
        yield
    finally:
        if lock is not None:
            os.close(lock)


def tidy(path: Path | str) -> None:
    """Remove what killed writers of a file or folder have left beside it, as the next one that writes there does."""
    _tidy(Path(os.path.realpath(path)))


def checksum(path: Path) -> str:
    """CRC-32 of a file's content, eight hexadecimal digits: finds damage, at a gigabyte a second or more."""
    value = 0
    for chunk in _chunks(path):
        value = zlib.crc32(chunk, value)
    return f"{value:08x}"


def sha256(path: Path) -> str:
    """SHA-256 of a file's content in hexadecimal digits."""
    value = hashlib.sha256()
    for chunk in _chunks(path):
        value.update(chunk)
    return value.hexdigest()


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


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
        old = _beside(folder, _ASIDE)
        os.rename(folder, old)
        try:
            os.rename(part, folder)
        except BaseException:
            os.rename(old, folder)
            raise
        sync(folder.parent)
        shutil.rmtree(old, ignore_errors=True)
    sync(folder.parent)


def put_back(folder: Path) -> None:
    """Where two names can't be exchanged at once, a process that was killed between two renames has left nothing in
    the folder's place, and the old content beside it: put that back, and say so. Readers and writers call this first.
    """
    if folder.exists() or not folder.parent.is_dir():
        return
    aside = [path for path in _siblings(folder) if path.name.endswith(_ASIDE)]
    if aside and not _tidy(folder):
        with suppress(OSError):  # another process does it
            os.rename(aside[0], folder)
            log.warning("%s: a process was killed while it put new content here; the old one is back", folder)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names at once, where the system can (Linux); returns whether it did."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None) if os.name == "posix" else None
    if rename is None:
        return False
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return rename(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0


def _beside(path: Path, ending: str = _ENDING) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(6)}{ending}")


def _siblings(path: Path) -> list[Path]:
    """What writers of `path` have put beside it."""
    name = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{12}}({_ENDING}|{_ASIDE})")
    return [sibling for sibling in path.parent.iterdir() if name.fullmatch(sibling.name)]


def _lock(handle: int) -> None:
    """Raises BlockingIOError where another process holds the lock, another OSError where the drive has no locks."""
    if fcntl is not None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _lock_new(handle: int) -> None:
    """Lock what was just made, where the system and the drive have locks."""
    with suppress(OSError):
        _lock(handle)


def _lock_folder(folder: Path) -> int | None:
    """A handle whose lock says that the folder is in use; None where folders can't be locked."""
    if fcntl is None:
        return None
    handle = os.open(folder, os.O_RDONLY)
    try:
        _lock(handle)
    except BlockingIOError:
        os.close(handle)
        raise
    except OSError:  # a drive without locks
        pass
    return handle


def _tidy(path: Path, own: Path | None = None) -> bool:
    """Remove what writers of `path` that are no more have left beside it; returns whether another one is at work.

    `own` is this process's part. What was moved aside is kept until something stands in its place.
    """
    if fcntl is None:
        return False
    done = path.exists()
    left = [p for p in _siblings(path) if p != own and (done or p.name.endswith(_ENDING))]
    return not all([_remove(p) for p in left])


def _remove(left: Path) -> bool:
    """Remove a file or folder; False where a living process has locked it."""
    with suppress(
        OSError
    ):  # another process removes it, it is another user's, or nothing tells whether its writer lives
        handle = os.open(left, os.O_RDONLY)
        try:
            _lock(handle)
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        except BlockingIOError:
            return False
        finally:
            os.close(handle)
    return True
