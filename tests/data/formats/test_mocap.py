"""Motion capture: TRC, C3D, BVH of any names; and bare arrays."""

from pathlib import Path

import numpy as np
import pytest

from ups.data.formats import c3d as c3d_format
from ups.data.formats.arrays import read_array
from ups.data.formats.axes import UPRIGHT, up_axis, y_up
from ups.data.formats.c3d import read_c3d
from ups.data.formats.joint_map import JointMap
from ups.data.formats.named import Wish
from ups.data.open_file import read_file
from ups.errors import DataError
from ups.skeletons import COCO_17

MARKERS = ("Neck", "RShoulder", "RElbow", "LShoulder", "LElbow", "midHip", "RHip", "RKnee", "LHip", "LKnee", "V_Sacral")
JOINTS = ("neck", "right_shoulder", "right_elbow", "left_shoulder", "left_elbow", "pelvis", "right_hip", "right_knee",
          "left_hip", "left_knee")  # fmt: skip
STANDING = np.array([(0, 1.5, 0), (-0.2, 1.4, 0), (-0.25, 1.1, 0), (0.2, 1.4, 0), (0.25, 1.1, 0), (0, 1, 0), (-0.1, 1, 0),
                     (-0.1, 0.5, 0), (0.1, 1, 0), (0.1, 0.5, 0), (0, 1.1, -0.1)])  # fmt: skip
FRAMES = 4


def moving() -> np.ndarray:
    """(FRAMES, 11, 3) metres, y up."""
    return STANDING + np.arange(FRAMES)[:, None, None] * (0.1, 0, 0.05)


def trc(points: np.ndarray, unit: str, rate: str = "100.00") -> str:
    """A file as Pose2Sim and OpenCap write it."""
    count = points.shape[1]
    lines = [
        "PathFileType\t4\t(X/Y/Z)\twalk.trc",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames",
        f"{rate}\t{rate}\t{len(points)}\t{count}\t{unit}\t{rate}\t1\t{len(points)}",
        "Frame#\tTime\t" + "\t\t\t".join(MARKERS[:count]) + "\t\t\t",
        "\t\t" + "\t".join(f"X{i}\tY{i}\tZ{i}" for i in range(1, count + 1)) + "\t",
        "",
    ]
    for n, frame in enumerate(points):
        cells = ["" if np.isnan(v) else f"{v:.6f}" for v in frame.ravel()]
        lines.append("\t".join([str(n + 1), f"{n / 100:.3f}", *cells]))
    return "\r\n".join(lines) + "\r\n"


