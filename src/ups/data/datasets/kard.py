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


def read_clip_3d(name: str, content: bytes) -> PoseSequence:
    """One realworld file -> a clip in space "kinect", metres, 30 fps.

    The file's x, to the image's right, is negated: the Kinect's own frame, that of the other data sets, is
    right-handed, and a body in the file's left-handed frame would be its mirror image.

    Raises:
        DataError: the name, the class or the joints are not as described.
    """
    metres = read_rows(name, content) / 1000
    return _clip(name, "kinect", metres * (-1, 1, 1), (metres != 0).any(-1))


def read_clip_2d(name: str, screen: bytes, realworld: bytes) -> PoseSequence:
    """A screen file and its realworld file -> a clip in space "image", pixels, 30 fps, with pose_3d.

    Raises:
        DataError: the name, the class or the joints are not as described, or the two files differ in length.
    """
    pixels, metres = read_rows(name, screen), read_rows(name.replace("screen", "realworld"), realworld) / 1000
    if pixels.shape != metres.shape:
        raise DataError(f"{name}: {pixels.shape[1]} frames, but {metres.shape[1]} in its realworld file")
    return _clip(name, "image", pixels[..., :2], (metres != 0).any(-1), metres * (1, -1, 1))


def _clip(
    name: str, space: Space, joints: np.ndarray, visible: np.ndarray, pose_3d: np.ndarray | None = None
) -> PoseSequence:
    match = _NAME.fullmatch(name)
    if not match:
        raise DataError(f"{name}: not a name of the form aAA_sSS_eEE_realworld.txt or aAA_sSS_eEE_screen.txt")
    action, subject = int(match[2]), int(match[3])
    if not 1 <= action <= len(CLASSES):
        raise DataError(f"{name}: action {action} is not one of 1..{len(CLASSES)}")
    return PoseSequence(
        joints=np.where(visible[..., None], joints, 0),
        visibility=visible,
        skeleton=KARD_15,
        space=space,
        fps=30.0,
        id=match[1],
        label=action - 1,
        subject=subject,
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
