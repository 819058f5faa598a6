"""UTD-MHAD: 27 actions by 8 people before one Kinect (v1); `Skeleton/aN_sN_tN_skeleton.mat`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ups.data.datasets.base import Clip, DataSet, read_each
from ups.data.formats.matlab import load_mat
from ups.errors import DataError
from ups.pose import PoseSequence
from ups.skeletons import UTD_20

CLASSES = (
    "swipe left",
    "swipe right",
    "wave",
    "clap",
    "throw",
    "cross arms",
    "basketball shoot",
    "draw x",
    "draw circle clockwise",
    "draw circle counter clockwise",
    "draw triangle",
    "bowling",
    "boxing",
    "baseball swing",
    "tennis swing",
    "arm curl",
    "tennis serve",
    "push",
    "knock on door",
    "catch object",
    "pick up and throw",
    "jog",
    "walk",
    "sit to stand",
    "stand to sit",
    "lunge",
    "squat",
)
_NAME = re.compile(r"(a(\d+)_s(\d+)_t(\d+))_skeleton\.mat")


def read_clip(name: str, content: bytes, official: bool = True) -> PoseSequence:
    """One MATLAB file with `d_skel` (20, 3, N) metres -> a clip in space "kinect", 30 fps.

    Args:
        name: of the file.
        content: of the file.
        official: the name has to be one of the data set's; else label and subject of any other are unknown.

    Raises:
        DataError: the name, the file, the class or the joints are not as described.
    """
    match = _NAME.fullmatch(name)
    known = match if match and 1 <= int(match[2]) <= len(CLASSES) else None
    if official and not known:
        raise DataError(f"{name}: not a name of the form aN_sN_tN_skeleton.mat with an action of 1..{len(CLASSES)}")
    skeleton = load_mat(name, content).get("d_skel")
    if skeleton is None or skeleton.ndim != 3:
        raise DataError(f"{name}: no variable 'd_skel' of shape (20, 3, frames)")
    joints = skeleton.transpose(2, 0, 1)[None]
    return PoseSequence(
        joints=joints,
        visibility=(joints != 0).any(-1),
        skeleton=UTD_20,
        space="kinect",
        fps=30.0,
        id=known[1] if known else Path(name).stem,
        label=int(known[2]) - 1 if known else -1,
        subject=int(known[3]) if known else -1,
    )


def read(source: Path) -> Iterator[Clip | DataError]:
    """Every recording of `Skeleton/`, or `utd_mhad.tar.xz`, below `source`; see `ups.data.datasets.base.DataSet.read`."""
    for clip in read_each(source, "Skeleton", "utd_mhad", ".mat", read_clip):
        yield clip if isinstance(clip, DataError) else (clip, {"xsub": "train" if clip.subject % 2 else "test"})


DATA_SET = DataSet(
    name="utd_mhad",
    skeleton=UTD_20,
    space="kinect",
    classes=CLASSES,
    protocols=("xsub",),
    terms="Freely available, as its authors say.",
    read=read,
    files=("*Skeleton/*", "*/utd_mhad.*"),
    summary="27 actions, 8 people, Kinect v1; 3D, 20 joints",
)
