"""Every kind of file of one recording, with random bodies, gaps and lengths: nothing is lost, order and units are right;
and whatever is changed in a file, reading it ends in a clip or in an error of our own.

NTU RGB+D, Kinetics, Human3.6M and PYSKL have such tests beside their readers' other ones.
"""

from __future__ import annotations

import io
import json
import random
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from ups.cameras import world_to_camera
from ups.data.custom import custom_data_set
from ups.data.datasets import bandai_namco, humaneva
from ups.data.datasets.h36m import VideoPose3DLayout, View, read_videopose3d
from ups.data.formats.native import write_file
from ups.data.open_file import read_file
from ups.errors import DataError
from ups.pose import PoseSequence, Space
from ups.skeleton import SLOTS, Skeleton
from ups.skeletons import (
    BANDAI_21,
    COCO_17,
    HUMANEVA_15,
    KARD_15,
    KINECT_20,
    OPENPOSE_18,
    PENN_13,
    SBU_15,
    SKELETONS,
    UTD_20,
)

SEEDS = st.integers(0, 2**32 - 1)
FRAMES = st.integers(1, 9)
Rng = np.random.Generator


@dataclass
class Case:
    """Files of one recording, the first of which is read, and what has to come out: joints in the order of `names`."""

    files: dict[str, bytes]
    joints: np.ndarray  # (M, N, J, V)
    seen: np.ndarray  # (M, N, J)
    names: tuple[str, ...]
    space: Space
    fps: float = 30.0
    tolerance: float = 0.0
    options: dict[str, Any] | None = None
    pose_3d: np.ndarray | None = None

    def put(self, folder: Path) -> Path:
        for name, content in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        first = folder / next(iter(self.files))
        return first.parent if first.name.endswith("_keypoints.json") else first


def solid(rng: Rng, persons: int, frames: int, joints: int, gaps: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    """3D joints, 0 where not seen, and which were seen."""
    seen = (rng.random((persons, frames, joints)) >= gaps).astype(np.float32)
    return rng.normal(size=(persons, frames, joints, 3)).astype(np.float32) * seen[..., None], seen


def flat(rng: Rng, persons: int, frames: int, joints: int) -> tuple[np.ndarray, np.ndarray]:
    """2D joints of persons who stand beside one another and move a little, 0 where not seen, and confidences."""
    shape = rng.uniform(0, 100, (persons, 1, joints, 2)) + np.arange(persons)[:, None, None, None] * (400, 0) + 50
    points = np.round(shape + np.cumsum(rng.uniform(-2, 2, (persons, frames, 1, 2)), 1), 3)
    seen = np.round(rng.uniform(0.1, 1, (persons, frames, joints)), 3) * (rng.random((persons, frames, joints)) < 0.85)
    seen[:, 0, 0] = 0.5  # everybody is there at first
    return points * (seen > 0)[..., None], seen


def text(rows: np.ndarray, separator: str = " ") -> bytes:
    return "".join(separator.join(f"{value:.9g}" for value in row) + "\n" for row in rows).encode()


def mat(**variables: object) -> bytes:
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, variables)
    return buffer.getvalue()


def own_fields(rng: Rng, frames: int) -> tuple[dict[str, Any], Case]:
    """What our own files hold, NaN where a joint was not seen; joints in any order, by name or as in a skeleton."""
    named = SKELETONS[str(rng.choice(list(SKELETONS)))]
    names = named.joints if rng.random() < 0.5 else tuple(str(n) for n in rng.permutation(named.joints))
    joints, seen = solid(rng, int(rng.integers(1, 4)), frames, len(names))
    space: Space = ("image", "camera", "kinect", "world")[rng.integers(4)]
    joints = joints[..., : 2 if space == "image" else 3]
    case = Case({}, joints, seen, names, space, float(np.round(rng.uniform(1, 120), 3)))
    values = np.where(seen[..., None] > 0, joints.astype(np.float64), np.nan)
    fields: dict[str, Any] = {"joints": values if len(values) > 1 else values[0], "fps": case.fps, "space": space}
    fields |= {"skeleton": named.name} if names == named.joints else {"joint_names": list(names)}
    if space == "image":
        fields["image_size"] = [1920, 1080]
    return fields, case


