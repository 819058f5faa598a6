"""Tables of DeepLabCut, SLEAP, MediaPipe and freemocap, and our own csv with other people's names."""

import io
import json
from pathlib import Path

import numpy as np
import pytest

from ups.data.formats import hdf5
from ups.data.formats.columns import joint_columns
from ups.data.formats.joint_map import JointMap
from ups.data.formats.mediapipe import NAMES
from ups.data.open_file import read_file
from ups.errors import DataError
from ups.skeletons import MEDIAPIPE_33, UTD_20

PARTS = ("left_shoulder", "right_shoulder", "left_hip", "right_hip", "left_knee", "right_knee")
SIZE = (640, 480)
FRAMES = 3


def points(persons: int = 1, seed: int = 0) -> np.ndarray:
    """(M, FRAMES, 6, 3): pixels and likelihoods."""
    rng = np.random.default_rng(seed)
    xy = np.round(rng.uniform(10, 400, (persons, FRAMES, len(PARTS), 2)), 2)
    return np.concatenate([xy, np.round(rng.uniform(0.5, 1, (persons, FRAMES, len(PARTS), 1)), 2)], -1)


def table(*rows: list[object], separator: str = ",") -> str:
    return "\n".join(separator.join(map(str, row)) for row in rows) + "\n"


def deeplabcut(values: np.ndarray, labels: bool = False) -> list[list[object]]:
    """Rows of a csv: three headings for one individual, four for several."""
    people = range(len(values))
    columns = [(f"p{m}", part, axis) for m in people for part in PARTS for axis in ("x", "y", "likelihood")]
    first = ["labeled-data", "", ""] if labels else [""]
    heads = [["scorer", *first[1:], *["DLC_resnet50"] * len(columns)]]
    if len(values) > 1:
        heads.append(["individuals", *first[1:], *(c[0] for c in columns)])
    heads += [[name, *first[1:], *(c[i] for c in columns)] for i, name in ((1, "bodyparts"), (2, "coords"))]
    rows = [
        [*(["labeled-data", "video", f"img{n:03}.png"] if labels else [n + 5]), *values[:, n].ravel()]
        for n in range(FRAMES)
    ]
    return heads + rows


@pytest.mark.parametrize("persons", [1, 2])
@pytest.mark.parametrize("separator", [",", ";"])
def test_deeplabcut_csv(tmp_path: Path, persons: int, separator: str) -> None:
    values = points(persons)
    path = tmp_path / "walkDLC_resnet50.CSV"
    path.write_text(table(*deeplabcut(values), separator=separator))
    clip = read_file(path, image_size=SIZE, fps=50)
    assert clip.skeleton.joints == PARTS and clip.fps == 50 and clip.persons == persons
    np.testing.assert_allclose(clip.joints, values[..., :2], rtol=1e-6)
    np.testing.assert_allclose(clip.visibility, values[..., 2], rtol=1e-6)
    with pytest.raises(DataError, match="give the image size"):
        read_file(path)


def test_deeplabcut_labels_gaps_and_animals(tmp_path: Path) -> None:
    values = points()
    path = tmp_path / "labels.csv"
    path.write_text(table(*deeplabcut(values, labels=True)))
    np.testing.assert_allclose(read_file(path, image_size=SIZE).joints, values[..., :2], rtol=1e-6)
    rows = deeplabcut(values)
    rows[-1][0] = 8
    path.write_text(table(*rows))
    assert read_file(path, image_size=SIZE).frames == 4
    path.write_text(table(*deeplabcut(values)).replace("left_hip", "tail").replace("right_hip", "left_paw"))
    with pytest.raises(DataError, match="'tail', 'left_paw' is no part of a person"):
        read_file(path, image_size=SIZE)


def test_deeplabcut_labelled_by_hand_has_no_likelihood(tmp_path: Path) -> None:
    values = points(2)
    values[0, 1, :, 2] = np.nan  # one frame of one, among predictions
    path = tmp_path / "labels.csv"
    path.write_text(table(*deeplabcut(values)).replace("nan", ""))
    clip = read_file(path, image_size=SIZE)
    np.testing.assert_allclose(clip.visibility, np.nan_to_num(values[..., 2], nan=1.0), rtol=1e-6)
    values[..., 2] = np.nan
    path.write_text(table(*deeplabcut(values)).replace("nan", ""))
    assert (read_file(path, image_size=SIZE).visibility == 1).all()


