"""NW-UCLA: 10 actions by 10 people before three Kinects (v1); `all_sqe/aAA_sSS_eEE_vVV.json`.

Of the 464 clips of view 3, the usual test set, 95 are copies of training clips of view 2. Protocol "xview" keeps them,
as published results do; "xview_no_leak" trains on the same clips and tests on the 369 others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ups.data.datasets.base import Clip, DataSet, read_each
from ups.data.duplicates import copies
from ups.errors import DataError
from ups.pose import PoseSequence
from ups.skeletons import KINECT_20

CLASSES = (
    "pick up with one hand",
    "pick up with two hands",
    "drop trash",
    "walk around",
    "sit down",
    "stand up",
    "donning",
    "doffing",
    "throw",
    "carry",
)
_LABEL_OF_ACTION = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 8: 7, 9: 8, 11: 9, 12: 10}
_NAME = re.compile(r"a(\d\d)_s(\d\d)_e(\d\d)_v(\d\d)\.json")
_TEST_VIEW = 3


def read_clip(name: str, content: bytes, official: bool = True) -> PoseSequence:
    """One JSON file {"file_name", "label" from 1, "skeletons" (N, 20, 3) metres} -> a clip in space "kinect", 30 fps.

    Joints at (0, 0, 0), where the sensor itself is, were not tracked and become invisible.

    Args:
        name: of the file.
        content: of the file.
        official: name and label have to be the data set's; else they may be others or missing, and are unknown then.

    Raises:
        DataError: the name, the JSON, the label or the joints are not as described.
    """
    match = _NAME.fullmatch(name)
    if official and not match:
        raise DataError(f"{name}: not a name of the form aAA_sSS_eEE_vVV.json")
    action, subject, _, view = map(int, match.groups()) if match else (-1, -1, -1, -1)
    try:
        record = json.loads(content)
        joints = np.array(record["skeletons"], dtype=np.float64)
        label = int(record["label"]) if official or str(record.get("label")).isdecimal() else -1
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise DataError(f"{name}: not a readable recording ({error!r}); fetch it again") from error
    if official and label != _LABEL_OF_ACTION.get(action):
        raise DataError(f"{name}: label {label} is not the label of action a{action:02}")
    known = label == _LABEL_OF_ACTION.get(action)
    return PoseSequence(
        joints=joints[None],
        visibility=(joints[None] != 0).any(-1),
        skeleton=KINECT_20,
        space="kinect",
        fps=30.0,
        id=Path(name).stem,
        label=label - 1 if known else -1,
        subject=subject,
        view=view,
    )


def read(source: Path) -> Iterator[Clip | DataError]:
    """Every recording of `all_sqe/`, or `nw_ucla.tar.xz`, below `source`; see `ups.data.datasets.base.DataSet.read`."""
    clips: list[PoseSequence] = []
    for clip in read_each(source, "all_sqe", "nw_ucla", ".json", read_clip):
        if isinstance(clip, DataError):
            yield clip
        else:
            clips.append(clip)
    test = [i for i, clip in enumerate(clips) if clip.view == _TEST_VIEW]
    train = [i for i, clip in enumerate(clips) if clip.view != _TEST_VIEW]
    leaked = {i for i, _ in copies(lambda i: clips[i].joints, train, test)}
    for i, clip in enumerate(clips):
        part = "test" if clip.view == _TEST_VIEW else "train"
        yield clip, {"xview": part} if i in leaked else {"xview": part, "xview_no_leak": part}


DATA_SET = DataSet(
    name="nw_ucla",
    skeleton=KINECT_20,
    space="kinect",
    classes=CLASSES,
    protocols=("xview", "xview_no_leak"),
    terms="Research data; the copy carries no licence text.",
    read=read,
    files=("*all_sqe/*", "*/nw_ucla.*"),
    summary="10 actions, 10 people, 3 views, Kinect v1; 3D, 20 joints",
)
