"""Which way is up, and how large are 3D joints of a file that does not say: what the bodies tell, if they
tell it clearly.
"""

from __future__ import annotations

import numpy as np

from ups.errors import DataError
from ups.notices import Notice

THIGH = 0.42
"""Metres of an adult's thigh."""
_UNITS = {
    "metres": 1.0,
    "centimetres": 0.01,
    "millimetres": 0.001,
    "inches": 0.0254,
    "feet": 0.3048,
    "CMU": 0.0254 / 0.45,
}
_DOUBT = 0.65
"""A thigh in another unit that is less than so far (as a logarithm) from an adult's makes the unit doubtful."""
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


def unit_by_thighs(points: np.ndarray, places: dict[str, int], where: str) -> float:
    """Metres in the unit of joints (..., J, 3) that a file does not state: that which brings the thighs closest to an
    adult's.

    Raises:
        DataError: in no usual unit are they a human's.
    """
    thigh = _thigh(points, places)
    lengths = {factor: thigh * factor for factor in _UNITS.values()}
    factor = min(lengths, key=lambda f: abs(np.log(max(lengths[f], 1e-9) / THIGH)))
    if not 0.2 <= lengths[factor] <= 0.8:
        raise DataError(
            f"{where}: thighs {thigh:g} long; in none of {', '.join(_UNITS)} is that a human's; give --unit"
        )
    return factor


def doubtful_unit(points: np.ndarray, places: dict[str, int]) -> tuple[Notice, ...]:
    """What to tell of a unit that thighs are to tell, where two units make them a human's: a child's, or an adult's."""
    thigh = _thigh(points, places)
    far = {name: abs(float(np.log(max(thigh * factor, 1e-9) / THIGH))) for name, factor in _UNITS.items()}
    first, second = sorted(far, key=lambda name: far[name])[:2]
    if far[second] > _DOUBT:
        return ()
    what = f"{first} are taken for the unit, in which thighs are {thigh * _UNITS[first]:.2f} m long"
    return (Notice("warning", what, f"give --unit; in {second} they are {thigh * _UNITS[second]:.2f} m"),)


def _thigh(points: np.ndarray, places: dict[str, int]) -> float:
    """How long thighs are, in the unit of joints (..., J, 3); NaN where none is seen."""
    pairs = [(places[f"{side}_hip"], places[f"{side}_knee"]) for side in ("left", "right")]
    thighs = [np.linalg.norm(points[..., a, :] - points[..., b, :], axis=-1) for a, b in pairs]
    return float(np.nanmedian(thighs)) if np.isfinite(thighs).any() else float("nan")


def y_up(points: np.ndarray, up: str) -> np.ndarray:
    """Points (..., 3) whose axis `up` points up, turned so that y does."""
    return points @ np.array(UPRIGHT[up], dtype=np.float64).T


def _mean(points: np.ndarray) -> np.ndarray:
    """Mean over joints (..., J, 3) -> (..., 3) of those seen; NaN where none is."""
    seen = np.isfinite(points).all(-1, keepdims=True)
    return np.where(seen, points, 0).sum(-2) / seen.sum(-2)