def test_deeplabcut_images_left_out_are_not_seen(tmp_path: Path) -> None:
    """Paths of images in front of the rows, in any order, say which frames there are."""
    rows = deeplabcut(points())
    numbers = [3, 0, 1, 7][: len(rows) - 3] + list(range(10, 10 + max(0, len(rows) - 7)))
    for row, number in zip(rows[3:], numbers, strict=True):
        row[0] = f"labeled-data/walk/img{number:03}.png"
    path = tmp_path / "labels.csv"
    path.write_text(table(*rows))
    clip = read_file(path, image_size=SIZE)
    assert np.flatnonzero((clip.visibility[0] > 0).any(-1)).tolist() == sorted(numbers)


def test_triangulated_deeplabcut_needs_unit_and_axis(tmp_path: Path) -> None:
    solid = np.random.default_rng(0).normal(0, 300, (FRAMES, len(PARTS), 3)).round(3)
    head = [["scorer", *["DLC"] * 3 * len(PARTS)], ["bodyparts", *(part for part in PARTS for _ in "xyz")],
            ["coords", *"xyz" * len(PARTS)]]  # fmt: skip
    path = tmp_path / "a_DLC_3D.csv"
    path.write_text(table(*head, *([n, *solid[n].ravel()] for n in range(FRAMES))))
    with pytest.raises(DataError, match="triangulated points, x, y and z, .* give --unit .* and --up"):
        read_file(path, image_size=SIZE)
    clip = read_file(path, unit="mm", up="z")
    order = [PARTS.index(joint) for joint in clip.skeleton.joints]
    turned = np.stack([solid[..., 0], solid[..., 2], -solid[..., 1]], -1)[:, order] / 1000
    np.testing.assert_allclose(clip.joints[0], turned, atol=1e-6)


@pytest.mark.parametrize("persons", [1, 2])
@pytest.mark.parametrize("kind", ["table", "fixed"])
def test_deeplabcut_h5(tmp_path: Path, persons: int, kind: str) -> None:
    """The two ways in which pandas keeps a DataFrame, as HDF5 shows them."""
    h5py = pytest.importorskip("h5py")
    values = points(persons)
    levels = [["DLC"], [f"p{m}" for m in range(persons)], list(PARTS), ["x", "y", "likelihood"]]
    if persons == 1:
        del levels[1]
    columns = [c for c in np.ndindex(*map(len, levels))]
    flat = values.transpose(1, 0, 2, 3).reshape(FRAMES, -1)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        group = file.create_group("df_with_missing")
        group.attrs["pandas_type"] = "frame_table" if kind == "table" else "frame"
        if kind == "table":
            rows = np.zeros(FRAMES, [("index", "<i8"), ("values_block_0", "<f8", (len(columns),))])
            rows["values_block_0"], rows["index"] = flat, (4, 5, 7)
            made = group.create_dataset("table", data=rows)
            # protocol 0, as PyTables pickles lists of tuples of text
            text = "(lp0\n" + "".join(
                "(" + "".join(f"V{levels[k][i]}\n" for k, i in enumerate(c)) + "ta" for c in columns
            ) + "."  # fmt: skip
            made.attrs["values_block_0_kind"] = np.bytes_(text.encode())
        else:
            group.attrs["block0_items_nlevels"] = len(levels)
            group["block0_values"] = flat
            for k, level in enumerate(levels):
                group[f"block0_items_level{k}"] = np.array(level, "S")
                group[f"block0_items_label{k}"] = np.array([c[k] for c in columns], np.int8)
            images = ["labeled-data"], ["img004.png", "img005.png", "img007.png"]
            for k, level in enumerate(images):
                group[f"axis1_level{k}"] = np.array(level, "S")
                group[f"axis1_label{k}"] = np.arange(FRAMES) % len(level)
    clip = read_file(tmp_path / "a.h5", image_size=SIZE)
    assert clip.frames == 4 and not clip.visibility[:, 2].any()  # the third row says that it is number 7
    np.testing.assert_allclose(clip.joints[:, [0, 1, 3]], values[..., :2], rtol=1e-6)
    np.testing.assert_allclose(clip.visibility[:, [0, 1, 3]], values[..., 2], rtol=1e-6)


