"""Frames stand where their numbers, names and times say."""

from __future__ import annotations

import numpy as np
import pytest

from ups.data.formats.timing import FPS, even, frame_rate, natural, numbers_of, placed, seconds, slots_of_times
from ups.errors import DataError


def test_a_rate_that_nobody_tells_is_assumed_and_told():
    assert frame_rate(25, None, "a") == (25, ()) and frame_rate(None, 50, "a") == (50, ())
    rate, told = frame_rate(25, 50, "a")  # the file knows better
    assert rate == 25 and "50 frames per second are given, and the file says 25" in str(told)
    fps, (notice,) = frame_rate(None, None, "a")
    assert fps == FPS and notice.severity == "warning" and "30 are assumed" in notice.what
    for wrong in (0, -1, 0.5, 1001, float("nan"), float("inf")):
        with pytest.raises(DataError, match="a: .* from 1 to 1000"):
            frame_rate(None, wrong, "a")


def test_frames_left_out_leave_room():
    place = placed([43, 0, 1, 34], 30, "a")
    assert place.places.tolist() == [43, 0, 1, 34] and place.frames == 44 and place.fps == 30
    assert "left out" in place.notices[0].what and "40 of 44, the first is number 2" in place.notices[0].detail
    whole = placed([100, 102, 101], 30, "a")
    assert whole.places.tolist() == [0, 2, 1] and whole.frames == 3 and not whole.notices


def test_a_constant_step_divides_the_rate():
    place = placed([0, 3, 6, 12], 30, "a")
    assert place.places.tolist() == [0, 1, 2, 4] and place.frames == 5 and place.fps == 10
    assert "steps of 3" in place.notices[0].what and place.notices[0].severity == "warning"
    assert "number 9" in place.notices[1].detail
    assert placed([0, 60], 30, "a").frames == 61  # less than a frame a second is no step


def test_numbers_that_can_not_be_are_refused():
    with pytest.raises(DataError, match="a: frame 7 occurs twice"):
        placed([1, 7, 7], 30, "a")
    with pytest.raises(DataError, match="a: 3 frames with numbers from 0 to 100000"):
        placed([0, 1, 100_000], 30, "a")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["v_000000000010_keypoints.json", "v_000000000002_keypoints.json"], [10, 2]),
        (["10.jpg", "9.jpg", "100.jpg"], [10, 9, 100]),
        (["frame_0001.jp2", "frame_0002.jp2"], [1, 2]),
        (["f_3_jpg.rf.cfcd208495d565ef66.jpg", "f_12_jpg.rf.9f61408e3afb633e50.jpg"], [3, 12]),
        (["cam2/0001.png", "cam2/0004.png"], [1, 4]),
        (["only"], [0]),
    ],
)
def test_numbers_in_names(names, expected):
    assert numbers_of(names, "here") == expected


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (
            ["camA_01.json", "camB_01.json", "camA_02.json"],
            "differ in more than their number .camA_01.json, camB_01.json",
        ),
        (
            ["cam1_01.json", "cam1_02.json", "cam2_01.json"],
            "differ in more than their number .cam1_01.json, cam2_01.json",
        ),
        (["1.jpg", "2.jpg", "01.jpg"], "a frame occurs twice, as 1.jpg and 01.jpg"),
        (["1.jpg", "1.png"], "a frame occurs twice"),
        (["a.jpg", "b.jpg"], "differ in more than their number"),
    ],
)
def test_names_that_do_not_order_are_refused(names, told):
    with pytest.raises(DataError, match=f"here: .*{told}"):
        numbers_of(names, "here")


def test_natural_order():
    assert sorted(["a10b", "a9b", "a9a", "b1"], key=natural) == ["a9a", "a9b", "a10b", "b1"]


@pytest.mark.parametrize(
    ("step", "unit"), [(1 / 30, "seconds"), (33.3, "milliseconds"), (33_333, "microseconds"), (4e7, "nanoseconds")]
)
def test_the_unit_of_times_is_told_by_their_steps(step, unit):
    factor = {"seconds": 1, "milliseconds": 1e-3, "microseconds": 1e-6, "nanoseconds": 1e-9}[unit]
    times, (notice,) = seconds(np.arange(9) * step, None, "a")
    np.testing.assert_allclose(times, np.arange(9) * step * factor)
    assert unit in notice.what
    assert not seconds(np.arange(9) * step, unit, "a")[1]


