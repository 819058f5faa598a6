"""KARD: 18 actions by 10 people, three times each, before one Kinect with the NiTE tracker; in 3D and in the image.

`kard_realworld/aAA_sSS_eEE_realworld.txt`: x y z in mm, x to the image's right, y up, z away from the sensor.
`kard_screen/aAA_sSS_eEE_screen.txt`: u v in px of a 640 x 480 image, and depth. 15 lines a frame in both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ups.data.datasets.base import Clip, DataSet, read_each
from ups.errors import DataError
from ups.pose import PoseSequence, Space
from ups.skeletons import KARD_15

CLASSES = (
    "horizontal arm wave",
    "high arm wave",
    "two hand wave",
    "catch cap",
    "high throw",
    "draw x",
    "draw tick",
    "toss paper",
    "forward kick",
    "side kick",
    "take umbrella",
    "bend",
    "hand clap",
    "walk",
    "phone call",
    "drink",
    "sit down",
    "stand up",
)
IMAGE_SIZE = (640, 480)
_NAME = re.compile(r"(a(\d\d)_s(\d\d)_e(\d\d))_(?:realworld|screen)\.txt")
_FIRST_TEST_SUBJECT = 8


def read_rows(name: str, content: bytes) -> np.ndarray:
    """One text file -> (1, N, 15, 3) float64 as recorded; raises DataError unless it is 15 lines of 3 numbers a frame."""
    try:
        values = np.array([line.split() for line in content.decode("ascii").splitlines() if line.strip()], np.float64)
    except ValueError as error:
        raise DataError(f"{name}: not lines of three numbers ({error})") from error
    if values.ndim != 2 or values.shape[1] != 3 or len(values) % len(KARD_15):
        raise DataError(f"{name}: {values.shape} numbers; 15 lines of 3 a frame are needed; fetch it again")
    return values.reshape(1, -1, len(KARD_15), 3)


def is_screen(rows: np.ndarray) -> bool:
    """Whether rows as `read_rows` reads them are pixels: around the sensor's axis, of what is real half is negative."""
    return bool((rows[..., :2] >= 0).all() and (rows[..., :2] <= IMAGE_SIZE).all())


def read_clip_3d(name: str, content: bytes, official: bool = True) -> PoseSequence:
    """One realworld file -> a clip in space "kinect", metres, 30 fps.

    The file's x, to the image's right, is negated: the Kinect's own frame, that of the other data sets, is
    right-handed, and a body in the file's left-handed frame would be its mirror image.

    Args:
        name: of the file.
        content: of the file.
        official: the name has to be one of the data set's; else label and subject of any other are unknown.

    Raises:
        DataError: the name, the class or the joints are not as described.
    """
    metres = read_rows(name, content) / 1000
    return _clip(name, "kinect", metres * (-1, 1, 1), (metres != 0).any(-1), official=official)


def read_clip_2d(name: str, screen: bytes, realworld: bytes | None, official: bool = True) -> PoseSequence:
    """A screen file and its realworld file -> a clip in space "image", pixels, 30 fps, with pose_3d.

    Without the realworld file (None) there is no pose_3d, and joints count as seen that are not at (0, 0). `official` as in
    `read_clip_3d`.

    Raises:
        DataError: the name, the class or the joints are not as described, or the two files differ in length.
    """
    pixels = read_rows(name, screen)
    if realworld is None:
        return _clip(name, "image", pixels[..., :2], (pixels[..., :2] != 0).any(-1), official=official)
    metres = read_rows(name.replace("screen", "realworld"), realworld) / 1000
    if pixels.shape != metres.shape:
        raise DataError(f"{name}: {pixels.shape[1]} frames, but {metres.shape[1]} in its realworld file")
    return _clip(name, "image", pixels[..., :2], (metres != 0).any(-1), metres * (1, -1, 1), official)


def _clip(
    name: str,
    space: Space,
    joints: np.ndarray,
    visible: np.ndarray,
    pose_3d: np.ndarray | None = None,
    official: bool = True,
) -> PoseSequence:
    match = _NAME.fullmatch(name)
    known = match if match and 1 <= int(match[2]) <= len(CLASSES) else None
    if official and not known:
        raise DataError(
            f"{name}: not a name of the form aAA_sSS_eEE_realworld.txt or aAA_sSS_eEE_screen.txt with an action of "
            f"1..{len(CLASSES)}"
        )
    return PoseSequence(
        joints=np.where(visible[..., None], joints, 0),
        visibility=visible,
        skeleton=KARD_15,
        space=space,
        fps=30.0,
        id=known[1] if known else Path(name).stem,
        label=int(known[2]) - 1 if known else -1,
        subject=int(known[3]) if known else -1,
        image_size=IMAGE_SIZE if space == "image" else None,
        pose_3d=pose_3d,
    )


def _split(clip: PoseSequence) -> dict[str, str]:
    return {"held_out_subjects": "test" if clip.subject >= _FIRST_TEST_SUBJECT else "train"}


def read_3d(source: Path) -> Iterator[Clip | DataError]:
    """Every clip of `kard_realworld/`, or `kard.tar.xz`, below `source`; see `ups.data.datasets.base.DataSet.read`."""
    for clip in read_each(source, "kard_realworld", "kard", ".txt", read_clip_3d):
        yield clip if isinstance(clip, DataError) else (clip, _split(clip))


def read_2d(source: Path) -> Iterator[Clip | DataError]:
    """Every clip of `kard_screen/` with its 3D in `kard_realworld/`, or `kard.tar.xz`, below `source`."""
    named = read_each(source, "kard_realworld", "kard", ".txt", lambda name, content: (name, content))  # 30 MB
    realworld = dict(item for item in named if not isinstance(item, DataError))

    def with_3d(name: str, content: bytes) -> PoseSequence:
        partner = name.replace("screen", "realworld")
        if partner not in realworld:
            raise DataError(f"{name}: its 3D poses, {partner}, are missing or can't be read")
        return read_clip_2d(name, content, realworld[partner])

    for clip in read_each(source, "kard_screen", "kard", ".txt", with_3d):
        yield clip if isinstance(clip, DataError) else (clip, _split(clip))


_TERMS = "Research data; the copy carries no licence text."
KARD_3D = DataSet(
    name="kard_3d",
    collection="kard",
    skeleton=KARD_15,
    space="kinect",
    classes=CLASSES,
    protocols=("held_out_subjects",),
    terms=_TERMS,
    read=read_3d,
    files=("*kard_realworld/*", "*/kard.*"),
    summary="18 actions, 10 people, Kinect with NiTE; 3D, 15 joints",
)
KARD_2D = DataSet(
    name="kard_2d",
    collection="kard",
    skeleton=KARD_15,
    space="image",
    classes=CLASSES,
    protocols=("held_out_subjects",),
    terms=_TERMS,
    read=read_2d,
    files=("*kard_realworld/*", "*kard_screen/*", "*/kard.*"),
    summary="the clips of kard_3d in the image, with their 3D poses; 2D, 15 joints",
    paired=True,
)
