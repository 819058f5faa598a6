"""A bare .npy: (frames, joints, coordinates), or persons before it, of which only its user knows the joints."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ups.data.formats.axes import UPRIGHT, y_up
from ups.data.formats.mediapipe import in_millimetres, millimetres_clip
from ups.data.formats.named import Wish, named_clip
from ups.data.formats.trc import UNITS
from ups.errors import DataError
from ups.pose import PoseSequence

_FREEMOCAP = re.compile(r"(?i).*(mediapipe|body).*3d.*xyz.*|.*freemocap.*")


def read_array(path: Path, wish: Wish) -> PoseSequence:
    """One recording of (N, J, V) or (M, N, J, V): V = 2 are pixels; V = 3 need to be told up and unit ("world").

    What freemocap calls mediapipe_body_3d_xyz.npy is millimetres, z up.

    Raises:
        DataError: another shape, joints that nobody named, 3D without up and unit, 2D without an image size.
        OSError: the file can't be read.
    """
    points = load_npy(path)
    if points.ndim == 3:
        points = points[None]
    if points.ndim != 4 or points.shape[-1] not in (2, 3) or not points.size:
        raise DataError(
            f"{path}: shape {points.shape}; (frames, joints, 2 or 3 coordinates) is needed, or persons before it"
        )
    flat, count = points.shape[-1] == 2, points.shape[2]
    freemocap = not flat and count >= 33 and _FREEMOCAP.fullmatch(path.name)
    if freemocap and not (wish.joint_map or wish.skeleton or wish.up) and in_millimetres(points[0, :, :33]):
        return millimetres_clip(points[:, :, :33], path, wish)
    skeleton, up, unit = wish.skeleton, wish.up, wish.unit
    if wish.joint_map is not None:
        places = wish.joint_map.places(None, count, str(path))
    elif skeleton is None:
        raise DataError(f"{path}: {count} joints, but not which; give --skeleton or --joint-map")
    elif len(skeleton) != count:
        raise DataError(f"{path}: {count} joints; skeleton {skeleton.name!r} has {len(skeleton)}")
    else:
        places = {joint: i for i, joint in enumerate(skeleton.joints)}
    if flat:
        return named_clip(points, None, places, space="image", wish=wish, path=path)
    if up not in UPRIGHT or unit not in UNITS:
        raise DataError(
            f"{path}: 3D joints of an array that says neither which axis points up nor its unit; give --up and --unit, or "
            "save it as .npz with joints, skeleton and space"
        )
    return named_clip(y_up(points * UNITS[unit], up), None, places, space="world", wish=wish, path=path)


def load_npy(path: Path) -> np.ndarray:
    """The array of a .npy as float64; DataError for anything but numbers."""
    try:
        values = np.load(path, allow_pickle=False, mmap_mode="r")
        if values.dtype.kind not in "fiu":
            raise ValueError(f"an array of {values.dtype}")
        return np.array(values, dtype=np.float64)
    except (ValueError, EOFError, TypeError, SyntaxError) as error:
        raise DataError(f"{path}: not a .npy of numbers ({str(error)[:200] or 'empty'})") from error
