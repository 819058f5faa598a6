"""What a timeline is worth: overlap of segments, and the share of time that is told rightly.

A segment is (start, end, label): seconds, and the number of an action, >= 0; time that no segment covers shows none.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ups.errors import DataError

Span = tuple[float, float, int]
OVERLAPS = (0.1, 0.25, 0.5)
"""Intersections over union that segments are counted at."""


def segment_counts(predicted: Sequence[Span], truth: Sequence[Span], overlap: float) -> tuple[int, int, int]:
    """True positives, false positives and false negatives of one recording (Lea et al., CVPR 2017, segmental F1).

    A predicted segment is right where its intersection over union with a true one of its label, which no earlier segment has
    taken, is at least `overlap`.

    Raises:
        DataError: an overlap outside of (0, 1], a segment that ends before it starts.
    """
    if not 0 < overlap <= 1:
        raise DataError(f"an overlap of {overlap}; above 0 to 1 is needed")
    for start, end, _ in (*predicted, *truth):
        if end < start:
            raise DataError(f"a segment from {start:g} to {end:g} s ends before it starts")
    taken: set[int] = set()
    for start, end, label in predicted:
        best, which = 0.0, -1
        for i, (first, last, true) in enumerate(truth):
            if true == label and i not in taken:
                both, either = min(end, last) - max(start, first), max(end, last) - min(start, first)
                if either > 0 and both / either > best:
                    best, which = both / either, i
        if which >= 0 and best >= overlap:
            taken.add(which)
    return len(taken), len(predicted) - len(taken), len(truth) - len(taken)


def f1(counts: Sequence[tuple[int, int, int]]) -> float:
    """2 TP / (2 TP + FP + FN) of the counts of all recordings, 0..1; 1 where there is nothing to find and nothing found."""
    right, wrong, missed = np.sum(np.array(counts).reshape(-1, 3), axis=0)
    return float(2 * right / (2 * right + wrong + missed)) if right + wrong + missed else 1.0


def time_right(predicted: Sequence[Span], truth: Sequence[Span], duration: float) -> float:
    """The share of a recording's time in which the label, or that there is none, is right: "frame accuracy" at any rate.

    Raises:
        DataError: no duration.
    """
    if duration <= 0:
        raise DataError(f"a recording of {duration:g} s; a longer one is needed")
    edges = np.unique(np.clip([0, duration, *(t for s in (*predicted, *truth) for t in s[:2])], 0, duration))
    middle = (edges[:-1] + edges[1:]) / 2
    told, true = (np.full(len(middle), -1) for _ in range(2))
    for spans, labels in ((predicted, told), (truth, true)):
        for start, end, label in spans:
            labels[(start <= middle) & (middle < end)] = label
    return float(np.diff(edges)[told == true].sum() / duration)