def npz_case(rng: Rng, frames: int) -> Case:
    fields, case = own_fields(rng, frames)
    if rng.random() < 0.5:  # confidences, which count where the joint is there
        marks = rng.uniform(0.01, 1, case.seen.shape).astype(np.float32)
        case.seen = case.seen * marks
        fields["visibility"] = marks
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **fields)
    case.files = {"clip.npz": buffer.getvalue()}
    return case


def json_case(rng: Rng, frames: int) -> Case:
    fields, case = own_fields(rng, frames)
    if rng.random() < 0.5 and case.space == "image":
        case.pose_3d = rng.normal(size=(*case.seen.shape, 3)).astype(np.float32)
        fields["pose_3d"] = case.pose_3d.tolist()
    fields["joints"] = np.where(np.isnan(fields["joints"]), None, fields["joints"]).tolist()
    case.files = {"clip.json": json.dumps(fields).encode()}
    return case


def csv_case(rng: Rng, frames: int) -> Case:
    """Columns and rows in any order; a row may be missing, if not that of a first or last frame."""
    fields, case = own_fields(rng, frames)
    persons, start = len(case.joints), int(rng.integers(0, 50))
    missing = rng.random((persons, frames)) < 0.2
    missing[:, [0, -1]] = False
    case.seen[missing] = 0
    case.joints[missing] = 0
    axes = "xyz"[: case.joints.shape[-1]]
    head = ["frame", "person", *(f"{name}_{axis}" for name in case.names for axis in axes)]
    rows = [
        [str(start + n), str(7 + m)] + [repr(float(v)) if s else "" for p, s in zip(case.joints[m, n], case.seen[m, n],
                                                                                  strict=True) for v in p]
        for m, n in np.argwhere(~missing).tolist()
    ]  # fmt: skip
    order = rng.permutation(len(head))
    notes = [f"# fps = {case.fps}", f"# space = {case.space}", "# image_size = 1920 x 1080"]
    lines = [",".join(np.array(row)[order]) for row in (head, *(rows[i] for i in rng.permutation(len(rows))))]
    case.files = {"clip.csv": "\r\n".join((notes if case.space == "image" else notes[:2]) + lines).encode()}
    return case


def nw_ucla_case(rng: Rng, frames: int) -> Case:
    joints, seen = solid(rng, 1, frames, 20)
    record = {"file_name": "x", "skeletons": joints[0].tolist(), "label": 8}
    return Case({"a09_s03_e01_v02.json": json.dumps(record).encode()}, joints, seen, KINECT_20.joints, "kinect")


def utd_mhad_case(rng: Rng, frames: int) -> Case:
    joints, seen = solid(rng, 1, frames, 20)
    content = mat(d_skel=joints[0].transpose(1, 2, 0).astype(np.float64))
    return Case({"a3_s2_t1_skeleton.mat": content}, joints, seen, UTD_20.joints, "kinect")


def penn_case(rng: Rng, frames: int) -> Case:
    x, y = rng.integers(1, 400, (2, frames, 13))
    seen = (rng.random((1, frames, 13)) < 0.8).astype(np.float32)
    joints = np.stack([x, y], -1)[None] * seen[..., None]
    names = {"action": "bowl", "pose": "back", "train": np.array([[1]]), "nframes": frames}
    size = np.array([[360, 480, frames]], np.uint16)
    content = mat(
        x=x.astype(np.uint16), y=y.astype(np.uint16), visibility=seen[0].astype(np.uint8), dimensions=size, **names
    )
    return Case({"0007.mat": content}, joints, seen, PENN_13.joints, "image")


def kard_rows(rng: Rng, frames: int) -> np.ndarray:
    return rng.normal(size=(frames, 15, 3)) * 300 + (0, 0, 2500)


def kard_3d_case(rng: Rng, frames: int) -> Case:
    mm = kard_rows(rng, frames)
    files = {"a02_s03_e01_realworld.txt": text(mm.reshape(-1, 3))}
    joints = (mm * (-0.001, 0.001, 0.001))[None]
    return Case(files, joints, np.ones(joints.shape[:3]), KARD_15.joints, "kinect", tolerance=1e-5)


