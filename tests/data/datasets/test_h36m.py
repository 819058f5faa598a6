"""Human3.6M and other pairs of files in VideoPose3D's layout: on files written here, and on the real ones."""

import io
import json
import pickle
import random
import tempfile
import zipfile
from collections import Counter
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from ups.cameras import world_to_camera
from ups.data.datasets import h36m
from ups.data.datasets.h36m import VideoPose3DLayout, View, read_videopose3d
from ups.data.store.prepare import prepare
from ups.data.store.store import Store
from ups.errors import DataError
from ups.pose import PoseSequence
from ups.skeletons import COCO_17, H36M_17, HUMANEVA_15
from ups.tasks.pose import estimate_pose

SUBJECTS: tuple[str, ...] = ("S1", "S5", "S6", "S7", "S8", "S9", "S11")
TAKES = [f"{action}{take}" for action in h36m.CLASSES for take in ("", " 1")]
SYMMETRY = [[4, 5, 6, 11, 12, 13], [1, 2, 3, 14, 15, 16]]


def length(subject: str, take: str) -> int:
    """Frames of a take: 2 to 6."""
    return 2 + (SUBJECTS.index(subject) + TAKES.index(take)) % 5


def recordings(extra: int = 0) -> tuple[dict, dict]:
    """Every take of every subject, S11's damaged one too; the 2D files have `extra` frames more."""
    rng = np.random.default_rng(0)
    world = {s: {t: rng.normal(0, 0.5, (length(s, t), 32, 3)).astype(np.float32) for t in TAKES} for s in SUBJECTS}
    pixels = {
        s: {t: [rng.uniform(0, 1000, (len(p) + extra, 17, 2)).astype(np.float32) for _ in range(4)]
            for t, p in takes.items()}
        for s, takes in world.items()
    }  # fmt: skip
    return world, pixels


def write(folder: Path, world: object, pixels: object, metadata: object = None, detections: str = "gt") -> Path:
    metadata = (
        {"layout_name": "h36m", "num_joints": 17, "keypoints_symmetry": SYMMETRY} if metadata is None else metadata
    )
    np.savez(folder / h36m.POSES_3D, positions_3d=np.array(world, dtype=object))
    flat = {"positions_2d": np.array(pixels, dtype=object), "metadata": np.array(metadata, dtype=object)}
    np.savez(folder / h36m.POSES_2D[detections], **flat)  # pyright: ignore
    return folder


def split(items) -> tuple[list[tuple[PoseSequence, dict[str, str]]], list[str]]:
    items = list(items)
    return [i for i in items if not isinstance(i, DataError)], [str(i) for i in items if isinstance(i, DataError)]


# --- the rules of Human3.6M


def test_classes_in_the_order_of_published_tables() -> None:
    columns = "Dir. Disc. Eat Greet Phone Photo Pose Pur. Sit SitD. Smoke Wait WalkD. Walk WalkT."
    assert list(h36m.H36M_ACTIONS.values()) == columns.split()
    assert tuple(h36m.H36M_ACTIONS) == h36m.CLASSES and len(h36m.CLASSES) == 15


def test_every_take_and_camera_but_the_damaged_one(tmp_path: Path) -> None:
    clips, problems = split(h36m.read(write(tmp_path, *recordings()), "gt"))
    assert problems == []
    ids = [clip.id for clip, _ in clips]
    assert ids == sorted(ids) and len(set(ids)) == 4 * (7 * 30 - 1)
    assert not [name for name in ids if name.startswith("S11_Directions_cam")]
    assert "S11_Directions_1_cam0" in ids, "only the first take is damaged"
    counts = Counter()
    for clip, splits in clips:
        counts[splits["official"]] += clip.frames
        assert clip.fps == 50 and clip.skeleton is H36M_17
    taken = {s: sum(length(s, t) for t in TAKES) for s in SUBJECTS}
    assert counts == {
        "train": 4 * sum(taken[s] for s in ("S1", "S5", "S6", "S7", "S8")),
        "test": 4 * (taken["S9"] + taken["S11"] - length("S11", "Directions")),
    }
    labels = Counter(h36m.CLASSES[clip.label] for clip, splits in clips if splits["official"] == "test")
    assert labels == {name: 12 if name == "Directions" else 16 for name in h36m.CLASSES}


