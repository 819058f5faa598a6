"""Batches for training. Batch c of a task is a function of (seed, task, c) alone, so a resumed run sees the same ones."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from ups.batch import PERSONS, Batch
from ups.data.store.store import Store
from ups.errors import DataError, UpsError
from ups.pose import PoseSequence


class StoredClips(Sequence[PoseSequence]):
    """Clips of one store that are read when they are asked for; tasks that cut windows need not read them whole.

    Attributes:
        store: where they lie.
        indices: their numbers there.
    """

    def __init__(self, store: Store, indices: np.ndarray) -> None:
        self.store, self.indices = store, indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, i: int) -> PoseSequence:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self.store[int(self.indices[i])].keep_best(PERSONS)


MakeBatch = Callable[[Sequence[PoseSequence], tuple[str, ...], np.random.Generator], Batch]
"""(clips, class names of their data set, random generator) -> batch; a task's side of the loader."""


def balance(indices: np.ndarray, labels: np.ndarray, exponent: float) -> np.ndarray:
    """Clip numbers in which those of rare actions are repeated, round((most / its own clips) ** exponent) times."""
    if len(indices) == 0:
        return indices
    _, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    times = np.round((counts.max() / counts) ** exponent).astype(int)
    return np.repeat(indices, times[inverse])


def by_length(indices: np.ndarray, frames: np.ndarray, window: int) -> np.ndarray:
    """Clip numbers repeated in proportion to their clips' `frames`, once for each eighth of a window, at least once."""
    times = np.maximum(np.round(8 * frames / window), 1).astype(int)
    return np.repeat(indices, times)


def split_of(store: Store, protocol: str, split: str, hold_out: float, seed: int) -> np.ndarray:
    """Clip numbers of a split: "train", "validation" (held-out training subjects) or "test".

    `hold_out` is the share of training subjects (or of training clips, where subjects are unknown) that validation
    takes; the choice depends on the seed alone.
    """
    if split == "test":
        return store.indices(protocol, "test")
    train = store.indices(protocol, "train")
    subjects = store.subjects[train]
    groups = subjects if (subjects >= 0).all() and len(np.unique(subjects)) > 1 else train
    names = np.random.default_rng([seed, 7]).permutation(np.unique(groups))
    held = np.isin(groups, names[: math.ceil(hold_out * len(names))])
    return train[held] if split == "validation" else train[~held]


class BatchStream:
    """An endless, seekable stream of batches for one task over several data sets.

    Each batch holds clips of one data set, drawn by the data sets' shares; within a
    data set clips come in shuffled epochs.

    Args:
        stores: (store, clip numbers that may be drawn) of every data set.
        make: turns clips into a batch.
        batch: clips a batch.
        batches: how many batches there will be (fixes the schedule of data sets).
        seed: together with a batch's number it determines the batch.
        shares: relative share of the batches that each data set gets; empty = size ** (1 / temperature).
        temperature: of the mixture.

    Raises:
        DataError: a data set without clips to draw from; of a batch, whatever is wrong with it, and the names of its clips.
    """

    def __init__(
        self,
        stores: list[tuple[Store, np.ndarray]],
        make: MakeBatch,
        *,
        batch: int,
        batches: int,
        seed: int,
        temperature: float,
        shares: tuple[float, ...] = (),
    ) -> None:
        if shares and (len(shares) != len(stores) or not all(0 < share < math.inf for share in shares)):
            raise DataError(f"shares {shares} of {len(stores)} data sets; one positive number for each is needed")
        for store, indices in stores:
            if len(indices) == 0:
                raise DataError(f"data set {store.name!r} has no clip to train on; choose another protocol")
        self.stores, self.batch, self.make, self.seed = stores, batch, make, seed
        self._orders: dict[int, tuple[int, np.ndarray]] = {}
        sizes = np.array(shares or [len(indices) ** (1 / temperature) for _, indices in stores], float)
        self.schedule = np.random.default_rng([seed, 1]).choice(len(stores), size=batches, p=sizes / sizes.sum())
        before = [np.concatenate([[0], np.cumsum(self.schedule == i)]) for i in range(len(stores))]
        self.position = np.array([before[s][c] for c, s in enumerate(self.schedule)])

    def __len__(self) -> int:
        return len(self.schedule)

    def indices(self, number: int) -> tuple[int, np.ndarray]:
        """Which data set batch `number` comes from, and its clip numbers (batch)."""
        which = int(self.schedule[number])
        pool = self.stores[which][1]
        places = int(self.position[number]) * self.batch + np.arange(self.batch)
        order = {int(epoch): self._order(which, int(epoch)) for epoch in np.unique(places // len(pool))}
        return which, np.array([order[int(p // len(pool))][p % len(pool)] for p in places])

    def _order(self, which: int, epoch: int) -> np.ndarray:
        """The clip numbers of a data set, shuffled for an epoch; its last one is kept."""
        known, order = self._orders.get(which, (-1, None))
        if known != epoch or order is None:
            order = np.random.default_rng([self.seed, 2, which, epoch]).permutation(self.stores[which][1])
            self._orders[which] = epoch, order
        return order

    def __getitem__(self, number: int) -> Batch:
        which, indices = self.indices(number)
        store = self.stores[which][0]
        rng = np.random.default_rng([self.seed, 3, number])
        try:
            return self.make(StoredClips(store, indices), store.classes, rng)
        except Exception as error:
            names = [store.ids[int(i)] for i in indices]
            if isinstance(error, DataError) and any(name in str(error) for name in names):
                raise
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            what = str(error) if isinstance(error, UpsError) else f"{type(error).__name__}: {str(error)[:200]}"
            raise DataError(
                f"{store.name}: batch {number}, of clips {', '.join(names[:3])}{more}: {what}; look at them with `ups data check`"
            ) from error


def prefetch(
    streams: list[BatchStream], start: int, workers: int, accumulate: int = 1, process: int = 0, processes: int = 1
) -> Iterator[Batch]:
    """Batches of all streams in rotation, from turn `start` on, assembled ahead in threads.

    Each turn takes the next `accumulate` batches of one stream, of which this process yields its equal share, in order:
    with 1 stream 0's batch r, stream 1's batch r, ..., then round r + 1.
    """
    share = accumulate // processes
    turns = len(streams) * (len(streams[0]) // accumulate)

    def numbers() -> Iterator[tuple[BatchStream, int]]:
        for turn in range(start, turns):
            first = turn // len(streams) * accumulate + process * share
            yield from ((streams[turn % len(streams)], first + i) for i in range(share))

    if workers == 0:
        yield from (stream[number] for stream, number in numbers())
        return
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)  # the model's thread must not wait long for a turn to launch its next operation
    with ThreadPoolExecutor(workers, thread_name_prefix="batches") as pool:
        ahead: list[Future[Batch]] = []
        try:
            for stream, number in numbers():
                ahead.append(pool.submit(stream.__getitem__, number))
                if len(ahead) > 2 * workers + 1:
                    yield ahead.pop(0).result()
            while ahead:
                yield ahead.pop(0).result()
        finally:
            sys.setswitchinterval(before)
            for future in ahead:
                future.cancel()
