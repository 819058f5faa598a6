"""Files and folders are whole or not there, whoever is killed, and nothing else is ever replaced."""

import os
import shutil
import stat
import subprocess
import sys

import pytest

from ups import files
from ups.errors import SettingError
from ups.files import alone, checksum, new_folder, put_back, sha256, write_whole

KIND = ("a thing", "mark.txt")


def make(folder, content: str) -> None:
    with new_folder(folder, *KIND) as part:
        (part / "mark.txt").write_text(content)


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_folder_takes_the_place_of_one_of_its_kind(tmp_path, monkeypatch, exchanges):
    if not exchanges:
        monkeypatch.setattr(files, "_exchange", lambda one, other: False)
    for content in ("one", "two"):
        make(tmp_path / "thing", content)
        assert (tmp_path / "thing" / "mark.txt").read_text() == content
    assert [p.name for p in tmp_path.iterdir()] == ["thing"]


def test_what_is_something_else_is_never_replaced(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    (tmp_path / "file").write_text("years of work")
    for name in ("thesis", "file"):
        with pytest.raises(SettingError, match=f"{name} exists and is not a thing; choose another folder or remove it"):
            make(tmp_path / name, "new")
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == (tmp_path / "file").read_text() == "years of work"
    (tmp_path / "empty").mkdir()
    make(tmp_path / "empty", "new")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "file", "thesis"]


def test_what_appears_meanwhile_is_not_replaced_either(tmp_path):
    with pytest.raises(SettingError, match="exists and is not a thing"):
        with new_folder(tmp_path / "thing", *KIND) as part:
            (part / "mark.txt").write_text("new")
            (tmp_path / "thing").write_text("another program's")
    assert (tmp_path / "thing").read_text() == "another program's"


def no_folders(path, flags, *more, real=os.open):
    """`os.open` of Windows, which opens no folder."""
    if os.path.isdir(path):
        raise PermissionError(13, "Permission denied", str(path))
    return real(path, flags, *more)


@pytest.mark.parametrize("lacking", ["locks", "opening folders", "syncing folders", "exchange", "flock on this drive"])
def test_systems_that_lack_something_write_all_the_same(tmp_path, monkeypatch, lacking):
    if lacking in ("locks", "opening folders"):  # Windows has neither
        monkeypatch.setattr(files, "fcntl", None)
    if lacking == "opening folders":
        monkeypatch.setattr(os, "open", no_folders)
        monkeypatch.setattr(shutil, "_use_fd_functions", False)  # as there
    if lacking == "syncing folders":
        real = os.fsync

        def fsync(handle):
            if stat.S_ISDIR(os.fstat(handle).st_mode):
                raise OSError(22, "Invalid argument")
            real(handle)

        monkeypatch.setattr(os, "fsync", fsync)
    if lacking == "exchange":
        monkeypatch.setattr(files.ctypes, "CDLL", lambda name: object())
    if lacking == "flock on this drive":
        monkeypatch.setattr(files.fcntl, "flock", lambda *_: (_ for _ in ()).throw(OSError(95, "not supported")))
    for content in ("one", "two"):
        make(tmp_path / "thing", content)
        write_whole(tmp_path / "file", content.encode())
        assert (tmp_path / "thing" / "mark.txt").read_text() == (tmp_path / "file").read_text() == content
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "thing"]


def test_a_file_that_cannot_be_synced_is_no_success(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    with pytest.raises(OSError, match="Input/output"):
        write_whole(tmp_path / "file", b"one")
    assert list(tmp_path.iterdir()) == []


def test_links_are_followed(tmp_path):
    make(tmp_path / "real", "one")
    (tmp_path / "link").symlink_to("real")
    make(tmp_path / "link", "two")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real" / "mark.txt").read_text() == "two"
    (tmp_path / "file").write_text("one")
    (tmp_path / "other").symlink_to("file")
    write_whole(tmp_path / "other", b"two")
    assert (tmp_path / "other").is_symlink() and (tmp_path / "file").read_text() == "two"


def test_a_failed_write_leaves_the_old_file(tmp_path):
    write_whole(tmp_path / "a" / "file", b"one")

    def fail(file) -> None:
        file.write(b"tw")
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        write_whole(tmp_path / "a" / "file", fail)
    assert (tmp_path / "a" / "file").read_bytes() == b"one" and len(list((tmp_path / "a").iterdir())) == 1


KILLED = """
import os, sys
from pathlib import Path
from ups.files import new_folder, write_whole
folder = Path(sys.argv[1])
if sys.argv[2] == "folder":
    with new_folder(folder / "thing", "a thing", "mark.txt") as part:
        (part / "mark.txt").write_text("half")
        os._exit(9)
write_whole(folder / "file", lambda file: os._exit(9))
"""


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_a_killed_writer_left_is_removed_by_the_next_one(tmp_path, kind):
    make(tmp_path / "thing", "one")
    write_whole(tmp_path / "file", b"one")
    assert subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), kind], env=os.environ).returncode == 9
    assert len(list(tmp_path.iterdir())) == 3  # the old ones, and what was left
    make(tmp_path / "thing", "two")
    write_whole(tmp_path / "file", b"two")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "thing"]


