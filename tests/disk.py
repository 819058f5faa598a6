"""A disk that forgets: what a folder would hold if the power failed at some moment.

Of a file only what its last fsync brought to the disk is kept, the rest is lost. Names (made, renamed, removed) may be on
the disk or not, so every folder is taken both as it is and as it was when it was last synced, in every combination.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from ups import files

Names = dict[str, int]
"""The names in a folder, and the files or folders that they stand for."""


class Disk:
    """Follows a folder while something is written in it.

    Args:
        folder: what is followed; all that is in it at first is on the disk.
        check: called with a copy of the folder as it would be after a power failure; raises where that is wrong.

    Attributes:
        states: all different ones that were checked.
    """

    def __init__(self, folder: Path, copy: Path, check: Callable[[Path], object]) -> None:
        self.folder, self.copy, self.check = folder, copy, check
        self.held: dict[int, int] = {}
        self.content: dict[int, bytes] = {}
        self.names: dict[int, Names] = {}
        self.states: set[object] = set()
        self.busy = False
        for path in [folder, *folder.rglob("*")]:
            self._sync(path)

    def close(self) -> None:
        """Let go of all files."""
        for handle in self.held.values():
            os.close(handle)

    def _number(self, path: Path) -> int:
        """The file's own number; it is held open, so that no other one gets that."""
        number = path.stat().st_ino
        if number not in self.held:
            self.held[number] = os.open(path, os.O_RDONLY)
        return number

    def _listing(self, folder: Path) -> Names:
        return {path.name: self._number(path) for path in folder.iterdir()}

    def _sync(self, path: Path) -> None:
        number = self._number(path)
        if path.is_dir():
            self.names[number] = self._listing(path)
        else:
            self.content[number] = path.read_bytes()

    def sync(self, handle: int) -> None:
        """What fsync of an open file or folder brings to the disk."""
        path = Path(os.readlink(f"/proc/self/fd/{handle}"))
        if path.is_relative_to(self.folder):
            self._sync(path)

    def fail(self) -> None:
        """Check what would be there if the power failed now."""
        now = {self._number(p): self._listing(p) for p in [self.folder, *self.folder.rglob("*")] if p.is_dir()}
        kept = {number: self.names.get(number, {}) for number in now}
        unsure = [number for number in now if now[number] != kept[number]]
        self.busy = True
        for chosen in itertools.product((now, kept), repeat=len(unsure)):
            names = {**self.names, **now, **{n: which[n] for n, which in zip(unsure, chosen, strict=True)}}
            if (state := self._state(self.folder.stat().st_ino, names)) in self.states:
                continue
            self.states.add(state)
            shutil.rmtree(self.copy, ignore_errors=True)
            self._restore(self.folder.stat().st_ino, self.copy, names)
            self.check(self.copy)
        self.busy = False

    def _state(self, number: int, names: dict[int, Names]) -> object:
        if number not in names:
            return self.content.get(number, b"")
        return tuple((name, self._state(below, names)) for name, below in sorted(names[number].items()))

    def _restore(self, number: int, path: Path, names: dict[int, Names]) -> None:
        if number in names:
            path.mkdir()
            for name, below in names[number].items():
                self._restore(below, path / name, names)
        else:
            path.write_bytes(self.content.get(number, b""))


@contextmanager
def failing(folder: Path, copy: Path, check: Callable[[Path], object]) -> Iterator[Disk]:
    """Let the power fail before and after every call, in the block, that syncs or changes names."""
    disk = Disk(folder.resolve(), copy, check)

    def before_and_after(call, synced: bool = False):
        def wrapped(*args, **more):
            if disk.busy:  # what the check itself does
                return call(*args, **more)
            disk.fail()
            result = call(*args, **more)
            if synced:
                disk.sync(args[0])
            disk.fail()
            return result

        return wrapped

    calls = [(os, "rename"), (os, "replace"), (os, "unlink"), (os, "rmdir"), (os, "mkdir"), (files, "_exchange")]
    with mock.patch.object(os, "fsync", before_and_after(os.fsync, synced=True)):
        patches = [mock.patch.object(module, name, before_and_after(getattr(module, name))) for module, name in calls]
        for patch in patches:
            patch.start()
        try:
            yield disk
            disk.fail()
        finally:
            for patch in patches:
                patch.stop()
            disk.close()
