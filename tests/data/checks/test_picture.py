"""What 2D bodies tell of their picture: its shape, crops, sides named as the camera's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ups.data.checks.clip import check_clip
from ups.data.checks.picture import check_picture
from ups.data.formats.repair import swapped_sides
from ups.data.open_file import read_file
from ups.errors import DataError
from ups.pose import PoseSequence, pose_sequence
from ups.skeletons import COCO_17, H36M_17, MEDIAPIPE_33, OPENPOSE_18

SIZE = (1280, 720)


def front(scale: float = 300.0, size: tuple[int, int] = SIZE) -> PoseSequence:
    """A person who stands before the camera and waves, arms and legs straight down."""
    place = {
        "pelvis": (0, 0), "spine": (0, 0.2), "chest": (0, 0.4), "neck": (0, 0.5), "nose": (0, 0.6), "head": (0, 0.65),
        "head_top": (0, 0.75), "hip": (0.12, 0), "knee": (0.12, -0.42), "ankle": (0.12, -0.82), "shoulder": (0.18, 0.47),
        "elbow": (0.2, 0.19), "wrist": (0.2, -0.06),
    }  # fmt: skip
    points = np.zeros((40, 17, 2))
    for j, name in enumerate(H36M_17.joints):
        side, _, part = name.partition("_")
        x, y = place.get(name) or place[part]
        points[:, j] = (x if side == "left" else -x, y)
    wave = 0.1 * np.sin(np.arange(40) / 3)
    points[:, H36M_17.joints.index("left_wrist"), 0] += wave
    points[:, :, 0] += 0.02 * np.cos(np.arange(40) / 5)[:, None]
    return pose_sequence(points * (scale, -scale) + np.array(size) / 2, H36M_17, space="image", fps=30, image_size=size)


def moved(clip: PoseSequence, factor: tuple[float, float], shift: tuple[float, float] = (0, 0)) -> PoseSequence:
    return replace(clip, joints=(clip.joints * np.array(factor) + np.array(shift)).astype(np.float32))


def whats(clip: PoseSequence) -> list[str]:
    return [what for what, *_ in check_picture(clip, clip.visibility > 0)]


def test_nothing_is_said_of_a_person_before_the_camera() -> None:
    assert whats(front()) == []


def test_both_axes_divided_by_the_width_are_told_and_read(tmp_path: Path) -> None:
    clip = front()
    shares = clip.joints / SIZE[0]
    np.savez(tmp_path / "a.npz", joints=shares, skeleton="h36m-17", fps=30, image_size=SIZE)
    flat = read_file(tmp_path / "a.npz", coordinates="fractions")
    ((what, remedy, detail),) = check_picture(flat, flat.visibility > 0)
    assert what == "bodies are too wide for their height" and "--coordinates longer" in remedy
    assert detail == "shoulders 1.6 times as wide as a human's; image 1280 x 720"
    right = read_file(tmp_path / "a.npz", coordinates="longer")
    np.testing.assert_allclose(right.joints, clip.joints, rtol=1e-5)
    assert whats(right) == []


def test_fractions_of_a_portrait_video_read_as_of_a_landscape_one() -> None:
    clip = front(size=(720, 1280))
    assert "bodies are too wide for their height" in whats(
        replace(moved(clip, (1280 / 720, 720 / 1280)), image_size=SIZE)
    )


def test_width_and_height_exchanged_where_a_body_reaches_out() -> None:
    clip = moved(front(200, (720, 1280)), (1, 1), (0, 0))
    told = whats(replace(clip, image_size=SIZE))
    assert any("width and height were exchanged" in what for what in told)
    assert not any("exchanged" in what for what in whats(clip))


@pytest.mark.parametrize("fixed", [True, False])
def test_keypoints_of_crops_are_told(fixed: bool) -> None:
    clip = front(200)
    low, high = clip.joints.min(2, keepdims=True), clip.joints.max(2, keepdims=True)
    start = low - 0.1 * (high - low)
    scale = 256 / (1.2 * (high - low)[..., 1:]) if fixed else 1.0
    crops = (clip.joints - start) * scale
    walk = replace(clip, joints=crops.astype(np.float32))
    assert whats(walk) == [
        "all bodies stand in the upper left corner: keypoints seem to be measured in crops of persons"
    ]


def test_sides_as_the_camera_sees_them_are_told_by_heels_and_toes() -> None:
    names, clip = MEDIAPIPE_33.joints, front()
    points = np.zeros((1, 40, 33, 2), np.float32)
    for j, name in enumerate(names):
        known = name if name in H36M_17.joints else "nose"
        side = name.partition("_")[0]
        known = f"{side}_ankle" if name.endswith(("heel", "foot")) else known
        points[:, :, j] = clip.joints[:, :, H36M_17.joints.index(known)]
        points[:, :, j, 1] += {"heel": 5, "foot": 40}.get(name.rpartition("_")[2], 0)
    seen = np.ones(points.shape[:3], np.float32)
    whole = PoseSequence(points, seen, MEDIAPIPE_33, "image", 30, image_size=SIZE)
    assert whats(whole) == []
    mirrored = replace(whole, joints=points[:, :, list(MEDIAPIPE_33.mirror)])
    assert whats(mirrored) == [
        "toes point at the camera, and the left shoulder is on the left: sides are the camera's, or mirrored"
    ]
    behind = mirrored.joints.copy()
    toes = [names.index(f"{side}_foot") for side in ("left", "right")]
    behind[:, :, toes, 1] -= 70
    assert whats(replace(mirrored, joints=behind)) == []


def coco(face: float) -> PoseSequence:
    """The same person with COCO's joints, of which the face is that sure."""
    clip, names = front(), COCO_17.joints
    points, sure = np.zeros((1, 40, 17, 2), np.float32), np.full((1, 40, 17), face, np.float32)
    for j, name in enumerate(names):
        points[:, :, j] = clip.joints[:, :, H36M_17.joints.index(name if name in H36M_17.joints else "nose")]
        points[:, :, j, 0] += {"eye": 8, "ear": 20}.get(name.rpartition("_")[2], 0) * (1 if "left" in name else -1)
    sure[:, :, 5:] = np.random.default_rng(0).uniform(0.7, 0.9, (1, 40, 12))
    return PoseSequence(points, sure, COCO_17, "image", 30, image_size=SIZE)