@pytest.mark.parametrize(
    ("child", "told"),
    [
        ("import os; os.abort()", "not an HDF5 file, or a damaged one"),
        ("import time; time.sleep(99)", "does not come to an end within"),
        (None, "not an HDF5 file, or a damaged one"),
    ],
)
def test_an_hdf5_file_that_crashes_or_holds_up_its_library_is_refused(child, told, tmp_path, monkeypatch) -> None:
    pytest.importorskip("h5py")
    (tmp_path / "A.H5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(90))
    if child:
        monkeypatch.setattr(hdf5, "_CHILD", child)
    if child and "sleep" in child:
        monkeypatch.setattr(hdf5, "_SECONDS", 0.5)
    with pytest.raises(DataError, match=told) as error:
        read_file(tmp_path / "A.H5", image_size=SIZE)
    assert "A.H5" in str(error.value) and "\n" not in str(error.value)


def test_sleap_csv(tmp_path: Path) -> None:
    values = points(2)
    head = [
        "track",
        "frame_idx",
        "instance.score",
        *(f"{part}.{axis}" for part in PARTS for axis in ("x", "y", "score")),
    ]
    rows = [[f"track_{m}", n, 0.9, *values[m, n].ravel()] for n in range(FRAMES) for m in (0, 1) if (m, n) != (1, 1)]
    (tmp_path / "a.csv").write_text(table(head, *rows))
    clip = read_file(tmp_path / "a.csv", image_size=SIZE)
    values[1, 1] = 0
    np.testing.assert_allclose(clip.joints, values[..., :2], rtol=1e-6)
    np.testing.assert_allclose(clip.visibility, values[..., 2], rtol=1e-6)
    rows[1][0] = "track_0"
    (tmp_path / "a.csv").write_text(table(head, *rows))
    with pytest.raises(DataError, match="a track occurs twice in a frame"):
        read_file(tmp_path / "a.csv", image_size=SIZE)


def test_sleap_h5(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    values = points(2)
    with h5py.File(tmp_path / "a.analysis.h5", "w") as file:
        file["tracks"] = np.where(values[..., 2:] > 0, values[..., :2], np.nan).transpose(0, 3, 2, 1)
        file["point_scores"] = values[..., 2].transpose(0, 2, 1)
        file["node_names"] = np.array(PARTS, "S")
        file["track_names"] = np.array(["a", "b"], "S")
    clip = read_file(tmp_path / "a.analysis.h5", image_size=SIZE)
    np.testing.assert_allclose(clip.joints, values[..., :2], rtol=1e-6)
    np.testing.assert_allclose(clip.visibility, values[..., 2], rtol=1e-6)
    with h5py.File(tmp_path / "c.analysis.h5", "w") as file:  # as sleap-io writes its "standard" axes
        file["tracks"] = values[..., :2].transpose(1, 0, 2, 3)
        file["point_scores"] = values[..., 2].transpose(1, 0, 2)
        file["tracks"].attrs["dims"] = '["frame", "track", "node", "xy"]'
        file["point_scores"].attrs["dims"] = '["frame", "track", "node"]'
        file["node_names"] = np.array(PARTS, "S")
        file.attrs["video_backend_metadata"] = '{"shape": [3, 480, 640, 3]}'
    other = read_file(tmp_path / "c.analysis.h5")
    assert other.image_size == (640, 480)
    np.testing.assert_array_equal(other.joints, clip.joints)
    (tmp_path / "b.h5").write_bytes(b"no")
    with pytest.raises(DataError, match="not an HDF5 file"):
        read_file(tmp_path / "b.h5")


def landmarks(seed: int = 0) -> np.ndarray:
    """(FRAMES, 33, 4): x, y, z, visibility as MediaPipe gives them for an image."""
    rng = np.random.default_rng(seed)
    return np.round(rng.uniform(0.2, 0.8, (FRAMES, 33, 4)), 4)


def check_image(path: Path, values: np.ndarray) -> None:
    clip = read_file(path, image_size=SIZE)
    assert clip.skeleton is MEDIAPIPE_33 and clip.space == "image"
    np.testing.assert_allclose(clip.joints[0], values[..., :2] * SIZE, rtol=1e-5)
    np.testing.assert_allclose(clip.visibility[0], values[..., 3], rtol=1e-6)
    with pytest.raises(DataError, match="image size"):
        read_file(path)


@pytest.mark.parametrize("form", ["{a}{n}", "{a}_{n}", "{n}_{a}", "landmark_{n}_{a}", "lm{n}_{a}"])
@pytest.mark.parametrize("first", [0, 1])
def test_numbered_mediapipe_landmarks(tmp_path: Path, form: str, first: int) -> None:
    values = landmarks()
    head = ["class", *(form.format(a=a, n=n + first) for n in range(33) for a in "xyzv")]
    (tmp_path / "a.csv").write_text(table(head, *(["wave", *frame.ravel()] for frame in values)))
    check_image(tmp_path / "a.csv", values)


@pytest.mark.parametrize("marks", [list(range(33)), list(NAMES), [name.upper() for name in NAMES]])
def test_a_row_for_every_landmark(tmp_path: Path, marks: list[object]) -> None:
    values = landmarks()
    rows = [[n, mark, *values[n, j]] for n in range(FRAMES) for j, mark in enumerate(marks)]
    (tmp_path / "a.csv").write_text(table(["frame", "landmark", "x", "y", "z", "visibility"], *rows))
    check_image(tmp_path / "a.csv", values)


def test_named_mediapipe_landmarks(tmp_path: Path) -> None:
    values = landmarks()
    head = [f"{name}_{axis}" for name in NAMES for axis in ("x", "y", "z", "visibility")]
    (tmp_path / "a.csv").write_text(table(head, *(frame.ravel() for frame in values)))
    check_image(tmp_path / "a.csv", values)


@pytest.mark.parametrize("key", ["pose_landmarks", "landmarks", None])
@pytest.mark.parametrize("many", [False, True])
def test_mediapipe_json(tmp_path: Path, key: str | None, many: bool) -> None:
    values = landmarks()
    frames = []
    for frame in values:
        body: list = [dict(zip(("x", "y", "z", "visibility"), p, strict=True)) for p in frame.tolist()]
        body = [body] if many else body
        frames.append({"frame": len(frames), key: body} if key else body)
    (tmp_path / "a.json").write_text(json.dumps(frames))
    check_image(tmp_path / "a.json", values)
    frames.append({key: []} if key else [])
    (tmp_path / "a.json").write_text(json.dumps({"fps": 30, "frames": frames}))
    clip = read_file(tmp_path / "a.json", image_size=SIZE)
    assert clip.frames == FRAMES + 1 and clip.visibility[0, -1].max() == 0


def world() -> np.ndarray:
    """(FRAMES, 33, 4) metres from the middle of the hips, as MediaPipe's world landmarks."""
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(0, 0.3, (FRAMES, 33, 3)), rng.uniform(0.5, 1, (FRAMES, 33, 1))], -1).round(4)
    values[:, 24, :3] = -values[:, 23, :3]
    return values