def test_one_clip(tmp_path: Path) -> None:
    world, pixels = recordings(extra=3)
    clips, _ = split(h36m.read(write(tmp_path, world, pixels, detections="cpn"), "cpn"))
    found = {clip.id: clip for clip, _ in clips}
    clip = found["S9_WalkDog_1_cam2"]
    assert (clip.subject, clip.view, h36m.CLASSES[clip.label], clip.space) == (9, 2, "WalkDog", "image")
    assert clip.frames == length("S9", "WalkDog 1"), "cut to the motion capture"
    np.testing.assert_array_equal(clip.joints[0], pixels["S9"]["WalkDog 1"][2][: clip.frames])
    orientation, place = h36m.load_extrinsics("h36m_cameras.json")["S9"][2]
    assert place == pytest.approx([-1.6709921875, 5.21198583984375, 1.528387939453125], abs=1e-9), "metres"
    points = world["S9"]["WalkDog 1"]
    assert clip.pose_3d is not None
    turned = Rotation.from_quat(orientation, scalar_first=True).apply(clip.pose_3d[0].reshape(-1, 3))
    back = turned.reshape(clip.pose_3d[0].shape) + place
    for joint, number in (("pelvis", 0), ("right_hip", 1), ("left_hip", 6), ("spine", 12), ("chest", 13), ("nose", 14),
                          ("head", 15), ("left_shoulder", 17), ("right_shoulder", 25), ("right_wrist", 27)):  # fmt: skip
        np.testing.assert_allclose(back[:, H36M_17.joints.index(joint)], points[:, number], atol=1e-5)
    assert clip.visibility.min() == 1
    assert [found[f"S9_WalkDog_1_cam{i}"].image_size for i in range(4)] == [
        (1000, 1002), (1000, 1000), (1000, 1000), (1000, 1002),
    ]  # fmt: skip


def test_image_sizes_and_subjects_are_those_of_the_published_calibration() -> None:
    values = json.loads(resources.files("ups.data.datasets").joinpath("h36m_cameras.json").read_text(encoding="utf-8"))
    assert [(c["res_w"], c["res_h"]) for c in values["intrinsics"]] == list(h36m.IMAGE_SIZES)
    cameras = h36m.load_extrinsics("h36m_cameras.json")
    assert set(cameras) == set(SUBJECTS) == set(h36m.SPLITS)
    for quaternion, place in (camera for four in cameras.values() for camera in four):
        assert np.linalg.norm(quaternion) == pytest.approx(1, abs=1e-6)
        forward = Rotation.from_quat(quaternion, scalar_first=True).apply([0, 0, 1])
        towards = np.array([0, 0, 0.9]) - place
        assert forward @ towards / np.linalg.norm(towards) > 0.95, "they look at the middle of the room"


def test_old_names_of_actions_are_known(tmp_path: Path) -> None:
    world, pixels = recordings()
    for table in (world, pixels):
        table["S9"] = {"TakingPhoto": table["S9"]["Photo"], "WalkingDog 1": table["S9"]["WalkDog 1"]}
    clips, _ = split(h36m.read(write(tmp_path, {"S9": world["S9"]}, {"S9": pixels["S9"]}), "gt"))
    names = [h36m.CLASSES[clip.label] for clip, _ in clips]
    assert names == ["Photo"] * 4 + ["WalkDog"] * 4


def test_problems_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    world, pixels = recordings()
    world, pixels = ({"S5": {t: table["S5"][t] for t in TAKES[:6]}} for table in (world, pixels))
    world["S2"] = {"Eating": world["S5"]["Eating"]}
    world["S5"]["Dancing"], pixels["S5"]["Dancing"] = world["S5"]["Eating"], pixels["S5"]["Eating"]
    pixels["S5"]["Discussion"].pop()
    del pixels["S5"]["Discussion 1"]
    world["S5"]["Eating 1"] = world["S5"]["Eating 1"][:, :17]
    pixels["S5"]["Directions"][1] = "text"
    world["S5"]["Directions 1"][1, 7, 0] = np.nan
    pixels["S5"]["Directions 1"][2][0, 5, 1] = np.inf
    clips, problems = split(h36m.read(write(tmp_path, world, pixels), "gt"))
    counts = Counter(problem.split(": ", 1)[1].split(";")[0] for problem in problems if "npz" in problem)
    assert counts == {
        "unknown subject 'S2'": 1,
        "S5, 'Discussion' has 3 cameras": 1,
        "S5, 'Discussion 1' has 0 cameras": 1,
    }
    shape = f"3D {(length('S5', 'Eating 1'), 17, 3)} and 2D {(length('S5', 'Eating 1'), 17, 2)}"
    assert [p for p in problems if p.startswith("S5_Eating_1_cam3")] == [
        f"S5_Eating_1_cam3: {shape}; (frames, 28 or more, 3) and (frames, 17, 2) needed"
    ]
    assert sum("unknown action 'Dancing'" in p for p in problems) == 4
    assert [p for p in problems if "of <U4" in p] == [
        "S5_Directions_cam1: 2D: an array of numbers is needed, not of <U4"
    ]
    assert len(problems) == 3 + 4 + 4 + 1
    found = {clip.id: clip for clip, _ in clips}
    assert len(found) == 3 + 4 + 4
    hidden = found["S5_Directions_1_cam2"]
    assert np.argwhere(hidden.visibility[0] == 0).tolist() == [[0, 5], [1, 5]], (
        "joint 7 of 32 is the left knee, joint 5 of 17"
    )
    assert hidden.pose_3d is not None and not hidden.pose_3d[0, 1, 5].any() and not hidden.joints[0, 0, 5].any()


