"""Readers of HumanEva and Bandai-Namco, and the pickles they must not trust."""

import io
import os
import pickle
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ups.cameras import world_to_camera
from ups.data.datasets import bandai_namco, humaneva
from ups.data.datasets.base import Clip
from ups.data.formats.safe_pickle import load_object_npz, restricted_loads
from ups.errors import DataError
from ups.skeletons import BANDAI_21

ACTIONS = ("Box 1 chunk1", "Walking 1 chunk10", "Walking 1 chunk2")


def _clips(items) -> list[Clip]:
    items = list(items)
    assert not [item for item in items if isinstance(item, DataError)]
    return items


# --- restricted unpickling


class _Evil:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_and_containers_survive_every_protocol(protocol: int) -> None:
    value = {
        "a": {"Walking 1": [np.arange(6, dtype=np.float32).reshape(2, 3), None]},
        "b": (1, 2.5, "ü", b"\x00\xff", True, np.float64(3.5)),
        "c": np.array(["x", "yy"]),
        "d": np.array([{"k": 1}, [2]], dtype=object),
        "e": np.asfortranarray(np.arange(4).reshape(2, 2)),
    }
    back = restricted_loads(pickle.dumps(value, protocol), "test")
    assert isinstance(back, dict)
    np.testing.assert_array_equal(back["a"]["Walking 1"][0], value["a"]["Walking 1"][0])
    assert back["a"]["Walking 1"][1] is None
    assert back["b"] == value["b"]
    assert back["c"].tolist() == ["x", "yy"]
    assert back["d"].tolist() == [{"k": 1}, [2]]
    np.testing.assert_array_equal(back["e"], value["e"])


def test_arrays_of_numpy_before_version_2_are_read() -> None:
    """Pickles name numpy's module as it was called when they were written."""
    new = pickle.dumps(np.arange(3), 2)
    old = new.replace(b"numpy._core.", b"numpy.core.")
    assert b"numpy.core.multiarray" in old
    np.testing.assert_array_equal(restricted_loads(old, "test"), [0, 1, 2])


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_can_not_run_code(tmp_path: Path, protocol: int) -> None:
    target = tmp_path / "made"
    with pytest.raises(DataError, match=rf"^bad\.pkl: .*{os.mkdir.__module__}\.mkdir"):
        restricted_loads(pickle.dumps({"a": [_Evil(target)]}, protocol), "bad.pkl")
    assert not target.exists()


@pytest.mark.parametrize(
    "code",
    [
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"cnumpy\nload\n.",
        b"cnumpy.core.multiarray\nfromfile\n.",
        b"c_codecs\nencode\n(S'x'\nS'rot13'\ntR.",
        b"\x80\x04\x8c\x05numpy\x8c\x0bdtype.mro__\x93.",
        b"\x80\x04\x8c\x05numpy\x8c\x10ndarray.__class__\x93.",
        b"I1\n(Pid\n.",
        b"not a pickle",
        b"",
    ],
)
def test_other_globals_and_damaged_pickles_are_refused(code: bytes) -> None:
    with pytest.raises(DataError, match="^here: not read: "):
        restricted_loads(code, "here")


def test_object_npz(tmp_path: Path) -> None:
    path = tmp_path / "poses.npz"
    np.savez_compressed(path, table=np.array({"S1": np.ones((2, 3))}, dtype=object), plain=np.arange(3))
    members = load_object_npz(path)
    assert isinstance(members["table"], dict)
    np.testing.assert_array_equal(members["table"]["S1"], np.ones((2, 3)))
    np.testing.assert_array_equal(members["plain"], [0, 1, 2])


def test_object_npz_names_the_file_and_the_forbidden_global(tmp_path: Path) -> None:
    path, target = tmp_path / "evil.npz", tmp_path / "made"
    np.savez(path, table=np.array({"S1": _Evil(target)}, dtype=object))
    with pytest.raises(DataError, match=r"evil\.npz: table\.npy: .*\.mkdir"):
        load_object_npz(path)
    assert not target.exists()


def test_damaged_npz_files_are_refused(tmp_path: Path) -> None:
    good = tmp_path / "good.npz"
    np.savez_compressed(good, table=np.array({"S1": np.ones((40, 3))}, dtype=object))
    content, path = good.read_bytes(), tmp_path / "cut.npz"
    for damaged in (b"", content[:100], content[:-1], content[:60] + b"\xff" * 40 + content[100:]):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"cut\.npz"):
            load_object_npz(path)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("table.npy", b"text")
    path.write_bytes(buffer.getvalue())
    with pytest.raises(DataError, match=r"cut\.npz: table\.npy"):
        load_object_npz(path)
    with pytest.raises(FileNotFoundError):
        load_object_npz(tmp_path / "none.npz")


