"""Which way is up in 3D joints of a file that does not say: what the bodies in it tell, if they tell it clearly."""

from __future__ import annotations

import numpy as np

_CLEAR = 0.85
"""Cosine of the trunk with an axis, averaged over the recording, from which that axis is up."""
UPRIGHT = {"x": ((0, 1, 0), (1, 0, 0), (0, 0, -1)), "y": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
           "z": ((1, 0, 0), (0, 0, 1), (0, -1, 0)), "-x": ((0, -1, 0), (-1, 0, 0), (0, 0, -1)),
           "-y": ((1, 0, 0), (0, -1, 0), (0, 0, -1)), "-z": ((1, 0, 0), (0, 0, -1), (0, 1, 0))}  # fmt: skip
"""Up axis of a file -> the proper rotation, by rows, that brings its points to y up."""


def up_axis(points: np.ndarray, places: dict[str, int]) -> str | None:
    """The axis, "x" to "-z", along which bodies stand throughout a recording; None if they don't tell.

    Args:
        points: (M, N, J, 3), NaN where not seen.
        places: slot -> index j.
    """
    high = [places[s] for s in ("head", "nose", "neck", "left_shoulder", "right_shoulder", "chest") if s in places]
    low = [places[s] for s in ("left_hip", "right_hip", "pelvis") if s in places]
    if not high or not low:
        return None
    with np.errstate(invalid="ignore", divide="ignore"):
        trunk = _mean(points[:, :, high]) - _mean(points[:, :, low])
        trunk = trunk / np.linalg.norm(trunk, axis=-1, keepdims=True)
    trunk = trunk[np.isfinite(trunk).all(-1)]
    if not len(trunk):
        return None
    mean = trunk.mean(0)
    axis = int(np.abs(mean).argmax())
    return ("-" if mean[axis] < 0 else "") + "xyz"[axis] if abs(mean[axis]) >= _CLEAR else None


def y_up(points: np.ndarray, up: str) -> np.ndarray:
    """Points (..., 3) whose axis `up` points up, turned so that y does."""
    return points @ np.array(UPRIGHT[up], dtype=np.float64).T


def _mean(points: np.ndarray) -> np.ndarray:
    """Mean over joints (..., J, 3) -> (..., 3) of those seen; NaN where none is."""
    seen = np.isfinite(points).all(-1, keepdims=True)
    return np.where(seen, points, 0).sum(-2) / seen.sum(-2)