def test_missing_and_wrong_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=h36m.POSES_3D):
        next(h36m.read(tmp_path, "gt"))
    world, pixels = recordings()
    write(tmp_path, world, pixels)
    with pytest.raises(FileNotFoundError, match=h36m.POSES_2D["cpn"]):
        next(h36m.read(tmp_path, "cpn"))
    coco = [list(side) for side in zip(*COCO_17.mirror_pairs, strict=True)]
    write(tmp_path, world, pixels, {"layout_name": "coco", "keypoints_symmetry": coco})
    with pytest.raises(
        DataError, match=r"left and right joints are \[\[1, 3, .* those of skeleton 'h36m-17' are \[\[4,"
    ):
        next(h36m.read(tmp_path, "gt"))
    write(tmp_path, world, {"S1": [1]})
    with pytest.raises(DataError, match=r"gt\.npz: no member 'positions_2d' that maps"):
        next(h36m.read(tmp_path, "gt"))


def test_a_prepared_store(tmp_path: Path) -> None:
    report = prepare("h36m_cpn", write(tmp_path, *recordings(), detections="cpn"), tmp_path / "store")
    store = Store.open(report.folder)
    assert (store.name, store.paired, store.classes) == ("h36m_cpn", True, h36m.CLASSES)
    assert report.problems == () and len(store) == 836
    assert set(store.subjects[store.indices("official", "test")]) == {9, 11}
    assert set(store.subjects[store.indices("official", "train")]) == {1, 5, 6, 7, 8}


# --- windows


def test_a_window_of_243_frames_repeats_the_edges() -> None:
    """The window around frame 0 has 121 copies of it before it; the one around the last frame, as many after it."""
    rng = np.random.default_rng(0)
    joints = rng.uniform(100, 900, (1, 300, 17, 2)).astype(np.float32)
    pose = rng.normal(0, 0.5, (1, 300, 17, 3)).astype(np.float32)
    clip = PoseSequence(joints, np.ones((1, 300, 17)), H36M_17, "image", 50.0, image_size=(1000, 1002), pose_3d=pose)
    order = list(H36M_17.slot_order)
    for centre in (0, 299):
        frames = np.clip(np.arange(243) - 121 + centre, 0, 299)
        assert (frames == centre).sum() == 122
        example = estimate_pose.example(clip, centre - 121, 243, np.array([121]))
        scale = 2 * np.exp(example.context[2])
        screen = example.joints[0, :, :, :2] * scale + example.context[:2]
        pixels = screen * 501 + np.array([500, 501])  # half of the long side
        np.testing.assert_allclose(pixels, joints[0, frames][:, order], atol=0.01)
        assert example.target is not None
        relative = pose[0, centre] - pose[0, centre, 0]
        np.testing.assert_allclose(example.target[0, 0], relative[order], atol=1e-6)


# --- other files in this layout


def custom(folder: Path, world: object, pixels: object, **metadata: object) -> tuple[Path, Path]:
    paths = folder / "data_3d_own.npz", folder / "data_2d_own.npz"
    np.savez(paths[0], positions_3d=np.array(world, dtype=object))
    np.savez(paths[1], positions_2d=np.array(pixels, dtype=object), metadata=np.array(metadata, dtype=object))
    return paths