def test_world_landmarks_are_metres_in_the_cameras_frame(tmp_path: Path) -> None:
    values = world()
    head = [f"{a}{n}" for n in range(33) for a in "xyzv"]
    (tmp_path / "a.csv").write_text(table(head, *(frame.ravel() for frame in values)))
    frames = [
        {"pose_world_landmarks": [dict(zip(("x", "y", "z", "visibility"), p, strict=True)) for p in frame.tolist()]}
        for frame in values
    ]
    (tmp_path / "b.json").write_text(json.dumps(frames))
    for name in ("a.csv", "b.json"):
        clip = read_file(tmp_path / name)
        assert clip.space == "camera" and clip.skeleton is MEDIAPIPE_33
        np.testing.assert_allclose(clip.joints[0], values[..., :3], atol=1e-6)


def millimetres() -> np.ndarray:
    """(FRAMES, 33, 3) of a body in millimetres, z up, one joint not seen."""
    rng = np.random.default_rng(2)
    values = (rng.uniform(-1, 1, (FRAMES, 33, 3)) * (300, 300, 800) + (0, 100, 900)).round(3)
    values[1, 4] = np.nan
    return values


@pytest.mark.parametrize("front", ["", "body_"])
def test_freemocap_is_millimetres_z_up(tmp_path: Path, front: str) -> None:
    values = millimetres()
    head = ["timestamp", *(f"{front}{name}_{axis}" for name in NAMES for axis in "xyz"), "left_hand_wrist_x"]
    rows = [[n / 30, *("" if np.isnan(v) else v for v in frame.ravel()), 1.0] for n, frame in enumerate(values)]
    (tmp_path / "mediapipe_body_3d_xyz.csv").write_text(table(head, *rows))
    np.save(tmp_path / "mediapipe_body_3d_xyz.npy", np.concatenate([values, values], 1))
    for ending in ("csv", "npy"):
        clip = read_file(tmp_path / f"mediapipe_body_3d_xyz.{ending}")
        assert clip.space == "world" and clip.skeleton is MEDIAPIPE_33
        expected = np.nan_to_num(np.stack([values[..., 0], values[..., 2], -values[..., 1]], -1) / 1000)
        np.testing.assert_allclose(clip.joints[0], expected, atol=1e-6)
        assert clip.visibility[0, 1, 4] == 0 and clip.visibility.sum() == FRAMES * 33 - 1


