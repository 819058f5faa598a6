"""Joints that jitter are smoothed as strongly as their jitter asks for, others not at all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ups.pose import PoseSequence
from ups.skeletons import COCO_17
from ups.tasks.smoothing import calmed, jitter, whittaker


def swinging(fps: float = 60.0, seconds: float = 4.0, noise: float = 0.0, seed: int = 0) -> PoseSequence:
    """Joints that swing by 100 pixels about once a second, every one at its own pace, with white noise in pixels."""
    rng = np.random.default_rng(seed)
    times = np.arange(round(fps * seconds)) / fps
    pace = rng.uniform(0.3, 1.2, 17)
    place = rng.uniform(200, 800, (17, 2))
    joints = place + 100 * np.sin(2 * np.pi * pace * times[:, None] + rng.uniform(0, 6, 17))[..., None]
    joints = joints + noise * rng.standard_normal(joints.shape)
    return PoseSequence(joints[None], np.ones((1, len(times), 17)), COCO_17, "image", fps, image_size=(1000, 1000))


def error(clip: PoseSequence, truth: PoseSequence) -> float:
    seen = clip.visibility > 0
    return float(np.sqrt(((clip.joints - truth.joints)[seen] ** 2).mean()))


@pytest.mark.parametrize("fps", [15.0, 30.0, 60.0, 240.0])
def test_what_does_not_jitter_stays_to_the_bit(fps):
    clip = swinging(fps)
    assert calmed(clip) is clip


@pytest.mark.parametrize(("fps", "left"), [(15.0, 0.9), (30.0, 0.7), (60.0, 0.55), (120.0, 0.45)])
def test_noise_is_taken_out_the_more_the_faster_the_recording(fps, left):
    truth, clip = swinging(fps), swinging(fps, noise=5.0)
    assert 4.8 < error(clip, truth) < 5.2
    assert error(calmed(clip), truth) < 5 * left


def test_the_noise_is_measured_joint_by_joint_whatever_leaps():
    clip = swinging(noise=3.0)
    still = swinging()
    joints = clip.joints.copy()
    joints[:, :, 4] = still.joints[:, :, 4]
    joints[:, 100:103] += 400  # somebody else for three frames
    noise, bend = jitter(replace(clip, joints=joints))
    others = [j for j in range(17) if j != 4]
    np.testing.assert_allclose(np.sqrt(noise[0, others]), 3, rtol=0.3)
    assert noise[0, 4] < 0.05 and (bend > 0).all()
    other = calmed(replace(clip, joints=joints))
    np.testing.assert_array_equal(other.joints[:, :, 4], joints[:, :, 4])


def test_the_strength_is_half_of_what_even_movement_asks_for():
    clip = swinging(30.0, noise=2.0)
    noise, bend = jitter(clip)
    strengths = 0.5 * noise[0] / bend[0]
    assert (strengths > 0.02).all() and (strengths < 25).sum() >= 5
    other = calmed(clip).joints[0]
    for joint, strength in enumerate(strengths):
        track = whittaker(clip.joints[0, :, joint].astype(float), np.ones(clip.frames), min(strength, 25.0))
        np.testing.assert_allclose(other[:, joint], track, rtol=1e-5)


def test_the_movement_is_measured_beside_the_noise():
    """A swing of 100 pixels: second differences of amplitude 200 (1 - cos w) at w radians a frame, half that squared."""
    true = swinging()
    fps, frames = true.fps, true.frames
    pace = np.random.default_rng(0).uniform(0.3, 1.2, 17)
    expected = (200 * (1 - np.cos(2 * np.pi * pace / fps))) ** 2 / 2
    assert frames == 240
    for clip, tolerance in ((true, 0.35), (swinging(noise=2.0), 0.6)):
        np.testing.assert_allclose(jitter(clip)[1][0], expected, rtol=tolerance)
    assert (jitter(swinging(noise=200.0))[1][0] > 0.29 * 6 * 200**2 / 7**4 * 0.5).all()  # nothing but noise


def test_there_is_a_strongest(monkeypatch):
    clip = swinging(noise=5.0)
    monkeypatch.setattr("ups.tasks.smoothing.jitter", lambda clip: (np.full((1, 17), 9.0), np.zeros((1, 17))))
    strongest = whittaker(clip.joints[0, :, 3].astype(float), np.ones(clip.frames), 25.0)
    np.testing.assert_allclose(calmed(clip).joints[0, :, 3], strongest, rtol=1e-5)


def test_leaps_of_a_clean_recording_are_not_smeared():
    clip = swinging()
    joints = clip.joints.copy()
    mirror = list(COCO_17.mirror)
    joints[:, 50:53] = joints[:, 50:53][:, :, mirror]
    leaping = replace(clip, joints=joints)
    assert calmed(leaping) is leaping


def test_unseen_frames_stay_unseen_and_do_not_pull():
    truth, clip = swinging(), swinging(noise=5.0)
    visibility = clip.visibility.copy()
    visibility[:, :20, 2] = 0
    visibility[:, 60:75, 2] = 0
    visibility[:, 200:, 7] = 0
    clip = replace(clip, visibility=visibility, joints=np.where(visibility[..., None] > 0, clip.joints, 0))
    other = calmed(clip)
    np.testing.assert_array_equal(other.visibility, clip.visibility)
    assert not other.joints[visibility == 0].any()
    assert error(other, truth) < 3


@pytest.mark.parametrize("strength", [0.02, 25.0, 1e6])
def test_a_long_gap_changes_nothing_beyond_it(strength):
    values = 500 + np.cumsum(np.random.default_rng(2).normal(size=(100, 2)), 0)
    between = np.zeros((30_000, 2))
    weight = np.concatenate([np.ones(100), np.zeros(30_000), np.ones(100)])
    told = whittaker(np.concatenate([values, between, values]), weight, strength)
    assert np.isfinite(told).all()
    np.testing.assert_allclose(told[:100], whittaker(values, np.ones(100), strength), atol=0.1)


@pytest.mark.parametrize("frames", [1, 3, 4, 11])
def test_too_few_frames_and_too_slow_ones_tell_nothing(frames):
    clip = swinging(60.0, frames / 60, noise=5.0)
    assert clip.frames == frames and calmed(clip) is clip
    slow = swinging(8.0, noise=5.0)
    assert calmed(slow) is slow and np.isnan(jitter(slow)[0]).all()


def test_persons_are_smoothed_apart():
    noisy, clean = swinging(noise=5.0), swinging(seed=3)
    both = replace(
        noisy,
        joints=np.concatenate([noisy.joints, clean.joints]),
        visibility=np.concatenate([noisy.visibility, clean.visibility]),
    )
    other = calmed(both)
    np.testing.assert_array_equal(other.joints[1], clean.joints[0])
    np.testing.assert_array_equal(other.joints[0], calmed(noisy).joints[0])


@pytest.mark.parametrize("frames", [3, 4, 5, 9])
def test_the_smoother_minimises_what_it_says(frames):
    rng = np.random.default_rng(1)
    values, weight = rng.normal(size=(frames, 2)), rng.uniform(0.1, 2, frames)
    second = np.diff(np.eye(frames), 2, axis=0)
    expected = np.linalg.solve(np.diag(weight) + 3 * second.T @ second, weight[:, None] * values)
    np.testing.assert_allclose(whittaker(values, weight, 3.0), expected, atol=1e-10)
