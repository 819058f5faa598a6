"""Processes that answer about many recordings with copies of one model, a thread each."""

from __future__ import annotations

import multiprocessing
import shutil
import sys
import tempfile
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from ups.errors import IncompleteError
from ups.pose import PoseSequence

PIECES = 4
"""Pieces of work for each process, so that none waits long for the slowest."""
_predictor: Any = None  # of a process of a crew


class Crew:
    """Processes that are started when they are first needed, and end with this object.

    Args:
        copy: writes the model to a folder where it must, and says how a process makes its predictor.
        workers: number of processes.
    """

    def __init__(self, copy: Callable[[Path], Callable[[], object]], workers: int) -> None:
        self.workers = workers
        folder = Path(tempfile.mkdtemp(prefix="ups-crew-"))
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(copy(folder),))
        self.close = weakref.finalize(self, _end, self._pool, folder)

    def answers(self, method: str, clips: list[PoseSequence], options: dict[str, Any]) -> list[Any]:
        """What `predictor.method(clips, **options)` gives, piece by piece.

        Raises:
            IncompleteError: a process died.
        """
        pieces = dealt([clip.frames * clip.persons for clip in clips], self.workers * PIECES)
        futures = [self._pool.submit(_answer, method, [clips[i] for i in piece], options) for piece in pieces]
        found: dict[int, Any] = {}
        try:
            for piece, future in zip(pieces, futures, strict=True):
                found |= dict(zip(piece, future.result(), strict=True))
        except BrokenProcessPool as error:
            raise IncompleteError(
                "a process that answers died; its message is above (is there memory for --workers copies of the model, and "
                "`if __name__ == '__main__':` in the program that asks?)"
            ) from error
        finally:
            for future in futures:
                future.cancel()
        return [found[i] for i in range(len(clips))]


def dealt(sizes: Sequence[float], pieces: int) -> list[list[int]]:
    """Numbers of things in so many pieces of about the same total size at most; neighbours in size stay together."""
    order = sorted(range(len(sizes)), key=lambda i: -sizes[i])
    share, found, held = sum(sizes) / pieces, [], 0.0
    for i in order:
        if not found or held + sizes[i] > share:
            found.append([])
            held = 0.0
        found[-1].append(i)
        held += sizes[i]
    return found


def _begin(make: Callable[[], object]) -> None:
    global _predictor
    _predictor = make()
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def _answer(method: str, clips: list[PoseSequence], options: dict[str, Any]) -> list[Any]:
    return getattr(_predictor, method)(clips, **options)


def _end(pool: ProcessPoolExecutor, folder: Path) -> None:
    pool.shutdown(wait=True, cancel_futures=True)
    shutil.rmtree(folder, ignore_errors=True)