@pytest.mark.parametrize(
    ("column", "joint", "axis"),
    [
        ("left_wrist_x", "left_wrist", "x"), ("LWrist.Y", "LWrist", "y"), ("nose (x)", "nose", "x"), ("x_nose", "nose", "x"),
        ("noseX", "nose", "x"), ("Nose Z", "Nose", "z"), ("nose_visibility", "nose", "v"), ("nose-conf", "nose", "v"),
        ("l_knee_likelihood", "l_knee", "v"), ("x12", "12", "x"), ("12_y", "12", "y"), ("RightUpLeg:X", "RightUpLeg", "x"),
    ],
)  # fmt: skip
def test_columns(column: str, joint: str, axis: str) -> None:
    other = {"x": "y", "y": "x", "z": "x", "v": "x"}[axis]
    found = joint_columns([column, column.replace(column[-1], other) if axis == "v" else column])
    assert axis in (found.get(joint) or {axis: 0}) and (axis == "v" or joint in found)


def test_our_own_csv_takes_any_names_in_any_order(tmp_path: Path) -> None:
    names = ["RKnee", "L Knee", "left hip", "r_hip", "LShoulder", "rightShoulder"]
    order = ["right_knee", "left_knee", "left_hip", "right_hip", "left_shoulder", "right_shoulder"]
    values = points()[0]
    head = ["Frame", *(f"{name} {axis}" for name in names for axis in ("X", "Y")), "hat X", "hat Y", "class"]
    rows = [[n, *values[n, :, :2].ravel(), 1, 2, "wave"] for n in range(FRAMES)]
    (tmp_path / "a.csv").write_text("# image_size = 640 x 480\n# fps = 30\n" + table(head, *rows))
    clip = read_file(tmp_path / "a.csv")
    assert list(clip.skeleton.joints) == order
    np.testing.assert_allclose(clip.joints[0], values[..., :2], rtol=1e-6)
    told = [str(notice) for notice in clip.notices]
    assert any("'hat'" in text for text in told) and any("'class'" in text for text in told)


def test_numbered_columns_with_a_skeleton_or_a_map(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = rng.uniform(-1, 1, (FRAMES, 20, 3)).round(3)
    head = [f"{axis}{j}" for j in range(20) for axis in "xyz"]
    (tmp_path / "a.csv").write_text("# space = kinect\n" + table(head, *(frame.ravel() for frame in values)))
    np.testing.assert_allclose(read_file(tmp_path / "a.csv", "utd-20").joints[0], values, atol=1e-6)
    with pytest.raises(DataError, match="20 joints, but not which"):
        read_file(tmp_path / "a.csv")
    clip = read_file(tmp_path / "a.csv", joint_map=JointMap("m", {str(j): s for j, s in enumerate(UTD_20.joints)}))
    assert set(clip.skeleton.joints) == set(UTD_20.joints)
    j = clip.skeleton.joints.index("left_wrist")
    np.testing.assert_allclose(clip.joints[0, :, j], values[:, UTD_20.joints.index("left_wrist")], atol=1e-6)


def test_npz_takes_other_names_too(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    names = ["MidHip", "LHip", "RHip", "LKnee", "RKnee", "Neck"]
    np.savez(buffer, joints=np.ones((2, 6, 3)), joint_names=names, space="world", fps=30)
    (tmp_path / "a.NPZ").write_bytes(buffer.getvalue())
    joints = read_file(tmp_path / "a.NPZ").skeleton.joints
    assert joints == ("pelvis", "left_hip", "right_hip", "left_knee", "right_knee", "neck")