def test_times_of_no_unit_are_refused():
    for times in (np.arange(9.0), np.arange(9) * 1000.0 - 5, np.array([1.0]), np.array([0, np.nan])):
        with pytest.raises(DataError, match="a: .*times"):
            seconds(times, None, "a")


def test_even_times_change_nothing():
    times = np.round(np.arange(60) / 30, 4)
    grid = even(times, None, "a")
    joints = np.random.default_rng(0).normal(size=(2, 60, 5, 3))
    moved, seen = grid.resampled(joints, np.full((2, 60, 5), 0.7, np.float32))
    assert grid.fps == 30 and not grid.notices
    np.testing.assert_array_equal(moved, joints)
    assert (seen == np.float32(0.7)).all()


def test_uneven_times_are_interpolated_to_even_ones():
    times = np.cumsum(np.random.default_rng(1).choice([0.03, 0.04, 0.05], 80))
    grid = even(times, None, "a")
    joints = np.stack([np.sin(times), 3 * times], -1)[None, :, None] + 5
    moved, seen = grid.resampled(joints, np.ones((1, 80, 1)))
    at = times[0] + np.arange(grid.frames) / grid.fps
    assert seen.all() and grid.frames == round((times[-1] - times[0]) * grid.fps) + 1
    np.testing.assert_allclose(moved[0, :, 0, 1], 3 * at + 5, atol=2e-3)
    np.testing.assert_allclose(moved[0, :, 0, 0], np.sin(at) + 5, atol=2e-3)
    assert any("brought to even times" in n.what for n in grid.notices)


def test_long_gaps_are_not_seen_and_short_ones_are_bridged():
    times = np.concatenate([np.arange(10), np.arange(13, 20), np.arange(40, 50)]) / 20  # 3 and 21 steps are missing
    grid = even(times, None, "a")
    joints = np.repeat(times[None, :, None, None] + 1, 2, -1)
    moved, seen = grid.resampled(joints, np.ones((1, len(times), 1)))
    assert grid.fps == 20 and grid.frames == 50
    assert np.flatnonzero(seen[0, :, 0] == 0).tolist() == list(range(20, 40))
    np.testing.assert_allclose(moved[0, :20, 0, 0], np.arange(20) / 20 + 1)
    assert any("1 gaps" in n.detail for n in grid.notices)


def test_a_joint_that_is_not_seen_at_one_side_is_not_made_up():
    times = np.array([0, 0.1, 0.2, 0.33, 0.4])
    grid = even(times, None, "a")
    visibility = np.ones((1, 5, 1))
    visibility[0, 3] = 0
    moved, seen = grid.resampled(np.ones((1, 5, 1, 2)), visibility)
    assert seen[0, :, 0].tolist() == [1, 1, 1, 0, 1] and (moved[0, 3] == 0).all()


def test_times_that_can_not_be_are_refused():
    with pytest.raises(DataError, match="a: frame 2 is at 0.1 s, the one before at 0.1 s; times that rise"):
        even(np.array([0, 0.1, 0.1, 0.2]), None, "a")
    with pytest.raises(DataError, match="from 1 to 1000"):
        even(np.arange(9) * 5.0, None, "a")
    with pytest.raises(DataError, match="cut it at its gaps"):
        even(np.array([0, 0.03, 0.06, 1000]), None, "a")
    (notice,) = even(np.arange(9) / 25, 30, "a").notices
    assert notice.severity == "warning" and "fps = 30 stands against the times, which give 25" in notice.what


@pytest.mark.parametrize("fps", [24, 30, 60, 29.97])
@pytest.mark.parametrize("frames", [90, 3000])
def test_times_rounded_to_milliseconds_keep_every_frame(fps: float, frames: int) -> None:
    """The median step is 33 ms at 30 a second; counting by it would lose or invent a frame in a hundred."""
    times = np.round(np.arange(frames) * 1000 / fps)
    grid = even(times / 1000, None, "a.csv")
    assert grid.frames == frames and grid.fps == pytest.approx(fps, rel=2e-3)
    assert (grid.low == np.arange(frames)).all() and not grid.notices
    kept = np.r_[0:40, 60:frames]
    numbers, rate, _ = slots_of_times(times[kept], "milliseconds", "a.csv")
    assert numbers == kept.tolist() and rate == pytest.approx(fps, rel=2e-3)
