"""After a power failure at any moment, whatever was written stands there old or new, and whole."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from disk import failing
from kill.operations import OPERATIONS, TARGET, tree

from ups import files
from ups.files import write_whole

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux which file is open")


@pytest.mark.parametrize("name, exchanges", [("files", True), ("files", False), ("prepare", True)])
def test_old_or_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, exchanges: bool) -> None:
    check(tmp_path, monkeypatch, name, exchanges)


@pytest.mark.slow
@pytest.mark.parametrize("exchanges", [True, False])
@pytest.mark.parametrize("name", [name for name in OPERATIONS if name != "files"])
def test_old_or_new_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, exchanges: bool) -> None:
    check(tmp_path, monkeypatch, name, exchanges)


def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, exchanges: bool) -> None:
    if not exchanges:  # two renames, as where the system knows no exchange
        monkeypatch.setattr(files, "_exchange", lambda one, other: False)
    operation, base, spare = OPERATIONS[name], tmp_path / "base", tmp_path / "spare"
    base.mkdir()
    operation.prepare(base)
    shutil.copytree(base, spare)
    old = tree(base / TARGET)
    operation.run(base)  # in the same place, whose name some results hold
    new = tree(base / TARGET)
    shutil.rmtree(base)
    shutil.copytree(spare, base)
    assert old != new

    def whole(folder: Path) -> None:
        operation.whole(folder)
        now = {
            key: value for key, value in tree(folder / TARGET).items() if ".partial" not in key and ".old" not in key
        }
        if not operation.steps:
            assert all(value in (old.get(key), new.get(key)) for key, value in now.items())

    with failing(base, tmp_path / "after", whole) as disk:
        operation.run(base)
    print(f"{name}: {len(disk.states)} states of the disk")
    assert len(disk.states) > 4 and (operation.steps or tree(base / TARGET) == new)


def test_a_write_without_fsync_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test is worth something: it sees a writer that trusts the system."""
    write_whole(tmp_path / "a" / "file", b"old")
    monkeypatch.setattr(files.os, "fsync", lambda handle: None)

    def whole(folder: Path) -> None:
        assert (folder / "file").read_bytes() in (b"old", b"new")

    with pytest.raises(AssertionError), failing(tmp_path / "a", tmp_path / "after", whole):
        monkeypatch.setattr(os, "fsync", lambda handle: None)
        write_whole(tmp_path / "a" / "file", b"new")
