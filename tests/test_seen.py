"""What counts as seen is one rule, and every way in follows it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import CLASSES, trained_model

from ups import OnlinePredictor, pose_sequence
from ups.data.datasets.pyskl import read_clip
from ups.data.open_file import read_file
from ups.errors import DataError
from ups.inference.predictor import Predictor
from ups.pose import PoseSequence
from ups.seen import bodies, check_somebody, not_seen
from ups.skeletons import COCO_17

SIZE = (640, 480)
HIDDEN = {
    2: (0.0, 0.0),
    5: (np.nan, np.nan),
    7: (-999.0, -999.0),
    8: (-1.0, -1.0),
    11: (30.0, np.nan),
    13: (200.0, 100.0),
    14: (-4.0, -9.0),
}
"""Joint -> its coordinates in every frame; 13 and 14 have the score 0, the others a high one."""


def frames() -> tuple[np.ndarray, np.ndarray]:
    joints = np.random.default_rng(3).uniform(50, 400, (6, 17, 2))
    scores = np.full((6, 17), 0.9)
    for joint, point in HIDDEN.items():
        joints[:, joint] = point
    scores[:, [13, 14]] = 0
    return joints, scores


def nulls(values: np.ndarray) -> list:
    return np.where(np.isnan(values), None, values.astype(object)).tolist()


def by_npz(folder: Path, joints: np.ndarray, scores: np.ndarray) -> PoseSequence:
    np.savez(folder / "a.npz", joints=joints, visibility=scores, skeleton="coco-17", fps=30, image_size=SIZE)
    return read_file(folder / "a.npz")


def by_json(folder: Path, joints: np.ndarray, scores: np.ndarray) -> PoseSequence:
    record = {"joints": nulls(joints), "visibility": nulls(scores), "skeleton": "coco-17", "image_size": SIZE}
    (folder / "a.json").write_text(json.dumps(record))
    return read_file(folder / "a.json", fps=30)


def by_csv(folder: Path, joints: np.ndarray, scores: np.ndarray) -> PoseSequence:
    head = ",".join(f"{joint}_{axis}" for joint in COCO_17.joints for axis in "xyv")
    rows = np.concatenate([joints, scores[..., None]], -1).reshape(len(joints), -1)
    lines = [",".join("" if np.isnan(v) else repr(float(v)) for v in row) for row in rows]
    (folder / "a.csv").write_text("\n".join(["# image_size = 640 x 480", head, *lines]))
    clip = read_file(folder / "a.csv", fps=30)
    return clip.pick_joints(COCO_17)


def by_coco(folder: Path, joints: np.ndarray, scores: np.ndarray) -> PoseSequence:
    points = np.concatenate([joints, scores[..., None]], -1)
    record = [{"image_id": n, "keypoints": nulls(points[n].ravel())} for n in range(len(points))]
    (folder / "a.json").write_text(json.dumps(record))
    return read_file(folder / "a.json", fps=30, image_size=SIZE)


def by_arrays(_: Path, joints: np.ndarray, scores: np.ndarray) -> PoseSequence:
    return pose_sequence(joints, "coco-17", space="image", fps=30, image_size=SIZE, visibility=scores)


def by_masks(_: Path, joints: np.ndarray, scores: np.ndarray) -> PoseSequence:
    masked = np.ma.masked_array(np.nan_to_num(joints, nan=77), np.isnan(joints))
    return pose_sequence(masked, "coco-17", space="image", fps=30, image_size=SIZE, visibility=scores)


def by_push(_: Path, joints: np.ndarray, scores: np.ndarray) -> PoseSequence:
    online = OnlinePredictor(
        Predictor(trained_model(classes=CLASSES)), "coco-17", space="image", fps=30, image_size=SIZE
    )
    for points, marks in zip(joints, scores, strict=True):
        online.push(points, marks)
    return online.seen(len(joints))


def by_pickle(_: Path, joints: np.ndarray, scores: np.ndarray) -> PoseSequence:
    fields = {"frame_dir": "a", "keypoint": joints[None], "keypoint_score": scores[None], "img_shape": SIZE[::-1]}
    clip = read_clip(fields, "here")
    if isinstance(clip, DataError):
        raise clip
    return clip


WAYS = [by_npz, by_json, by_csv, by_coco, by_arrays, by_masks, by_push, by_pickle]


@pytest.mark.parametrize("way", WAYS)
def test_what_is_not_seen_is_the_same_at_every_entrance(way, tmp_path):
    joints, scores = frames()
    clip = way(tmp_path, joints, scores)
    seen = clip.visibility[0] > 0
    assert clip.frames == 6 and seen.sum() == 6 * (17 - len(HIDDEN))
    assert not seen[:, list(HIDDEN)].any()
    assert (clip.joints[0][~seen] == 0).all()
    np.testing.assert_allclose(clip.joints[0][seen], joints[seen], rtol=1e-6)
    np.testing.assert_allclose(clip.visibility[0][seen], 0.9, rtol=1e-6)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("scale", "expected"),
    [(1.12, 1.0), (75.0, 0.75), (2.0, 1.0), (True, 1.0), (0.4, 0.4)],
)
def test_scores_of_every_scale(way, scale, expected, tmp_path):
    joints, scores = frames()
    clip = way(tmp_path, joints, np.where(scores > 0, scale, 0.0))
    seen = clip.visibility[0] > 0
    assert seen.sum() == 6 * (17 - len(HIDDEN))
    np.testing.assert_allclose(clip.visibility[0][seen], expected, rtol=1e-6)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("wrong", [-0.5, 1e6, np.inf])
def test_scores_of_no_scale_are_refused(way, wrong, tmp_path):
    joints, scores = frames()
    scores[1, 3] = wrong
    if way is by_json and np.isinf(wrong):
        pytest.skip("no infinity in JSON of nulls")
    with pytest.raises(DataError, match=r"visibility lies in 0\.\.1, found .*percent"):
        way(tmp_path, joints, scores)


def test_flags_of_coco_are_not_shares():
    joints = np.ones((1, 4, 2))
    _, visibility, told = not_seen(joints, np.array([[0, 1, 2, 2]]))
    assert visibility.tolist() == [[0, 1, 1, 1]] and not told
    _, visibility, told = not_seen(joints, np.array([[0.5, 1.01, 2.0, np.nan]]))
    assert visibility.tolist() == [[0.5, 1, 1, 0]] and "above 1" in str(told[0])
    _, visibility, told = not_seen(joints, np.array([[True, False, True, True]]))
    assert visibility.tolist() == [[1, 0, 1, 1]] and not told
    _, visibility, told = not_seen(joints, np.ma.masked_array([[90.0, 20.0, 3.0, 0.0]], [[0, 1, 0, 0]]))
    np.testing.assert_allclose(visibility, [[0.9, 0, 0.03, 0]])
    assert "percent" in str(told[0])


def test_scores_of_joints_that_were_not_found_may_be_anything():
    _, visibility, _ = not_seen(np.array([[-1.0, -1.0], [5, 5], [np.nan, 0]]), np.array([-1.0, 0.5, 1e9]))
    assert visibility.tolist() == [0, 0.5, 0]


def test_3d_zeros_are_not_seen_but_the_origin_of_a_body_is():
    body = np.random.default_rng(0).normal(0, 0.4, (3, 17, 3))
    far = body + (0, 0, 4)
    far[:, 6] = 0  # lost
    assert (not_seen(far)[1] == 0).sum(1).tolist() == [1, 1, 1]
    body[:, 0] = 0  # the root of root-relative poses
    assert not_seen(body, root=(0,))[1].all() and not_seen(body)[1].all()
    body[1, [4, 9]] = 0  # lost
    assert np.argwhere(not_seen(body, root=(0,))[1] == 0).tolist() == [[1, 4], [1, 9]]
    assert not not_seen(np.zeros((2, 17, 3)), root=(0,))[1].any()


def test_a_marker_that_is_lost_at_the_origin_is_no_root():
    body = np.random.default_rng(0).normal(0, 0.4, (3, 17, 3))
    body[1, 5] = 0  # in one frame of three
    assert np.argwhere(not_seen(body)[1] == 0).tolist() == [[1, 5]]
    body[:, 5] = 0  # in all of them, but a pose is relative to no wrist
    assert np.argwhere(not_seen(body, sided=(5,))[1] == 0).tolist() == [[0, 5], [1, 5], [2, 5]]
    assert not_seen(body, sided=(6,))[1].all()


def test_infinite_coordinates_and_wrong_shapes_are_refused():
    with pytest.raises(DataError, match=r"clip: joints\(1, 0\) is inf \(1 values are infinite\)"):
        not_seen(np.array([[1.0, 2], [np.inf, 3]]), where="clip")
    with pytest.raises(DataError, match=r"clip: visibility has shape \(3,\); \(2,\) is needed"):
        not_seen(np.ones((2, 2)), np.ones(3), "clip")
    with pytest.raises(DataError, match="not numbers"):
        not_seen([[1, 2], [3]])


def test_a_body_is_five_joints_in_one_frame_or_all_there_are():
    visibility = np.zeros((2, 3, 17))
    visibility[0, :, :4] = 1  # four joints in every frame
    assert not bodies(visibility).any()
    with pytest.raises(
        DataError, match="a.npz: nobody is seen: at most 4 of 17 joints in any of its 3 frames, and 5 are"
    ):
        check_somebody(visibility, "a.npz")
    visibility[1, 2, 10:15] = 0.1
    assert np.argwhere(bodies(visibility)).tolist() == [[1, 2]]
    check_somebody(visibility, "a.npz")
    check_somebody(np.ones((1, 1, 3)), "three joints")


def test_lost_joints_of_other_tools_in_3d():
    points = np.random.default_rng(0).normal(0, 1, (4, 17, 3))
    points[1, 3], points[2, 4] = -9999, -1
    seen = not_seen(points)[1]
    assert seen[1, 3] == 0 and seen[2, 4] == 1  # (-1, -1, -1) is a place in metres
