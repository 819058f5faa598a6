"""All parts, by the processes of this machine or of a cluster; what is there already is not done again."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path

from ups.bulk.part import Asked, failures_of, write_part
from ups.checkpoint.known_models import locate
from ups.errors import IncompleteError, SettingError
from ups.files import alone, sha256, write_whole

PLAN, FAILURES = "plan.json", "failures.csv"
TRIES = 3
"""How often a part is given to a process before it is given up."""
Done = tuple[int, int]
"""Recordings of a part that were answered, and that failed."""


@dataclass(frozen=True)
class Part:
    """Recordings that are answered together, and the file of their answers."""

    paths: list[str]
    target: Path


@dataclass(frozen=True)
class Summary:
    """What came of it: recordings answered, recordings that failed, parts that were there already."""

    answered: int
    failed: int
    kept: int


def run(
    asked: Asked,
    paths: list[str],
    output: Path,
    *,
    size: int = 64,
    processes: int | None = None,
    ray: str | None = None,
    told: Callable[[int, int], object] = lambda done, total: None,
) -> Summary:
    """Answer about all recordings: OUTPUT/part-00000.parquet and so on, OUTPUT/failures.csv.

    Args:
        asked: the question.
        paths: the recordings.
        output: folder; if it holds parts of the same question about the same recordings, they are kept.
        size: recordings of a part.
        processes: of this machine; one a core where None.
        ray: "local", or the address of a Ray cluster, whose processes do it instead.
        told: is called with the number of recordings that are done, and of all.

    Raises:
        SettingError: the folder holds the answers of another question, or another process is at work there.
        IncompleteError: parts that could not be done; what was done is kept.
    """
    parts = [
        Part(paths[start : start + size], output / f"part-{start // size:05}.parquet")
        for start in range(0, len(paths), size)
    ]
    with alone(output):
        _check_plan(asked, paths, output, size)
        open_parts = [part for part in parts if not part.target.exists()]
        finished = sum(len(part.paths) for part in parts) - sum(len(part.paths) for part in open_parts)
        told(finished, len(paths))
        lost: list[str] = []
        work = _on_ray(asked, open_parts, ray) if ray else _here(asked, open_parts, processes or os.cpu_count() or 1)
        for part, why in work:
            if why:
                lost.append(f"{part.target.name} ({why})")
            finished += len(part.paths)
            told(finished, len(paths))
        failures = [failure for part in parts if part.target.exists() for failure in failures_of(part.target)]
        lines = io.StringIO()
        csv.writer(lines, lineterminator="\n").writerows([("recording", "error"), *failures])
        write_whole(output / FAILURES, lines.getvalue().encode("utf-8", "backslashreplace"))
    if lost:
        raise IncompleteError(f"{output}: {len(lost)} parts were not done, {lost[0]}; run it again to try them again")
    return Summary(len(paths) - len(failures), len(failures), len(parts) - len(open_parts))


def _check_plan(asked: Asked, paths: list[str], output: Path, size: int) -> None:
    """Write what is to be done, or compare it with what is written."""
    facts = locate(asked.model) / "model.json"  # it holds the checksum of the weights
    question = asdict(asked) | {"model": sha256(facts) if facts.is_file() else asked.model, "root": ""}
    plan = {
        "asked": json.loads(json.dumps(question)),
        "recordings": len(paths),
        "paths": hashlib.sha256("\n".join(paths).encode("utf-8", "surrogateescape")).hexdigest(),
        "size": size,
    }
    place = output / PLAN
    if place.is_file():
        try:
            there = json.loads(place.read_text(encoding="utf-8"))
        except ValueError:
            there = None
        if there != plan:
            other = [key for key in plan if not isinstance(there, dict) or there.get(key) != plan[key]]
            raise SettingError(
                f"{output}: holds answers of another run (other {', '.join(other)}); choose another folder, or empty it"
            )
    elif any(output.glob("part-*.parquet")):
        raise SettingError(f"{output}: holds parts of nobody knows what; choose another folder")
    write_whole(place, json.dumps(plan, indent=1).encode())


def _here(asked: Asked, parts: list[Part], processes: int) -> Iterator[tuple[Part, str]]:
    """(part, why it was not done) as they end, by processes of this machine, one that dies is replaced; one process is
    this one.
    """
    if processes == 1:
        for part in parts:
            write_part(asked, part.paths, str(part.target))
            yield part, ""
        return
    tries = dict.fromkeys((part.target for part in parts), 0)
    left = deque(parts)
    while left:
        suspect = tries[left[0].target] > 0  # which of several parts had its process die is found out alone
        width = 1 if suspect else processes
        given: dict[Future[Done], Part] = {}
        with ProcessPoolExecutor(min(width, len(left)), multiprocessing.get_context("spawn")) as pool:
            try:
                while given or (left and (tries[left[0].target] > 0) == suspect):
                    while left and len(given) < width and (tries[left[0].target] > 0) == suspect:
                        given[pool.submit(write_part, asked, left[0].paths, str(left[0].target))] = left[0]
                        left.popleft()
                    for future in wait(given, return_when=FIRST_COMPLETED).done:
                        why = _outcome(future)
                        yield given.pop(future), why
            except BrokenProcessPool:
                for part in reversed(given.values()):
                    tries[part.target] += 1
                    if tries[part.target] < TRIES:
                        left.appendleft(part)
                    else:
                        yield part, "its process died"


def _outcome(future: Future[Done]) -> str:
    """Why a part was not done, "" where it was; raises BrokenProcessPool."""
    try:
        future.result()
    except BrokenProcessPool:
        raise
    except OSError as error:
        return str(error)
    return ""


def _on_ray(asked: Asked, parts: list[Part], address: str) -> Iterator[tuple[Part, str]]:
    """(part, why it was not done) as they end, by the processes of a Ray cluster, which see the same files. Ray gives
    the part of a process that died to another one.
    """
    import ray  # pyright: ignore[reportMissingImports]
    from ray.exceptions import RayError  # pyright: ignore[reportMissingImports]

    if not parts:
        return
    ours = not ray.is_initialized()
    if ours:
        ray.init(address=None if address == "local" else address, log_to_driver=False, include_dashboard=False)
    try:
        remote = ray.remote(num_cpus=1, max_retries=TRIES)(write_part)
        target = {remote.remote(asked, part.paths, str(part.target.resolve())): part for part in parts}
        waiting = list(target)
        while waiting:
            (done,), waiting = ray.wait(waiting, num_returns=1)
            try:
                ray.get(done)
                yield target[done], ""
            except RayError as error:
                yield target[done], str(error).strip().split("\n")[-1][:200]
    finally:
        if ours:
            ray.shutdown()
