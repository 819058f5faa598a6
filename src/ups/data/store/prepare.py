"""From a data set's official files to a store, and what can be said of a store."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path

from ups import __version__
from ups.data.datasets.base import WHOLE, Clip, DataSet, Shard, Source
from ups.data.datasets.registry import DATA_SETS
from ups.data.store.store import Store, StoreWriter
from ups.errors import DataError, did_you_mean
from ups.files import tidy

Item = tuple[Clip | DataError, int]
"""What was read of a file, and what stands for the file in `Store.sources`."""


@dataclass(frozen=True)
class PrepareReport:
    """What `prepare` did.

    Attributes:
        folder: the store.
        clips: recordings in it.
        problems: one line for each recording that could not be used, naming it and the reason.
        unchanged: the store was there already.
    """

    folder: Path
    clips: int
    problems: tuple[str, ...]
    unchanged: bool = False


def prepare(
    name: str, source: Path | str, output: Path | str, shard: Shard = WHOLE, force: bool = False
) -> PrepareReport:
    """Reads the data set `name` from the folder `source` and writes its store to `output`.

    A recording that can't be used is reported, in the result and in the store, and the rest is read on. A store that an
    earlier run made without problems from the same files (by name, size and time of change), shard and version of the
    package is left as it is, if its checksums are right; otherwise, of a data set with one recording a file, clips
    of files that are still the same are copied from it and the others are read. With `force` everything is read.
    Either way the store is the same, byte for byte. Stores of all shards of a data set are put together by
    `ups.data.store.merge.merge`.

    Raises:
        DataError: unknown data set, not one usable recording, or `output` holds something other than a store.
        FileNotFoundError: `source` does not hold the data set.
        OSError: the disk is full or can't be written. Nothing half-written is left behind, and an old store stays.
    """
    if name not in DATA_SETS:
        raise DataError(f"unknown data set {name!r}{did_you_mean(name, DATA_SETS)}; known: {', '.join(DATA_SETS)}")
    data_set, source, output = DATA_SETS[name], Path(source), Path(output)
    made_from, old = fingerprint(data_set, source), None
    if made_from and not force:
        try:
            old = Store.open(output)
            old.verify()
        except DataError:  # none, or a damaged one
            old = None
        if old and not old.checksums:  # what can't be checked is not passed on as if it had been
            old = None
        if old and not old.problems and old.origin == _origin(made_from, shard, []):
            tidy(output)
            return PrepareReport(output, len(old), (), unchanged=True)
    return write_store(data_set, source, output, shard, made_from, old)


def fingerprint(data_set: DataSet, source: Path) -> str:
    """The same for the same package, data set and files below `source`; "" where its files are unknown or absent."""
    if data_set.files is None:
        return ""
    source, files = Path(os.path.abspath(source)), []
    for top in [source] if source.is_file() else source.iterdir() if data_set.files and source.is_dir() else []:
        for path in top.rglob("*") if top.is_dir() else [top]:
            name = path.relative_to(source.parent).as_posix()
            wanted = path == source or any(fnmatchcase(name, pattern) for pattern in data_set.files)
            if wanted and path.is_file():
                files.append((name, path.stat().st_size, path.stat().st_mtime_ns))
    if data_set.files and not files:
        return ""
    return hashlib.sha256(json.dumps([data_set.name, __version__, sorted(files)]).encode()).hexdigest()


def _origin(made_from: str, shard: Shard, problem_places: list[int]) -> dict[str, object]:
    """`Store.origin`: the source's fingerprint; of a shard its number and the places of problems in what was read."""
    source: dict[str, object] = {"fingerprint": made_from} if made_from else {}
    return source if shard == WHOLE else {**source, "shard": list(shard), "problem_places": problem_places}


def write_store(
    data_set: DataSet,
    source: Path,
    output: Path,
    shard: Shard = WHOLE,
    made_from: str = "",
    old: Store | None = None,
) -> PrepareReport:
    """`prepare` for a data set that need not be in the catalogue.

    `made_from` is the source's fingerprint, `old` an earlier store of the data set, from which clips may be copied.
    """
    d = data_set
    writer = StoreWriter(output, d.name, d.skeleton, d.space, d.classes, d.protocols, d.terms, d.paired)
    return replace(write_items(writer, _read(d, source, shard, old), source, made_from, shard), folder=Path(output))


def write_items(
    writer: StoreWriter, items: Iterable[Item], source: Path, made_from: str = "", shard: Shard = WHOLE
) -> PrepareReport:
    """Fills a store with what was read from `source`, problems included; raises as `prepare` does."""
    clips, places = 0, []
    with writer:
        writer.origin = _origin(made_from, shard, places)
        for place, (item, state) in enumerate(items):
            try:
                if isinstance(item, DataError):
                    raise item
                writer.add(*item, state)
                clips += 1
            except DataError as problem:
                writer.problems.append(str(problem))
                places.append(place)
        if not clips:
            first = f"; the first: {writer.problems[0]}" if writer.problems else ""
            failed = f"({len(writer.problems)} failed{first})"
            raise DataError(f"{writer.name}: no recording in {source} could be read {failed}")
    return PrepareReport(writer.folder, clips, tuple(writer.problems))


def _read(d: DataSet, source: Path, shard: Shard, old: Store | None) -> Iterator[Item]:
    """A shard of a data set, as far as possible from a store of it."""
    first, step = shard[0] - 1, shard[1]
    if d.list_sources is None or d.read_sources is None:
        yield from ((item, 0) for item in islice(d.read(source), first, None, step))
        return
    files = d.list_sources(source)[first::step]
    states = [_state(d, file) for file in files]
    known = {} if old is None else {state: i for i, state in enumerate(old.sources.tolist())}
    fresh = d.read_sources([file for file, state in zip(files, states, strict=True) if state not in known])
    for state in states:
        if old is not None and state in known:
            index = known[state]
            yield (old[index], old.splits(index)), state
        else:
            yield next(fresh), state
    if old is not None:
        old.close()  # it is to be replaced


def _state(data_set: DataSet, file: Source) -> int:
    """64 bits, never 0, that are the same only for the same package, data set, file and state of the file."""
    facts = json.dumps([data_set.name, __version__, file.name, file.state])
    return int.from_bytes(hashlib.sha256(facts.encode()).digest()[:8], "big") or 1