def kard_2d_case(rng: Rng, frames: int) -> Case:
    mm = kard_rows(rng, frames)
    points = np.stack(
        [575.816 * mm[..., 0] / mm[..., 2] + 320, -575.816 * mm[..., 1] / mm[..., 2] + 240, mm[..., 2]], -1
    )
    files = {
        "a02_s03_e01_screen.txt": text(points.reshape(-1, 3)),
        "a02_s03_e01_realworld.txt": text(mm.reshape(-1, 3)),
    }
    truth = (mm * (0.001, -0.001, 0.001))[None]
    return Case(
        files, points[None, ..., :2], np.ones((1, frames, 15)), KARD_15.joints, "image", tolerance=1e-3, pose_3d=truth
    )


def sbu_case(rng: Rng, frames: int) -> Case:
    metres = rng.normal(size=(2, frames, 15, 3)) + (0, 0, 2)
    raw = (metres * 1000 - (1280, 960, 0)) / (-2560, -1920, 10000 / 7.8125)
    rows = np.concatenate([np.arange(frames)[:, None] + 9, raw.transpose(1, 0, 2, 3).reshape(frames, -1)], 1)
    files = {"s03s04/02/001/skeleton_pos.txt": text(rows, ",")}
    return Case(files, metres, np.ones((2, frames, 15)), SBU_15.joints, "kinect", 15.0, tolerance=1e-4)


def openpose_case(rng: Rng, frames: int) -> Case:
    points, seen = flat(rng, int(rng.integers(1, 3)), frames, 18)
    files = {}
    for n in range(frames):
        people = [np.concatenate([points[m, n], seen[m, n, :, None]], 1) for m in rng.permutation(len(points))]
        record = {"people": [{"pose_keypoints_2d": person.ravel().tolist()} for person in people]}
        files[f"clip/v_{n:03}_keypoints.json"] = json.dumps(record).encode()
    options = {"image_size": (1280, 720), "fps": 25.0}
    return Case(files, points, seen, OPENPOSE_18.joints, "image", 25.0, 1e-4, options)


def coco_case(rng: Rng, frames: int) -> Case:
    points, seen = flat(rng, int(rng.integers(1, 3)), frames, 17)
    seen = np.where(seen > 0, 1.0, 0.0)
    images = [{"id": 40 + 3 * n, "width": 1280, "height": 720} for n in range(frames)]
    annotations = [
        {"image_id": 40 + 3 * n, "keypoints": np.concatenate([points[m, n], 2 * seen[m, n, :, None]], 1).ravel().tolist()}
        for m in range(len(points)) for n in range(frames)
    ]  # fmt: skip
    record = {
        "images": [images[i] for i in rng.permutation(len(images))],
        "annotations": [annotations[i] for i in rng.permutation(len(annotations))],
    }
    return Case({"clip.json": json.dumps(record).encode()}, points, seen, COCO_17.joints, "image", tolerance=1e-4)


def bvh_case(rng: Rng, frames: int) -> Case:
    """Two legs on a turning hip that moves; both knees have rotations too, which move nothing that is kept."""
    unit = float(rng.choice([1, 100, 1000]))
    offsets = np.array([[0, 0, 0], [0.1, 0, 0], [0, -0.42, 0.01], [-0.1, 0, 0], [0, -0.42, 0.01]])
    names, parents = ["Hips", "LeftUpLeg", "LeftLeg", "RightUpLeg", "RightLeg"], [-1, 0, 1, 0, 3]
    root, turns = rng.normal(size=(frames, 3)), rng.uniform(-180, 180, (frames, 5, 3))
    lines = ["HIERARCHY"]
    for j, name in enumerate(names):
        lines.append(f"{'JOINT' if j else 'ROOT'} {name}\n{{\nOFFSET {' '.join(map(str, offsets[j] * unit))}")
        lines.append(
            f"CHANNELS {3 if j else 6} {'' if j else 'Xposition Yposition Zposition '}Zrotation Yrotation Xrotation"
        )
        lines += ["End Site\n{\nOFFSET 0 -1 0\n}\n}\n}"] if j in (2, 4) else []
    lines += ["}", "MOTION", f"Frames: {frames}", "Frame Time: 0.04"]
    lines += [" ".join(f"{v:.9g}" for v in [*(root[n] * unit), *turns[n].ravel()]) for n in range(frames)]
    joints, rotations = [root], [Rotation.from_euler("ZYX", turns[:, 0], degrees=True)]
    for j in range(1, 5):
        joints.append(joints[parents[j]] + rotations[parents[j]].apply(offsets[j]))
        rotations.append(rotations[parents[j]] * Rotation.from_euler("ZYX", turns[:, j], degrees=True))
    slots = ("pelvis", "left_hip", "left_knee", "right_hip", "right_knee")
    points = np.stack(joints, 1)[None]
    return Case({"a.bvh": "\n".join(lines).encode()}, points, np.ones(points.shape[:3]), slots, "world", 25.0, 1e-5)