# --- HumanEva


def _humaneva(folder: Path, frames_2d: int = 5) -> tuple[dict, dict]:
    """Writes both files in VideoPose3D's layout: 2 subjects, 3 chunks each, 5 frames in 3D, `frames_2d` in 2D."""
    rng = np.random.default_rng(0)
    subjects = ("Train/S1", "Validate/S2")
    world = {s: {c: rng.normal(0, 0.5, (5, 15, 3)).astype(np.float32) for c in ACTIONS} for s in subjects}
    pixels = {
        s: {c: [rng.uniform(0, 480, (frames_2d, 15, 2)).astype(np.float32) for _ in range(3)] for c in ACTIONS}
        for s in subjects
    }
    _write_humaneva(folder, world, pixels)
    return world, pixels


def _write_humaneva(folder: Path, world: dict, pixels: dict) -> None:
    np.savez_compressed(folder / humaneva.POSES_3D, positions_3d=np.array(world, dtype=object))
    metadata = {"layout_name": "humaneva15", "num_joints": 15}
    np.savez_compressed(
        folder / humaneva.POSES_2D, positions_2d=np.array(pixels, dtype=object), metadata=np.array(metadata, object)
    )


def test_humaneva_clips(tmp_path: Path) -> None:
    world, pixels = _humaneva(tmp_path, frames_2d=4)
    clips = _clips(humaneva.read(tmp_path))
    ids = [clip.id for clip, _ in clips]
    assert len(ids) == 18 and ids == sorted(ids)
    assert ids[3] == "Train_S1_Walking_1_chunk10_C1"
    found = {clip.id: (clip, splits) for clip, splits in clips}
    clip, splits = found["Validate_S2_Walking_1_chunk2_C3"]
    assert splits == {"official": "test"}
    assert (clip.subject, clip.view, clip.fps, clip.image_size) == (2, 3, 60.0, (640, 480))
    assert humaneva.CLASSES[clip.label] == "walking"
    assert clip.frames == 4, "cut to the common length"
    np.testing.assert_array_equal(clip.joints[0], pixels["Validate/S2"]["Walking 1 chunk2"][2])
    orientation, place = humaneva.load_extrinsics()["S2"][2]
    assert place == pytest.approx([-0.7814915, 3.8388853, 1.4449929], abs=1e-9), "metres"
    expected = world_to_camera(world["Validate/S2"]["Walking 1 chunk2"][:4], orientation, place)
    assert clip.pose_3d is not None
    np.testing.assert_allclose(clip.pose_3d[0], expected, atol=1e-6)
    assert found["Train_S1_Box_1_chunk1_C2"][1] == {"official": "train"}


def test_humaneva_joints_that_are_not_finite_are_invisible(tmp_path: Path) -> None:
    world, pixels = _humaneva(tmp_path)
    world["Train/S1"]["Box 1 chunk1"][2, 7, 1] = np.inf
    pixels["Train/S1"]["Box 1 chunk1"][0][3, 4, 0] = np.nan
    _write_humaneva(tmp_path, world, pixels)
    first = _clips(humaneva.read(tmp_path))[0][0]
    assert np.argwhere(first.visibility[0] == 0).tolist() == [[2, 7], [3, 4]]
    assert first.pose_3d is not None
    for frame, joint in ((2, 7), (3, 4)):
        assert not first.joints[0, frame, joint].any() and not first.pose_3d[0, frame, joint].any()


def test_humaneva_problems_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    world, pixels = _humaneva(tmp_path)
    world["Train/S1"]["Dance 1 chunk0"] = world["Train/S1"].pop("Box 1 chunk1")
    pixels["Train/S1"]["Dance 1 chunk0"] = pixels["Train/S1"]["Box 1 chunk1"]
    del pixels["Validate/S2"]["Box 1 chunk1"]
    world["Train/S4"] = world["Validate/S2"]
    pixels["Train/S1"]["Walking 1 chunk2"][1] = np.ones((5, 17, 2))
    _write_humaneva(tmp_path, world, pixels)
    items = list(humaneva.read(tmp_path))
    problems = [str(item) for item in items if isinstance(item, DataError)]
    assert len(items) - len(problems) == 11
    assert sum("unknown action 'Dance'" in p for p in problems) == 3
    assert sum("Validate/S2, 'Box 1 chunk1' has 0 cameras" in p for p in problems) == 1
    assert sum("unknown subject 'Train/S4'" in p for p in problems) == 3
    assert sum("Train_S1_Walking_1_chunk2_C2: 3D (5, 15, 3) and 2D (5, 17, 2)" in p for p in problems) == 1