@pytest.mark.parametrize(("unit", "scale"), [("m", 1), ("mm", 1000), ("cm", 100)])
def test_trc(tmp_path: Path, unit: str, scale: float) -> None:
    points = moving()
    points[2, 1] = np.nan
    (tmp_path / "walk.TRC").write_bytes(trc(points * scale, unit).encode())
    clip = read_file(tmp_path / "walk.TRC")
    assert (clip.space, clip.fps, clip.persons) == ("world", 100, 1) and set(clip.skeleton.joints) == set(JOINTS)
    for i, joint in enumerate(JOINTS):
        j = clip.skeleton.joints.index(joint)
        np.testing.assert_allclose(clip.joints[0, :, j], np.nan_to_num(points[:, i]), atol=1e-6)
    assert clip.visibility[0, 2, clip.skeleton.joints.index("right_shoulder")] == 0
    assert any("'V_Sacral'" in notice.detail for notice in clip.notices)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\tm\t", "\tpx\t", "line 3: Units 'px'; one of m,"),
        ("100.00\t100.00", "fast\t100.00", "line 3: DataRate"),
        ("PathFileType", "Path", "PathFileType on top"),
        ("0.200000", "x", "line 7: could not convert"),
        ("RShoulder\t\t\t", "", "line 7: 35 cells; 10 markers need 32"),
    ],
)
def test_damaged_trc(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = trc(moving(), "m")
    assert old in text
    (tmp_path / "a.trc").write_text(text.replace(old, new, 1))
    with pytest.raises(DataError, match=message):
        read_file(tmp_path / "a.trc")


def c3d(path: Path, points: np.ndarray, labels: tuple[str, ...], unit: str = "mm", **screen: str) -> Path:
    ezc3d = pytest.importorskip("ezc3d")
    file = ezc3d.c3d()
    file["parameters"]["POINT"]["RATE"]["value"] = [50]
    file["parameters"]["POINT"]["LABELS"]["value"] = list(labels)
    file.add_parameter("POINT", "UNITS", [unit])
    for key, value in screen.items():
        file.add_parameter("POINT", key, [value])
    file["data"]["points"] = np.concatenate([points.transpose(2, 1, 0), np.ones((1, points.shape[1], len(points)))])
    file.write(str(path))
    return path


@pytest.mark.parametrize("up", ["x", "y", "z", "-z"])
@pytest.mark.parametrize("stated", [False, True])
def test_c3d(tmp_path: Path, up: str, stated: bool) -> None:
    """Written in the axes of which `up` is up; Y_SCREEN says so, or the bodies do."""
    points = moving() @ np.array(UPRIGHT[up], float)  # the inverse of what reading does
    screen = {"X_SCREEN": "+X", "Y_SCREEN": up if up.startswith("-") else f"+{up.upper()}"} if stated else {}
    labels = tuple(f"Anna:{name}" for name in MARKERS)
    clip = read_file(c3d(tmp_path / "a.c3d", points * 1000, labels, **screen))
    assert (clip.space, clip.fps) == ("world", 50)
    for i, joint in enumerate(JOINTS):
        j = clip.skeleton.joints.index(joint)
        np.testing.assert_allclose(clip.joints[0, :, j], moving()[:, i], atol=1e-5)
    assert any("points up" in notice.what for notice in clip.notices) != stated


def test_c3d_that_tells_too_little(tmp_path: Path) -> None:
    lying = moving() @ np.array([[0.7, 0.7, 0], [-0.7, 0.7, 0], [0, 0, 1]])
    path = c3d(tmp_path / "a.c3d", lying, MARKERS, "m")
    with pytest.raises(DataError, match="which axis points up, nor do the bodies; give --up, one of x, y"):
        read_file(path)
    assert read_c3d(path, Wish(up="y")).space == "world"
    with pytest.raises(DataError, match="POINT:UNITS is 'furlong'"):
        read_file(c3d(tmp_path / "b.c3d", moving(), MARKERS, "furlong"))
    with pytest.raises(DataError, match=r"0 of 11 joints .*'LASI0', 'LASI1', 'LASI2' and 8 more.*--joint-map"):
        read_file(c3d(tmp_path / "c.c3d", moving(), tuple(f"LASI{i}" for i in range(11))))
    (tmp_path / "d.c3d").write_bytes(b"\x02P" + bytes(510))
    with pytest.raises(DataError, match="not a C3D file, or cut off"):
        read_file(tmp_path / "d.c3d")


def test_a_c3d_that_crashes_its_library_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = c3d(tmp_path / "a.c3d", moving(), MARKERS, "m")
    monkeypatch.setattr(c3d_format, "_CHILD", "import os; os.abort()")
    with pytest.raises(DataError, match=r"a.c3d: ezc3d can't read it .* it is damaged"):
        read_file(path)
    monkeypatch.setattr(c3d_format, "_CHILD", "while True: pass")
    monkeypatch.setattr(c3d_format, "_SECONDS", 1)
    with pytest.raises(DataError, match="does not come to an end"):
        read_file(path)


def test_axes() -> None:
    places = {"neck": 0, "left_hip": 8, "right_hip": 6}
    for up, rows in UPRIGHT.items():
        turned = moving() @ np.array(rows, float)
        assert np.linalg.det(np.array(rows)) == pytest.approx(1)
        assert up_axis(turned[None], places) == up
        np.testing.assert_allclose(y_up(turned, up), moving(), atol=1e-9)
    assert up_axis(moving()[None], {"left_hip": 0}) is None


def test_arrays(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    flat = rng.uniform(10, 400, (2, 5, 17, 2)).astype(np.float32)
    flat[0, 1, 2] = np.nan
    np.save(tmp_path / "a.npy", flat)
    clip = read_file(tmp_path / "a.npy", "coco-17", image_size=(640, 480), fps=25)
    np.testing.assert_array_equal(clip.joints, np.nan_to_num(flat))
    assert clip.visibility[0, 1, 2] == 0 and clip.fps == 25
    np.save(tmp_path / "a.npy", flat[1])
    reverse = JointMap("m", {str(16 - i): joint for i, joint in enumerate(COCO_17.joints)})
    clip = read_file(tmp_path / "a.npy", image_size=(640, 480), joint_map=reverse)
    np.testing.assert_array_equal(clip.joints[0], flat[1][:, ::-1])
    for options, message in (
        ({}, "17 joints, but not which; give --skeleton or --joint-map"),
        ({"skeleton": "kinect-20"}, "17 joints; skeleton 'kinect-20' has 20"),
        ({"skeleton": "coco-17"}, "give the image size"),
    ):
        with pytest.raises(DataError, match=message):
            read_file(tmp_path / "a.npy", **options)
    solid = rng.normal(size=(5, 17, 3))
    np.save(tmp_path / "b.npy", solid * 1000)
    with pytest.raises(DataError, match="which axis points up nor its unit"):
        read_file(tmp_path / "b.npy", "coco-17")
    clip = read_array(tmp_path / "b.npy", Wish(skeleton=COCO_17, up="z", unit="mm"))
    np.testing.assert_allclose(clip.joints[0], np.stack([solid[..., 0], solid[..., 2], -solid[..., 1]], -1), rtol=1e-5)


@pytest.mark.parametrize(
    "content", [b"", b"\x93NUMPY", np.array(["a"]), np.ones(3), np.ones((2, 17, 4)), np.array([{}])]
)
def test_bad_arrays(tmp_path: Path, content: bytes | np.ndarray) -> None:
    if isinstance(content, bytes):
        (tmp_path / "a.npy").write_bytes(content)
    else:
        np.save(tmp_path / "a.npy", content, allow_pickle=True)
    with pytest.raises(DataError, match=r"a\.npy: (not a \.npy of numbers|shape|an empty file)"):
        read_file(tmp_path / "a.npy", "coco-17", image_size=(9, 9))


def test_custom_data_of_videopose3d(tmp_path: Path) -> None:
    points = np.random.default_rng(0).uniform(10, 400, (6, 17, 2)).astype(np.float32)
    metadata = {"layout_name": "coco", "num_joints": 17, "video_metadata": {"walk.mp4": {"w": 1000, "h": 1002}}}
    path = tmp_path / "data_2d_custom_mine.npz"

    def put(videos: dict, layout: str = "coco") -> None:
        np.savez_compressed(path, positions_2d=np.array(videos), metadata=np.array(metadata | {"layout_name": layout}))

    put({"walk.mp4": {"custom": [points]}})
    clip = read_file(path)
    assert clip.skeleton is COCO_17 and clip.image_size == (1000, 1002)
    np.testing.assert_array_equal(clip.joints[0], points)
    put({"walk.mp4": {"custom": [points]}}, "h36m")
    assert read_file(path).skeleton.name == "h36m-17"
    put({"walk.mp4": {"custom": [points]}, "run.mp4": {"custom": [points]}})
    with pytest.raises(DataError, match=r"2 recordings in one file \('walk.mp4/custom', 'run.mp4/custom'\)"):
        read_file(path)


@pytest.mark.parametrize("root", ["Bip01 Pelvis", "joint Root"])
def test_bvh_names_may_hold_spaces_and_a_root_may_lie_on_the_floor(tmp_path: Path, root: str) -> None:
    legs = ""
    for side, x in (("L", 10), ("R", -10)):
        legs += f"JOINT Bip01 {side} Thigh\n{{\nOFFSET {x} {90 if 'Root' in root else 0} 0\nCHANNELS 0\n"
        legs += f"JOINT Bip01 {side} Calf\n{{\nOFFSET 0 -40 0\nCHANNELS 0\nEnd Site\n{{\nOFFSET 0 -40 0\n}}\n}}\n}}\n"
    text = f"HIERARCHY\nROOT {root}\n{{\nOFFSET 0 0 0\nCHANNELS 3 Xposition Yposition Zposition\n{legs}}}\n"
    (tmp_path / "a.bvh").write_text(text + "MOTION\nFrames: 1\nFrame Time: 0.02\n5 0 0\n")
    clip = read_file(tmp_path / "a.bvh")
    assert ("pelvis" in clip.skeleton.joints) == ("Pelvis" in root) and clip.fps == 50
    hip, knee = (clip.joints[0, 0, clip.skeleton.joints.index(f"left_{part}")] for part in ("hip", "knee"))
    np.testing.assert_allclose(hip - knee, (0, 0.4, 0), atol=1e-6)


def test_bvh_of_unknown_names_is_read_with_a_map(tmp_path: Path) -> None:
    bones = "".join(
        f"JOINT a{side}\n{{\nOFFSET {x} 0 0\nCHANNELS 0\nJOINT b{side}\n{{\nOFFSET 0 -0.4 0\nCHANNELS 0\nEnd Site\n{{\n"
        "OFFSET 0 0 0\n}\n}\n}\n"
        for side, x in (("1", 0.1), ("2", -0.1))
    )
    text = f"HIERARCHY\nROOT c\n{{\nOFFSET 0 0 0\nCHANNELS 3 Xposition Yposition Zposition\n{bones}}}\n"
    path = tmp_path / "a.bvh"
    path.write_text(text + "MOTION\nFrames: 1\nFrame Time: 0.02\n0 1 0\n")
    with pytest.raises(DataError, match=r"0 of 7 joints .*'c', 'a1', 'b1' and 4 more.*--joint-map") as error:
        read_file(path)
    assert "\n" not in str(error.value) and len(str(error.value)) < 450
    (tmp_path / "map.toml").write_text(
        'a1 = "left_hip"\nb1 = "left_knee"\na2 = "right_hip"\n"b2" = "right_knee"\nc = ""\n'
    )
    clip = read_file(path, joint_map=tmp_path / "map.toml")
    assert clip.skeleton.joints == ("left_hip", "right_hip", "left_knee", "right_knee")
    np.testing.assert_allclose(clip.joints[0, 0, 3], (-0.1, 0.6, 0), atol=1e-6)