CASES: dict[str, Callable[[Rng, int], Case]] = {
    "npz": npz_case,
    "json": json_case,
    "csv": csv_case,
    "nw_ucla": nw_ucla_case,
    "utd_mhad": utd_mhad_case,
    "penn_action": penn_case,
    "kard_3d": kard_3d_case,
    "kard_2d": kard_2d_case,
    "sbu": sbu_case,
    "openpose": openpose_case,
    "coco": coco_case,
    "bvh": bvh_case,
}


@pytest.mark.parametrize("kind", CASES)
@settings(max_examples=25)
@given(seed=SEEDS, frames=FRAMES)
def test_nothing_is_lost(kind: str, seed: int, frames: int) -> None:
    case = CASES[kind](np.random.default_rng(seed), frames)
    there = case.seen.any((0, 2))
    assume(kind != "csv" or (there[1:] & there[:-1]).any())  # rows of every second frame are taken for half the rate
    with tempfile.TemporaryDirectory() as folder:
        clip = read_file(case.put(Path(folder)), **(case.options or {}))
    assert (clip.space, clip.fps) == (case.space, pytest.approx(case.fps, abs=1e-3))
    assert sorted(clip.skeleton.joints) == sorted(case.names)
    order = [case.names.index(joint) for joint in clip.skeleton.joints]
    persons = np.arange(clip.persons)
    if kind in ("openpose", "coco"):  # which of the two comes first is a matter of scores
        persons = np.argsort(clip.joints[..., 0].max((1, 2)))
    np.testing.assert_allclose(clip.joints[persons], case.joints[:, :, order], atol=case.tolerance, rtol=1e-6)
    np.testing.assert_allclose(clip.visibility[persons], case.seen[:, :, order], atol=1e-6)
    if case.pose_3d is not None:
        assert clip.pose_3d is not None
        np.testing.assert_allclose(clip.pose_3d, case.pose_3d[:, :, order], atol=case.tolerance)


@settings(max_examples=40)
@given(seed=SEEDS, frames=FRAMES, persons=st.integers(1, 3), numbers=st.tuples(*[st.integers(-1, 2**31 - 1)] * 3))
def test_what_is_written_is_read_back_to_the_last_bit(seed: int, frames: int, persons: int, numbers: tuple) -> None:
    rng = np.random.default_rng(seed)
    names = tuple(str(n) for n in rng.permutation(SLOTS)[: rng.integers(1, len(SLOTS))])
    skeleton = Skeleton("mine", names, (-1, *(int(rng.integers(0, j)) for j in range(1, len(names)))), names[:1])
    joints, seen = solid(rng, persons, frames, len(names))
    label, subject, view = numbers
    clip = PoseSequence(joints, seen, skeleton, "world", float(rng.uniform(0.1, 1e3)), "wave é 1", label, subject, view)
    if seed % 2:
        truth = rng.normal(size=joints.shape)
        clip = replace(clip, joints=joints[..., :2], space="image", image_size=(640, 480), pose_3d=truth)
    with tempfile.TemporaryDirectory() as folder:
        write_file(clip, Path(folder) / "a.npz")
        back = read_file(Path(folder) / "a.npz")
    for key in ("joints", "visibility", "pose_3d"):
        np.testing.assert_array_equal(getattr(back, key), getattr(clip, key))
    for key in ("skeleton", "space", "fps", "id", "label", "subject", "view", "image_size"):
        assert getattr(back, key) == getattr(clip, key), key


