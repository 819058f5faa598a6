"""Human3.6M as VideoPose3D prepares it, and the reader of every pair of .npz files in VideoPose3D's layout.

Human3.6M is motion capture of seven actors seen by four cameras at 50 Hz, 15 actions in two takes: `data_3d_h36m.npz`
holds 32 joints, of which 17 are kept; `data_2d_h36m_gt.npz` has projections of them, `data_2d_h36m_cpn_ft_h36m_dbb.npz`
what CPN found.

The layout: the 3D file holds `positions_3d`[subject][action] (N, J, 3) m; the 2D file `positions_2d`[subject][action] =
a list with (N2, J, 2) px of each camera, and `metadata` with `keypoints_symmetry`, the left and the right joints.

Sources: Ionescu et al., "Human3.6M", TPAMI 2014; Pavllo et al., "3D human pose estimation in video with temporal
convolutions and semi-supervised training", CVPR 2019.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path

import numpy as np

from ups.cameras import world_to_camera
from ups.data.datasets.base import Clip, DataSet, attempt
from ups.data.formats.safe_pickle import load_object_npz
from ups.errors import DataError
from ups.pose import PoseSequence
from ups.skeleton import Skeleton
from ups.skeletons import H36M_17

Extrinsics = tuple[np.ndarray, np.ndarray]
"""Quaternion (4,) w x y z, camera axes -> world axes, and the camera's place (3,) in metres."""

Recording = tuple[str, str, PoseSequence]
"""Subject and action, as the files call them, and what one camera saw of them."""


@dataclass(frozen=True)
class View:
    """One camera of a subject's recordings.

    Attributes:
        name: ends the ids of its clips.
        number: the view of its clips.
        image_size: (width, height) pixels.
        extrinsics: where it stands in the world of the 3D poses; None = they are given in its own frame.
    """

    name: str
    number: int
    image_size: tuple[int, int]
    extrinsics: Extrinsics | None = None


@dataclass(frozen=True)
class VideoPose3DLayout:
    """What the files of one data set do not say themselves.

    Attributes:
        skeleton: of the 2D joints and, after `keep`, of the 3D joints.
        views: the cameras of each subject, in the order of the 2D file. Cameras without extrinsics need a list of 3D
            poses of their own where there are several.
        fps: frames per second.
        labels: class index by the first word of an action; None = clips have no class.
        keep: numbers of the 3D file's joints that are the skeleton's; None = all.
        root_relative: the 3D joints are given relative to the skeleton's root, whose own row is its path.

    Raises:
        DataError: joints are relative to a root that is not one joint.
    """

    skeleton: Skeleton
    views: Mapping[str, Sequence[View]]
    fps: float
    labels: Mapping[str, int] | None = None
    keep: Sequence[int] | None = None
    root_relative: bool = False

    def __post_init__(self) -> None:
        if self.root_relative and len(self.skeleton.root) != 1:
            raise DataError(
                f"root_relative: skeleton {self.skeleton.name!r} has no root joint, but {self.skeleton.root}"
            )


def load_extrinsics(file: str) -> dict[str, list[Extrinsics]]:
    """The cameras of each subject in a published calibration that the package carries (translations are in mm there).

    Subjects whose calibration is not public are left out.
    """
    values = json.loads(resources.files("ups.data.datasets").joinpath(file).read_text(encoding="utf-8"))
    return {
        subject: [(np.array(c["orientation"]), np.array(c["translation"]) / 1000) for c in cameras]
        for subject, cameras in values["extrinsics"].items()
        if all(cameras)
    }


def read_videopose3d(poses_3d: Path, poses_2d: Path, layout: VideoPose3DLayout) -> Iterator[Recording | DataError]:
    """Every recording seen by every camera, sorted by id: subject, action and camera, joined by "_".

    Yields:
        2D joints in px with `pose_3d` in the camera's frame, cut to the shorter of both; joints that are not finite in
        2D or 3D are invisible. A clip's subject is the number its name ends in. In place of a recording that can't be
        used, the DataError that names it.

    Raises:
        DataError: a file is damaged, or its left and right joints are not the skeleton's.
        FileNotFoundError: a file is missing.
    """
    world, _ = _load(poses_3d, "positions_3d")
    pixels, metadata = _load(poses_2d, "positions_2d")
    _check_symmetry(poses_2d, metadata, layout.skeleton)
    seen: list[tuple[str, str, int, object]] = []
    for subject, action in ((subject, action) for subject, actions in world.items() for action in actions):
        if subject not in layout.views:
            yield DataError(f"{poses_3d}: unknown subject {subject!r}; known are {', '.join(layout.views)}")
            continue
        cameras, images = len(layout.views[subject]), _listed(pixels.get(subject, {}).get(action))
        if len(images) == cameras:
            seen += [(subject, action, number, image) for number, image in enumerate(images)]
        else:
            yield DataError(f"{poses_2d}: {subject}, {action!r} has {len(images)} cameras; {cameras} are needed")
    for subject, action, number, image in sorted(seen, key=lambda s: _id(s[0], s[1], layout.views[s[0]][s[2]].name)):
        views = layout.views[subject]
        where = f"{poses_3d}: {subject}, {action!r}"
        seen_by = partial(_seen_by, world[subject][action], number, views, where)
        clip = attempt(where, partial(_clip, subject, action, views[number], seen_by, image, layout))
        yield clip if isinstance(clip, DataError) else (subject, action, clip)


