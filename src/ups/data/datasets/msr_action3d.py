"""MSR-Action3D: 20 gestures and sports moves by 10 people before one depth sensor; `aAA_sSS_eEE_skeleton3D.txt`.

Source: Li, Zhang, Liu, "Action recognition based on a bag of 3D points", CVPR Workshops 2010.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ups.data.datasets.base import Clip, DataSet, read_each
from ups.errors import DataError
from ups.pose import PoseSequence
from ups.skeletons import KINECT_20

CLASSES = (
    "high arm wave", "horizontal arm wave", "hammer", "hand catch", "forward punch", "high throw", "draw x",
    "draw tick", "draw circle", "hand clap", "two hand wave", "side boxing", "bend", "forward kick", "side kick",
    "jogging", "tennis swing", "tennis serve", "golf swing", "pick up and throw",
)  # fmt: skip
FPS = 15.0
_ROWS = (
    "left_shoulder", "right_shoulder", "chest", "spine", "left_hip", "right_hip", "pelvis", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hand", "right_hand", "left_knee", "right_knee", "left_ankle",
    "right_ankle", "left_foot", "right_foot", "head",
)  # fmt: skip
"""Slots of a frame's rows; the sensor's shoulder centre is `chest`, its hip centre `pelvis`."""
_NAME = re.compile(r"(a(\d\d)_s(\d\d)_e\d\d)_skeleton3D\.txt")


def read_clip(name: str, content: bytes) -> PoseSequence:
    """One text file, 20 rows a frame of x, y, z in metres and a confidence -> a clip in space "kinect", about 15 fps.

    A joint at (0, 0, 0) was not seen. The confidence is not used: it is 0 for many joints that lie where they should.

    Raises:
        DataError: the name, the class or the rows are not as described.
    """
    match = _NAME.fullmatch(name.rsplit("/", 1)[-1])
    if not match:
        raise DataError(f"{name[:80]}: not a name of the form aAA_sSS_eEE_skeleton3D.txt")
    action, subject = int(match[2]), int(match[3])
    if not 1 <= action <= len(CLASSES):
        raise DataError(f"{name}: action {action} is not one of 1..{len(CLASSES)}")
    try:
        values = np.array(content.split(), np.float64)
    except ValueError as error:
        raise DataError(f"{name}: {str(error)[:80]}; fetch the file again") from error
    if not values.size or values.size % (4 * len(_ROWS)):
        raise DataError(f"{name}: {values.size} numbers; {len(_ROWS)} rows of 4 a frame are needed: fetch it again")
    rows = values.reshape(-1, len(_ROWS), 4)[..., :3]
    joints = rows[None, :, [_ROWS.index(slot) for slot in KINECT_20.joints]]
    return PoseSequence(
        joints, (joints != 0).any(-1), KINECT_20, "kinect", FPS, match[1], label=action - 1, subject=subject
    )


def read(source: Path) -> Iterator[Clip | DataError]:
    """Every recording of `real_world_coordinates/`, or `msr_action3d.tar.xz`, below `source`.

    Protocol "xsub": odd subjects for training, even ones for testing, all 20 classes at once. See
    `ups.data.datasets.base.DataSet.read`.
    """
    for clip in read_each(source, "real_world_coordinates", "msr_action3d", "_skeleton3D.txt", read_clip):
        yield clip if isinstance(clip, DataError) else (clip, {"xsub": "train" if clip.subject % 2 else "test"})


DATA_SET = DataSet(
    name="msr_action3d",
    skeleton=KINECT_20,
    space="kinect",
    classes=CLASSES,
    protocols=("xsub",),
    terms="No licence text comes with the files.",
    read=read,
    files=("*real_world_coordinates/*", "*/msr_action3d.*"),
    summary="20 actions, 10 people, Kinect v1; 3D, 20 joints, about 15 fps",
)