def test_humaneva_missing_or_wrong_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=humaneva.POSES_3D):
        next(humaneva.read(tmp_path))
    _humaneva(tmp_path)
    np.savez(tmp_path / humaneva.POSES_2D, something=np.zeros(3))
    with pytest.raises(DataError, match=f"{humaneva.POSES_2D}: no member 'positions_2d'.*found something"):
        next(humaneva.read(tmp_path))


def test_humaneva_counts(data_folder: Path) -> None:
    _needs(data_folder, humaneva.POSES_3D)
    clips = _clips(humaneva.read(data_folder))
    assert len(clips) == 3 * 77
    assert [c.id for c, _ in clips] == sorted({c.id for c, _ in clips})
    assert sum(c.frames for c, _ in clips) == 3 * 9577
    assert Counter(s["official"] for _, s in clips) == {"train": 105, "test": 126}
    assert all(c.visibility.min() == 1 for c, _ in clips)


def test_humaneva_2d_is_the_projection_of_its_3d(data_folder: Path) -> None:
    """No intrinsics are published with the data: fit each camera's, with lens distortion, by linear least squares.

    One camera model then explains every joint of every subject to hundredths of a pixel, which no error in the
    extrinsics, in the order of cameras, in units or in synchronisation would leave possible.
    """
    _needs(data_folder, humaneva.POSES_3D)
    clips = [clip for clip, _ in _clips(humaneva.read(data_folder))]
    for view in (1, 2, 3):
        mine = [(c.joints, c.pose_3d) for c in clips if c.view == view and c.pose_3d is not None]
        pixels = np.concatenate([joints.reshape(-1, 2) for joints, _ in mine]).astype(np.float64)
        points = np.concatenate([pose.reshape(-1, 3) for _, pose in mine]).astype(np.float64)
        x, y = (points[:, :2] / points[:, 2:]).T
        r = x * x + y * y
        for axis, (a, tangential) in enumerate(((x, (2 * x * y, r + 2 * x * x)), (y, (r + 2 * y * y, 2 * x * y)))):
            basis = np.stack([a, np.ones_like(a), a * r, a * r * r, *tangential], axis=1)
            solution = np.linalg.lstsq(basis, pixels[:, axis], rcond=None)[0]
            error = basis @ solution - pixels[:, axis]
            assert error.std() < 0.02, f"camera {view}"
            assert np.abs(error).max() < 0.5, f"camera {view}"
            assert 680 < solution[0] < 770, "focal length in pixels"


# --- Bandai-Namco

SOURCE_JOINTS: list[str] = list(
    (
        "joint_Root Hips Spine Chest Neck Head Head_end Shoulder_L UpperArm_L LowerArm_L Hand_L Hand_L_end Shoulder_R "
        "UpperArm_R LowerArm_R Hand_R Hand_R_end UpperLeg_L LowerLeg_L Foot_L Toes_L Toes_L_end UpperLeg_R LowerLeg_R "
        "Foot_R Toes_R Toes_R_end"
    ).split()
)
NAMES = (
    "dataset-2_walk-turn-left_elderly_007", "dataset-1_bow_old_001", "dataset-1_bow_feminine_001",
    "dataset-2_run_feminine_003", "dataset-2_run_normal_003",
)  # fmt: skip


def _bandai(folder: Path, **changes: np.ndarray) -> np.ndarray:
    """Five clips of 2, 3, 4, 5 and 6 frames, written in the .npz layout."""
    positions = np.random.default_rng(0).uniform(0, 2, (20, 27, 3)).astype(np.float16)
    arrays = {
        "positions": positions,
        "offsets": np.array([0, 2, 5, 9, 14, 20]),
        "ids": np.array(NAMES),
        "joint_names": np.array(SOURCE_JOINTS),
        "fps": np.array(15.0),
    }
    np.savez_compressed(folder / bandai_namco.ARCHIVE, **{**arrays, **changes})  # pyright: ignore
    return positions


def test_bandai_clips(tmp_path: Path) -> None:
    positions = _bandai(tmp_path)
    clips = _clips(bandai_namco.read(tmp_path))
    assert [clip.id for clip, _ in clips] == sorted(NAMES)
    parts = {clip.id: splits["held_out_styles"] for clip, splits in clips}
    assert [parts[name] for name in NAMES] == ["test", "test", "train", "test", "train"]
    clip = next(clip for clip, _ in clips if clip.id == NAMES[1])
    assert (clip.frames, clip.fps, clip.space, clip.subject) == (3, 15.0, "world", -1)
    assert bandai_namco.CLASSES[clip.label] == "bow"
    for slot, name in (("pelvis", "Hips"), ("left_wrist", "Hand_L"), ("right_hip", "UpperLeg_R"), ("head", "Head"),
                       ("left_clavicle", "Shoulder_L"), ("right_foot", "Toes_R")):  # fmt: skip
        got, expected = clip.joints[0, :, BANDAI_21.joints.index(slot)], positions[2:5, SOURCE_JOINTS.index(name)]
        np.testing.assert_array_equal(got, expected)