def test_sides_of_who_faces_the_camera_are_told_by_the_face() -> None:
    what = (
        "faces are seen as surely as bodies, and the left shoulder is on the left: sides are the camera's, or mirrored"
    )
    seen, hidden = coco(0.95), coco(0.4)
    assert whats(seen) == whats(hidden) == []
    assert whats(swapped_sides(seen)) == [what]
    assert whats(moved(seen, (-1, 1), (SIZE[0], 0))) == [what]
    assert whats(swapped_sides(hidden)) == []  # somebody seen from behind
    assert whats(swapped_sides(seen.without_confidence())) == []  # nothing tells


def test_coco_with_the_neck_behind_is_no_openpose() -> None:
    clip = coco(0.9)
    neck = clip.joints[:, :, 5:7].mean(2, keepdims=True)
    points = np.concatenate([clip.joints, neck], 2)
    read = PoseSequence(points, np.ones(points.shape[:3], np.float32), OPENPOSE_18, "image", 30, image_size=SIZE)
    assert any("in the order of coco-17 with the neck behind, but not" in what for _, what, *_ in check_clip(read))


def test_two_image_sizes_are_told(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", joints=front().joints, skeleton="h36m-17", fps=30, image_size=SIZE)
    clip = read_file(tmp_path / "a.npz", image_size=(720, 1280))
    assert "720 x 1280 is given, and the file says 1280 x 720; 1280 x 720 counts" in str(clip.notices)
    assert not read_file(tmp_path / "a.npz", image_size=SIZE).notices
    assert not read_file(tmp_path / "a.npz", image_size=SIZE, rotate=90).notices
    with pytest.raises(DataError, match="one of pixels, fractions, longer"):
        read_file(tmp_path / "a.npz", coordinates="wide")
