"""Fast recordings: thinned out for lifting, and what lies in between."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers import random_clip, trained_model

from ups.inference.predictor import Predictor
from ups.pose import PoseSequence
from ups.skeletons import H36M_17
from ups.tasks.predictions import Lifted
from ups.tasks.rates import DECODED, SLOWEST, between, decoded_every, filled, thinned
from ups.tasks.smoothing import calmed


def smooth_clip(fps: float, seconds: float = 1.5) -> PoseSequence:
    """The same slow motion at any rate."""
    clip = random_clip(H36M_17, frames=max(2, round(seconds * fps) + 1), space="image")
    start, way = clip.joints[:, :1], clip.joints[:, 1:2] - clip.joints[:, :1]
    times = (np.arange(clip.frames) / fps)[None, :, None, None]
    return replace(clip, joints=(start + 0.2 * way * np.sin(2 * times)).astype(np.float32), fps=fps, pose_3d=None)


@pytest.mark.parametrize(
    ("fps", "left"), [(75.0, 37.5), (100.0, 50.0), (119.88, 39.96), (240.0, 40.0), (1000.0, 1000 / 26)]
)
def test_enough_frames_are_left(fps, left):
    clip = smooth_clip(fps)
    some, times = thinned(clip)
    assert some.fps == pytest.approx(left) and SLOWEST <= some.fps < 2 * SLOWEST
    assert len(times) == clip.frames and times[0] == 0 and times.max() <= some.frames - 1
    k = round(fps / some.fps)
    assert np.array_equal(some.joints, clip.joints[:, ::k])
    np.testing.assert_allclose(times[:-k], np.arange(clip.frames - k) / k)


def test_poses_in_between():
    joints = np.arange(3, dtype=np.float32).reshape(1, 3, 1, 1) * np.ones((1, 3, 2, 3), np.float32)
    joints[0, 2, 1] = np.nan
    lifted = Lifted(joints, joints[..., 0], H36M_17, joints[:, :, 0], joints[:, :, 0, 0])
    told = between(lifted, np.array([0.0, 0.5, 1.0, 1.5, 2.0]))
    np.testing.assert_allclose(told.joints[0, :, 0, 0], [0, 0.5, 1, 1.5, 2])
    assert np.isnan(told.joints[0, 3:, 1]).all() and np.isfinite(told.joints[0, :3, 1]).all()
    assert told.root is not None and told.reprojection is not None
    np.testing.assert_allclose(told.reprojection[0], [0, 0.5, 1, 1.5, 2])
    assert told.joints.dtype == np.float32


def test_lifting_sees_the_same_at_twice_and_six_times_the_rate():
    predictor = Predictor(trained_model())
    slow, fast = smooth_clip(40.0), smooth_clip(240.0)
    at_40, at_240 = predictor.lift(slow), predictor.lift(fast)
    assert at_240.joints.shape[1] == fast.frames and at_240.root is not None and at_240.root.shape[1] == fast.frames
    np.testing.assert_allclose(at_240.joints[:, ::6][:, : slow.frames], at_40.joints, atol=2e-3)
    counted = predictor.lift(fast, stride=2, delay=3)  # what counts frames looks at all of them
    assert counted.joints.shape == at_240.joints.shape
    assert np.abs(counted.joints - at_240.joints).max() > 1e-3


@pytest.mark.parametrize(("fps", "every"), [(0, 1), (24, 1), (25, 2), (30, 2), (44.9, 3), (50, 4), (60, 4)])
def test_enough_frames_are_decoded(fps, every):
    assert decoded_every(fps) == every
    assert every == 1 or fps / every >= DECODED


def test_frames_between_decoded_ones():
    decoded = np.array([[0.0, 0], [2, np.nan], [4, 8]], np.float32)
    told = filled(decoded, 2, 5)
    np.testing.assert_allclose(told, [[0, 0], [1, 0], [2, np.nan], [3, 8], [4, 8]])
    assert told.dtype == np.float32
    np.testing.assert_allclose(filled(decoded[:1], 3, 3), [[0, 0]] * 3)
    np.testing.assert_array_equal(filled(decoded, 1, 2), decoded[:2])


@pytest.mark.parametrize("every", [2, 3, 4])
def test_a_curve_through_decoded_frames(every):
    """What moves along a parabola is told exactly but for the two ends, and lines are where a neighbour is not known."""
    frames = np.arange(6 * every + 1, dtype=np.float64)
    path = (frames / every) ** 2 - 3 * frames
    told = filled(path[::every, None], every, len(frames), curved=True)[:, 0]
    np.testing.assert_allclose(told[every:-every], path[every:-every], atol=1e-9)
    np.testing.assert_array_equal(told[::every], path[::every])
    line = 2 * frames + 1
    np.testing.assert_allclose(filled(line[::every, None], every, len(frames), curved=True)[:, 0], line)
    some = path[::every, None].copy()
    some[3] = np.nan
    told = filled(some, every, len(frames), curved=True)[:, 0]
    straight = filled(some, every, len(frames))[:, 0]
    assert np.isnan(told[3 * every])
    np.testing.assert_allclose(told[every : 3 * every], straight[every : 3 * every])
    np.testing.assert_array_equal(filled(path[:1, None], every, 1, curved=True), path[:1, None])


@pytest.mark.parametrize("frames", [1, 2, 7, 16, 17, 18, 40])
def test_of_fast_clips_every_second_frame_is_decoded_and_the_others_lie_between(frames):
    predictor = Predictor(trained_model())
    clip = replace(random_clip(H36M_17, frames=frames, space="image"), fps=30.0, pose_3d=None)
    _, first, stride = predictor.windows(None, None)
    all_frames, found = predictor.lift(calmed(clip), stride=stride - stride % 2, delay=None), predictor.lift(clip)
    assert found.joints.shape == all_frames.joints.shape and np.isfinite(found.joints).all()
    np.testing.assert_allclose(found.joints[:, ::2], all_frames.joints[:, ::2], atol=1e-5)
    between_them = filled(found.joints[0, ::2], 2, frames, curved=True)
    known = max(1, frames - 5)  # what is decoded past the end bends the last ones
    np.testing.assert_allclose(found.joints[0, :known], between_them[:known], atol=1e-5)
    many = predictor.lift_many([clip, replace(clip, fps=20.0)])
    np.testing.assert_allclose(many[0].joints, found.joints, atol=1e-5)
    slow = predictor.lift(replace(clip, fps=20.0))
    np.testing.assert_allclose(many[1].joints, slow.joints, atol=1e-5)
