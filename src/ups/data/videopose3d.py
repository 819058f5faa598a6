"""Pairs of .npz files in VideoPose3D's layout: motion capture in 3D, and the same in 2D as each camera sees it.

Source: Pavllo et al., "3D human pose estimation in video with temporal convolutions and semi-supervised training", CVPR
2019. The 3D file holds `positions_3d`[subject][action] (N, J, 3) m; the 2D file `positions_2d`[subject][action] = a
list with (N2, J, 2) px of each camera, and `metadata` with `keypoints_symmetry`, the left and the right joints.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from ups.data.cameras import world_to_camera
from ups.data.restricted import load_object_npz
from ups.pose import PoseError, PoseSequence
from ups.skeleton import Skeleton

Extrinsics = tuple[np.ndarray, np.ndarray]
"""Quaternion (4,) w x y z, camera axes -> world axes, and the camera's place (3,) in metres."""

Recording = tuple[str, str, PoseSequence]
"""Subject and action, as the files call them, and what one camera saw."""


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


def load_extrinsics(file: str) -> dict[str, list[Extrinsics]]:
    """The cameras of each subject in a published calibration that this package carries (translations in mm there).

    Subjects whose calibration is not public are left out.
    """
    values = json.loads(resources.files("ups.data").joinpath(file).read_text(encoding="utf-8"))
    return {
        subject: [(np.array(c["orientation"]), np.array(c["translation"]) / 1000) for c in cameras]
        for subject, cameras in values["extrinsics"].items()
        if all(cameras)
    }


def read_videopose3d(
    poses_3d: Path,
    poses_2d: Path,
    skeleton: Skeleton,
    views: Mapping[str, Sequence[View]],
    fps: float,
    labels: Mapping[str, int] | None = None,
    keep: Sequence[int] | None = None,
    root_relative: bool = False,
) -> Iterator[Recording | PoseError]:
    """Every recording seen by every camera, sorted by id: subject, action and camera joined by "_".

    Args:
        poses_3d, poses_2d: the files. Recordings whose 3D and 2D differ in length are cut to the shorter one.
        skeleton: of the 2D joints and, after `keep`, of the 3D joints.
        views: the cameras of each subject, in the order of the 2D file. Cameras without extrinsics need a list with 3D
            poses of their own where there are several.
        fps: frames per second.
        labels: class index by the first word of an action; None = clips have no class.
        keep: numbers of the 3D file's joints that are the skeleton's; None = all.
        root_relative: the 3D joints are given relative to the skeleton's root, whose own row is its path.

    Yields:
        2D joints in px with `pose_3d` in the camera's frame; joints that are not finite in 2D or 3D are invisible. The
        subject is the number its name ends in. In place of a recording that can't be used, the PoseError that names it.

    Raises:
        PoseError: a file is damaged, or its left and right joints are not the skeleton's.
        FileNotFoundError: a file is missing.
    """
    if root_relative and len(skeleton.root_indices) != 1:
        raise PoseError(f"{poses_3d}: joints relative to the root, but {skeleton.name!r} has no root joint")
    world, _ = _load(poses_3d, "positions_3d")
    pixels, metadata = _load(poses_2d, "positions_2d")
    _check_symmetry(poses_2d, metadata, skeleton)
    for subject, action in sorted(((s, a) for s in world for a in world[s]), key=lambda key: _id(*key)):
        if subject not in views:
            yield PoseError(f"{poses_3d}: unknown subject {subject!r}; known are {', '.join(views)}")
            continue
        cameras, seen = views[subject], pixels.get(subject, {}).get(action, ())
        if not isinstance(seen, list | tuple | np.ndarray) or np.shape(seen)[:0] or len(seen) != len(cameras):
            yield PoseError(f"{poses_2d}: {subject}, {action!r} has {_count(seen)} cameras; {len(cameras)} are needed")
            continue
        for i, view in enumerate(cameras):
            try:
                name = f"{_id(subject, action)}_{view.name}"
                target = _own(name, world[subject][action], cameras, i)
                points, image = _joints_3d(name, target, skeleton, keep, root_relative), _numbers(name, seen[i])
                clip = _clip(name, points, image, skeleton, view, fps)
                yield subject, action, _labelled(clip, subject, action, labels)
            except PoseError as error:
                yield error
