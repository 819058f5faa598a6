"""Recordings in other formats: what is written is read back."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ups.data.formats.write import FORMATS, not_held, write
from ups.data.open_file import read_file
from ups.errors import DataError
from ups.pose import PoseSequence, Space
from ups.skeletons import BANDAI_21, COCO_17, KINECT_20, MEDIAPIPE_33, SKELETONS, skeleton_of


def flat(persons: int = 2, sure: bool = False) -> PoseSequence:
    rng = np.random.default_rng(0)
    start = rng.uniform(50, 250, (persons, 1, 17, 2)) + np.arange(persons)[:, None, None, None] * (300, 0)
    joints = start + rng.uniform(-1, 1, (persons, 5, 17, 2)).cumsum(1)
    seen = (rng.random((persons, 5, 17)) > 0.2) * (1 if sure else rng.uniform(0.1, 1, (persons, 5, 17)))
    joints = np.where(seen[..., None] > 0, joints, 0)
    return PoseSequence(joints, seen, COCO_17, "image", 23.976, "walk", image_size=(640, 480))


def solid(skeleton=BANDAI_21, space: Space = "world", gaps: bool = True) -> PoseSequence:
    rng = np.random.default_rng(1)
    joints = rng.normal(0, 0.4, (1, 1, len(skeleton), 3)) + rng.normal(0, 0.02, (1, 6, len(skeleton), 3)).cumsum(1)
    seen = np.ones(joints.shape[:3])
    if gaps:
        seen[0, 2, 3] = seen[0, 0, 4] = 0
        joints[seen == 0] = 0
    return PoseSequence(joints, seen, skeleton, space, 60.0, "jump")


def same(clip: PoseSequence, other: PoseSequence, tolerance: float = 0.0) -> None:
    """The same joints by name, whatever their order."""
    assert set(clip.skeleton.joints) == set(other.skeleton.joints)
    order = [clip.skeleton.joints.index(joint) for joint in other.skeleton.joints]
    np.testing.assert_allclose(clip.joints[:, :, order], other.joints, rtol=0, atol=tolerance)
    np.testing.assert_allclose(clip.visibility[:, :, order], other.visibility, rtol=0, atol=tolerance)
    assert clip.fps == pytest.approx(other.fps, rel=1e-5)
    assert clip.image_size == other.image_size


@pytest.mark.parametrize("kind", ["npz", "json", "csv", "coco"])
@pytest.mark.parametrize("sure", [False, True])
def test_2d_comes_back_exactly(tmp_path: Path, kind: str, sure: bool) -> None:
    clip = flat(sure=sure)
    path = tmp_path / ("a.json" if kind == "coco" else f"a.{kind}")
    write(clip, path, kind)
    back = read_file(path)
    same(back if np.allclose(back.joints[0], clip.joints[0]) else replace(back, joints=back.joints[::-1],
                                                                         visibility=back.visibility[::-1]), clip)  # fmt: skip
    assert not any(notice.severity == "warning" for notice in back.notices)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("kind", ["npz", "json", "csv"])
@pytest.mark.parametrize("space", ["world", "kinect", "camera"])
def test_3d_comes_back_exactly(tmp_path: Path, kind: str, space: Space) -> None:
    clip = replace(solid(KINECT_20, space), label=3, subject=2, view=1)
    write(clip, tmp_path / f"a.{kind}", kind)
    back = read_file(tmp_path / f"a.{kind}")
    same(back, clip)
    assert (back.space, back.label, back.subject, back.view, back.id) == (space, 3, 2, 1, "jump")


def test_json_keeps_3d_behind_2d_and_a_skeleton_of_ones_own(tmp_path: Path) -> None:
    clip = flat(1)
    clip = replace(clip, pose_3d=np.random.default_rng(2).normal(size=(1, 5, 17, 3)))
    write(clip, tmp_path / "a.json", "json")
    np.testing.assert_array_equal(read_file(tmp_path / "a.json").pose_3d, clip.pose_3d)
    mine = skeleton_of(["left_hip", "right_hip", "nose", "left_knee", "right_knee"], "x", "mine")
    clip = solid(mine, gaps=False)
    write(clip, tmp_path / "b.json", "json")
    assert read_file(tmp_path / "b.json").skeleton == mine


@pytest.mark.parametrize("kind", ["npz", "json", "csv", "coco"])
def test_what_the_user_said_of_axes_and_camera_is_kept_or_told(tmp_path: Path, kind: str) -> None:
    clip = replace(flat(1, sure=True), up_known=True, focal=812.5, centre=(310.25, 240.0), label=2, view=1)
    clip = replace(clip, id="a")
    write(clip, tmp_path / "a.json" if kind == "coco" else tmp_path / f"a.{kind}", kind)
    back = read_file(tmp_path / "a.json" if kind == "coco" else tmp_path / f"a.{kind}")
    assert back.up_known
    if kind == "coco":
        words = ("focal", "centre", "label", "camera's number")
        assert all(any(word in what for what in not_held(clip, kind)) for word in words)
        assert not any("subject" in what for what in not_held(clip, kind))
    else:
        assert (back.focal, back.centre, back.label, back.view) == (812.5, (310.25, 240.0), 2, 1)
        assert not_held(clip, kind) == []
    if kind != "coco":
        write(replace(solid(KINECT_20, "kinect"), up_known=True), tmp_path / f"b.{kind}", kind)
        back = read_file(tmp_path / f"b.{kind}")
        assert back.up_known and back.space == "kinect"
        same(back, solid(KINECT_20, "kinect"))


def test_what_trc_and_bvh_do_not_hold_is_told() -> None:
    clip = solid(gaps=False)
    for kind in ("trc", "bvh"):
        seen = np.full(clip.visibility.shape, 0.5, np.float32)
        assert any("confidences" in what for what in not_held(replace(clip, visibility=seen), kind))
        assert any("frame is camera" in what for what in not_held(replace(clip, space="camera"), kind))


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=lambda s: s.name)
def test_trc_of_every_skeleton(tmp_path: Path, skeleton) -> None:
    clip = solid(skeleton)
    write(clip, tmp_path / "a.trc", "trc")
    same(read_file(tmp_path / "a.trc"), clip)


def human(space: Space = "world", seed: int = 0) -> PoseSequence:
    """A body with thighs of human length, whose bones turn."""
    rng = np.random.default_rng(seed)
    joints = np.zeros((1, 8, 21, 3))
    for j in BANDAI_21.top_down:
        parent = BANDAI_21.parents[j]
        direction = rng.normal(size=3) + rng.normal(0, 0.2, (8, 3)).cumsum(0)
        bone = 0.42 * direction / np.linalg.norm(direction, axis=-1, keepdims=True)
        joints[0, :, j] = joints[0, :, parent] + bone if parent >= 0 else rng.normal(0, 0.1, (8, 3)).cumsum(0)
    return PoseSequence(joints, np.ones(joints.shape[:3]), BANDAI_21, space, 50.0, "turn")


@pytest.mark.parametrize("space", ["world", "camera"])
def test_bvh_has_the_same_positions(tmp_path: Path, space: Space) -> None:
    clip = human(space)
    write(clip, tmp_path / "a.bvh", "bvh")
    y_up = clip.joints * ((1, -1, -1) if space == "camera" else 1)
    same(read_file(tmp_path / "a.bvh", up="y"), replace(clip, joints=y_up, space="world"), 1e-4)


def test_bvh_without_its_position_channels_keeps_the_bones(tmp_path: Path) -> None:
    """Programs that read rotations alone get the pose too, for bones here have constant lengths; only joints with several
    bones, whose angle changes, differ: the limbs below them turn as they should.
    """
    clip = human()
    write(clip, tmp_path / "a.bvh", "bvh")
    lines = (tmp_path / "a.bvh").read_text().splitlines()
    start = lines.index("MOTION") + 3
    joints = [line.split()[1] for line in lines if line.split()[0] in ("ROOT", "JOINT")]
    text = "\n".join(lines[:start])
    head, _, rest = text.partition("CHANNELS 6")
    text = head + "CHANNELS 6" + rest.replace("CHANNELS 6 Xposition Yposition Zposition", "CHANNELS 3")
    values = np.array([line.split() for line in lines[start:]], float).reshape(len(clip.joints[0]), len(joints), 6)
    rows = [" ".join(map(str, [*frame[0], *frame[1:, 3:].ravel()])) for frame in values]
    (tmp_path / "b.bvh").write_text("\n".join([text, *rows]) + "\n")
    back = read_file(tmp_path / "b.bvh")
    for lower, upper in (("left_wrist", "left_elbow"), ("right_ankle", "right_knee"), ("left_knee", "left_hip")):
        a, b = (
            c.joints[0, :, c.skeleton.joints.index(lower)] - c.joints[0, :, c.skeleton.joints.index(upper)]
            for c in (clip, back)
        )
        np.testing.assert_allclose(b, a, atol=1e-3)


def test_bvh_fills_gaps_and_makes_a_pelvis(tmp_path: Path) -> None:
    names = ["left_hip", "right_hip", "left_knee", "right_knee", "nose"]
    joints = (
        np.array([(0.1, 1, 0), (-0.1, 1, 0), (0.1, 0.6, 0), (-0.1, 0.6, 0), (0, 1.6, 0)]) + np.arange(3)[:, None, None]
    )
    seen = np.ones((3, 5))
    seen[1, 2] = 0
    seen[:, 4] = 0
    joints[seen == 0] = 0
    clip = PoseSequence(joints[None], seen[None], skeleton_of(names, "x"), "world", 30.0)
    write(clip, tmp_path / "a.bvh", "bvh")
    back = read_file(tmp_path / "a.bvh")
    assert set(back.skeleton.joints) == {*names[:4], "pelvis"}
    knee = back.joints[0, :, back.skeleton.joints.index("left_knee")]
    np.testing.assert_allclose(knee, np.array((0.1, 0.6, 0)) + np.arange(3)[:, None], atol=1e-4)
    with pytest.raises(DataError, match="hangs on a pelvis"):
        write(replace(clip, visibility=seen[None] * (1, 0, 1, 1, 1)), tmp_path / "b.bvh", "bvh")
    assert not (tmp_path / "b.bvh").exists()


def test_what_a_format_cannot_hold_is_said(tmp_path: Path) -> None:
    for clip, kind, message in (
        (flat(), "trc", "lift the 2D recording with --lift"),
        (flat(), "bvh", "lift the 2D recording with --lift"),
        (solid(), "coco", "COCO's keypoints are 2D"),
        (
            replace(solid(), joints=np.ones((2, 6, 21, 3)), visibility=np.ones((2, 6, 21))),
            "trc",
            "choose one with --person",
        ),
        (flat(), "fbx", "'fbx' is no format to write; known are npz"),
    ):
        with pytest.raises(DataError, match=message):
            write(clip, tmp_path / "a", kind)
    assert not list(tmp_path.iterdir()) and len(FORMATS) == 6


def test_mediapipe_through_coco(tmp_path: Path) -> None:
    joints = np.random.default_rng(0).uniform(10, 400, (1, 3, 33, 2))
    clip = PoseSequence(joints, np.ones((1, 3, 33)), MEDIAPIPE_33, "image", 30.0, image_size=(640, 480))
    write(clip, tmp_path / "a.json", "coco")
    same(read_file(tmp_path / "a.json"), clip)


def standing() -> PoseSequence:
    """One person in 3D, y up, whose bones keep their lengths, so that every 3D format can hold the clip."""
    places = {"pelvis": (0, 0.9, 0), "neck": (0, 1.45, 0), "head": (0, 1.6, 0.02), "shoulder": (0.2, 1.4, 0),
              "elbow": (0.25, 1.1, 0.02), "wrist": (0.27, 0.86, 0.05), "hip": (0.1, 0.9, 0), "knee": (0.11, 0.48, 0.03),
              "ankle": (0.11, 0.06, 0)}  # fmt: skip
    names = [*list(places)[:3], *(f"{side}_{part}" for part in list(places)[3:] for side in ("left", "right"))]
    rest = np.array(
        [np.array(places[n.removeprefix("left_").removeprefix("right_")]) * (-1 if n.startswith("right_") else 1, 1, 1)
         for n in names]
    )  # fmt: skip
    joints = rest + np.arange(5)[:, None, None] * np.array([0.02, 0.01, -0.03])
    return PoseSequence(joints[None], np.ones((1, 5, len(names))), skeleton_of(names, "x"), "world", 50.0, "walk")


FLAT, SOLID = ("npz", "json", "csv", "coco"), ("npz", "json", "csv", "trc", "bvh")
PAIRS = [(a, b) for kinds in (FLAT, SOLID) for a in kinds for b in kinds]


@pytest.mark.parametrize(("first", "second"), dict.fromkeys(PAIRS), ids="-".join)
@pytest.mark.parametrize("space", ["image", "world"])
def test_from_every_format_into_every_other(tmp_path: Path, first: str, second: str, space: Space) -> None:
    """The clip is written, read, written in the second format, and read again."""
    if not {first, second} <= set(FLAT if space == "image" else SOLID):
        pytest.skip(f"one of them holds no clip in space {space}")
    clip = flat(persons=1, sure=True) if space == "image" else standing()
    for n, kind in enumerate((first, second)):
        path = tmp_path / f"{n}.{'json' if kind == 'coco' else kind}"
        write(read_file(tmp_path / f"{n - 1}.{'json' if first == 'coco' else first}") if n else clip, path, kind)
    back = read_file(path)
    same(back, clip, 2e-4 if "bvh" in (first, second) else 1e-5)
    assert back.space == clip.space and not any(notice.severity == "warning" for notice in back.notices)
