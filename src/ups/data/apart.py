"""Recordings read by processes of their own, which are ended where a file takes too long, too much memory, or the process.

Such a process knows nothing of models, and starts in a moment: it is a fork of one that has imported the readers.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import signal
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ups.data.checks.clip import check_or_refuse
from ups.data.formats.safe_pickle import check_expansion
from ups.data.open_file import read_file
from ups.errors import DataError, SettingError, UpsError
from ups.pose import PoseSequence
from ups.seen import check_somebody

MEMBERS = 20_000
"""Files of a folder that comes as a .zip, at most."""
_RENEWED_AFTER = 500
"""Files that a process reads before another takes its place, so that nothing that a reader keeps can pile up."""


@dataclass(frozen=True)
class Source:
    """One recording to be read.

    Attributes:
        folder: that holds it, and what goes with it; it is the current folder meanwhile.
        name: of the file in the folder; a .zip is a folder's files.
        options: of `ups.data.open_file.read_file`; a joint map or skeleton may be the name of a file in the folder.
        force: take it even where the check finds an error.
    """

    folder: str
    name: str
    options: dict[str, Any] = field(default_factory=dict)
    force: bool = False


@dataclass(frozen=True)
class Read:
    """What was read: the recording, and lines about what is doubtful in it."""

    clip: PoseSequence
    told: tuple[str, ...]


def read(source: Source) -> Read:
    """Read and check a recording, with its folder as the current one, so that messages hold no place of this machine.

    Raises:
        DataError, SettingError, OSError: as `read_file` and the check do.
    """
    os.chdir(source.folder)
    path = Path(source.name)
    if path.suffix.lower() == ".zip":
        path = _unpacked(path)
    clip = read_file(path, **source.options)
    told = check_or_refuse(clip, path.name, source.force)
    check_somebody(clip.visibility, path.name)
    return Read(clip, tuple(told))


def _plain(error: BaseException, source: Source) -> str:
    if isinstance(error, MemoryError):
        return f"{source.name}: reading it takes too much memory; give a shorter recording"
    return str(error) or type(error).__name__


def _unpacked(path: Path) -> Path:
    """A folder with the files of a .zip, whatever folders they lie in there."""
    folder = path.with_suffix("")
    folder.mkdir()
    try:
        with zipfile.ZipFile(path) as bundle:
            infos = [info for info in bundle.infolist() if not info.is_dir()]
            if len(infos) > MEMBERS:
                raise DataError(f"{path}: {len(infos)} files; a folder of one recording has at most {MEMBERS:,}")
            check_expansion(infos, path)
            for info in infos:
                name = Path(info.filename.replace("\\", "/")).name
                if name and not name.startswith("."):
                    (folder / name).write_bytes(bundle.read(info))
    except DataError:
        raise
    except Exception as error:  # a damaged list of members can raise nearly anything
        raise DataError(f"{path}: no readable zip ({error}); it is to hold the files of one folder") from error
    return folder


class Readers:
    """Processes that read recordings; `read` may be called by as many threads at once.

    Args:
        count: processes.
        seconds: that a recording may take.
        memory_mb: megabytes that a process may map, the interpreter's own included; where the system can limit that.
        killed: is called when a process had to be ended.
        reader: reads a recording, in a process; a function of a module.
    """

    def __init__(
        self,
        count: int,
        seconds: float,
        memory_mb: int,
        killed: Callable[[], object] = lambda: None,
        reader: Callable[[Source], Read] = read,
    ) -> None:
        self.seconds, self._killed = seconds, killed
        self._idle: queue.Queue[_Process] = queue.Queue()
        self._all = [_Process(memory_mb, reader) for _ in range(count)]
        for process in self._all:
            process.start()
            self._idle.put(process)

    def read(self, source: Source) -> Read:
        """The recording; waits for a process that is free.

        Raises:
            DataError, SettingError: as `read_file` and the check do; it took too long; reading it ended the process.
        """
        process = self._idle.get()
        try:
            kind, answer = process.ask(source, self.seconds)
        except TimeoutError:
            self._renew(process)
            raise DataError(
                f"{source.name}: reading it takes over {self.seconds:g} s; give a shorter recording"
            ) from None
        except (OSError, EOFError):
            self._renew(process)
            raise DataError(f"{source.name}: reading it ended the reader; it is damaged, or too large") from None
        finally:
            if process.asked >= _RENEWED_AFTER:
                process.stop()
                process.start()
            self._idle.put(process)
        if kind == "read":
            return answer
        raise (SettingError if kind == "setting" else DataError)(answer)

    def close(self) -> None:
        """End the processes."""
        for process in self._all:
            process.stop()

    def _renew(self, process: _Process) -> None:
        process.stop()
        process.start()
        self._killed()


class _Process:
    """One process that reads; it ends with the one that started it, for its pipe does."""

    def __init__(self, memory_mb: int, reader: Callable[[Source], Read]) -> None:
        methods = multiprocessing.get_all_start_methods()
        self.context: Any = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
        if "forkserver" in methods:
            self.context.set_forkserver_preload([__name__])
        self.memory_mb, self.reader, self.asked = memory_mb, reader, 0

    def start(self) -> None:
        self.asked = 0
        self.pipe, other = self.context.Pipe()
        self.process = self.context.Process(target=_serve, args=(other, self.memory_mb, self.reader), daemon=True)
        self.process.start()
        other.close()

    def ask(self, source: Source, seconds: float) -> tuple[str, Any]:
        self.asked += 1
        self.pipe.send(source)
        if not self.pipe.poll(seconds):
            raise TimeoutError
        return self.pipe.recv()

    def stop(self) -> None:
        self.pipe.close()
        if self.process.pid is not None and hasattr(os, "killpg"):
            with contextlib.suppress(OSError):  # with what it has started; it leads a group unless it died at once
                if os.getpgid(self.process.pid) == self.process.pid:
                    os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.join()
        self.process.close()


def _serve(pipe: Connection, memory_mb: int, reader: Callable[[Source], Read]) -> None:
    """Read what comes through the pipe until it ends."""
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)  # of a terminal; the one who started it ends it
    if hasattr(os, "setsid"):
        os.setsid()
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (memory_mb << 20, most))
    while True:
        try:
            source = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            answer: tuple[str, Any] = "read", reader(source)
        except SettingError as error:
            answer = "setting", str(error)
        except (UpsError, OSError, MemoryError, RecursionError) as error:
            answer = "data", _plain(error, source)
        pipe.send(answer)
