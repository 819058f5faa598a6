"""Which joints were seen: one rule for raw values, whichever way they come in; and how much of a body is somebody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ups.errors import DataError
from ups.notices import Notice

BODY = 5
"""Joints, or all of a skeleton that has fewer, that must be seen in one frame for somebody to be there."""
_ABOVE, _PERCENT, _BELOW = 2.0, 100.0, -0.01
"""Scores: up to _ABOVE they are cut to 1 (heat maps give 1.02 and -0.001), up to _PERCENT they are percent."""
_SURE = 20.0
"""Percent: a recording of which no joint is surer may have scores of another scale."""
_LOST = (-1, -9, -99, -999, -9999, -99999, -100, -1000, -10000, 9999, 99999, 999999)
"""What stands for all coordinates of a joint that was not found, in files of several tools."""
_HIGH = 9999
"""The least of these above 0."""
_MARGIN = 0.25
"""Of the body's extent: so far outside its other joints the origin still belongs to it."""


def not_seen(
    joints: Any, scores: Any = None, where: str = "joints", root: Sequence[int] = (), sided: Sequence[int] = ()
) -> tuple[np.ndarray, np.ndarray, tuple[Notice, ...]]:
    """Raw coordinates and scores -> joints (..., J, V), 0 where not seen, visibility (..., J) in 0..1, and what to tell.

    A joint is not seen where a coordinate is NaN, None or masked; in 2D at exactly (0, 0) or (-1, -1), whatever its
    score, and where all coordinates are one number of `_LOST`, such as -999; in 3D at exactly (0, 0, 0), except one
    joint in the middle of a body around the origin, which is there in every frame (root-relative poses); and where its
    score is 0, -1, NaN, None or masked, unless all of them are. Scores are booleans, 0 to 1, percent (the greatest is
    above 2 and at most 100), or COCO's 0, 1, 2, of which 1 and 2 are seen; what is a little above 1 or below 0 is cut.

    Args:
        joints: (..., J, V); V = 2 is an image's.
        scores: (..., J), or None: what has coordinates counts as seen.
        where: the item, for errors.
        root: number of the skeleton's root joint, if that is a single one.
        sided: numbers of left and right joints, to which no pose is relative.

    Raises:
        DataError: not numbers, an infinite coordinate, scores of another shape or scale.
    """
    points = numbers(joints, where, "joints")
    if points.ndim < 2:
        raise DataError(f"{where}: joints have shape {points.shape}; (..., joints, coordinates) is needed")
    infinite = np.argwhere(np.isinf(points))
    if len(infinite):
        raise DataError(
            f"{where}: joints{tuple(int(i) for i in infinite[0])} is {points[tuple(infinite[0])]} ({len(infinite)} values "
            "are infinite); give missing joints NaN"
        )
    unknown = np.isnan(points).any(-1)
    zero = (points == 0).all(-1)
    if points.shape[-1] == 2:
        seen = ~(unknown | zero | _lost(points, _LOST))
    else:
        seen = ~(unknown | zero | _lost(points, _LOST[1:]))
        seen |= _origin(points, zero, seen, root, sided)
    if scores is None:
        visibility, told = seen.astype(np.float32), ()
    else:
        visibility, told = _confidence(scores, seen, where)
    points = np.where((visibility > 0)[..., None], points, points.dtype.type(0))
    return points, visibility, told


def _lost(points: np.ndarray, numbers: Sequence[int]) -> np.ndarray:
    """Where all coordinates (..., V) are one of the numbers."""
    first = points[..., 0]
    same = (points[..., 1:] == first[..., None]).all(-1) & ((first < 0) | (first >= _HIGH))
    return same & np.isin(first, numbers) if same.any() else same


def bodies(visibility: np.ndarray) -> np.ndarray:
    """Where enough of a body is seen: (..., J) -> (...) bool; see `BODY`."""
    return (visibility > 0).sum(-1) >= min(BODY, visibility.shape[-1])


