"""Test recordings that are, frame for frame, copies of training recordings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

import numpy as np


def copies(joints: Callable[[int], np.ndarray], train: Iterable[int], test: Iterable[int]) -> list[tuple[int, int]]:
    """(test clip, the first training clip it copies) for every test clip that has a copy, in the order of `test`.

    Two clips are copies if they have the same number of persons and the frames of the shorter are equal to the first
    frames of the longer, value for value.

    Args:
        joints: clip number -> (M, N, J, V).
        train, test: clip numbers.
    """
    by_start: dict[bytes, list[int]] = defaultdict(list)
    for i in train:
        by_start[joints(i)[:, 0].tobytes()].append(i)
    found = []
    for i in test:
        clip = joints(i)
        for j in by_start.get(clip[:, 0].tobytes(), ()):
            other = joints(j)
            n = min(clip.shape[1], other.shape[1])
            if np.array_equal(clip[:, :n], other[:, :n]):
                found.append((i, j))
                break
    return found