def test_a_second_writer_of_a_folder_is_refused_and_the_first_left_alone(tmp_path):
    with new_folder(tmp_path / "thing", *KIND) as part:
        (part / "mark.txt").write_text("first")
        with pytest.raises(SettingError, match="thing: another process is writing it"):
            make(tmp_path / "thing", "second")
        make(tmp_path / "thing.b", "another folder")
        write_whole(tmp_path / "thing.txt", b"a file")
        assert part.is_dir()
    assert (tmp_path / "thing" / "mark.txt").read_text() == "first"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["thing", "thing.b", "thing.txt"]


def test_one_process_at_a_time_is_alone_in_a_folder(tmp_path):
    with alone(tmp_path / "run"):
        with pytest.raises(SettingError, match="run: another process is writing there; wait for it"):
            with alone(tmp_path / "run"):
                pass
    with alone(tmp_path / "run"):
        assert list((tmp_path / "run").iterdir()) == []  # the lock is no file


STOPPED = """
import os, sys
from pathlib import Path
from ups import files
files._exchange = lambda one, other: False
rename = os.rename
def rename_and_die(a, b):
    rename(a, b)
    os._exit(9)
os.rename = rename_and_die
with files.new_folder(Path(sys.argv[1]) / "thing", "a thing", "mark.txt") as part:
    (part / "mark.txt").write_text("two")
"""


@pytest.mark.parametrize("how", ["read", "write"])
def test_what_was_moved_aside_is_put_back_where_names_are_not_exchanged(tmp_path, caplog, how):
    make(tmp_path / "thing", "one")
    assert subprocess.run([sys.executable, "-c", STOPPED, str(tmp_path)], env=os.environ).returncode == 9
    assert not (tmp_path / "thing").exists()
    if how == "read":
        put_back(tmp_path / "thing")
        assert (tmp_path / "thing" / "mark.txt").read_text() == "one"
        assert "the old one is back" in caplog.text
    else:
        with pytest.raises(KeyboardInterrupt), new_folder(tmp_path / "thing", *KIND):
            raise KeyboardInterrupt
        assert (tmp_path / "thing" / "mark.txt").read_text() == "one"
    make(tmp_path / "thing", "three")
    assert [p.name for p in tmp_path.iterdir()] == ["thing"]


def test_checksums_are_those_of_the_standards(tmp_path):
    (tmp_path / "a").write_bytes(b"123456789")
    assert checksum(tmp_path / "a") == "cbf43926"  # the check value of CRC-32
    assert sha256(tmp_path / "a").startswith("15e2b0d3c33891ebb0f1ef609ec41942")


def test_on_a_drive_without_locks_nobodys_part_is_removed(tmp_path, monkeypatch):
    if files.fcntl is None:
        pytest.skip("a system without such locks")

    def no_locks(*_: object) -> None:
        raise OSError("no locks available")

    monkeypatch.setattr(files.fcntl, "flock", no_locks)
    with new_folder(tmp_path / "thing", *KIND) as part:
        (part / "mark.txt").write_text("first")
        make(tmp_path / "thing", "second")
        assert (part / "mark.txt").read_text() == "first"
        with alone(tmp_path / "run"):
            write_whole(tmp_path / "file", b"a file")
    assert (tmp_path / "thing" / "mark.txt").read_text() == "first"  # who finishes last