def _clip(
    subject: str, action: str, view: View, seen_by: Callable[[], object], image: object, layout: VideoPose3DLayout
) -> PoseSequence:
    name, skeleton, word = _id(subject, action, view.name), layout.skeleton, action.split(" ")[0]
    if layout.labels is not None and word not in layout.labels:
        raise DataError(f"{name}: unknown action {word!r}; known are {', '.join(layout.labels)}")
    points, pixels = _paired(name, seen_by(), image, layout)
    visible = np.all(np.isfinite(np.concatenate([points, pixels], axis=-1)), axis=-1)  # (N, J)
    seen = np.expand_dims(visible, -1)
    points = np.where(seen, points, 0)
    in_camera = points if view.extrinsics is None else world_to_camera(points, *view.extrinsics)
    number = re.search(r"[0-9]+$", subject)
    return PoseSequence(
        joints=np.where(seen, pixels, 0)[None],
        visibility=np.expand_dims(visible, 0),
        skeleton=skeleton,
        space="image",
        fps=layout.fps,
        id=name,
        label=-1 if layout.labels is None else layout.labels[word],
        subject=int(number.group()) if number else -1,
        view=view.number,
        image_size=view.image_size,
        pose_3d=_numbers(np.where(seen, in_camera, 0), name)[None],
    )


def _paired(name: str, world: object, image: object, layout: VideoPose3DLayout) -> tuple[np.ndarray, np.ndarray]:
    """Points (N, J, 3) and pixels (N, J, 2) of the skeleton's joints."""
    points, pixels = _numbers(world, f"{name}: 3D"), _numbers(image, f"{name}: 2D")
    joints, keep = len(layout.skeleton), layout.keep
    least = joints if keep is None else max(keep) + 1
    fits = points.ndim == 3 and (points.shape[1] == least or (keep is not None and points.shape[1] > least))
    if not fits or points.shape[2] != 3 or pixels.shape[1:] != (joints, 2):
        needed = f"(frames, {least}{'' if keep is None else ' or more'}, 3) and (frames, {joints}, 2) needed"
        raise DataError(f"{name}: 3D {points.shape} and 2D {pixels.shape}; {needed}")
    if keep is not None:
        points = points[:, list(keep)]
    if layout.root_relative:
        root = layout.skeleton.root_indices[0]
        rest = [j for j in range(joints) if j != root]
        points[:, rest] += points[:, [root]]
    frames = min(len(points), len(pixels))
    return points[:frames], pixels[:frames]


def _seen_by(poses: object, number: int, views: Sequence[View], name: str) -> object:
    """The 3D poses for camera `number`: those of the world, or, in a list, the camera's own."""
    if views[number].extrinsics is not None:
        return poses
    if not isinstance(poses, list | tuple):
        if len(views) > 1:
            raise DataError(f"{name}: 3D poses in one camera's frame, but {len(views)} cameras; give extrinsics")
        return poses
    if len(poses) != len(views):
        raise DataError(f"{name}: 3D poses for {len(poses)} cameras; {len(views)} are needed")
    return poses[number]


def _listed(value: object) -> list:
    """The items of a list, or of an array that numpy made of one; none of anything else."""
    return list(value) if isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim) else []


def _id(*names: str) -> str:
    return "_".join(names).replace("/", "_").replace(" ", "_")


def _numbers(value: object, name: str) -> np.ndarray:
    """A copy as float32; what overflows becomes infinite."""
    try:
        array = np.asarray(value)
    except ValueError as error:  # rows of different lengths
        raise DataError(f"{name}: not an array of numbers ({error})") from error
    if array.dtype.kind not in "fiu":
        raise DataError(f"{name}: an array of numbers is needed, not of {array.dtype}")
    with np.errstate(over="ignore"):
        return array.astype(np.float32)


def _load(path: Path, key: str) -> tuple[dict[str, dict], dict]:
    """Member `key`, subject -> action -> poses, and the metadata."""
    members = load_object_npz(path)
    table, metadata = members.get(key), members.get("metadata")
    if not isinstance(table, dict) or not all(isinstance(v, dict) for v in table.values()):
        raise DataError(f"{path}: no member {key!r} that maps subjects to actions; found {', '.join(members)}")
    if not all(isinstance(name, str) for names in (table, *table.values()) for name in names):
        raise DataError(f"{path}: {key}: the names of subjects and actions must be text")
    return table, metadata if isinstance(metadata, dict) else {}


