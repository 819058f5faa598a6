"""One thread computes for everybody: what waits for the same question is computed together."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

Work = Callable[[list[Any]], list[Any]]
"""Items in, a result for each out."""


@dataclass
class _Job:
    key: Hashable
    work: Work
    item: Any
    future: Future[Any] = field(default_factory=Future)


class Batcher:
    """Runs work in a thread of its own, in the order in which it came.

    Args:
        most: items that are computed together, at most.
        told: is called with the number of items of every batch.
    """

    def __init__(self, most: int, told: Callable[[int], object] = lambda count: None) -> None:
        self._most, self._told = most, told
        self._jobs: deque[_Job] = deque()
        self._there = threading.Condition()
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="ups-model", daemon=True)
        self._thread.start()

    def submit(self, key: Hashable, work: Work, item: Any) -> Future[Any]:
        """Have `work` done for `item`, together with others that were given with the same key, which is to mean that
        their works are alike; with None alone.

        Raises:
            RuntimeError: `close` was called.
        """
        job = _Job(key, work, item)
        with self._there:
            if self._ending:
                raise RuntimeError("the service is ending")
            self._jobs.append(job)
            self._there.notify()
        return job.future

    def __len__(self) -> int:
        return len(self._jobs)

    @property
    def alive(self) -> bool:
        """Whether the thread is at work."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Finish what was submitted, then end the thread."""
        with self._there:
            self._ending = True
            self._there.notify()
        self._thread.join()

    def _run(self) -> None:
        while batch := self._next():
            batch = [job for job in batch if job.future.set_running_or_notify_cancel()]
            if batch:
                self._told(len(batch))
                _do(batch)
            del batch  # what was done is not held on to while there is nothing to do

    def _next(self) -> list[_Job]:
        """The job that waits longest and those that go with it; none where the end has come."""
        with self._there:
            while not self._jobs and not self._ending:
                self._there.wait()
            if not self._jobs:
                return []
            first = self._jobs.popleft()
            batch = [first]
            if first.key is not None:
                batch += [job for job in self._jobs if job.key == first.key][: self._most - 1]
                taken = {id(job) for job in batch}
                self._jobs = deque(job for job in self._jobs if id(job) not in taken)
            return batch


def _do(batch: list[_Job]) -> None:
    """Give every job its result; where the batch as a whole fails, every job is tried alone."""
    try:
        results = batch[0].work([job.item for job in batch])
    except Exception as error:
        if len(batch) > 1:
            for job in batch:
                _do([job])
            return
        batch[0].future.set_exception(error)
        return
    for job, result in zip(batch, results, strict=True):
        job.future.set_result(result)
