"""The check of many recordings: as they are prepared, and of a store before it is learned from."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ups.data.checks.clip import check_clip, first_names, with_detail
from ups.data.datasets.base import Clip, DataSet
from ups.data.store.store import Store
from ups.errors import DataError
from ups.pose import PoseSequence

log = logging.getLogger("ups")

SAMPLE = 60
"""Clips of a store that are checked before it is learned from."""


def checked(data_set: DataSet, force: bool = False) -> DataSet:
    """The data set, whose recordings are checked while they are read.

    What the check calls an error is that recording's problem, a DataError in its place, unless `force`; warnings are told
    when all have been read, alike ones together.
    """

    def read(source: Path) -> Iterator[Clip | DataError]:
        told = _Told()
        for item in data_set.read(source):
            if isinstance(item, DataError):
                yield item
                continue
            error = told.add(item[0], force)
            yield item if error is None else DataError(error)
        for line in told.lines():
            log.warning(line)

    return replace(data_set, read=read)


def check_before_training(store: Store, indices: np.ndarray, force: bool = False) -> None:
    """Checks up to `SAMPLE` of a store's clips and warns of what is found.

    Raises:
        DataError: the check finds an error in one of them, and not `force`.
    """
    some = indices[np.unique(np.linspace(0, len(indices) - 1, SAMPLE).astype(int))] if len(indices) else indices
    told = _Told()
    errors = [error for i in some.tolist() if (error := told.add(store[i], force, stored=True)) is not None]
    for line in told.lines():
        log.warning("%s: %s", store.name, line)
    if errors:
        raise DataError(f"{store.name}: {len(errors)} of {len(some)} clips looked at; the first: {errors[0]}")


class _Told:
    """Warnings of many clips."""

    def __init__(self) -> None:
        self.groups: dict[tuple[str, str], list[str]] = defaultdict(list)

    def add(self, clip: PoseSequence, force: bool, stored: bool = False) -> str | None:
        """What the check calls an error in the clip, as a line; the rest is kept. `stored` as in `check_clip`."""
        error = None
        for severity, what, remedy, detail in check_clip(clip, stored):
            if severity == "error" and not force:
                error = error or f"{clip.id}: {with_detail(what, detail)}; {remedy}, or --force"
            elif severity != "note":
                self.groups[what, remedy].append(clip.id)
        return error

    def lines(self) -> Iterator[str]:
        """A line for each kind of warning."""
        for (what, remedy), names in self.groups.items():
            count = f"{len(names)} recordings ({first_names(names)})" if len(names) > 1 else names[0]
            yield f"{count}: {what}; {remedy}"
