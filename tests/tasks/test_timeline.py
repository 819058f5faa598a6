"""Timelines: windows cover a recording, and the segments are what their answers say."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import random_clip

from ups.errors import SettingError
from ups.tasks.timeline import (
    LENGTHS,
    Segment,
    Timeline,
    Told,
    cuts_of,
    make_timeline,
    part,
    pooled_answer,
    somebody_in_steps,
    windows_of,
)

CLASSES = ("bow", "kick", "wave")


def timeline(
    best: list[int], sure: float = 0.95, unknown: float = 0.02, somebody: list[bool] | None = None
) -> Timeline:
    """Steps of half a second whose most probable class is given; -1: none of them is shown."""
    windows = windows_of(len(best) * 15, 30.0, 0.5, 0.5)
    table = np.full((len(best), len(CLASSES)), (1 - sure) / (len(CLASSES) - 1))
    doubt = np.full(len(best), unknown)
    for step, action in enumerate(best):
        if action < 0:
            table[step], doubt[step] = 1 / len(CLASSES), 0.95
        else:
            table[step, action] = sure
    there = np.ones(len(best), bool) if somebody is None else np.array(somebody)
    told = Told(windows, np.ones(len(best), bool), table, doubt[:, None])
    return make_timeline(CLASSES, [told], there)


@pytest.mark.parametrize("frames", [1, 2, 29, 60, 61, 300, 1001])
@pytest.mark.parametrize("fps", [8.0, 29.97, 240.0])
def test_windows_cover_every_frame_and_step(frames, fps):
    windows = windows_of(frames, fps)
    covered = np.zeros(frames, bool)
    for start in windows.starts:
        assert 0 <= start <= frames - windows.length
        covered[start : start + windows.length] = True
    assert covered.all() and windows.starts[0] == 0 and windows.starts[-1] == frames - windows.length
    assert (windows.steps - 1) * windows.step_s < frames / fps <= windows.steps * windows.step_s + 1e-6
    same = windows.pool(np.full((len(windows.starts), 2), 0.25), np.ones(len(windows.starts), bool))
    np.testing.assert_allclose(same, 0.25, atol=1e-6)


def test_windows_are_a_time_not_a_number_of_frames():
    slow, fast = windows_of(100, 10.0), windows_of(1000, 100.0)
    assert [10 * start for start in slow.starts[::2]] == list(fast.starts[::2])
    assert slow.steps == fast.steps and 10 * slow.length == fast.length
    for wrong in ((0.0, 0.25), (2.0, 0.0), (1.0, 2.0), (100.0, 1.0)):
        with pytest.raises(SettingError, match="windows of"):
            windows_of(100, 10.0, *wrong)


@pytest.mark.parametrize("frames", [1, 20, 60, 61, 900])
def test_windows_of_all_lengths_share_their_steps(frames):
    usual, *others = cuts_of(frames, 30.0)
    assert usual == windows_of(frames, 30.0)
    assert cuts_of(frames, 30.0, 2.0, 0.1)[0] == windows_of(frames, 30.0, 2.0, 0.1)
    lengths = [cut.length for cut in (usual, *others)]
    assert len(set(lengths)) == len(lengths) and max(lengths) <= frames
    if frames == 900:
        assert lengths == [60, *(round(60 * length) for length in LENGTHS)]
        assert [cut.starts[1] for cut in (usual, *others)] == [
            8,
            8,
            8,
            8,
            15,
            22,
        ]  # of long ones an eighth of the length
    for cut in others:
        assert (cut.steps, cut.step_s) == (usual.steps, usual.step_s)
        assert cut.starts[0] == 0 and cut.starts[-1] == frames - cut.length
    assert [60, 6] == [cuts_of(9000, 30.0, w, 1.0)[-1].length / 30.0 for w in (40.0, 6 / LENGTHS[-1])]


def test_proposals_cover_the_steps_of_their_windows():
    cut = cuts_of(310, 30.0)[2]  # 1.5 s; 10.33 s are 42 steps
    told = Told(cut, np.arange(len(cut.starts)) % 2 == 0, np.eye(len(cut.starts), 3), np.zeros((len(cut.starts), 1)))
    found = told.proposals(cut.steps)
    assert len(found.first) == len(found.stop) == (len(cut.starts) + 1) // 2
    assert found.stop.max() == cut.steps == 42 and found.first.min() == 0
    assert set((found.stop - found.first)[:-1].tolist()) == {6}
    np.testing.assert_allclose(found.first[:-1] * 0.25, np.array(cut.starts[::2])[:-1] / 30.0, atol=0.02)
    assert found.probabilities[1].argmax() == 2


def test_windows_share_the_recordings_memory():
    clip = random_clip(frames=200)
    windows = windows_of(clip.frames, clip.fps)
    for start, window in zip(windows.starts, windows.cut(clip), strict=True):
        assert np.shares_memory(window.joints, clip.joints[:, start : start + windows.length])
    assert part(clip, 3, 9).frames == 6


def test_what_windows_do_not_tell_is_not_told():
    windows = windows_of(300, 30.0)
    told = np.array([start < 90 for start in windows.starts])
    pooled = windows.pool(np.ones((len(told), 1)), told)
    last = np.flatnonzero(told).max()
    end = (windows.starts[last] + windows.length) / 30.0
    centres = (np.arange(windows.steps) + 0.5) * windows.step_s
    assert 0 < end < 10
    assert np.array_equal(np.isfinite(pooled[:, 0]), centres < end)


def test_segments_are_the_stretches_of_one_action():
    found = timeline([0] * 6 + [1] * 5 + [-1] * 4 + [1] * 5)
    told = [(s.start_s, s.end_s, s.action, s.why) for s in found.segments]
    assert told == [
        (0.0, 3.0, "bow", ""), (3.0, 5.5, "kick", ""), (5.5, 7.5, None, "unknown"), (7.5, 10.0, "kick", ""),
    ]  # fmt: skip
    assert found.duration_s == 10.0 and [s.action for s in found.actions] == ["bow", "kick", "kick"]
    assert found.segments[0].probability == pytest.approx(0.95 * 0.98, rel=1e-4)
    assert found.segments[2].probability == pytest.approx(0.95, rel=1e-4)
    assert found.at(5.5).action is None and found.at(5.49).action == "kick"
    with pytest.raises(SettingError, match="10 s"):
        found.at(10.0)


def test_one_doubtful_step_makes_no_segment():
    found = timeline([0, 0, 0, 2, 0, 0, 0], sure=0.4)
    assert [s.action for s in found.segments] == ["bow"]


def test_nobody_parts_what_is_done_before_and_after():
    found = timeline([0] * 8, somebody=[True] * 3 + [False] * 2 + [True] * 3)
    assert [(s.action, s.why) for s in found.segments] == [("bow", ""), (None, "nobody"), ("bow", "")]
    assert [(s.start_s, s.end_s) for s in found.segments] == [(0.0, 1.5), (1.5, 2.5), (2.5, 4.0)]
    assert found.segments[1].probability == 1 and np.isnan(found.probabilities[3]).all() and found.unknown[3] == 1
    alone = timeline([0] * 4, somebody=[False] * 4)
    assert [(s.start_s, s.end_s, s.why) for s in alone.segments] == [(0.0, 2.0, "nobody")]


def test_steps_in_which_somebody_is_seen():
    clip = random_clip(frames=60, persons=2)
    seen = clip.visibility.copy()
    seen[:, 20:50] = 0
    seen[1, 40, :4] = 1  # too little of a body
    assert somebody_in_steps(seen, windows_of(60, 30.0, 1.0, 0.5)).tolist() == [True, True, False, True]


def test_a_pooled_answer_counts_what_is_known():
    answer = pooled_answer(timeline([0] * 4 + [-1] * 20 + [1] * 2))
    assert answer.classes[0] == "bow" and sum(answer.probabilities) == pytest.approx(1)
    assert answer.probabilities[0] > 0.4 and answer.unknown is not None and answer.unknown < 0.5
    nothing = pooled_answer(timeline([-1] * 6))
    assert nothing.unknown == pytest.approx(0.95, rel=1e-4)


def test_json_holds_what_is_told():
    first, second = timeline([1] * 4 + [-1] * 4).to_dicts()
    assert first == {"start": 0.0, "end": 2.0, "action": "kick", "probability": pytest.approx(0.931)}
    assert second["action"] is None and second["why"] == "unknown"


def test_of_windows_that_cover_a_step_the_nearest_count_most():
    windows = windows_of(80, 40.0, 1.0, 0.25)  # begin at 0, 0.25, ... 1 s
    values = 10.0 ** np.arange(5)[:, None]
    pooled = windows.pool(values, np.ones(5, bool))[:, 0]
    for step, centre in enumerate(np.arange(8) * 0.25 + 0.125):
        away = np.abs(centre - np.array([0.5, 0.75, 1.0, 1.25, 1.5]))
        near = np.where(away <= 0.5, 1.05 - away / 0.5, 0)
        assert pooled[step] == pytest.approx((near @ values[:, 0]) / sum(near), rel=1e-5)


def test_a_pooled_answer_is_the_mean_by_what_is_known_of_each_step():
    found = timeline([0, 1, -1], sure=0.8, unknown=0.1)
    weight = np.array([0.9, 0.9, 0.05])
    mean = weight @ found.probabilities / weight.sum()
    answer = pooled_answer(found)
    assert answer.probabilities == pytest.approx(sorted(mean, reverse=True), rel=1e-5)
    speaks = weight * found.probabilities[:, mean.argmax()]
    assert answer.unknown == pytest.approx(speaks @ found.unknown / speaks.sum(), rel=1e-5)


def test_segments_are_told_to_people_and_in_milliseconds():
    nobody, unknown = Segment(0, 1, None, 1.0, "nobody"), Segment(0.12345, 1, None, 0.7, "unknown")
    assert (nobody.told, unknown.told) == ("nobody in sight", "nothing known")
    assert Segment(0, 1, "bow", 0.876).told == "bow (88%)"
    assert unknown.to_dict()["start"] == 0.123 and nobody.to_dict()["why"] == "nobody"
