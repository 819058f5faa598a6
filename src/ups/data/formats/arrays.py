"""A bare .npy: (frames, joints, coordinates), or persons before it, of which only its user knows the joints."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ups.data.formats.arrangement import check_arrangement, in_rows
from ups.data.formats.axes import UPRIGHT, y_up
from ups.data.formats.hdf5 import NUMBERS
from ups.data.formats.layouts import LAYOUTS
from ups.data.formats.mediapipe import landmark_clip
from ups.data.formats.named import Wish, named_clip
from ups.data.formats.native import check_axes
from ups.data.formats.trc import UNITS
from ups.errors import DataError
from ups.notices import Notice
from ups.pose import PoseSequence
from ups.skeletons import MEDIAPIPE_33

_FREEMOCAP = 553
"""Joints of freemocap's older arrays: 33 of the body, then hands and face."""
_LANDMARKS, _HOLISTIC = 33 * 4, 33 * 4 + 468 * 3 + 2 * 21 * 3
"""Numbers of a row of MediaPipe's: x, y, z, visibility of its pose alone, or with face and hands behind."""
_NAMED = re.compile(r"(?i).*(mediapipe|body).*3d.*xyz.*|.*freemocap.*")
"""Names of its arrays."""
_THEIRS = 17
"""A number of joints that several tools have, each in an order of its own."""


def read_array(path: Path, wish: Wish) -> PoseSequence:
    """One recording of (N, J, V) or (M, N, J, V): V = 2 are pixels; V = 3 need to be told up and unit, or a space.

    33 joints, or 132 or 1662 numbers in a row, are MediaPipe's or freemocap's, 18, 25, 26, 133 and 136 joints those of
    `layouts`; others have to be told.

    Raises:
        DataError: another shape, joints that nobody named, 3D without up and unit, 2D without an image size.
        OSError: the file can't be read.
    """
    values = load_npy(path)
    points = _shaped(values, path, wish)
    count = points.shape[2]
    free = count >= _FREEMOCAP or (count > 33 and bool(_NAMED.fullmatch(path.name)))
    if not _said(wish) and (count == 33 or (points.shape[-1] == 3 and free)):
        solid = values if values.ndim == 2 else values[..., :3]
        told = check_arrangement(solid, points[..., :3], None, str(path)) if count == 33 else ()
        return _landmarks(points[:, :, :33], path, wish).tell(*told)
    if points.shape[-1] == 4:
        if values.ndim > 2:
            check_arrangement(values[..., :3], points[..., :3], _known(count, path, wish), str(path))
        raise DataError(f"{path}: shape {points.shape}; 2 or 3 coordinates of a joint are needed, found 4")
    told = check_arrangement(values, points, _known(count, path, wish), str(path))
    scores = None
    if points.shape[-1] == 3 and "score-z" in wish.fixes:
        points, scores = points[..., :2], points[..., 2]
    places = _places(count, points.shape[-1], path, wish)
    if points.shape[-1] == 2:
        return named_clip(points, scores, places, space="image", wish=wish, path=path, told=told)
    if wish.up is None and wish.unit is None and wish.space is not None:
        return named_clip(points, None, places, space=wish.space, wish=wish, path=path, told=told)
    if wish.up not in UPRIGHT or wish.unit not in UNITS:
        hint = (
            "add --fix score-z if the third are scores" if _are_scores(points) else "give --up and --unit, or --space"
        )
        raise DataError(
            f"{path}: three coordinates a joint, and nothing says which axis points up nor its unit; {hint}"
        )
    points = y_up(points * UNITS[wish.unit], wish.up)
    return named_clip(points, None, places, space="world", wish=wish, path=path, told=told)


def _said(wish: Wish) -> bool:
    """Whether the user says that the joints are others than MediaPipe's."""
    return wish.joint_map is not None or wish.skeleton not in (None, MEDIAPIPE_33)


