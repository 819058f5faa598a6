"""What a user says of a recording's axes, unit and sides, applied to what a reader read: each mends one kind of mistake."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ups.data.formats.axes import UPRIGHT, y_up
from ups.data.formats.named import Wish
from ups.data.formats.trc import UNITS
from ups.errors import DataError
from ups.pose import PoseSequence

COORDINATES = ("pixels", "fractions", "longer", "signed", "centred")
"""Of 2D joints: fractions of width and height; of the longer of them, both; -1 to 1 across each; pixels from the image's
centre."""
ROTATIONS = (0, 90, 180, 270)
FIXES = ("swap-sides", "swap-xy", "score-z")
"""Exchange left and right joints; exchange x and y; take the third coordinate for a score."""
OWN_UP = {"image": "-y", "camera": "-y", "kinect": "y", "world": "y"}
"""Space -> the axis that points up in it."""


def check_wish(wish: Wish, where: str) -> None:
    """Raises DataError for an option that is not one of the known ones."""
    for name, value, known in (
        ("up", wish.up, tuple(UPRIGHT)),
        ("unit", wish.unit, tuple(UNITS)),
        ("coordinates", wish.coordinates, COORDINATES),
        ("rotate", wish.rotate, ROTATIONS),
        *(("fix", fix, FIXES) for fix in wish.fixes),
    ):
        if value is not None and value not in known:
            raise DataError(f"{where}: {name} {value!r:.40}; one of {', '.join(map(str, known))} is needed")


def repaired(clip: PoseSequence, wish: Wish, where: str, done: bool = False) -> PoseSequence:
    """The clip as the user says it is: x and y, then coordinates, then up and unit, then sides.

    Args:
        clip: (M, N, J, V) as read; a 2D clip's joints may be in any of `COORDINATES`.
        wish: what the user says; None and () leave all as it is.
        where: names the file in errors.
        done: the reader has applied up and unit.

    Raises:
        DataError: an option for 2D with a 3D clip, or the other way round.
    """
    flat = clip.space == "image"
    for name, value in (("coordinates", wish.coordinates), ("rotate", wish.rotate)):
        if value and not flat:
            raise DataError(f"{where}: {name} {value} is for 2D joints, but these are 3D; give up and unit instead")
    if flat and (wish.unit or wish.up not in (None, "y", "-y")):
        raise DataError(f"{where}: 2D joints are pixels with y or -y up; for a turned video give rotate, 90 or 270")
    if "swap-xy" in wish.fixes:  # before fractions of the width and of the height become pixels
        clip = _moved(clip, lambda points: points[..., [1, 0, *range(2, points.shape[-1])]])
    if flat and wish.coordinates:
        clip = in_pixels(clip, wish.coordinates)
    if flat:
        clip = flipped(clip) if wish.up == "y" else clip
        clip = rotated(clip, wish.rotate) if wish.rotate else clip
        clip = replace(clip, up_known=clip.up_known or wish.up == "-y")
    else:
        clip = clip if done else upright(clip, wish.up, wish.unit)
        clip = replace(clip, up_known=clip.up_known or wish.up is not None)
    return swapped_sides(clip) if "swap-sides" in wish.fixes else clip


def in_pixels(clip: PoseSequence, coordinates: str) -> PoseSequence:
    """A 2D clip whose joints are `coordinates`, in pixels from the top left corner."""
    size = np.array(clip.image_size, np.float32)
    change = {
        "pixels": lambda points: points,
        "fractions": lambda points: points * size,
        "longer": lambda points: points * size.max(),
        "signed": lambda points: (points + 1) / 2 * size,
        "centred": lambda points: points + size / 2,
    }
    return _moved(clip, change[coordinates], pose_3d=False)


def flipped(clip: PoseSequence) -> PoseSequence:
    """A 2D clip whose y pointed up, with y down, the camera's centre with it."""
    height = np.float32((clip.image_size or (0, 0))[1])
    centre = None if clip.centre is None else (clip.centre[0], float(height) - clip.centre[1])
    moved = _moved(clip, lambda p: np.stack([p[..., 0], height - p[..., 1]], -1), pose_3d=False)
    return replace(moved, centre=centre)


def rotated(clip: PoseSequence, degrees: int) -> PoseSequence:
    """A 2D clip whose picture is turned clockwise by 90, 180 or 270 degrees, image size and 3D poses with it."""
    for _ in range(degrees // 90 % 4):
        width, height = clip.image_size or (0, 0)
        top = np.float32(height)
        clip = _moved(clip, lambda p, top=top: np.stack([top - p[..., 1], p[..., 0]], -1), pose_3d=False)
        target = clip.pose_3d
        if target is not None:
            target = np.stack([-target[..., 1], target[..., 0], target[..., 2]], -1)
        centre = None if clip.centre is None else (height - clip.centre[1], clip.centre[0])
        clip = replace(clip, image_size=(height, width), pose_3d=target, centre=centre)
    return clip


def upright(clip: PoseSequence, up: str | None, unit: str | None) -> PoseSequence:
    """A 3D clip in metres, in space "world" if its up axis is not that of its own space."""
    if unit is not None and UNITS[unit] != 1:
        clip = _moved(clip, lambda points: points * np.float32(UNITS[unit]))
    if up is None or up == OWN_UP[clip.space]:
        return clip
    return replace(_moved(clip, lambda points: y_up(points, up)), space="world")


def swapped_sides(clip: PoseSequence) -> PoseSequence:
    """The clip with left and right joints exchanged."""
    mirror = list(clip.skeleton.mirror)
    target = None if clip.pose_3d is None else clip.pose_3d[:, :, mirror]
    return replace(clip, joints=clip.joints[:, :, mirror], visibility=clip.visibility[:, :, mirror], pose_3d=target)


def _moved(clip: PoseSequence, change, pose_3d: bool = True) -> PoseSequence:  # noqa: ANN001
    """The clip with `change` applied to coordinates (..., V); joints not seen stay at 0."""
    seen = clip.visibility[..., None] > 0
    target = clip.pose_3d if clip.pose_3d is None or not pose_3d else change(clip.pose_3d)
    return replace(clip, joints=np.where(seen, change(clip.joints), np.float32(0)), pose_3d=target)