def test_cameras_without_extrinsics_have_poses_of_their_own(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    seen = [rng.normal(size=(4, 15, 3)).astype(np.float32) for _ in range(2)]
    pixels = [rng.uniform(0, 500, (4, 15, 2)).astype(np.float32) for _ in range(2)]
    views = [View("left", 7, (640, 480)), View("right", 8, (800, 600))]
    layout = VideoPose3DLayout(HUMANEVA_15, {"Anna": views}, 30.0)
    items = list(read_videopose3d(*custom(tmp_path, {"Anna": {"jump": seen}}, {"Anna": {"jump": pixels}}), layout))
    assert not [item for item in items if isinstance(item, DataError)]
    for item, pose, view in zip(items, seen, views, strict=True):
        assert not isinstance(item, DataError) and item[:2] == ("Anna", "jump")
        clip = item[2]
        assert (clip.id, clip.view, clip.image_size) == (f"Anna_jump_{view.name}", view.number, view.image_size)
        assert (clip.label, clip.subject, clip.fps) == (-1, -1, 30.0)
        assert clip.pose_3d is not None
        np.testing.assert_array_equal(clip.pose_3d[0], pose)
    ambiguous = custom(tmp_path, {"Anna": {"jump": seen[0]}}, {"Anna": {"jump": pixels}})
    problems = split(read_videopose3d(*ambiguous, layout))[1]
    assert len(problems) == 2 and all("'jump': 3D poses in one camera's frame, but 2 cameras" in p for p in problems)
    one = VideoPose3DLayout(HUMANEVA_15, {"Anna": views[:1]}, 30.0)
    alone = custom(tmp_path, {"Anna": {"jump": seen[0]}}, {"Anna": {"jump": pixels[:1]}})
    assert len(split(read_videopose3d(*alone, one))[0]) == 1


def test_poses_relative_to_the_root(tmp_path: Path) -> None:
    """VideoPose3D keeps a person's path in joint 0 and gives the others relative to it."""
    rng = np.random.default_rng(0)
    world = rng.normal(size=(5, 15, 3)).astype(np.float32)
    relative = world.copy()
    relative[:, 1:] -= relative[:, :1]
    camera = (np.array([0.5, -0.5, 0.5, -0.5]), np.array([1.0, 2.0, 3.0]))
    layout = VideoPose3DLayout(HUMANEVA_15, {"P3": [View("c", 0, (640, 480), camera)]}, 30.0, root_relative=True)
    pixels = {"P3": {"walk": [np.ones((5, 15, 2))]}}
    ((_, _, clip),) = (i for i in read_videopose3d(*custom(tmp_path, {"P3": {"walk": relative}}, pixels), layout)
                       if not isinstance(i, DataError))  # fmt: skip
    assert clip.subject == 3 and clip.pose_3d is not None
    np.testing.assert_allclose(clip.pose_3d[0], world_to_camera(world, *camera), atol=1e-5)
    with pytest.raises(DataError, match="'coco-17' has no root joint"):
        VideoPose3DLayout(COCO_17, {}, 30.0, root_relative=True)


@settings(max_examples=15)
@given(data=st.data())
def test_random_files_read_back(data: st.DataObject) -> None:
    """Any subjects, takes and lengths, 2D shorter or longer than 3D, joints missing here and there."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    takes = st.dictionaries(st.sampled_from(TAKES), st.tuples(st.integers(1, 9), st.integers(1, 9)), max_size=3)
    plan = data.draw(st.dictionaries(st.sampled_from(SUBJECTS), takes, max_size=3))
    world = {s: {t: rng.normal(size=(n, 32, 3)) for t, (n, _) in takes.items()} for s, takes in plan.items()}
    pixels = {
        s: {t: [rng.uniform(0, 1000, (n, 17, 2)).astype(np.float16) for _ in range(4)] for t, (_, n) in takes.items()}
        for s, takes in plan.items()
    }
    for points in (p for takes in world.values() for p in takes.values()):
        points[rng.random(points.shape[:2]) < 0.1] = np.nan
    with tempfile.TemporaryDirectory() as folder:
        clips, problems = split(h36m.read(write(Path(folder), world, pixels), "gt"))
    assert problems == []
    wanted = {
        f"{s}_{t}_cam{i}".replace(" ", "_"): (s, t, i)
        for s, takes in plan.items() for t in takes for i in range(4) if (s, t) != ("S11", "Directions")
    }  # fmt: skip
    assert [clip.id for clip, _ in clips] == sorted(wanted)
    for clip, splits in clips:
        s, t, i = wanted[clip.id]
        assert clip.frames == min(plan[s][t]) and splits == {"official": "test" if s in ("S9", "S11") else "train"}
        kept = world[s][t][: clip.frames, list(h36m.KEPT)]
        np.testing.assert_array_equal(clip.visibility[0] == 0, np.isnan(kept[..., 0]))
        seen = clip.visibility[0] > 0
        np.testing.assert_array_equal(clip.joints[0][seen], pixels[s][t][i][: clip.frames][seen])


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.binary(max_size=4)
    | st.sampled_from([np.zeros((2, 17, 2)), np.full((2, 32, 3), 3e38), np.zeros(()), np.ones((2, 32, 3), complex),
                       np.zeros((0, 17, 2)), np.array(["a"]), np.array([None, 1], object), np.full((2, 17, 2), 1e300)]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@settings(max_examples=50)
@given(place=st.integers(0, 9), junk=JUNK)
def test_junk_anywhere_raises_nothing_but_pose_errors(place: int, junk: object) -> None:
    world = {"S1": {"Eating": np.zeros((2, 32, 3)), "Walking": np.zeros((2, 32, 3))}}
    pixels = {"S1": {take: [np.zeros((2, 17, 2)) for _ in range(4)] for take in world["S1"]}}
    tables: dict = {"world": world, "pixels": pixels, "metadata": {"keypoints_symmetry": SYMMETRY}}
    spots = [(tables, "world"), (tables, "pixels"), (tables, "metadata"), (tables["metadata"], "keypoints_symmetry"),
             (world, "S1"), (pixels, "S1"), (world["S1"], "Eating"), (pixels["S1"], "Eating"),
             (pixels["S1"]["Eating"], 2), (world, 5)]  # fmt: skip
    where, key = spots[place]
    where[key] = junk
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, members in (
            (h36m.POSES_3D, {"positions_3d": tables["world"]}),
            (h36m.POSES_2D["gt"], {"positions_2d": tables["pixels"], "metadata": tables["metadata"]}),
        ):
            (folder / file).write_bytes(npz({key: pickle.dumps(boxed(value)) for key, value in members.items()}))
        try:
            clips, _ = split(h36m.read(folder, "gt"))
        except DataError as error:
            assert ".npz" in str(error)
        else:
            assert len(clips) <= 8


def boxed(value: object) -> np.ndarray:
    """A 0-d object array."""
    box = np.empty((), dtype=object)
    box[()] = value
    return box


def npz(pickles: dict[str, bytes]) -> bytes:
    """An .npz of 0-d object arrays, from their pickles."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": ()})
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for key, content in pickles.items():
            archive.writestr(f"{key}.npy", header.getvalue() + content)
    return buffer.getvalue()


