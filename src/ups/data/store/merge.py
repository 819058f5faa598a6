"""One store from the stores of a data set's shards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

from ups.data.store.prepare import Item, PrepareReport, write_items
from ups.data.store.store import Store, StoreWriter
from ups.errors import DataError


def merge(shards: Sequence[Path | str], output: Path | str) -> PrepareReport:
    """Writes to `output` the store that `ups.data.store.prepare.prepare` makes of the whole data set, byte for byte.

    Args:
        shards: folders of the stores of all its shards, in any order.
        output: where the store will be; an old one is replaced.

    Raises:
        DataError: a shard is missing, given twice or of another data set, or is no store.
        OSError: the disk is full or can't be written. Nothing half-written is left behind, and an old store stays.
    """
    stores = sorted((Store.open(folder) for folder in shards), key=_shard)
    if not stores:
        raise DataError("nothing to merge; give the stores of all shards")
    first, found = stores[0], [_shard(store) for store in stores]
    total = found[0][1]
    if found != [(i, total) for i in range(1, total + 1)]:
        listed = ", ".join(f"{i}/{n}" for i, n in found)
        raise DataError(f"{first.name}: shards {listed} are given; each of 1/{total} to {total}/{total} is needed once")
    for store in stores:
        if _facts(store) != _facts(first):
            raise DataError(
                f"{store.folder} holds other data than {first.folder}; only shards of one set can be merged"
            )
    writer = StoreWriter(output, *_facts(first))
    sources = {str(store.origin.get("fingerprint", "")) for store in stores}
    made_from = sources.pop() if len(sources) == 1 else ""  # shards made on several machines: copies differ in time
    return replace(write_items(writer, _in_turn(stores), first.folder.parent, made_from), folder=Path(output))


def _shard(store: Store) -> tuple[int, int]:
    try:
        number, total = store.origin["shard"]
        return int(number), int(total)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{store.folder}: not a shard's store; prepare it with --shard") from error


def _facts(store: Store) -> tuple:
    s = store
    return s.name, s.skeleton, s.space, s.classes, s.protocols, s.terms, s.paired


def _in_turn(stores: list[Store]) -> Iterator[Item]:
    """What was read of the whole data set, in that order: the first of each shard, then the second of each..."""
    for items in zip_longest(*map(_items, stores)):
        yield from (item for item in items if item is not None)


def _items(store: Store) -> Iterator[Item]:
    """What was read of a shard: its clips, and its problems at their places."""
    problems = dict(zip(store.origin["problem_places"], store.problems, strict=True))
    clips = iter(range(len(store)))
    for place in range(len(store) + len(problems)):
        if place in problems:
            yield DataError(problems[place]), 0
        else:
            index = next(clips)
            yield (store[index], store.splits(index)), int(store.sources[index])