def test_bandai_classes_are_readable_and_sorted() -> None:
    assert len(set(bandai_namco.CLASSES)) == 24
    assert list(bandai_namco.CLASSES) == sorted(bandai_namco.CLASSES)
    assert "raise up both hands" in bandai_namco.CLASSES


def test_bandai_problems_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    positions = _bandai(tmp_path)
    positions[3, 8, 1] = np.nan
    _bandai(tmp_path, positions=positions, ids=np.array([*NAMES[:2], "dataset-1_fly_old_001", *NAMES[3:]]))
    items = list(bandai_namco.read(tmp_path))
    problems = sorted(str(item) for item in items if isinstance(item, DataError))
    assert len(items) == 5 and len(problems) == 2
    assert "dataset-1_bow_old_001: joints(0, 1, 6, 1) is nan" in problems[0]
    assert "dataset-1_fly_old_001: not named dataset-N_CONTENT_STYLE_NUMBER" in problems[1]


def test_bandai_damaged_archives(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=bandai_namco.ARCHIVE):
        next(bandai_namco.read(tmp_path))
    _bandai(tmp_path, offsets=np.array([0, 2, 5, 9, 14, 21]))
    with pytest.raises(DataError, match="do not agree"):
        next(bandai_namco.read(tmp_path))
    _bandai(tmp_path, ids=np.array([*NAMES], dtype=object))
    with pytest.raises(DataError, match=f"{bandai_namco.ARCHIVE}: not a readable"):
        next(bandai_namco.read(tmp_path))
    (tmp_path / bandai_namco.ARCHIVE).write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(DataError, match=f"{bandai_namco.ARCHIVE}: not a readable"):
        next(bandai_namco.read(tmp_path))


def _bvh(joints: list[str]) -> str:
    """A BVH file of 3 frames whose joints hang in one chain, each 100 cm along x from the one before."""
    channels = "CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation"
    head = [f"{'JOINT' if i else 'ROOT'} {name} {{ OFFSET 0 0 0 {channels}" for i, name in enumerate(joints)]
    row = " ".join("100 0 0 0 0 0" for _ in joints)
    return "\n".join(["HIERARCHY", *head, "} " * len(joints), "MOTION", "Frames: 3", "Frame Time: 0.0333333",
                      *[row] * 3])  # fmt: skip


def test_bandai_official_bvh_files(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    chain = [name for name in SOURCE_JOINTS if not name.endswith("_end")]
    (tmp_path / "data" / f"{NAMES[0]}.bvh").write_text(_bvh(chain))
    (tmp_path / "data" / f"{NAMES[1]}.bvh").write_text(_bvh(chain[:-1]))
    (tmp_path / "data" / f"{NAMES[4]}.bvh").write_text(_bvh(chain)[:-90])
    items = list(bandai_namco.read(tmp_path))
    assert [str(i) for i in items if isinstance(i, DataError)] == [
        f"{NAMES[1]}: no joints Toes_R; it has {', '.join(chain[:-1])}",
        f"{tmp_path / 'data' / NAMES[4]}.bvh: line 30: 93 values; the hierarchy has 132 channels",
    ]
    [(clip, splits)] = [i for i in items if not isinstance(i, DataError)]
    assert splits == {"held_out_styles": "test"}
    assert clip.fps == 15 and clip.frames == 2, "every second of 30 frames a second"
    np.testing.assert_allclose(clip.joints[0, 0, BANDAI_21.joints.index("spine")], [3, 0, 0], atol=1e-6)


def test_bandai_counts(data_folder: Path) -> None:
    _needs(data_folder, bandai_namco.ARCHIVE)
    clips = _clips(bandai_namco.read(data_folder))
    assert len(clips) == 3076
    assert sum(clip.frames for clip, _ in clips) == 209188
    assert Counter(splits["held_out_styles"] for _, splits in clips) == {"train": 2334, "test": 742}
    assert {clip.label for clip, _ in clips} == set(range(24))
    # one body: the left thigh is 39.1 cm long in every clip, and feet come first from the ground
    hip, knee, head = (BANDAI_21.joints.index(j) for j in ("left_hip", "left_knee", "head"))
    for clip, _ in clips[::50]:
        thigh = np.linalg.norm(clip.joints[0, :, knee] - clip.joints[0, :, hip], axis=-1)
        np.testing.assert_allclose(thigh, 0.3908, atol=0.006)
        assert 0.5 < clip.joints[0, 0, head, 1] < 2


def _needs(folder: Path, file: str) -> None:
    if not (folder / file).is_file():
        pytest.skip(f"{folder} holds no {file}")