# Folders of one's own


LABELS = st.sampled_from(["", "wave", "sit down", "Zähne putzen", 'say "hi", twice'])
SPLITS = st.sampled_from(["", "train", "test"])


@settings(max_examples=30)
@given(
    rows=st.lists(st.tuples(LABELS, st.sampled_from(["", "anna", "bert", "7"]), SPLITS, SPLITS), min_size=1, max_size=6)
)
def test_a_table_is_read_as_it_was_written(rows: list[tuple[str, str, str, str]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, lines = Path(name), ["split,file,subject,label,other"]
        for i, (label, subject, split, other) in enumerate(rows):
            joints, seen = solid(np.random.default_rng(i), 1, 2 + i, 20)
            write_file(PoseSequence(joints, seen, KINECT_20, "kinect", 30.0), folder / f"c{i}.npz")
            quoted = '"' + label.replace('"', '""') + '"'
            lines.append(f"{split},c{i}.npz,{subject},{quoted},{other}")
        (folder / "clips.csv").write_text("\n".join(lines), encoding="utf-8")
        data_set = custom_data_set(folder, "mine")
        items = list(data_set.read(folder))
    assert data_set.protocols == ("split", "other") and list(data_set.classes) == sorted({r[0] for r in rows} - {""})
    subjects: dict[str, int] = {}
    for i, (item, (label, subject, split, other)) in enumerate(zip(items, rows, strict=True)):
        assert not isinstance(item, DataError)
        clip, parts = item
        assert clip.id == f"c{i}" and clip.frames == 2 + i
        assert (data_set.classes[clip.label] if clip.label >= 0 else "") == label
        assert (clip.subject == -1) == (subject == "") and subjects.setdefault(subject, clip.subject) == clip.subject
        assert parts == {k: v for k, v in (("split", split), ("other", other)) if v}
    assert len(set(subjects.values())) == len(subjects)


# Many recordings in one file


def boxed(**members: object) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **{key: np.array(value, dtype=object) for key, value in members.items()})  # pyright: ignore
    return buffer.getvalue()


def videopose3d_files(rng: Rng, plan: dict[str, dict[str, tuple[int, int]]], cameras: int) -> tuple[dict, dict]:
    world = {s: {t: rng.normal(size=(n, 15, 3)) for t, (n, _) in takes.items()} for s, takes in plan.items()}
    flat = {
        s: {
            t: [rng.uniform(0, 640, (n, 15, 2)).astype(np.float32) for _ in range(cameras)]
            for t, (_, n) in takes.items()
        }
        for s, takes in plan.items()
    }
    for points in (p for takes in world.values() for p in takes.values()):
        points[rng.random(points.shape[:2]) < 0.1] = np.nan
    return world, flat


def plans(subjects: tuple[str, ...], takes: tuple[str, ...]) -> st.SearchStrategy:
    """Frames in 3D and in 2D of some takes of some subjects."""
    lengths = st.dictionaries(st.sampled_from(takes), st.tuples(FRAMES, FRAMES), min_size=1)
    return st.dictionaries(st.sampled_from(subjects), lengths, min_size=1)


def same_views(found: dict[str, PoseSequence], wanted: dict[str, tuple[np.ndarray, np.ndarray, Any]]) -> None:
    """Each clip against the 3D poses in the world, the pixels and the camera (None: the poses are in its frame)."""
    assert list(found) == sorted(wanted)
    for name, clip in found.items():
        points, image, camera = wanted[name]
        frames = min(len(points), len(image))
        seen = np.isfinite(points[:frames]).all(-1)
        assert clip.frames == frames and clip.pose_3d is not None
        np.testing.assert_array_equal(clip.visibility[0] > 0, seen)
        np.testing.assert_array_equal(clip.joints[0][seen], image[:frames][seen])
        truth = points[:frames] if camera is None else world_to_camera(points[:frames], *camera)
        np.testing.assert_allclose(clip.pose_3d[0][seen], truth[seen], atol=1e-5)


@settings(max_examples=15)
@given(
    seed=SEEDS,
    plan=plans(("Train/S1", "Train/S3", "Validate/S2"), ("Box 1 chunk0", "Box 1 chunk11", "Walking 1 chunk2")),
)
def test_humaneva_is_read_back(seed: int, plan: dict) -> None:
    world, image = videopose3d_files(np.random.default_rng(seed), plan, 3)
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / humaneva.POSES_3D).write_bytes(boxed(positions_3d=world))
        (Path(name) / humaneva.POSES_2D).write_bytes(boxed(positions_2d=image, metadata={"layout_name": "humaneva15"}))
        items = [item for item in humaneva.read(Path(name)) if not isinstance(item, DataError)]
    cameras = humaneva.load_extrinsics()
    same_views(
        {clip.id: clip for clip, _ in items},
        {f"{s}_{t}_C{i + 1}".replace("/", "_").replace(" ", "_"):
         (world[s][t], image[s][t][i], cameras[s.split("/")[1]][i])
         for s, takes in plan.items() for t in takes for i in range(3)},
    )  # fmt: skip
    for clip, parts in items:
        assert parts == {"official": "train" if clip.id.startswith("Train") else "test"}
        assert humaneva.CLASSES[clip.label] == ("box" if "Box" in clip.id else "walking")