def check_somebody(visibility: np.ndarray, where: str) -> None:
    """Raises DataError where no frame shows enough of anybody: (M, N, J)."""
    if not bodies(visibility).any():
        most, joints = int((visibility > 0).sum(-1).max(initial=0)), visibility.shape[-1]
        raise DataError(
            f"{where}: nobody is seen: at most {most} of {joints} joints in any of its {visibility.shape[1]} frames, and "
            f"{min(BODY, joints)} are needed; cut it to where somebody is"
        )


def numbers(values: Any, where: str, what: str) -> np.ndarray:
    """Floats, NaN where masked or None; raises DataError where they are none, or lists of uneven length."""
    try:
        kind = np.float32 if getattr(values, "dtype", None) == np.float32 else np.float64
        if isinstance(values, np.ma.MaskedArray):
            return np.ma.filled(values.astype(kind), np.nan)
        return np.asarray(values, kind)
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(f"{where}: {what}: not numbers in a regular array ({error})") from error


def _origin(
    points: np.ndarray, zero: np.ndarray, others: np.ndarray, root: Sequence[int], sided: Sequence[int]
) -> np.ndarray:
    """Joints (..., J) at the origin that were seen there: the root, or the only one, of a body around the origin."""
    result = np.zeros_like(zero)
    if not zero.any():
        return result
    inner = others[..., None]
    low = np.where(inner, points, np.inf).min(-2)
    high = np.where(inner, points, -np.inf).max(-2)
    body = others.sum(-1) > 1
    with np.errstate(invalid="ignore"):
        margin = _MARGIN * np.where(body[..., None], high - low, 0).max(-1, keepdims=True)
    around = body & ((low - margin <= 0) & (high + margin >= 0)).all(-1)
    alone = zero & (around & (zero.sum(-1) == 1))[..., None]
    alone[..., list(sided)] = False
    if alone.ndim > 1:  # a marker that was lost for a moment is no root
        always = (zero | ~body[..., None]).reshape(-1, alone.shape[-1]).all(0)
        alone &= always
    result |= alone
    for joint in root if len(root) == 1 and root[0] < zero.shape[-1] else ():
        at_root = zero[..., joint] & around
        result[at_root] = False
        result[..., joint] |= at_root
    return result


def _confidence(scores: Any, seen: np.ndarray, where: str) -> tuple[np.ndarray, tuple[Notice, ...]]:
    """Scores of any known scale -> (..., J) in 0..1, 0 where `seen` is not; joints not seen may have any score."""
    values = numbers(scores, where, "visibility")
    if values.shape != seen.shape:
        raise DataError(f"{where}: visibility has shape {values.shape}; {seen.shape} is needed")
    if seen.any() and np.isnan(values).all():
        what = "all scores are empty; what has coordinates counts as seen"
        return seen.astype(np.float32), (Notice("note", what, "nothing, if there are none"),)
    values = np.where(seen & ~np.isnan(values) & (values != -1), values, 0)
    low, high = float(values.min(initial=0)), float(values.max(initial=0))
    if low < _BELOW or high > _PERCENT:
        raise DataError(
            f"{where}: visibility lies in 0..1, found {low:g}..{high:g}; give 0 to 1, percent, or COCO's 0, 1, 2, and 0 for "
            "joints that were not seen"
        )
    told: tuple[Notice, ...] = ()
    if high == 2 and np.isin(values, (0, 1, 2)).all():
        values = values > 0
    elif high > _ABOVE:
        values = values / 100
        remedy = "divide them by 100, if that is what they are; else bring them to 0..1"
        told = (
            Notice(
                "note" if high > _SURE else "warning", "scores above 2 are read as percent", remedy, f"up to {high:g}"
            ),
        )
    elif high > 1:
        told = (
            Notice("note", "scores above 1 count as 1", "nothing, if the detector writes such", f"up to {high:.3g}"),
        )
    return np.clip(values, 0, 1).astype(np.float32), told