def _check_symmetry(path: Path, metadata: dict, skeleton: Skeleton) -> None:
    """Joints of another skeleton, COCO's say, may be as many; their left and right sides are elsewhere."""
    if "keypoints_symmetry" not in metadata:
        return
    sides = [[i for i, joint in enumerate(skeleton.joints) if joint.startswith(side)] for side in ("left", "right")]
    try:
        found = [sorted(int(joint) for joint in side) for side in metadata["keypoints_symmetry"]]
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{path}: metadata: keypoints_symmetry is not two lists of joints ({error})") from error
    if found != sides:
        raise DataError(f"{path}: left and right joints are {found}; those of skeleton {skeleton.name!r} are {sides}")


POSES_3D = "data_3d_h36m.npz"
POSES_2D = {"gt": "data_2d_h36m_gt.npz", "cpn": "data_2d_h36m_cpn_ft_h36m_dbb.npz"}
FPS = 50.0
IMAGE_SIZES = ((1000, 1002), (1000, 1000), (1000, 1000), (1000, 1002))
"""(width, height) pixels of the cameras 54138969, 55011271, 58860488 and 60457274."""
KEPT = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)
"""The 17 of the 32 joints that move."""
H36M_ACTIONS = {
    "Directions": "Dir.",
    "Discussion": "Disc.",
    "Eating": "Eat",
    "Greeting": "Greet",
    "Phoning": "Phone",
    "Photo": "Photo",
    "Posing": "Pose",
    "Purchases": "Pur.",
    "Sitting": "Sit",
    "SittingDown": "SitD.",
    "Smoking": "Smoke",
    "Waiting": "Wait",
    "WalkDog": "WalkD.",
    "Walking": "Walk",
    "WalkTogether": "WalkT.",
}
"""Class name -> its heading in published tables, in the order of their columns."""
CLASSES = tuple(H36M_ACTIONS)
_RENAMED = {"TakingPhoto": "Photo", "WalkingDog": "WalkDog"}  # as the original recordings call them
SPLITS = {"S1": "train", "S5": "train", "S6": "train", "S7": "train", "S8": "train", "S9": "test", "S11": "test"}
_DAMAGED = ("S11", "Directions")
"""Its first take's video does not match the motion capture; "Directions 1" is sound."""


def read(source: Path, detections: str) -> Iterator[Clip | DataError]:
    """Every take seen by every camera, sorted by id ("S9_Directions_1_cam0"; cameras count from 0, as do views).

    Protocol "official" trains on S1, S5, S6, S7, S8 and tests on S9 and S11; S11's damaged "Directions" is left out.

    Args:
        source: folder that holds both .npz files.
        detections: key of POSES_2D.

    Yields:
        2D joints in px with `pose_3d` in the camera's frame; in place of a take that can't be used, the DataError that
        names it.

    Raises:
        DataError: a file is damaged. FileNotFoundError: a file is missing.
    """
    views = {
        subject: [
            View(f"cam{i}", i, size, extrinsics)
            for i, (size, extrinsics) in enumerate(zip(IMAGE_SIZES, cameras, strict=True))
        ]
        for subject, cameras in load_extrinsics("h36m_cameras.json").items()
    }
    labels = {name: CLASSES.index(_RENAMED.get(name, name)) for name in (*CLASSES, *_RENAMED)}
    layout = VideoPose3DLayout(H36M_17, views, FPS, labels, KEPT)
    for item in read_videopose3d(Path(source) / POSES_3D, Path(source) / POSES_2D[detections], layout):
        if isinstance(item, DataError):
            yield item
            continue
        subject, action, clip = item
        if (subject, action) != _DAMAGED:
            yield clip, {"official": SPLITS[subject]}


_TERMS = "Academic use under the licence of Human3.6M; register with its authors."
H36M_GT = DataSet(
    name="h36m_gt",
    collection="h36m",
    skeleton=H36M_17,
    space="image",
    classes=CLASSES,
    protocols=("official",),
    terms=_TERMS,
    read=partial(read, detections="gt"),
    files=(f"*/{POSES_3D}", f"*/{POSES_2D['gt']}"),
    summary="Human3.6M for lifting: 15 actions, 7 actors, 4 cameras, 17 joints, projected 2D with the 3D behind it",
    paired=True,
)
H36M_CPN = DataSet(
    name="h36m_cpn",
    collection="h36m",
    skeleton=H36M_17,
    space="image",
    classes=CLASSES,
    protocols=("official",),
    terms=_TERMS,
    read=partial(read, detections="cpn"),
    files=(f"*/{POSES_3D}", f"*/{POSES_2D['cpn']}"),
    summary="the same with 2D joints found by a fine-tuned CPN, as published tables use",
    paired=True,
)
