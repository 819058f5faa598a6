"""The parts of a recording in which one thing is done: the division that windows of several lengths speak for most.

A model is trained on clips of one action each, and knows a clip best whose ends are the action's. So every window, short
or long, is a proposal: from here to there this is done. The division chosen is the sequence of proposals, and of steps in
which nothing is known, whose probability is greatest (a semi-Markov model, solved by dynamic programming). Needs no
PyTorch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CHANGE = 0.5
"""What the beginning of an action costs, in nats of its probability at a step of `UNIT` seconds."""
DOUBT = 0.1
"""How much less an action is believed than that nothing is known, in nats at such a step."""
UNIT = 0.25
"""Seconds of a step for which these two were chosen, on recordings made of training clips (dev/LOG.md)."""
_LEAST = 1e-4
"""Nothing is less probable than this: a single window can't forbid an action."""


@dataclass(frozen=True)
class Proposals:
    """What W windows of one length tell.

    Attributes:
        first, stop: (W,) int, the steps that each window covers: from one to before the other.
        probabilities: (W, K) of the actions.
        unknown: (W,) that none of them is shown.
    """

    first: np.ndarray
    stop: np.ndarray
    probabilities: np.ndarray
    unknown: np.ndarray

    def within(self, first: int, stop: int) -> Proposals:
        """Those of which at least half lies in a stretch, cut to it and counted from its beginning."""
        low, high = np.maximum(self.first, first), np.minimum(self.stop, stop)
        kept = (high > low) & (2 * (high - low) >= self.stop - self.first)
        return Proposals(low[kept] - first, high[kept] - first, self.probabilities[kept], self.unknown[kept])


def divided(
    steps: int, proposals: Sequence[Proposals], unknown: np.ndarray, step_s: float
) -> list[tuple[int, int, int, float]]:
    """First step, one past the last, number of the action (K = nothing known) and its probability, of each part in order.

    Args:
        steps: number of steps to divide.
        proposals: of windows of each length.
        unknown: (steps,) the probability that nothing is known.
        step_s: seconds of a step.
    """
    classes = proposals[0].probabilities.shape[1]
    by_stop: dict[int, list[tuple[int, np.ndarray]]] = defaultdict(list)
    for some in proposals:
        sure = some.probabilities * (1 - some.unknown[:, None])
        worth = (np.log(np.maximum(sure, _LEAST)) - DOUBT) * (some.stop - some.first)[:, None] * (step_s / UNIT)
        for first, stop, value in zip(some.first.tolist(), some.stop.tolist(), worth, strict=True):
            by_stop[stop].append((first, value))
    nothing = np.log(np.clip(unknown, _LEAST, 1)) * (step_s / UNIT)
    best = np.full((steps + 1, classes + 1), -np.inf)  # of what ends at a step with an action
    best[0, classes] = 0
    begins = np.zeros(best.shape, int)
    before = np.full(best.shape, classes)
    everything = np.arange(classes + 1)
    for stop in range(1, steps + 1):
        for first, value in [(stop - 1, None), *by_stop[stop]]:
            so_far = best[first]
            top = int(so_far.argmax())
            goes_on = so_far >= so_far[top] - CHANGE
            reached = np.where(goes_on, so_far, so_far[top] - CHANGE)
            came = np.where(goes_on, everything, top)
            if value is None:
                reached[:classes], reached[classes], came[classes] = -np.inf, so_far[top] + nothing[first], top
            else:
                reached[:classes] += value
                reached[classes] = -np.inf
            better = reached > best[stop]
            best[stop] = np.where(better, reached, best[stop])
            begins[stop], before[stop] = np.where(better, first, begins[stop]), np.where(better, came, before[stop])
    return _joined(_path(best, begins, before), proposals, unknown)


def _path(best: np.ndarray, begins: np.ndarray, before: np.ndarray) -> list[tuple[int, int, int]]:
    """The best sequence of proposals and steps, each as first, stop, action."""
    stop, action = len(best) - 1, int(best[-1].argmax())
    found = []
    while stop > 0:
        first = int(begins[stop, action])
        found.append((first, stop, action))
        stop, action = first, int(before[stop, action])
    return found[::-1]


def _joined(
    path: list[tuple[int, int, int]], proposals: Sequence[Proposals], unknown: np.ndarray
) -> list[tuple[int, int, int, float]]:
    """Neighbours of one action as one part; its probability is their mean, each counting as long as it lasts."""
    told = {
        (first, stop): some.probabilities[i] * (1 - some.unknown[i])
        for some in proposals
        for i, (first, stop) in enumerate(zip(some.first.tolist(), some.stop.tolist(), strict=True))
    }
    found: list[tuple[int, int, int, float]] = []
    for first, stop, action in path:
        nothing = action == proposals[0].probabilities.shape[1]
        sure = float(unknown[first:stop].mean() if nothing else told[first, stop][action])
        if found and found[-1][2] == action:
            start, _, _, other = found.pop()
            sure = (sure * (stop - first) + other * (first - start)) / (stop - start)
            first = start
        found.append((first, stop, action, sure))
    return found