@settings(max_examples=50)
@given(seed=st.integers(0, 2**32 - 1), inside=st.booleans())
def test_mutated_files_raise_nothing_but_pose_errors(seed: int, inside: bool) -> None:
    """Bytes changed, lost or added in the .npz file, or in a pickle within a sound .npz file."""
    rng = random.Random(seed)
    world = {"S1": {"Eating": np.zeros((2, 32, 3), np.float32)}}
    pixels = {"S1": {"Eating": [np.zeros((2, 17, 2), np.float32) for _ in range(4)]}}
    content = pickle.dumps(boxed(pixels), rng.randint(2, 5))
    file = npz({"positions_2d": mutated(content, rng)}) if inside else mutated(npz({"positions_2d": content}), rng)
    with tempfile.TemporaryDirectory() as name:
        folder = write(Path(name), world, pixels)
        (folder / h36m.POSES_2D["gt"]).write_bytes(file)
        try:
            clips, problems = split(h36m.read(folder, "gt"))
        except DataError as error:
            assert h36m.POSES_2D["gt"] in str(error)
        else:
            assert len(clips) + len(problems) in (1, 4)


def mutated(content: bytes, rng: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        at, what = rng.randrange(len(data) + 1), rng.randrange(4)
        if what == 0:
            data[at : at + rng.randint(1, 30)] = b""
        elif what == 1:
            data[at:at] = rng.randbytes(rng.randint(1, 8))
        elif what == 2:
            data[at : at + 1] = rng.randbytes(1)
        else:
            del data[at:]
    return bytes(data)


# --- the real files


@pytest.mark.parametrize("detections", ["gt", "cpn"])
def test_counts(data_folder: Path, detections: str) -> None:
    for file in (h36m.POSES_3D, h36m.POSES_2D[detections]):
        if not (data_folder / file).is_file():
            pytest.skip(f"{file} is not in UPS_DATA")
    frames = Counter()
    for item in h36m.read(data_folder, detections):
        assert not isinstance(item, DataError), item
        frames[item[1]["official"]] += item[0].frames
    assert frames == {"train": 1_559_752, "test": 543_344}
