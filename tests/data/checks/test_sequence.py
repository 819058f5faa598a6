"""Frames that are there twice, or out of order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ups.data.checks.clip import check_clip
from ups.data.checks.sequence import check_places, check_sequence, check_tracks
from ups.data.datasets.synthetic import synthesize
from ups.pose import PoseSequence, pose_sequence
from ups.skeletons import H36M_17

FRAMES = 60


def mover(noise: float = 0.002) -> PoseSequence:
    joints = synthesize(3, 1, (FRAMES, FRAMES))[0]
    joints = joints + np.random.default_rng(0).normal(0, noise, np.shape(joints))
    return pose_sequence(joints, H36M_17, space="world", fps=30)


def frames(clip: PoseSequence, which: np.ndarray | list[int]) -> PoseSequence:
    return replace(clip, joints=clip.joints[:, which], visibility=clip.visibility[:, which])


def whats(clip: PoseSequence) -> list[str]:
    return [what for what, *_ in check_sequence(clip)]


def test_nothing_is_said_of_frames_in_order() -> None:
    assert whats(mover()) == whats(frames(mover(), np.arange(FRAMES)[::-1])) == []
    still = frames(mover(), [0] * FRAMES)
    noise = np.random.default_rng(1).normal(0, 0.01, still.joints.shape).astype(np.float32)
    assert whats(still) == whats(replace(still, joints=still.joints + noise)) == []
    turn = frames(mover(0), list(range(20)) * 3)
    assert whats(turn) == []  # the same once more


def test_a_shaking_camera_is_no_disorder() -> None:
    clip = mover()
    shake = np.random.default_rng(0).normal(0, 0.05, (1, FRAMES, 1, 3)).astype(np.float32)
    assert whats(replace(clip, joints=clip.joints + shake)) == []


def test_rows_out_of_order_are_told() -> None:
    order = np.random.default_rng(2).permutation(FRAMES)
    assert whats(frames(mover(), order)) == ["frames are out of order: the next frame is seldom like the one before"]
    assert any("out of order" in what for _, what, *_ in check_clip(frames(mover(), order)))


@pytest.mark.parametrize("first", [0, 1])
def test_frames_sorted_as_text_are_told(first: int) -> None:
    order = [n - first for n in sorted(range(first, first + FRAMES), key=str)]
    assert whats(frames(mover(), order)) == ["frames are out of order, sorted as text: 1, 10, 11, ..., 2, 20"]


@pytest.mark.parametrize(("copies", "words"), [(2, "twice"), (3, "3 times")])
def test_every_frame_several_times_is_told(copies: int, words: str) -> None:
    clip = replace(frames(mover(), np.repeat(np.arange(FRAMES), copies)), fps=60)
    ((what, remedy, detail),) = check_sequence(clip)
    assert f"every frame stands there {words}" in what and detail == "60 frames a second"
    assert f"if it lasted {copies * FRAMES / 60:g} s" in remedy


def test_a_pause_is_no_copy() -> None:
    assert whats(frames(mover(), [*range(20), *[20] * 20, *range(20, 60)])) == []


def flat() -> PoseSequence:
    points = mover().joints[..., :2] * (250, -250) + (200, 500)
    return pose_sequence(points, H36M_17, space="image", fps=30, image_size=(1280, 1000))


@pytest.mark.parametrize("place", [999.0, 65535.0, -32768.0])
def test_a_number_that_stands_for_a_joint_not_found_is_told(place: float) -> None:
    clip = flat()
    clip.joints[0, ::5, 3] = place
    ((what, _, detail),) = check_places(clip, clip.visibility > 0)
    assert "at one place that seems to say that they were not found" in what and f"({place:g}, {place:g}), 12" in detail
    assert any("at one place" in what for _, what, *_ in check_clip(clip))


def test_several_joints_at_one_place_are_told_and_one_that_stands_still_is_not() -> None:
    clip = flat()
    clip.joints[0, :, 3] = (301.5, 301.5)
    assert not list(check_places(clip, clip.visibility > 0))
    clip.joints[0, 10:20, 4:8] = (0, 1000)  # nothing found at (0, 0), turned upside down
    assert [detail for *_, detail in check_places(clip, clip.visibility > 0)] == ["(0, 1000), 40 times"]


def test_one_body_under_two_ids_is_told() -> None:
    clip = flat()
    seen = np.ones((2, FRAMES, 17), np.float32)
    seen[0, 25:], seen[1, :28] = 0, 0
    both = replace(clip, joints=np.repeat(clip.joints, 2, 0) * seen[..., None], visibility=seen)
    ((what, _, detail),) = check_tracks(both, seen > 0)
    assert "one body may have several ids" in what and detail == "person 2 from frame 28"
    seen[1, 20:] = 1  # both are there for a while
    assert not list(check_tracks(replace(both, visibility=seen), seen > 0))
    far = replace(both, joints=both.joints + np.array([0, 500]).reshape(2, 1, 1, 1).astype(np.float32))
    seen[1, :28] = 0
    assert not list(check_tracks(far, seen > 0))


def test_hips_at_one_place_of_the_picture_are_told() -> None:
    clip = flat()
    hips = [H36M_17.joints.index(f"{side}_hip") for side in ("left", "right")]
    middle = clip.joints[:, :, hips].mean(2, keepdims=True)
    fixed = replace(clip, joints=clip.joints - middle + np.array([640, 500], np.float32))
    assert any("hips stay at exactly one place" in what for _, what, *_ in check_clip(fixed))
    assert not any("hips stay" in what for _, what, *_ in check_clip(clip))


def test_a_joint_that_comes_and_goes_is_no_disorder() -> None:
    clip = mover()
    seen = clip.visibility.copy()
    seen[:, ::3, :3] = 0
    assert whats(replace(clip, joints=clip.joints * seen[..., None], visibility=seen)) == []
    clip.joints[:, ::3, 0] = (4, 2, 1)  # one that jumps alone
    assert whats(clip) == []


def test_a_place_off_the_body_to_which_a_joint_comes_back_is_told() -> None:
    clip = flat()
    clip.joints[0, ::4, 3] = (1280, 720)
    assert [detail for *_, detail in check_places(clip, clip.visibility > 0)] == ["(1280, 720), 15 times"]
    clip = flat()
    clip.joints[0, 10:40, 3] = (1000, 400)  # a hand that is held somewhere
    assert not list(check_places(clip, clip.visibility > 0))
