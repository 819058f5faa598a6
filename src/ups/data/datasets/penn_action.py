"""Penn Action: 15 sports actions in web videos, 2D joints marked by hand; `labels/0001..2326.mat`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ups.data.datasets.base import Clip, DataSet, read_each
from ups.data.formats.matlab import load_mat
from ups.errors import DataError
from ups.pose import PoseSequence
from ups.skeletons import PENN_13

CLASSES = (
    "baseball pitch",
    "baseball swing",
    "bench press",
    "bowl",
    "clean and jerk",
    "golf swing",
    "jump rope",
    "jumping jacks",
    "pullup",
    "pushup",
    "situp",
    "squat",
    "strum guitar",
    "tennis forehand",
    "tennis serve",
)
VIEWPOINTS = ("front", "back", "left", "right")
_PARTS = {1: "train", -1: "test"}


def read_clip(name: str, content: bytes, official: bool = True) -> Clip:
    """One MATLAB file with `x`, `y`, `visibility` (N, 13), `dimensions` [height, width, N], `action`, `pose`, `train`.

    The clip is in space "image", pixels, at a nominal 30 fps; its view is an index into VIEWPOINTS. Frames where
    nothing is visible are kept. Coordinates of joints marked invisible, often (1, 1), become 0.

    Args:
        name: of the file.
        content: of the file.
        official: `action` and `train` have to be the data set's; else they may be others or missing: no label, no part.

    Raises:
        DataError: the file, the class or the joints are not as described.
    """
    record = load_mat(name, content)
    try:
        # x and y are unsigned bytes in some files
        joints = np.stack([np.asarray(record[key], dtype=np.float64) for key in ("x", "y")], -1)[None]
        visible = np.asarray(record["visibility"])[None] > 0
        height, width, frames = (int(v) for v in record["dimensions"].flat)
        if official:
            action, viewpoint = str(record["action"][0]).replace("_", " "), str(record["pose"][0])
            split = {"official": _PARTS[int(record["train"].flat[0])]}
        else:
            action, viewpoint = (str(record.get(key, [""])[0]).replace("_", " ") for key in ("action", "pose"))
            split = {}
    except (KeyError, ValueError, IndexError, TypeError, AttributeError) as error:
        raise DataError(f"{name}: not a Penn Action label file ({error!r})") from error
    if official and action not in CLASSES:
        raise DataError(f"{name}: unknown action {action!r}; known: {', '.join(CLASSES)}")
    if joints.shape[:-1] != visible.shape or joints.shape[1] != frames:
        raise DataError(f"{name}: x, y {joints.shape[1:3]}, visibility {visible.shape[1:]}, {frames} frames disagree")
    clip = PoseSequence(
        joints=np.where(visible[..., None], joints, 0),
        visibility=visible,
        skeleton=PENN_13,
        space="image",
        fps=30.0,
        id=Path(name).stem,
        label=CLASSES.index(action) if action in CLASSES else -1,
        view=VIEWPOINTS.index(viewpoint) if viewpoint in VIEWPOINTS else -1,
        image_size=(width, height),
    )
    return clip, split


def read(source: Path) -> Iterator[Clip | DataError]:
    """Every recording of `labels/`, or `penn_action.tar.xz`, below `source`; see `ups.data.datasets.base.DataSet.read`."""
    yield from read_each(source, "labels", "penn_action", ".mat", read_clip)


DATA_SET = DataSet(
    name="penn_action",
    skeleton=PENN_13,
    space="image",
    classes=CLASSES,
    protocols=("official",),
    terms="Research data; the copy carries no licence text.",
    read=read,
    files=("*labels/*", "*/penn_action.*"),
    summary="15 sports actions, web videos, joints marked by hand; 2D, 13 joints",
)
