"""ReActIdle: motion capture of people who stand idle, acted and genuine; `reactidle_12fps.npz`, MIT licence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ups.data.datasets.base import Clip, DataSet
from ups.data.datasets.cmu import last_fifth
from ups.data.formats.motion_npz import read_motion_npz
from ups.errors import DataError
from ups.skeletons import skeleton_of

ARCHIVE = "reactidle_12fps.npz"
_ID = re.compile(r"(?:acted|genuine)_(\d{1,6})_(?:acted|genuine)")
_SIDED = {
    "shoulder": "upper_arm.{}", "elbow": "forearm.{}", "wrist": "forearm.{}_end",
    "hip": "thigh.{}", "knee": "shin.{}", "ankle": "foot.{}", "foot": "foot.{}_end",
}  # fmt: skip
_SOURCE_NAME = {
    "pelvis": "pelvis", "spine": "spine.001", "neck": "neck", "head": "face",
    **{f"{s}_{part}": name.format(s[0].upper()) for part, name in _SIDED.items() for s in ("left", "right")},
}  # fmt: skip
"""Slot -> the joint in the data that lies there: where the bone of that name begins, or ends (`_end`)."""
REACTIDLE_18 = skeleton_of(tuple(_SOURCE_NAME), "reactidle-18", "reactidle-18")
"""No hands and no chest: neck and both collar bones begin in one point."""


def read(source: Path) -> Iterator[Clip | DataError]:
    """Every clip of `reactidle_12fps.npz` in `source`, sorted by id.

    Protocol "held_out_subjects": the last fifth of the persons' numbers is for testing.

    Yields:
        Clips; in place of one that can't be used, the DataError that names it.

    Raises:
        DataError: the file is damaged. FileNotFoundError: it is not there.
    """
    path = source / ARCHIVE
    if not path.is_file():
        raise FileNotFoundError(f"{source} holds no {ARCHIVE}")
    clips = list(read_motion_npz(path, REACTIDLE_18, _SOURCE_NAME))
    names = {clip.id: _ID.fullmatch(clip.id) for clip in clips if not isinstance(clip, DataError)}
    test = last_fifth([int(match[1]) for match in names.values() if match])
    for clip in clips:
        if isinstance(clip, DataError):
            yield clip
        elif match := names[clip.id]:
            subject = int(match[1])
            part = "test" if subject in test else "train"
            yield replace(clip, subject=subject), {"held_out_subjects": part}
        else:
            yield DataError(f"{path}: {clip.id[:80]}: not named acted/NUMBER_acted or genuine/NUMBER_genuine")


DATA_SET = DataSet(
    name="reactidle",
    skeleton=REACTIDLE_18,
    space="world",
    classes=(),
    protocols=("held_out_subjects",),
    terms="MIT licence.",
    read=read,
    files=(f"*/{ARCHIVE}",),
    summary="ReActIdle motion capture: 22 recordings of people who stand idle; 18 joints, for pauses and lifting",
)
