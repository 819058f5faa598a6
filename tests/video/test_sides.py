"""Left and right that were exchanged for some frames come back; who turns, walks or is hardly seen stays as he is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ups.pose import PoseSequence, pose_sequence
from ups.skeletons import COCO_17
from ups.video.sides import LIMBS, put_sides_right

FPS = 30.0


def walk(frames: int = 60) -> PoseSequence:
    """Somebody seen half from the side, whose legs pass one another twice a second; (1, frames, 17, 2) pixels."""
    t = np.arange(frames) / FPS
    joints = np.zeros((1, frames, 17, 2))
    for i, name in enumerate(COCO_17.joints):
        side = 1 if name.startswith("left_") else -1 if name.startswith("right_") else 0
        height = {"shoulder": 80, "elbow": 110, "wrist": 140, "hip": 150, "knee": 200, "ankle": 250}
        part = name.split("_")[-1]
        swing = {"wrist": -20, "knee": 15, "ankle": 40}.get(part, 0) * np.sin(2 * np.pi * t)
        joints[0, :, i] = np.column_stack([100 + 60 * t + side * (12 + swing), np.full(frames, height.get(part, 50))])
    return pose_sequence(joints, COCO_17, space="image", fps=FPS, image_size=(640, 480))


def exchange(clip: PoseSequence, limb: tuple[str, ...], frames: slice) -> PoseSequence:
    order = np.arange(17)
    for left, right in COCO_17.mirror_pairs:
        if COCO_17.joints[left][5:] in limb:
            order[left], order[right] = right, left
    joints, visibility = clip.joints.copy(), clip.visibility.copy()
    joints[:, frames], visibility[:, frames] = joints[:, frames][:, :, order], visibility[:, frames][:, :, order]
    return replace(clip, joints=joints, visibility=visibility)


def test_a_walk_stays_as_it_is():
    clip = walk()
    assert put_sides_right(clip) is clip


@pytest.mark.parametrize("limb", LIMBS)
@pytest.mark.parametrize("frames", [slice(5, 6), slice(38, 44)])
def test_exchanged_limbs_come_back(limb, frames):
    clip = walk()
    clip = replace(clip, visibility=clip.visibility * np.linspace(0.5, 1, 17, dtype=np.float32))
    mended = put_sides_right(exchange(clip, limb, frames))
    np.testing.assert_array_equal(mended.joints, clip.joints)
    np.testing.assert_array_equal(mended.visibility, clip.visibility)
    (told,) = mended.notices
    assert told.severity == "note" and f"in {frames.stop - frames.start} of 60 frames" in told.detail


def test_two_people_and_two_limbs_are_told_apart():
    alone = walk()
    both = replace(
        alone, joints=np.concatenate([alone.joints, alone.joints + 200]), visibility=np.repeat(alone.visibility, 2, 0)
    )
    wrong = exchange(exchange(both, LIMBS[0], slice(10, 12)), LIMBS[1], slice(11, 14))
    wrong = replace(wrong, joints=np.concatenate([wrong.joints[:1], both.joints[1:]]))
    mended = put_sides_right(wrong)
    np.testing.assert_array_equal(mended.joints, both.joints)
    assert "in 4 of 60 frames" in mended.notices[0].detail


def test_what_lasts_longer_is_somebody_who_turned():
    wrong = exchange(walk(), LIMBS[1], slice(5, 12))
    assert put_sides_right(wrong) is wrong
    slow = replace(wrong, fps=40.0)  # seven frames are less than 0.2 s
    assert len(put_sides_right(slow).notices) == 1


def test_who_is_not_seen_around_stays():
    wrong = exchange(walk(), LIMBS[1], slice(5, 8))
    visibility = wrong.visibility.copy()
    visibility[:, 8] = 0
    wrong = replace(wrong, visibility=visibility)
    assert put_sides_right(wrong) is wrong
    dark = replace(wrong, visibility=np.zeros_like(wrong.visibility))
    assert put_sides_right(dark) is dark