def _shaped(points: np.ndarray, path: Path, wish: Wish) -> np.ndarray:
    """(M, N, J, V) of an array that may lack persons, or have all numbers of a frame in a row."""
    shape = points.shape
    if points.ndim == 2 and points.shape[1] in (_LANDMARKS, _HOLISTIC) and not _said(wish):
        points = points[:, :_LANDMARKS].reshape(len(points), 33, 4)
    rows = in_rows(points, len(wish.skeleton)) if wish.skeleton else None
    points = points if rows is None else rows
    points = points[None] if points.ndim == 3 else points
    if points.ndim != 4 or points.shape[-1] not in (2, 3, 4) or not points.size:
        turned = points.ndim == 4 and points.shape[-2] in (2, 3)
        hint = "transpose it" if turned else "reshape it, or give --skeleton for numbers in a row"
        raise DataError(
            f"{path}: shape {shape}; (frames, joints, 2 or 3 coordinates) is needed, or persons before it: {hint}"
        )
    check_axes(points.shape, str(path))
    return points


def _landmarks(points: np.ndarray, path: Path, wish: Wish) -> PoseSequence:
    """33 joints of MediaPipe or freemocap."""
    marks = np.full((*points.shape[:3], 4), np.nan)
    marks[..., : points.shape[-1]] = points
    told: tuple[Notice, ...] = ()
    third = points[..., 2][np.isfinite(points[..., 2])] if points.shape[-1] == 3 else np.zeros(0)
    scores = len(third) and third.min() >= 0 and third.max() <= 1  # a depth lies around the hips', below 0 and above
    if points.shape[-1] == 3 and ("score-z" in wish.fixes or scores):
        marks[..., 2], marks[..., 3] = np.nan, points[..., 2]
        told = (Notice("note", "the third number of a landmark is read as its visibility", "nothing, if it is one"),)
    return landmark_clip(marks, path, wish).tell(*told)


def _known(count: int, path: Path, wish: Wish) -> dict[int, dict[str, int]] | None:
    """Number of joints -> slot -> number of the joint, as the user says."""
    if wish.joint_map is not None:
        return {count: wish.joint_map.places(None, count, str(path))}
    return {len(wish.skeleton): {joint: i for i, joint in enumerate(wish.skeleton.joints)}} if wish.skeleton else None


def _places(count: int, coordinates: int, path: Path, wish: Wish) -> dict[str, int]:
    """Slot -> number of the joint."""
    if wish.joint_map is not None:
        return wish.joint_map.places(None, count, str(path))
    if wish.skeleton is None and coordinates == 2 and count in LAYOUTS and count != _THEIRS:
        return LAYOUTS[count].places
    if wish.skeleton is None:
        known = "; 17 may be coco-17 or h36m-17" if count == _THEIRS else ""
        raise DataError(f"{path}: {count} joints, but not which; give --skeleton or --joint-map{known}")
    if len(wish.skeleton) != count:
        raise DataError(f"{path}: {count} joints; skeleton {wish.skeleton.name!r} has {len(wish.skeleton)}")
    return {joint: i for i, joint in enumerate(wish.skeleton.joints)}


def _are_scores(points: np.ndarray) -> bool:
    """Whether the third coordinate lies in 0..1 beside pixels, or beside fractions of an image."""
    third, plane = (part[np.isfinite(part)] for part in (points[..., 2], points[..., :2]))
    if not len(third) or not len(plane) or third.min() < 0 or third.max() > 1.05:
        return False
    return bool(np.abs(plane).max() > 20 or (plane.min() >= 0 and plane.max() <= 1 and np.median(third) > 0.5))


def load_npy(path: Path) -> np.ndarray:
    """The array of a .npy as float64; DataError for anything but numbers."""
    try:
        values = np.load(path, allow_pickle=False, mmap_mode="r")
        if values.dtype.kind not in "fiu":
            raise ValueError(f"an array of {values.dtype}")
        if values.size > NUMBERS:
            raise ValueError(f"{values.size:,} of them; at most {NUMBERS:,} are read")
        return np.array(values, dtype=np.float64)
    except (ValueError, EOFError, TypeError, SyntaxError) as error:
        raise DataError(f"{path}: not a .npy of numbers ({str(error)[:200] or 'empty'})") from error
