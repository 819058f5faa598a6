"""Kills writers at every system call that renames, syncs, writes, links or unlinks something of theirs.

`make kill` (`python -m kill.run`, in tests/) prints a table; names of operations choose some. strace counts the calls of
an undisturbed run, then stops another one at each of them: SIGKILL arrives before the call does anything. After each
kill what stands at the target has to be whole, old or new, and inputs untouched; then the same work is done again, which
has to give what the undisturbed run gave and to leave nothing else behind.
"""

from __future__ import annotations

import importlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from kill.operations import INPUTS, OPERATIONS, TARGET, Operation, tree

CALLS = (
    "write", "writev", "pwrite64", "pwritev", "rename", "renameat", "renameat2", "fsync", "fdatasync", "ftruncate",
    "fallocate", "link", "linkat", "symlinkat", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir", "chmod", "fchmodat",
    "openat",
)  # fmt: skip
_CALL = re.compile(r"^(\d+) +(\w+)\((.*)")


@dataclass
class Result:
    """What became of the kills of one operation; faults are listed by their point."""

    points: int = 0
    killed: int = 0
    old: int = 0
    new: int = 0
    lost: list[str] = field(default_factory=list)
    half: list[str] = field(default_factory=list)
    restarted: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        return [*self.lost, *self.half, *self.restarted, *self.failed, *self.left]


def refusal() -> str | None:
    """Why nothing can be killed here; None if it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    done = subprocess.run(["strace", "-e", "trace=none", "true"], capture_output=True, text=True)
    return None if done.returncode == 0 else f"strace may not trace here: {done.stderr.strip()[:100]}"


def _run(operation: Operation, folder: Path, trace: tuple[str, ...] = ()) -> int:
    """Have the work done by a forked process, under strace where it is given options; the status it ended with."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(writer)
            os.read(reader, 1)  # until strace is there
            with (folder / "output").open("w") as output:
                os.dup2(output.fileno(), 1)
                os.dup2(output.fileno(), 2)
            try:
                operation.run(folder)
                status = 0
            except BaseException:
                traceback.print_exc()
            sys.stdout.flush()
        finally:
            os._exit(status)
    os.close(reader)
    tracer = None
    if trace:
        command = ["strace", "-f", "-y", "-s", "0", "-p", str(pid), "-o", str(folder / "trace"), *trace]
        tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert tracer.stderr is not None
        while "attached" not in (line := tracer.stderr.readline()):
            if not line:
                os.kill(pid, signal.SIGKILL)
                raise RuntimeError("strace ended")
    os.close(writer)
    _, status = os.waitpid(pid, 0)
    if tracer is not None:
        tracer.communicate()
    return status


def _points(folder: Path) -> list[tuple[str, int]]:
    """(call, how many-th of its thread) of all calls in the trace that are about the folder's INPUTS or TARGET."""
    counts: Counter[tuple[str, str]] = Counter()
    points: dict[tuple[str, int], None] = {}
    for line in (folder / "trace").read_text(errors="replace").splitlines():
        if match := _CALL.match(line):
            thread, call, rest = match.groups()
            counts[thread, call] += 1
            ours = f"{folder}/{TARGET}" in rest or f"{folder}/.{TARGET}" in rest or f"{folder}/{INPUTS}" in rest
            if ours and (call != "openat" or "O_CREAT" in rest):
                points[call, counts[thread, call]] = None
    return list(points)


def _import_all(operation: Operation, folder: Path) -> None:
    """Have what the work imports imported here, so that forked processes need not."""
    listing = folder.with_suffix(".modules")

    def run(folder: Path) -> None:
        operation.run(folder)
        listing.write_text("\n".join(sys.modules))

    copy = folder.with_suffix(".first")
    shutil.copytree(folder, copy)
    status = _run(Operation(operation.prepare, run, operation.whole), copy)
    if status:
        raise RuntimeError(f"it fails without any kill: {(copy / 'output').read_text()[-2000:]}")
    for name in listing.read_text().splitlines():
        with suppress(Exception):
            importlib.import_module(name)


