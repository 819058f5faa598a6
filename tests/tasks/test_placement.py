"""Lifted poses before the camera: placed, judged by the picture, and made steady."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ups.pose import PoseSequence
from ups.skeletons import H36M_17
from ups.tasks.placement import FOCAL, locate, steady


def pair(focal: float = 1300.0, frames: int = 8) -> tuple[PoseSequence, np.ndarray, np.ndarray]:
    """2D joints, the root-relative poses behind them and where the root is."""
    rng = np.random.default_rng(2)
    relative = rng.uniform(-0.8, 0.8, (2, frames, 17, 3))
    relative[:, :, 0] = 0
    root = np.stack([np.linspace(-1, 1, frames), np.full(frames, 0.2), np.linspace(3, 6, frames)], -1)[None].repeat(
        2, 0
    )
    there = relative + root[:, :, None]
    pixels = there[..., :2] / there[..., 2:] * focal + (500, 400)
    clip = PoseSequence(pixels, np.ones(pixels.shape[:3]), H36M_17, "image", 30.0, image_size=(1000, 800))
    return clip, relative, root


def test_the_root_is_where_the_picture_says_with_a_known_focal_length():
    clip, relative, root = pair(focal=900.0)
    found, error = locate(relative, replace(clip, focal=900.0))
    np.testing.assert_allclose(found, root, atol=1e-3)
    np.testing.assert_allclose(error, 0, atol=1e-4)


def test_an_assumed_focal_length_scales_the_distance():
    clip, relative, root = pair(focal=FOCAL * 1000)
    found, _ = locate(relative, clip)
    np.testing.assert_allclose(found, root, atol=1e-3)
    clip, relative, root = pair(focal=2 * FOCAL * 1000)
    found, error = locate(relative, clip)
    assert 0.4 < np.median(found[..., 2] / root[..., 2]) < 0.65 and (error > 0.001).all()


def test_a_wrong_pose_misses_the_picture_and_hidden_joints_do_not_count():
    clip, relative, _ = pair()
    wrong = relative.copy()
    wrong[0, 3, 5] += (0.5, 0, 0)
    _, error = locate(wrong, replace(clip, focal=1300.0))
    assert error[0, 3] > 0.02 and np.delete(error, 3, axis=1).max() < 1e-3
    visibility = clip.visibility.copy()
    visibility[0, 3, 5] = 0
    _, error = locate(wrong, replace(clip, focal=1300.0, visibility=visibility))
    assert error.max() < 1e-3


def test_without_enough_joints_the_place_is_unknown():
    clip, relative, _ = pair()
    visibility = clip.visibility.copy()
    visibility[1, 2, 2:] = 0
    found, error = locate(relative, replace(clip, visibility=visibility))
    assert np.isnan(found[1, 2]).all() and np.isnan(error[1, 2])
    assert np.isfinite(np.delete(found, 2, axis=1)).all()


@pytest.mark.parametrize("frames", [3, 4, 5, 60])
def test_smoothing_leaves_what_is_straight_and_evens_what_jitters(frames):
    rng = np.random.default_rng(0)
    pose = rng.uniform(-0.8, 0.8, (1, 1, 17, 3)).repeat(frames, 1)
    pose -= pose[:, :, :1]
    spread = np.full(pose.shape[:3], 0.03)
    np.testing.assert_allclose(steady(pose, spread, H36M_17, 30.0), pose, atol=1e-5)
    if frames < 60:
        return
    noisy = pose + 0.02 * rng.standard_normal(pose.shape)
    smooth = steady(noisy, spread, H36M_17, 30.0)

    def jitter(x: np.ndarray) -> float:
        return float(np.abs(np.diff(x, 2, axis=1)).mean())

    assert jitter(smooth) < 0.2 * jitter(noisy)
    assert np.abs(smooth - pose).mean() < 0.8 * np.abs(noisy - pose).mean()
    for child, parent in H36M_17.bones:
        length = np.linalg.norm(smooth[:, :, child] - smooth[:, :, parent], axis=-1)
        assert np.ptp(length) < 1e-5
    doubt = spread.copy()
    doubt[:, :, 16] *= 4
    assert jitter(steady(noisy, doubt, H36M_17, 30.0)[:, :, 16]) < jitter(smooth[:, :, 16])
