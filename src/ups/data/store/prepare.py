"""From a data set's official files to a store, and what can be said of a store."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path

import numpy as np
from rich.console import Group
from rich.table import Table

from ups import __version__
from ups.data.datasets.base import WHOLE, Clip, DataSet, Shard, Source
from ups.data.datasets.registry import DATA_SETS
from ups.data.duplicates import copies
from ups.data.store.store import PARTS, Store, StoreWriter
from ups.pose import PoseError

SHORT = 5
"""Clips of fewer frames are reported."""

Item = tuple[Clip | PoseError, int]
"""What was read of a file, and what stands for the file in `Store.sources`."""


@dataclass(frozen=True)
class Report:
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


def prepare(name: str, source: Path | str, output: Path | str, shard: Shard = WHOLE, force: bool = False) -> Report:
    """Reads the data set `name` from the folder `source` and writes its store to `output`.

    A recording that can't be used is reported, in the result and in the store, and the rest is read on. A store that an
    earlier run made without problems from the same files (by name, size and time of change), shard and version of the
    package is left as it is; otherwise, of a data set with one recording a file, clips of files that are still the same
    are copied from it and the others are read. With `force` everything is read. Either way the store is the same, byte
    for byte. Stores of all shards of a data set are put together by `ups.data.store.merge.merge`.

    Raises:
        PoseError: unknown data set, not one usable recording, or `output` holds something other than a store.
        FileNotFoundError: `source` does not hold the data set.
        OSError: the disk is full or can't be written. Nothing half-written is left behind, and an old store stays.
    """
    if name not in DATA_SETS:
        raise PoseError(f"unknown data set {name!r}; known: {', '.join(DATA_SETS)}")
    data_set, source, output = DATA_SETS[name], Path(source), Path(output)
    made_from, old = fingerprint(data_set, source), None
    if made_from and not force:
        try:
            old = Store.open(output)
        except PoseError:  # none, or a damaged one
            pass
        if old and not old.problems and old.origin == _origin(made_from, shard, []):
            return Report(output, len(old), (), unchanged=True)
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
) -> Report:
    """`prepare` for a data set that need not be in the catalogue.

    `made_from` is the source's fingerprint, `old` an earlier store of the data set, from which clips may be copied.
    """
    d = data_set
    writer = StoreWriter(output, d.name, d.skeleton, d.space, d.classes, d.protocols, d.terms, d.paired)
    return replace(write_items(writer, _read(d, source, shard, old), source, made_from, shard), folder=Path(output))


def write_items(
    writer: StoreWriter, items: Iterable[Item], source: Path, made_from: str = "", shard: Shard = WHOLE
) -> Report:
    """Fills a store with what was read from `source`, problems included; raises as `prepare` does."""
    clips, places = 0, []
    with writer:
        writer.origin = _origin(made_from, shard, places)
        for place, (item, state) in enumerate(items):
            try:
                if isinstance(item, PoseError):
                    raise item
                writer.add(*item, state)
                clips += 1
            except PoseError as problem:
                writer.problems.append(str(problem))
                places.append(place)
        if not clips:
            first = f"; the first: {writer.problems[0]}" if writer.problems else ""
            failed = f"({len(writer.problems)} failed{first})"
            raise PoseError(f"{writer.name}: no recording in {source} could be read {failed}")
    return Report(writer.folder, clips, tuple(writer.problems))


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


def _state(data_set: DataSet, file: Source) -> int:
    """64 bits, never 0, that are the same only for the same package, data set, file and state of the file."""
    facts = json.dumps([data_set.name, __version__, file.name, file.state])
    return int.from_bytes(hashlib.sha256(facts.encode()).digest()[:8], "big") or 1


def info(store: Store) -> Group:
    """Facts of a store, printable with rich: what it is, its splits, its classes, its problems. Reads every clip."""
    lengths, fps = store.frames, np.unique(store.fps)
    subjects = np.unique(store.subjects[store.subjects >= 0])
    facts = Table("store", str(store.folder), title=store.name)
    for key, value in {
        "clips": f"{len(store)}, {int((store.persons * lengths.astype(np.int64)).sum())} poses",
        "skeleton, space": f"{store.skeleton.name} ({len(store.skeleton)} joints), {store.space}",
        "paired with 3D": "yes" if store.paired else "no",
        "frames a clip": f"{lengths.min()} to {lengths.max()}, median {np.median(lengths):g}",
        "frames a second": ", ".join(f"{value:g}" for value in fps),
        "persons": f"{store.persons.min()} to {store.persons.max()}",
        "subjects": f"{len(subjects)} ({', '.join(map(str, subjects))})" if len(subjects) else "unknown",
        "terms": store.terms or "unknown",
    }.items():
        facts.add_row(key, value)
    labels = [[store.labels[store.indices(protocol, part)] for part in PARTS] for protocol in store.protocols]
    classes = Table("class", "clips", *store.protocols, title=f"clips a class; of each protocol: {' / '.join(PARTS)}")
    for label, name in enumerate(store.classes):
        counts = (" / ".join(str(int((part == label).sum())) for part in parts) for parts in labels)
        classes.add_row(name, str(int((store.labels == label).sum())), *counts)
    classes.add_row("all", str(len(store)), *(" / ".join(str(len(part)) for part in parts) for parts in labels))
    problems = Table("problems", show_edge=False)
    for line in find_problems(store) or ["none"]:
        problems.add_row(line)
    return Group(facts, classes, problems)


def find_problems(store: Store) -> list[str]:
    """What a user should know before training, one line each: recordings that could not be read, clips of under SHORT
    frames, joints that are invisible throughout a clip, test clips that are copies of training clips. Reads every clip.
    """
    lines = list(store.problems)
    short = np.flatnonzero(store.frames < SHORT)
    if len(short):
        lines.append(f"{len(short)} clips have under {SHORT} frames: {_names(store, short)}")
    unseen: list[list[int]] = [[] for _ in store.skeleton.joints]
    for i in range(len(store)):
        for joint in np.flatnonzero(~store[i].visibility.any((0, 1))):
            unseen[joint].append(i)
    for joint, clips in zip(store.skeleton.joints, unseen, strict=True):
        if clips:
            lines.append(f"{joint} is never visible in {len(clips)} of {len(store)} clips: {_names(store, clips)}")
    for protocol in store.protocols:
        test = store.indices(protocol, "test")
        found = copies(lambda i: store[i].joints, store.indices(protocol, "train"), test)
        if found:
            names = _names(store, [i for i, _ in found])
            lines.append(f"{protocol}: {len(found)} of {len(test)} test clips are copies of training clips: {names}")
    return lines


def _names(store: Store, clips: Sequence[int] | np.ndarray, most: int = 3) -> str:
    return ", ".join(store.ids[i] for i in clips[:most]) + (", ..." if len(clips) > most else "")