def kill(name: str, most: int | None = None) -> Result:
    """Kill an operation at each of its points, or at `most` of them, evenly chosen."""
    operation, result = OPERATIONS[name], Result()
    with tempfile.TemporaryDirectory() as place:
        base = Path(os.path.realpath(place)) / "base"
        base.mkdir()
        operation.prepare(base)
        _import_all(operation, base)
        work = base.with_name("work")
        shutil.copytree(base, work)
        if _run(operation, work, ("-e", f"trace={','.join(f'?{call}' for call in CALLS)}")):
            raise RuntimeError(f"it fails under strace: {(work / 'output').read_text()[-2000:]}")
        operation.whole(work)
        points, old, new, inputs = _points(work), tree(base / TARGET), tree(work / TARGET), tree(base / INPUTS)
        entries = sorted(path.name for path in work.iterdir() if path.name != "trace")
        result.points = len(points)
        for call, number in points[:: max(1, -(-len(points) // (most or len(points))))]:
            shutil.rmtree(work)
            shutil.copytree(base, work)
            status = _run(operation, work, ("-e", f"inject={call}:signal=KILL:when={number}", "-e", f"trace={call}"))
            if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
                continue  # a thread was late or early: the point was not met
            result.killed += 1
            _judge(operation, work, f"{name}, {call} {number}", result, (old, new, inputs, entries))
    return result


def _judge(operation: Operation, work: Path, point: str, result: Result, expected: tuple) -> None:
    old, new, inputs, entries = expected
    try:
        before = operation.whole(work)
    except BaseException as error:
        missing = not (work / TARGET).exists() or not tree(work / TARGET)
        (result.lost if missing else result.half).append(f"{point}: {type(error).__name__}: {str(error)[:200]}")
        before = None
    now = {name: digest for name, digest in tree(work / TARGET).items() if not _temporary(name)}
    mixed = {name for name, digest in now.items() if digest not in (old.get(name), new.get(name))}
    if not operation.steps and mixed:
        result.half.append(f"{point}: {sorted(mixed)[:3]} are neither the old ones nor the new ones")
    result.old += now == old
    result.new += now != old
    if tree(work / INPUTS) != inputs:
        result.lost.append(f"{point}: inputs have changed")
    log = work / TARGET / "log.jsonl"
    kept = log.read_bytes() if operation.steps else b""
    if status := _run(operation, work):
        result.failed.append(f"{point}: the next run ends with {status}: {(work / 'output').read_text()[-300:]}")
        return
    try:
        after = operation.whole(work)
    except BaseException as error:
        result.failed.append(f"{point}: after the next run: {type(error).__name__}: {str(error)[:200]}")
        return
    if operation.steps:
        if not log.read_bytes().startswith(b"".join(kept.splitlines(True)[:1])) or not before or before > after:
            result.restarted.append(f"{point}: from step {before} to {after}")
        same = [name for name in new if name.startswith("checkpoint/")]
    else:
        same = list(new)
    final = tree(work / TARGET)
    if differ := [name for name in same if final.get(name) != new[name]]:
        result.failed.append(f"{point}: the next run gives other {differ[:3]}")
    strange = [path.name for path in work.iterdir() if path.name not in (*entries, "trace")]
    strange += [name for name in final if name not in new and not (operation.steps and name.startswith("tensorboard/"))]
    if strange or any(_temporary(str(path.relative_to(work))) for path in work.rglob("*")):
        result.left.append(f"{point}: {strange[:3]}")


def _temporary(name: str) -> bool:
    return bool(re.search(r"\.[0-9a-f]{12}\.(partial|old)", name))


def main(names: list[str]) -> int:
    """Prints a line for every operation; 1 if there was any fault."""
    if reason := refusal():
        print(f"nothing is killed: {reason}")
        return 0
    head = ("operation", "points", "killed", "old", "new", "lost", "half", "restarted", "failed", "left over", "time")
    print(("{:10}" + "{:>10}" * 10).format(*head), flush=True)
    faults = []
    for name in names or OPERATIONS:
        start = time.monotonic()
        r = kill(name)
        lists = (r.lost, r.half, r.restarted, r.failed, r.left)
        numbers = (r.points, r.killed, r.old, r.new, *map(len, lists))
        print(("{:10}" + "{:10}" * 9 + "{:8.0f} s").format(name, *numbers, time.monotonic() - start), flush=True)
        faults += r.faults
    print("\n".join(faults[:50]))
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