@settings(max_examples=15)
@given(seed=SEEDS, plan=plans(("TS1", "TS4"), ("Seq1", "Seq 2")), cameras=st.integers(1, 3))
def test_custom_files_of_videopose3d_are_read_back(seed: int, plan: dict, cameras: int) -> None:
    """As those of MPI-INF-3DHP: 3D poses in each camera's own frame."""
    world, image = videopose3d_files(np.random.default_rng(seed), plan, cameras)
    lists = {s: {t: [p + i for i in range(cameras)] for t, p in takes.items()} for s, takes in world.items()}
    given_3d = {s: {t: p[0] for t, p in takes.items()} for s, takes in lists.items()} if cameras == 1 else lists
    views = {s: [View(f"c{i}", i, (640, 480)) for i in range(cameras)] for s in plan}
    with tempfile.TemporaryDirectory() as name:
        paths = Path(name) / "data_3d_own.npz", Path(name) / "data_2d_own_gt.npz"
        paths[0].write_bytes(boxed(positions_3d=given_3d))
        paths[1].write_bytes(boxed(positions_2d=image))
        items = list(read_videopose3d(*paths, VideoPose3DLayout(HUMANEVA_15, views, 25.0)))
    clips = [item[2] for item in items if not isinstance(item, DataError)]
    assert len(clips) == len(items)
    same_views(
        {clip.id: clip for clip in clips},
        {f"{s}_{t}_c{i}".replace(" ", "_"): (lists[s][t][i], image[s][t][i], None)
         for s, takes in plan.items() for t in takes for i in range(cameras)},
    )  # fmt: skip


BANDAI_IDS = tuple(
    f"dataset-{d}_{c}_{s}_{n:03}" for d, s in ((1, "old"), (2, "normal")) for c in ("bow", "run") for n in (1, 2)
)


def bandai_npz(rng: Rng, lengths: dict[str, int]) -> tuple[dict[str, np.ndarray], bytes]:
    source = [str(n) for n in rng.permutation([*bandai_namco._SOURCE_NAME.values(), "joint_Root"])]
    positions = {name: rng.uniform(0, 2, (n, len(source), 3)).astype(np.float16) for name, n in lengths.items()}
    order = [source.index(bandai_namco._SOURCE_NAME[slot]) for slot in BANDAI_21.joints]
    arrays = {"positions": np.concatenate(list(positions.values())), "ids": np.array(list(lengths))}
    arrays |= {"offsets": np.cumsum([0, *lengths.values()]), "joint_names": np.array(source), "fps": np.array(15.0)}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # pyright: ignore
    return {name: values[:, order].astype(np.float32) for name, values in positions.items()}, buffer.getvalue()


