"""The division of a recording: the best of all that there are, by trying them all."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from ups.tasks.segments import CHANGE, DOUBT, UNIT, Proposals, divided


def drawn(rng: np.random.Generator, steps: int, lengths: tuple[int, ...], classes: int) -> list[Proposals]:
    """Windows of these lengths, one at every step, that tell anything."""
    found = []
    for length in lengths:
        first = np.arange(steps - length + 1)
        sure = rng.dirichlet(np.full(classes, 0.4), len(first))
        found.append(Proposals(first, first + length, sure, rng.random(len(first)) ** 2))
    return found


def best_of_all(steps: int, proposals: list[Proposals], unknown: np.ndarray, step_s: float) -> float:
    """The greatest worth of a division: every chain of proposals and of steps in which nothing is known."""
    size, classes = step_s / UNIT, proposals[0].probabilities.shape[1]

    def go(at: int, doing: int) -> float:
        if at == steps:
            return 0.0
        best = size * np.log(unknown[at]) + go(at + 1, classes)
        for some in proposals:
            for i in np.flatnonzero(some.first == at):
                length = int(some.stop[i] - some.first[i])
                for action in range(classes):
                    sure = np.log(some.probabilities[i, action] * (1 - some.unknown[i])) - DOUBT
                    rest = go(int(some.stop[i]), action)
                    best = max(best, length * size * sure - CHANGE * (action != doing) + rest)
        return best

    return go(0, classes)


def worth(parts, proposals: list[Proposals], unknown: np.ndarray, step_s: float) -> float:
    """The greatest worth of the chains that make this very division."""
    size, classes, total = step_s / UNIT, proposals[0].probabilities.shape[1], 0.0
    for first, stop, action, _ in parts:
        if action == classes:
            total += size * np.log(unknown[first:stop]).sum()
            continue
        best = {first: 0.0}
        for at in range(first, stop):
            for some in proposals:
                for i in np.flatnonzero(some.first == at):
                    end = int(some.stop[i])
                    sure = np.log(some.probabilities[i, action] * (1 - some.unknown[i])) - DOUBT
                    if at in best and end <= stop:
                        best[end] = max(best.get(end, -np.inf), best[at] + (end - at) * size * sure)
        total += best[stop] - CHANGE
    return total


@pytest.mark.parametrize("step_s", [0.1, 0.25, 0.6])
@pytest.mark.parametrize("seed", range(6))
def test_no_division_is_better(seed, step_s):
    rng = np.random.default_rng(seed)
    proposals, unknown = drawn(rng, 7, (1, 2, 3), 2), rng.uniform(0.05, 0.9, 7)
    found = divided(7, proposals, unknown, step_s)
    assert found[0][0] == 0 and found[-1][1] == 7
    assert all(a[1] == b[0] and a[2] != b[2] for a, b in pairwise(found))
    assert worth(found, proposals, unknown, step_s) == pytest.approx(best_of_all(7, proposals, unknown, step_s))


def test_the_window_that_ends_where_the_action_ends_is_believed():
    first = np.arange(0, 9)
    short = Proposals(first, first + 4, np.tile([0.6, 0.4], (9, 1)), np.full(9, 0.5))
    long = Proposals(np.array([2]), np.array([10]), np.array([[0.05, 0.95]]), np.array([0.02]))
    doubt = np.full(12, 0.6)
    assert divided(12, [short], doubt, 0.25) == [(0, 12, 2, pytest.approx(0.6))]
    assert divided(12, [short, long], doubt, 0.25) == [
        (0, 2, 2, pytest.approx(0.6)), (2, 10, 1, pytest.approx(0.95 * 0.98)), (10, 12, 2, pytest.approx(0.6)),
    ]  # fmt: skip


def test_an_action_goes_on_without_another_beginning():
    first = np.arange(0, 40, 4)
    windows = Proposals(first, first + 4, np.tile([0.9, 0.1], (10, 1)), np.linspace(0.1, 0.2, 10))
    ((begin, end, action, sure),) = divided(40, [windows], np.full(40, 0.3), 0.25)
    assert (begin, end, action) == (0, 40, 0) and sure == pytest.approx(0.9 * 0.85)


def test_what_was_chosen_on_recordings_of_training_clips():
    assert (CHANGE, DOUBT, UNIT) == (0.5, 0.1, 0.25)


@pytest.mark.parametrize(("unknown", "known"), [(0.7, True), (0.75, False)])
def test_doubt_and_change_decide_between_an_action_and_nothing(unknown, known):
    windows = Proposals(np.array([0]), np.array([5]), np.array([[0.9, 0.1]]), np.array([0.0]))
    limit = np.exp(np.log(0.9) - DOUBT - CHANGE / 5)
    assert (unknown < limit) == known
    assert (divided(5, [windows], np.full(5, unknown), UNIT)[0][2] == 0) == known


def test_what_lies_outside_a_stretch_proposes_nothing_in_it():
    windows = Proposals(np.array([0, 2, 4, 6]), np.array([4, 6, 8, 10]), np.eye(4), np.zeros(4))
    inside = windows.within(3, 7)
    assert inside.first.tolist() == [0, 1] and inside.stop.tolist() == [3, 4]
    np.testing.assert_array_equal(inside.probabilities, np.eye(4)[1:3])
    assert len(windows.within(3, 3).first) == 0
    assert windows.within(7, 10).first.tolist() == [0]  # of the third window one step in four is left
    long = Proposals(np.array([0, 1]), np.array([5, 6]), np.eye(2), np.zeros(2))
    assert long.within(3, 9).stop.tolist() == [3]  # 2 of 5 and 3 of 5 steps
