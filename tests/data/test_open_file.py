"""One file in, one recording out: every kind that is known, and what is said of the others."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from ups.data.datasets import sbu
from ups.data.formats.native import write_file
from ups.data.open_file import READ, read_file
from ups.errors import DataError
from ups.pose import PoseSequence
from ups.skeleton import Skeleton
from ups.skeletons import (
    BANDAI_21,
    COCO_17,
    H36M_17,
    KINECT_20,
    OPENPOSE_18,
    SKELETONS,
    UTD_20,
    find_skeleton,
    read_skeleton,
    skeleton_of,
)


def clip_2d(frames: int = 6, persons: int = 1, seed: int = 0) -> PoseSequence:
    rng = np.random.default_rng(seed)
    seen = rng.uniform(0.1, 1, (persons, frames, 17)).astype(np.float32)
    seen[0, 1, 3] = 0
    joints = np.where(seen[..., None] > 0, rng.uniform(1, 400, (persons, frames, 17, 2)), 0)
    return PoseSequence(joints, seen, COCO_17, "image", 25.0, "wave_1", image_size=(640, 480))


def same(a: PoseSequence, b: PoseSequence) -> None:
    for key in ("joints", "visibility", "pose_3d"):
        np.testing.assert_array_equal(getattr(a, key), getattr(b, key))
    for key in ("skeleton", "space", "fps", "id", "label", "subject", "view", "image_size"):
        assert getattr(a, key) == getattr(b, key), key


@pytest.mark.parametrize("persons", [1, 2])
def test_npz_round_trip_is_exact(tmp_path: Path, persons: int) -> None:
    clip = replace(clip_2d(persons=persons), label=3, subject=2, view=1)
    clip = replace(clip, pose_3d=np.random.default_rng(1).normal(size=(*clip.joints.shape[:3], 3)))
    write_file(clip, tmp_path / "a.npz")
    same(read_file(tmp_path / "a.npz"), clip)
    first = (tmp_path / "a.npz").read_bytes()
    write_file(clip, tmp_path / "a.npz")
    assert (tmp_path / "a.npz").read_bytes() == first
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


def test_npz_keeps_a_skeleton_of_ones_own(tmp_path: Path) -> None:
    arm = Skeleton("arm", ("left_shoulder", "left_elbow", "left_wrist"), (-1, 0, 1), ("left_shoulder",))
    clip = PoseSequence(np.ones((1, 2, 3, 3)), np.ones((1, 2, 3)), arm, "world", 30.0, "x")
    write_file(clip, tmp_path / "a.npz")
    same(read_file(tmp_path / "a.npz"), clip)


def test_the_ten_lines_of_the_guide(tmp_path: Path) -> None:
    joints = np.random.default_rng(0).uniform(0, 480, (40, 17, 2))
    joints[3, 5] = np.nan
    path = tmp_path / "wave_01.npz"
    np.savez(path, joints=joints, skeleton="coco-17", fps=30, image_size=(640, 480))
    clip = read_file(path)
    assert (clip.id, clip.skeleton, clip.space, clip.image_size) == ("wave_01", COCO_17, "image", (640, 480))
    assert clip.joints.shape == (1, 40, 17, 2)
    assert clip.visibility[0, 3, 5] == 0 and clip.visibility.sum() == 40 * 17 - 1
    np.testing.assert_array_equal(clip.joints[0, 3, 5], 0)


def test_json_with_null_for_a_joint_not_seen(tmp_path: Path) -> None:
    joints = np.ones((2, 20, 3)).tolist()
    joints[1][4] = [None, None, None]
    (tmp_path / "a.json").write_text(json.dumps({"joints": joints, "skeleton": "kinect-20", "space": "kinect"}))
    clip = read_file(tmp_path / "a.json", fps=15.0)
    assert clip.fps == 15.0 and clip.visibility[0, 1, 4] == 0 and clip.visibility.sum() == 39


def test_zeros_in_3d_are_not_seen(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", joints=np.zeros((2, 20, 3)), skeleton="kinect-20", space="world")
    assert not read_file(tmp_path / "a.npz").visibility.any()


CSV = """# fps = 50
# image_size = 320 x 240
frame,person,left_hip_x,left_hip_y,right_hip_x,right_hip_y,neck_x,neck_y
4,1,10,20,12,20,11,5
5,1,,,13,21,12,6
4,2,100,20,102,20,101,5
6,1,11,22,14,22,13,7
"""


def test_csv_by_hand(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(CSV)
    clip = read_file(tmp_path / "a.csv")
    assert clip.skeleton.joints == ("left_hip", "right_hip", "neck")
    assert clip.skeleton.parents == (2, 2, -1) and clip.skeleton.root == ("left_hip", "right_hip")
    assert (clip.fps, clip.image_size, clip.persons, clip.frames) == (50.0, (320, 240), 2, 3)
    np.testing.assert_array_equal(clip.joints[0, :, 2], [[11, 5], [12, 6], [13, 7]])
    np.testing.assert_array_equal(clip.visibility[0], [[1, 1, 1], [0, 1, 1], [1, 1, 1]])
    np.testing.assert_array_equal(clip.visibility[1], [[1, 1, 1], [0, 0, 0], [0, 0, 0]])


def test_csv_columns_in_the_order_of_a_listed_skeleton_are_it(tmp_path: Path) -> None:
    head = ",".join(f"{joint}_{axis}" for joint in UTD_20.joints for axis in "xyzv")
    row = ",".join("1,2,3,0.5" for _ in UTD_20.joints)
    (tmp_path / "a.csv").write_text(f"# space = kinect\n{head}\n{row}\n")
    clip = read_file(tmp_path / "a.csv")
    assert clip.skeleton is UTD_20 and clip.space == "kinect" and (clip.visibility == 0.5).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("left_wirst_x,left_wirst_y\n1,2\n", "did you mean left_wrist"),
        ("left_wrist_x\n1\n", "needs _x and _y"),
        ("hello\n1\n", "called frame, person"),
        ("left_hip_x,left_hip_y,right_hip_x,right_hip_y\n1,2,3\n", "row 1 has 3 cells"),
        ("left_hip_x,left_hip_y,right_hip_x,right_hip_y\n1,2,3,a\n", "column right_hip_y: 'a' is no number"),
        ("left_hip_x,left_hip_x\n1,2\n", "named twice"),
        ("frame,left_hip_x,left_hip_y,right_hip_x,right_hip_y\n1,1,1,1,1\n1,1,1,1,1\n", "occurs twice"),
        ("frame,left_hip_x,left_hip_y,right_hip_x,right_hip_y\n1,1,1,1,1\n100000000,1,1,1,1\n", "steps of 1"),
        ("left_hip_x,left_hip_y,left_hip_z,right_hip_x,right_hip_y,right_hip_z\n1,1,1,1,1,1\n", "say space ="),
        ("left_hip_x,left_hip_y,right_hip_x,right_hip_y\n1,1,1,1\n", "image_size"),
        ("left_wrist_x,left_wrist_y\n1,2\n", "neither a pelvis nor both hips"),
        ("", "an empty file"),
    ],
)
def test_bad_csv_says_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(DataError, match=message) as error:
        read_file(tmp_path / "bad.csv")
    assert "bad.csv" in str(error.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "no joints"),
        ({"joints": np.ones((4, 17, 2)), "joint": 1}, "joint unknown"),
        ({"joints": np.ones((4, 17, 2))}, "name the skeleton"),
        ({"joints": np.ones((4, 17, 2)), "skeleton": "coco-18"}, "did you mean coco-17"),
        ({"joints": np.ones((4, 17, 3)), "skeleton": "coco-17"}, "say space"),
        ({"joints": np.ones((4, 17, 3)), "skeleton": "coco-17", "space": "room"}, "'room' is not one of"),
        ({"joints": np.ones((17, 2)), "skeleton": "coco-17"}, r"shape \(17, 2\)"),
        ({"joints": np.ones((4, 17, 2)), "skeleton": "coco-17"}, "image_size"),
        ({"joints": np.ones((4, 17, 2)), "skeleton": "coco-17", "image_size": (0, 5)}, "0 x 5"),
        ({"joints": np.ones((4, 17, 2)), "skeleton": "coco-17", "label": "wave"}, "clips.csv"),
        (
            {"joints": np.ones((4, 17, 2)), "skeleton": "coco-17", "visibility": np.ones((4, 16))},
            "visibility has shape",
        ),
        ({"joints": np.array({"a": 1}, dtype=object)}, "plain arrays"),
    ],
)
def test_bad_npz_says_what_is_wrong(tmp_path: Path, fields: dict, message: str) -> None:
    np.savez(tmp_path / "bad.npz", **fields)
    with pytest.raises(DataError, match=message):
        read_file(tmp_path / "bad.npz")


def test_the_joints_of_a_skeleton_are_picked_by_name(tmp_path: Path) -> None:
    clip = replace(clip_2d(), skeleton=H36M_17)
    write_file(clip, tmp_path / "a.npz")
    (tmp_path / "half.toml").write_text('joints = ["left_hip", "pelvis", "nose"]\nbones = [["left_hip", "pelvis"]]')
    picked = read_file(tmp_path / "a.npz", str(tmp_path / "half.toml"))
    assert picked.skeleton.joints == ("left_hip", "pelvis", "nose") and picked.skeleton.parents == (1, -1, -1)
    np.testing.assert_array_equal(picked.joints, clip.joints[:, :, [4, 0, 9]])
    with pytest.raises(DataError, match=r"'h36m-17' lacks left_eye, .* of skeleton 'coco-17'"):
        read_file(tmp_path / "a.npz", "coco-17")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("joints = [", "not a TOML"),
        ("bones = []", "joints are missing"),
        ('joints = ["pelvis"]\nroots = ["pelvis"]', "unknown roots"),
        ('joints = ["Left Elbow", "pelvis"]', "did you mean left_elbow"),
        ('joints = ["pelvis", "neck"]\nbones = [["neck", "head"]]', "own joints"),
        ('joints = ["pelvis", "neck", "head"]\nbones = [["head", "neck"], ["head", "pelvis"]]', "two parents"),
        ('joints = ["pelvis", "neck"]\nbones = [["neck", "pelvis"], ["pelvis", "neck"]]', "cycle"),
        ('joints = ["neck"]\n', "neither a pelvis nor both hips"),
        ('joints = ["neck"]\nroot = ["pelvis"]', "must name joints"),
        ("joints = 3", "list of joint names"),
    ],
)
def test_a_bad_skeleton_file_says_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(DataError, match=message):
        find_skeleton(str(tmp_path / "mine.toml"))


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=lambda s: s.name)
def test_bones_without_a_description_join_the_body(tmp_path: Path, skeleton: Skeleton) -> None:
    assert skeleton_of(skeleton.joints, "x") is skeleton
    (tmp_path / "mine.toml").write_text(f"joints = {list(skeleton.joints)}")
    mine = read_skeleton(tmp_path / "mine.toml")
    assert mine.name == "mine" and mine.joints == skeleton.joints and mine.root == skeleton.root
    assert mine.parents.count(-1) == 1  # one tree
    if skeleton in (KINECT_20, UTD_20, BANDAI_21):
        assert mine.parents == skeleton.parents


def openpose(folder: Path, frames: list[list[np.ndarray]]) -> Path:
    folder.mkdir()
    for n, people in enumerate(frames):
        record = {"version": 1.3, "people": [{"pose_keypoints_2d": p.ravel().tolist()} for p in people]}
        (folder / f"video_{n:012}_keypoints.json").write_text(json.dumps(record))
    return folder


def test_openpose_follows_persons_whatever_their_order(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    shape = rng.uniform(0, 100, (25, 2))
    a, b = (
        np.concatenate([shape + offset, np.full((25, 1), c)], 1) for offset, c in (((0, 50), 0.9), ((300, 50), 0.8))
    )
    moved = [(a + (n, 0, 0), b - (n, 0, 0)) for n in range(6)]
    frames = [[p, q] if n % 2 else [q, p] for n, (p, q) in enumerate(moved)]
    frames[3] = [moved[3][1]]  # one is hidden
    clip = read_file(openpose(tmp_path / "clip", frames), image_size=(640, 480), fps=25)
    assert clip.skeleton is OPENPOSE_18 and clip.joints.shape == (2, 6, 18, 2) and clip.fps == 25
    order = np.argsort(clip.joints[:, 0, :, 0].mean(-1))
    nose = clip.joints[order][:, :, 0, 0]
    np.testing.assert_allclose(nose[0], [shape[0, 0] + n if n != 3 else 0 for n in range(6)], rtol=1e-5)
    np.testing.assert_allclose(nose[1], [shape[0, 0] + 300 - n for n in range(6)], rtol=1e-5)
    np.testing.assert_allclose(clip.joints[order][0, 0, 8], a[9, :2], rtol=1e-5)  # BODY_25's right hip
    assert clip.visibility[order][0, 3].max() == 0
    with pytest.raises(DataError, match="image_size"):
        read_file(tmp_path / "clip")


def test_openpose_where_nobody_is_seen(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nobody is seen in any of its 2"):
        read_file(openpose(tmp_path / "clip", [[], []]), image_size=(640, 480))


def test_coco_annotations_and_results(tmp_path: Path) -> None:
    points = np.concatenate([np.arange(34.0).reshape(17, 2) * 3 + 1, np.full((17, 1), 2)], 1)
    points[4] = 0
    images = [{"id": i, "width": 320, "height": 240, "file_name": f"{i}.jpg"} for i in (10, 9)]
    annotations = [{"image_id": i, "keypoints": (points + (i, 0, 0) * (points > 0)).ravel().tolist()} for i in (9, 10)]
    (tmp_path / "a.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    clip = read_file(tmp_path / "a.json")
    assert clip.skeleton is COCO_17 and clip.image_size == (320, 240) and clip.frames == 2
    np.testing.assert_array_equal(clip.joints[0, :, 0], [[10, 4], [11, 4]])
    assert clip.visibility[0, :, 4].max() == 0 and clip.visibility.sum() == 32
    (tmp_path / "b.json").write_text(json.dumps(annotations))
    with pytest.raises(DataError, match="how large the images are"):
        read_file(tmp_path / "b.json")
    np.testing.assert_array_equal(read_file(tmp_path / "b.json", image_size=(320, 240)).joints, clip.joints)


BVH = """HIERARCHY
ROOT {p}Hips
{{
  OFFSET 0 0 0
  CHANNELS 3 Xposition Yposition Zposition
{legs}
}}
MOTION
Frames: 1
Frame Time: 0.01
0 90 0
"""


@pytest.mark.parametrize(
    ("names", "scale"),
    [
        (("mixamorig:LeftUpLeg", "mixamorig:LeftLeg", "mixamorig:RightUpLeg", "mixamorig:RightLeg"), 100),
        (("UpperLeg_L", "LowerLeg_L", "UpperLeg_R", "LowerLeg_R"), 1),
        (("LeftHip", "LeftKnee", "RightHip", "RightKnee"), 1000),
        (("L_Hip", "L_Knee", "R_Hip", "R_Knee"), 1 / 0.0254),
    ],
)
def test_bvh_by_any_usual_name_in_any_usual_unit(tmp_path: Path, names: tuple[str, ...], scale: float) -> None:
    legs = ""
    for side, (hip, knee) in zip((1, -1), (names[:2], names[2:]), strict=True):
        legs += f"JOINT {hip}\n{{\nOFFSET {side * 0.1 * scale} 0 0\nCHANNELS 0\nJOINT {knee}\n{{\n"
        legs += f"OFFSET 0 {-0.4 * scale} 0\nCHANNELS 0\nEnd Site\n{{\nOFFSET 0 0 0\n}}\n}}\n}}\n"
    (tmp_path / "a.bvh").write_text(BVH.format(legs=legs, p="mixamorig:" if ":" in names[0] else ""))
    clip = read_file(tmp_path / "a.bvh")
    assert clip.skeleton.joints == ("pelvis", "left_hip", "right_hip", "left_knee", "right_knee")
    assert clip.space == "world" and clip.fps == 100
    expected = np.array([[0, 0], [0.1, 0], [-0.1, 0], [0.1, -0.4], [-0.1, -0.4]]) + (0, 90 / scale)
    np.testing.assert_allclose(clip.joints[0, 0, :, :2], expected, rtol=1e-5, atol=1e-6)


def test_official_files_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "a02_s01_e01_v01.json").write_text(json.dumps({"label": 2, "skeletons": np.ones((4, 20, 3)).tolist()}))
    scipy.io.savemat(tmp_path / "a3_s1_t1_skeleton.mat", {"d_skel": np.ones((20, 3, 5))})
    rows = "\n".join("100 200 2000" for _ in range(30))
    (tmp_path / "a04_s01_e01_realworld.txt").write_text(rows)
    (tmp_path / "a04_s01_e01_screen.txt").write_text(rows)
    pair = tmp_path / next(iter(sbu.FOLDS["fold1"])) / "05" / "001"
    pair.mkdir(parents=True)
    (pair / "skeleton_pos.txt").write_text(",".join("0.5" for _ in range(91)))
    found = {p.name: read_file(p) for p in sorted(tmp_path.rglob("*.*")) if p.is_file()}
    assert {name: (c.label, c.skeleton.name, c.space) for name, c in found.items()} == {
        "a02_s01_e01_v01.json": (1, "kinect-20", "kinect"),
        "a3_s1_t1_skeleton.mat": (2, "utd-20", "kinect"),
        "a04_s01_e01_realworld.txt": (3, "kard-15", "kinect"),
        "a04_s01_e01_screen.txt": (3, "kard-15", "image"),
        "skeleton_pos.txt": (4, "sbu-15", "kinect"),
    }


def test_official_kinds_by_any_name_and_without_labels(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    joints = rng.normal(0, 0.5, (4, 20, 3))
    (tmp_path / "my walk.json").write_text(json.dumps({"skeletons": joints.tolist()}))
    (tmp_path / "a02_s01_e01_v01.json").write_text(json.dumps({"label": "Gehen", "skeletons": joints.tolist()}))
    scipy.io.savemat(tmp_path / "Jürgen.mat", {"d_skel": joints.transpose(1, 2, 0)})
    scipy.io.savemat(tmp_path / "a99_s1_t1_skeleton.mat", {"d_skel": joints.transpose(1, 2, 0)})
    flat = {"x": rng.random((4, 13)) * 300, "y": rng.random((4, 13)) * 200, "visibility": np.ones((4, 13))}
    scipy.io.savemat(tmp_path / "clip.mat", {**flat, "dimensions": [[240, 320, 4]]})
    scipy.io.savemat(tmp_path / "hop.mat", {**flat, "dimensions": [[240, 320, 4]], "action": ["hop"], "train": [[7]]})
    metres = rng.normal((0, 0, 2500), (300, 500, 50), (30, 3))
    (tmp_path / "kinect.txt").write_text("\n".join(" ".join(map(str, row)) for row in metres))
    pixels = rng.uniform((0, 0, 2000), (640, 480, 3000), (30, 3))
    (tmp_path / "pixels.txt").write_text("\n".join(" ".join(map(str, row)) for row in pixels))
    pair = ",".join(["1", *(f"{value:.3f}" for value in rng.random(90))])
    (tmp_path / "two people.txt").write_text(f"{pair},\n{pair},\n")
    found = {p.name: read_file(p) for p in sorted(tmp_path.iterdir())}
    kinds = {
        name: (c.id, c.label, c.subject, c.skeleton.name, c.space, c.joints.shape[:2]) for name, c in found.items()
    }
    assert kinds == {
        "my walk.json": ("my walk", -1, -1, "kinect-20", "kinect", (1, 4)),
        "a02_s01_e01_v01.json": ("a02_s01_e01_v01", -1, 1, "kinect-20", "kinect", (1, 4)),
        "Jürgen.mat": ("Jürgen", -1, -1, "utd-20", "kinect", (1, 4)),
        "a99_s1_t1_skeleton.mat": ("a99_s1_t1_skeleton", -1, -1, "utd-20", "kinect", (1, 4)),
        "clip.mat": ("clip", -1, -1, "penn-13", "image", (1, 4)),
        "hop.mat": ("hop", -1, -1, "penn-13", "image", (1, 4)),
        "kinect.txt": ("kinect", -1, -1, "kard-15", "kinect", (1, 2)),
        "pixels.txt": ("pixels", -1, -1, "kard-15", "image", (1, 2)),
        "two people.txt": ("two people", -1, -1, "sbu-15", "kinect", (2, 2)),
    }
    np.testing.assert_allclose(found["pixels.txt"].joints.reshape(-1, 2), pixels[:, :2], rtol=1e-6)
    np.testing.assert_allclose(found["kinect.txt"].joints.reshape(-1, 3), metres * (-1, 1, 1) / 1000, rtol=1e-5)


@pytest.mark.parametrize(
    "labels",
    [{}, {"label": "wave to the crowd", "label_index": 3}, {"label": "jump", "label_index": -1}, {"label_index": None},
     {"label": 7, "label_index": "a"}],
)  # fmt: skip
def test_kinetics_form_with_any_label_or_none(tmp_path: Path, labels: dict) -> None:
    rng = np.random.default_rng(1)
    pose = rng.uniform(0.2, 0.8, (18, 2))
    frames = [{"frame_index": i, "skeleton": [{"pose": pose.ravel().tolist(), "score": [0.5] * 18}]} for i in (1, 2, 4)]
    (tmp_path / "mine.json").write_text(json.dumps({"data": frames, **labels}))
    clip = read_file(tmp_path / "mine.json", fps=25, image_size=(1000, 500))
    assert (clip.id, clip.label, clip.fps, clip.image_size) == ("mine", -1, 25, (1000, 500))
    assert clip.visibility.any(-1)[0].tolist() == [True, True, False, True]
    np.testing.assert_allclose(clip.joints[0, 0], pose * (1000, 500), rtol=1e-6)


def test_ntu_by_any_name(tmp_path: Path) -> None:
    joint = "0.1 0.2 3.0 0 0 0 0 0 0 0 0 2\n"
    body = "72057594037931101 0 0 0 0 0 0 0 0 2\n25\n" + "".join(f"0.{i:02} " + joint[4:] for i in range(25))
    frame = f"1\n{body}"
    (tmp_path / "living room 3.skeleton").write_text(f"40\n{frame * 40}")
    clip = read_file(tmp_path / "living room 3.skeleton")
    assert (clip.id, clip.label, clip.subject, clip.view) == ("living room 3", -1, -1, -1)
    assert clip.joints.shape == (1, 40, 25, 3) and clip.joints[0, 0, 5, 0] == np.float32(0.05)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.mp4", b"", r"\.mp4 is no kind of recording"),
        ("a.pkl", b"x", "data prepare"),
        ("data_3d_h36m.npz", b"x", "many recordings"),
        ("a.json", b"{", "not a readable JSON"),
        ("a.json", b"3", "nothing but 3"),
        ("a.json", b'{"people": []}', "one frame of OpenPose"),
        ("a.json", b'{"what": 1}', "JSON with 'what' in it"),
        ("a.json", b'[{"image_id": 1}]', "not keypoints in COCO's format"),
        ("a.json", b"[1, 2]", "a list of int: neither frames of persons"),
        ("a.npz", b"PK", "not a readable .npz"),
        ("a.mat", b"x", "MATLAB"),
        ("a.txt", b"x", "neither KARD's"),
        ("a.bvh", b"x", "MOTION"),
        ("a_screen.txt", b"1 2 3", "15 lines of 3"),
        ("a.json", b'{"data": [], "label": 3}', "no person"),
        ("a.json", b'{"data": [3]}', "not a readable recording"),
    ],
)
def test_what_is_not_known_is_said(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        read_file(tmp_path / name)
    assert name in str(error.value)
    if "no kind" in message:
        assert READ in str(error.value) and "\n" not in str(error.value)


def test_folders_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="without OpenPose"):
        read_file(tmp_path)
    (tmp_path / "store.json").write_text("{}")
    with pytest.raises(DataError, match="a store of many"):
        read_file(tmp_path)
    with pytest.raises(FileNotFoundError, match="none.npz"):
        read_file(tmp_path / "none.npz")