@settings(max_examples=15)
@given(seed=SEEDS, lengths=st.dictionaries(st.sampled_from(BANDAI_IDS), FRAMES, min_size=1))
def test_bandai_namco_is_read_back(seed: int, lengths: dict[str, int]) -> None:
    joints, content = bandai_npz(np.random.default_rng(seed), lengths)
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / bandai_namco.ARCHIVE).write_bytes(content)
        clips = [item[0] for item in bandai_namco.read(Path(name)) if not isinstance(item, DataError)]
    assert [clip.id for clip in clips] == sorted(lengths)
    for clip in clips:
        np.testing.assert_array_equal(clip.joints[0], joints[clip.id])


# Damage


def mutated(content: bytes, rng: random.Random) -> bytes:
    """Bytes changed, lost, added or repeated; digits, so that text stays text; or the end cut off."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        at, what = rng.randrange(len(data) + 1), rng.randrange(7)
        if what == 0:
            data[at : at + rng.randint(1, 30)] = b""
        elif what == 1:
            data[at:at] = rng.randbytes(rng.randint(1, 8))
        elif what == 2:
            data[at : at + 1] = rng.randbytes(1)
        elif what == 3:
            data[at:at] = data[at : at + rng.randint(1, 60)]
        elif what == 4:
            data[at : at + 1] = rng.choice([b"9", b"e", b"-", b".", b",", b" ", b"\n", b"[", b"{", b'"', b"_", b"\0"])
        elif what == 5:
            data[at:at] = rng.choice([b"1e400", b"9" * 25, b"nan", b"null", b"1e39", b"[" * 9999, b"Infinity", b"[]"])
        else:
            del data[at:]
    return bytes(data)


@pytest.mark.parametrize("kind", CASES)
@settings(max_examples=100)
@given(seed=SEEDS)
def test_damage_raises_nothing_but_our_own_errors(kind: str, seed: int) -> None:
    case, rng = CASES[kind](np.random.default_rng(seed), seed % 3 + 1), random.Random(seed)
    name = rng.choice(list(case.files))
    case.files[name] = mutated(case.files[name], rng)
    with tempfile.TemporaryDirectory() as folder:
        path = case.put(Path(folder))
        try:
            clip = read_file(path, **(case.options or {}))
        except DataError as error:
            assert any(Path(part).name in str(error) for part in (*case.files, path))
        else:
            assert np.isfinite(clip.joints).all()


@pytest.mark.parametrize("kind", ["humaneva", "bandai_namco", "clips.csv"])
@settings(max_examples=80)
@given(seed=SEEDS)
def test_damaged_sets_raise_nothing_but_our_own_errors(kind: str, seed: int) -> None:
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if kind == "humaneva":
            world, image = videopose3d_files(np.random.default_rng(seed), {"Train/S1": {"Box 1 chunk0": (2, 2)}}, 3)
            files = {humaneva.POSES_3D: boxed(positions_3d=world), humaneva.POSES_2D: boxed(positions_2d=image)}
            read = humaneva.read
        elif kind == "bandai_namco":
            files = {
                bandai_namco.ARCHIVE: bandai_npz(np.random.default_rng(seed), {BANDAI_IDS[0]: 2, BANDAI_IDS[3]: 1})[1]
            }
            read = bandai_namco.read
        else:
            files = {"clips.csv": b"file,label,subject,fps,split\na.npz,wave,1,30,train\nb.npz,sit,2,25,test\n"}
            read = lambda folder: custom_data_set(folder, "mine").read(folder)  # noqa: E731
        damaged = rng.choice(list(files))
        files[damaged] = mutated(files[damaged], rng)
        if kind == "clips.csv":
            files |= {f"{n}.npz": npz_case(np.random.default_rng(1), 2).files["clip.npz"] for n in "ab"}
        for file, content in files.items():
            (folder / file).write_bytes(content)
        try:
            items = list(read(folder))
        except DataError as error:
            assert str(folder) in str(error)
        else:
            assert len(items) <= 6
