"""SBU Kinect Interaction: 8 actions of two people; `SBU/sXXsYY/CC/NNN/skeleton_pos.txt`, 21 pairs of 7 people.

The five folds by pair are those in wide use in public code; every pair is tested in exactly one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ups.data.datasets.base import Clip, DataSet, read_each
from ups.errors import DataError
from ups.pose import PoseSequence
from ups.skeletons import SBU_15

CLASSES = ("approach", "depart", "kick", "push", "shake hands", "hug", "exchange object", "punch")
FOLDS = {
    "fold1": ("s01s02", "s03s04", "s05s02", "s06s04"),
    "fold2": ("s02s03", "s02s07", "s03s05", "s05s03"),
    "fold3": ("s01s03", "s01s07", "s07s01", "s07s03"),
    "fold4": ("s02s01", "s02s06", "s03s02", "s03s06"),
    "fold5": ("s04s02", "s04s03", "s04s06", "s06s02", "s06s03"),
}
_NAME = re.compile(r"(s(\d\d)s(\d\d))/(\d\d)/(\d\d\d)/skeleton_pos\.txt")
_COLUMNS = 1 + 2 * 15 * 3


def read_clip(name: str, content: bytes, official: bool = True) -> PoseSequence:
    """One CSV file (frame number, then 2 persons x 15 joints x 3) -> a clip of two persons in space "kinect", 15 fps.

    The file's x and y are scaled to 0..1 and its z to 0..7.8; the authors' formula undoes it: x = 1280 - 2560 x,
    y = 960 - 1920 y, z = z 10000/7.8125. The results are millimetres in the Kinect's own frame: no projection is
    involved, for read so, bones have human lengths (thigh 0.43 m, shin 0.41 m) that vary least within a person.

    Args:
        name: of the file, with its three folders.
        content: of the file.
        official: the name has to be one of the data set's; else label and subject of any other are unknown.

    Raises:
        DataError: the name, the class, the pair or the numbers are not as described.
    """
    match = _NAME.fullmatch(name)
    known = match if match and 1 <= int(match[4]) <= len(CLASSES) else None
    if official and not known:
        raise DataError(f"{name}: not a path of the form sXXsYY/CC/NNN/skeleton_pos.txt, CC in 1..{len(CLASSES)}")
    if official and match and not any(match[1] in pairs for pairs in FOLDS.values()):
        raise DataError(f"{name}: the pair {match[1]} is in none of the five folds")
    joints = _parse(name, content)
    visible = (joints != 0).any(-1)
    metres = (joints * (-2560, -1920, 10000 / 7.8125) + (1280, 960, 0)) / 1000
    return PoseSequence(
        joints=np.where(visible[..., None], metres, 0),
        visibility=visible,
        skeleton=SBU_15,
        space="kinect",
        fps=15.0,
        id=f"{known[1]}_{known[4]}_{known[5]}" if known else Path(name).stem,
        label=int(known[4]) - 1 if known else -1,
        subject=int(known[2]) if known else -1,
    )


def _parse(name: str, content: bytes) -> np.ndarray:
    """(2, N, 15, 3) as recorded."""
    try:
        lines = [line.rstrip(",").split(",") for line in content.decode("ascii").split()]
        values = np.array(lines, np.float64)
    except ValueError as error:
        raise DataError(f"{name}: not lines of {_COLUMNS} numbers ({error}); fetch it again") from error
    if values.ndim != 2 or values.shape[1] != _COLUMNS:
        raise DataError(f"{name}: {values.shape} numbers; lines of {_COLUMNS} are needed; fetch it again")
    return values[:, 1:].reshape(-1, 2, 15, 3).transpose(1, 0, 2, 3)


def read(source: Path) -> Iterator[Clip | DataError]:
    """Every recording of `SBU/`, or `sbu_interaction.tar.xz`, below `source`; see `ups.data.datasets.base.DataSet.read`."""
    for clip in read_each(source, "SBU", "sbu_interaction", ".txt", read_clip):
        if isinstance(clip, DataError):
            yield clip
        else:
            yield clip, {fold: "test" if clip.id[:6] in pairs else "train" for fold, pairs in FOLDS.items()}


DATA_SET = DataSet(
    name="sbu",
    skeleton=SBU_15,
    space="kinect",
    classes=CLASSES,
    protocols=tuple(FOLDS),
    terms="Research data; the copy carries no licence text.",
    read=read,
    files=("*SBU/*", "*/sbu_interaction.*"),
    summary="8 actions of two people, 21 pairs, Kinect with NiTE; 3D, 15 joints",
)
