"""Has mutants read and counts what became of them.

`make fuzz` (`python -m fuzz.run 10000`, in tests/) reads that many of every kind and prints a table; names of kinds after
the number choose some. `2000-10000` reads those from number 2,000 on, so that a long run can be made in pieces. They are
read in a process of its own, so that a crash is seen, and another one goes on after the mutant that ended it.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from fuzz.kinds import KINDS
from fuzz.own import BASES, MODELS

SECONDS, MEGABYTES = 10, 1000
"""What one input may take: time of the processor, so that a busy machine makes no difference, and memory."""
PATIENCE = 120
"""Seconds after which a process that got no further is looked at; one that still did not is killed."""
SLOW = 10
"""Of a slow kind, one in so many is tried."""
_ROOM = 4 << 30
"""Bytes of address space of a reading process: what takes more is a MemoryError there, and no trouble elsewhere."""


@dataclass
class Result:
    """What became of the mutants of one kind; crashes, hangs and so on are listed by number."""

    read: int = 0
    refused: int = 0
    crashes: list[str] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)
    hangs: list[str] = field(default_factory=list)
    large: list[str] = field(default_factory=list)
    slowest: float = 0.0
    megabytes: float = 0.0

    @property
    def faults(self) -> list[str]:
        return [*self.crashes, *self.tracebacks, *self.hangs, *self.large]

    def add(self, other: Result) -> None:
        for key, value in asdict(other).items():
            old = getattr(self, key)
            setattr(self, key, max(old, value) if isinstance(value, float) else old + value)


class _Hang(BaseException):
    pass


def _ring(*_: object) -> None:
    raise _Hang


def mutant(kind: str, number: int) -> bytes | dict[str, bytes]:
    """The same for the same numbers, on every machine."""
    return KINDS[kind].make(random.Random(f"{kind} {number}"))


def put(content: bytes | dict[str, bytes], path: Path) -> None:
    """Write a file, or a folder of files, in the place of what is there."""
    shutil.rmtree(path.parent, ignore_errors=True)
    for name, part in content.items() if isinstance(content, dict) else [(".", content)]:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(part)
    if isinstance(content, dict):
        path.mkdir(parents=True, exist_ok=True)


def _read_all(kind: str, first: int, last: int, folder: Path) -> None:
    """Reads mutants one after another; `number` in the folder says which is being read, `result` what came of them."""
    from ups.errors import UpsError

    result, path = Result(), folder / "in" / KINDS[kind].name
    put(mutant(kind, first), path)
    (folder / "number").write_text(str(first))
    with suppress(BaseException):  # what is imported and built for all of them is not counted
        KINDS[kind].read(path)
    for number in range(first, last):
        (folder / "number").write_text(str(number))
        put(mutant(kind, number), path)
        start = time.process_time()
        try:
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            KINDS[kind].read(path)
            result.read += 1
        except (UpsError, OSError):
            result.refused += 1
        except _Hang:
            result.hangs.append(f"{number}: over {SECONDS} s")
        except BaseException as error:
            result.tracebacks.append(f"{number}: {type(error).__name__}: {str(error)[:80]!a}")
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        result.slowest = max(result.slowest, time.process_time() - start)
        peak = _peak()
        if peak > MEGABYTES >= result.megabytes:  # the peak never falls; the first to exceed it is named
            result.large.append(f"{number}: {peak:.0f} MB")
        result.megabytes = peak
        (folder / "result").write_text(json.dumps(asdict(result)))


def _forget_peak() -> None:
    """A process begins with the peak of the one that started it; Linux can be told to forget that."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak() -> float:
    """Megabytes of memory that this process held at most."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def _child(folder: Path) -> None:
    """Reads what `todo` in the folder lists, kind by kind, each in a folder of its own."""
    _forget_peak()
    resource.setrlimit(resource.RLIMIT_AS, (_ROOM, _ROOM))
    signal.signal(signal.SIGPROF, _ring)
    for kind, first, last in json.loads((folder / "todo").read_text()):
        place = folder / kind
        place.mkdir(exist_ok=True)
        _read_all(kind, first, last, place)


def fuzz(kinds: Sequence[str], count: int, first: int = 0) -> dict[str, Result]:
    """`count` mutants of each kind from number `first` on, read by another process, and by one more after each that
    ends it.
    """
    results = {kind: Result() for kind in kinds}
    todo = [(kind, first, first + count) for kind in kinds]
    with tempfile.TemporaryDirectory() as bases:
        environment = {**os.environ, BASES: os.environ.get(BASES, bases)}
        environment["PYTHONPATH"] = os.pathsep.join([*sys.path, str(Path(__file__).parents[1])])
        for kind in {MODELS[kind] for kind in kinds if kind in MODELS}:
            if not (folder := Path(environment[BASES], kind)).exists():
                command = [sys.executable, "-m", "fuzz.own", kind, str(folder)]
                subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
        while todo:
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                (folder / "todo").write_text(json.dumps(todo))
                ended, message = _watch(folder, environment)
                left = []
                for kind, start, last in todo:
                    if (folder / kind / "result").is_file():
                        results[kind].add(Result(**json.loads((folder / kind / "result").read_text())))
                    if ended == 0 or left:
                        left += [] if ended == 0 else [(kind, start, last)]
                        continue
                    at = _number(folder / kind)
                    if at is None or (folder / _next(todo, kind)).is_dir():
                        continue
                    fault = f"{at}: ended with {ended} {(message.splitlines() or [''])[-1][:200]}"
                    (results[kind].hangs if ended == -signal.SIGKILL else results[kind].crashes).append(fault)
                    left.append((kind, at + 1, last))
                if ended and not left:
                    raise RuntimeError(f"the process that reads mutants does not start: {message}")
                todo = [part for part in left if part[1] < part[2]]
    return results


def _next(todo: Sequence[tuple[str, int, int]], kind: str) -> str:
    names = [name for name, _, _ in todo]
    return names[names.index(kind) + 1] if names[-1] != kind else "none"


def _number(folder: Path) -> int | None:
    try:
        return int((folder / "number").read_text())
    except (OSError, ValueError):
        return None


def _watch(folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    """The exit code and last words of a reading process; one that gets no further, timer or not, is killed."""
    command = [sys.executable, "-m", "fuzz.run", "read", str(folder)]
    with (folder / "errors").open("w+") as errors:
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, env=environment)
        seen = None
        while child.poll() is None:
            try:
                child.wait(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                now = [_number(place) for place in sorted(folder.iterdir()) if place.is_dir()]
                if now and now == seen:
                    child.kill()
                seen = now
        errors.seek(0)
        return child.returncode, errors.read()[-2000:]


def main(numbers: str, kinds: Sequence[str]) -> int:
    """Prints a line for every kind; 1 if there was any fault. Numbers are `10000`, from 0 on, or `2000-10000`."""
    start, _, end = numbers.rpartition("-")
    head = ("kind", "mutants", "read", "refused", "crashes", "tracebacks", f">{SECONDS}s", f">{MEGABYTES}MB")
    print(("{:15}" + "{:>11}" * 7 + "{:>10}{:>8}").format(*head, "slowest", "peak"), flush=True)
    faults = []
    with tempfile.TemporaryDirectory() as bases:
        os.environ[BASES] = bases
        for kind in kinds or KINDS:
            first, last = (int(each or 0) // (SLOW if KINDS[kind].slow else 1) for each in (start, end))
            some = max(1, last - first)
            r = fuzz([kind], some, first)[kind]
            figures = (some, r.read, r.refused, *(len(x) for x in (r.crashes, r.tracebacks, r.hangs, r.large)))
            line = ("{:15}" + "{:11}" * 7 + "{:8.2f} s{:5.0f} MB").format(kind, *figures, r.slowest, r.megabytes)
            print(line, flush=True)
            faults += [f"{kind} {fault}" for fault in r.faults[:10]]
    print("\n".join(faults))
    return bool(faults)


if __name__ == "__main__":
    if sys.argv[1] == "read":
        _child(Path(sys.argv[2]))
    else:
        sys.exit(main(sys.argv[1], sys.argv[2:]))
