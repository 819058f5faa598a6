"""`PoseSequence` refuses what can't be right, and `pose_sequence` makes one from plain arrays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import ups
from ups.errors import DataError
from ups.pose import PoseSequence, pose_sequence
from ups.skeletons import COCO_17, KINECT_20


def clip(persons: int = 2, frames: int = 3) -> PoseSequence:
    joints = np.arange(persons * frames * 20 * 3, dtype=np.float64).reshape(persons, frames, 20, 3)
    return PoseSequence(joints, np.ones((persons, frames, 20)), KINECT_20, "kinect", 30.0, "clip-7")


def test_values_are_kept_as_float32() -> None:
    sequence = clip()
    assert (sequence.persons, sequence.frames) == (2, 3)
    assert sequence.joints.dtype == sequence.visibility.dtype == np.float32
    assert sequence.joints[1, 2, 19].tolist() == [357, 358, 359]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"joints": np.zeros((3, 20, 3))}, r"clip-7: joints have shape \(3, 20, 3\); \(persons, frames"),
        ({"joints": np.zeros((0, 3, 20, 3))}, "clip-7: 0 persons and 3 frames; at least one of each"),
        ({"joints": np.zeros((2, 0, 20, 3))}, "clip-7: 2 persons and 0 frames; at least one of each"),
        ({"joints": np.zeros((2, 3, 17, 3))}, "clip-7: 17 joints, but skeleton 'kinect-20' has 20; name the skeleton"),
        ({"joints": np.zeros((2, 3, 20, 2))}, "clip-7: 2 coordinates a joint; space 'kinect' has 3"),
        ({"visibility": np.ones((2, 3, 19))}, r"clip-7: visibility has shape \(2, 3, 19\); \(2, 3, 20\) is needed"),
        ({"visibility": np.full((2, 3, 20), 1.5)}, r"clip-7: visibility lies in 0..1, found 1.5..1.5"),
        ({"fps": 0.0}, "clip-7: 0.0 frames per second; a number from 1 to 1000"),
        ({"fps": float("nan")}, "clip-7: nan frames per second"),
        ({"space": "moon"}, "clip-7: space 'moon' is not one of image, camera, kinect, world"),
        ({"pose_3d": np.zeros((2, 3, 20, 2))}, r"clip-7: pose_3d has shape \(2, 3, 20, 2\)"),
    ],
)
def test_wrong_input_is_named(change: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        replace(clip(), **change)


def test_values_that_are_not_finite_are_located() -> None:
    joints = np.zeros((1, 4, 20, 3), np.float32)
    joints[0, 2, 5, 1] = np.nan
    joints[0, 3, 0, 0] = np.inf
    with pytest.raises(
        DataError, match=r"joints\(0, 2, 5, 1\) is nan \(2 values are not finite\); give missing joints"
    ):
        PoseSequence(joints, np.ones((1, 4, 20)), KINECT_20, "kinect", 30.0)


def test_2d_joints_need_the_image_size() -> None:
    with pytest.raises(DataError, match=r"2D joints need image_size=\(width, height\)"):
        PoseSequence(np.zeros((1, 4, 17, 2)), np.ones((1, 4, 17)), COCO_17, "image", 30.0)


def test_first_cuts_everything_alike_and_keeps_one_frame() -> None:
    sequence = replace(clip(), pose_3d=np.ones((2, 3, 20, 3)))
    cut = sequence.first(2)
    assert cut.joints.shape == (2, 2, 20, 3) and cut.visibility.shape == (2, 2, 20)
    assert cut.pose_3d is not None and cut.pose_3d.shape == (2, 2, 20, 3)
    np.testing.assert_array_equal(cut.joints, sequence.joints[:, :2])
    assert sequence.first(0).frames == 1 and sequence.first(99).frames == 3


def test_pose_sequence_of_one_person_with_missing_joints() -> None:
    joints = np.ones((4, 17, 2))
    joints[1, 3] = np.nan
    sequence = pose_sequence(joints, "coco-17", space="image", fps=25, image_size=(640, 480))
    assert sequence.joints.shape == (1, 4, 17, 2) and sequence.skeleton is COCO_17
    assert sequence.visibility[0, 1, 3] == 0 and sequence.visibility.sum() == 4 * 17 - 1
    assert sequence.joints[0, 1, 3].tolist() == [0, 0]


def test_pose_sequence_refuses_shapes_and_names_it_does_not_know() -> None:
    with pytest.raises(DataError, match=r"shape \(17, 2\); \(frames, joints, coordinates\)"):
        pose_sequence(np.zeros((17, 2)), "coco-17", space="image", fps=30, image_size=(9, 9))
    with pytest.raises(DataError, match=r"visibility has shape \(1, 4, 16\); \(1, 4, 17\)"):
        ones = np.ones((4, 16))
        pose_sequence(np.zeros((4, 17, 2)), "coco-17", space="image", fps=30, image_size=(9, 9), visibility=ones)
    with pytest.raises(ValueError, match="unknown skeleton 'coco'; known: kinect-20"):
        pose_sequence(np.zeros((4, 17, 2)), "coco", space="image", fps=30, image_size=(9, 9))


def test_the_package_offers_its_public_names() -> None:
    assert ups.PoseSequence is PoseSequence and ups.pose_sequence is pose_sequence
    assert ups.Predictor.__module__ == "ups.inference.predictor"
    with pytest.raises(AttributeError, match="no attribute 'predictor_of_weather'"):
        _ = ups.predictor_of_weather  # pyright: ignore[reportAttributeAccessIssue]
