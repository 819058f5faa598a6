"""What the frames of one recording tell of their order: rows that stand in another one, and frames that are there twice."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ups.pose import PoseSequence

_LOOKED_AT = 200
"""Frames that are compared with each other, at most."""
_ENOUGH = 20
_FARTHER, _AGAIN = 2.0, 1.3
"""How much farther the next frame is than the nearest of all, and frames two to four on than the next, where the order is
lost. In recordings of eleven public sets the next frame is the nearest, or those further on are farther."""
_SHORTER = 0.7
"""Share of the way from frame to frame that is left once frames sorted as text are sorted as numbers."""
_COPIES = range(2, 7)
_AGREE = 0.95
"""Share of steps that stand still, or don't, as they would where every frame is there several times."""

Finding = tuple[str, str, str]
"""what, remedy, detail."""


def check_sequence(clip: PoseSequence) -> Iterator[Finding]:
    """Frames out of order, and frames that are there several times."""
    person = int(clip.visibility.sum((1, 2)).argmax())
    seen = clip.visibility[person] > 0
    points, seen = clip.joints[person].astype(np.float64), seen
    there = seen.sum(-1) >= max(3, seen.shape[-1] // 2)
    points, seen = points[there], seen[there]
    if len(points) < _ENOUGH:
        return
    copies = _copies(points, seen)
    if copies is not None:
        what = f"every frame stands there {_times(copies)}: the body only moves in every {_nth(copies)} one"
        remedy = (
            f"nothing, if it lasted {clip.frames / clip.fps:.3g} s; else leave the copies out, or give the right --fps"
        )
        yield what, remedy, f"{clip.fps:g} frames a second"
        points, seen = points[::copies], seen[::copies]
    if len(points) >= _ENOUGH and (how := _out_of_order(points, seen)) is not None:
        remedy = "write frames in the order of time, or a column frame with their numbers"
        yield f"frames are out of order{how}", remedy, ""


def _copies(points: np.ndarray, seen: np.ndarray) -> int | None:
    """How many times each frame is there, one after the other; None if once."""
    still = ((points[1:] == points[:-1]).all(-1) | ~seen[1:]).all(-1) & (seen[1:] == seen[:-1]).all(-1)
    if not 0.4 < still.mean() < 0.9:
        return None
    step = np.arange(len(still))
    for copies in _COPIES:
        for first in range(copies):
            moves = step % copies == first
            if (still != moves).mean() >= _AGREE and still[moves].mean() < 0.2:
                return copies
    return None


def _out_of_order(points: np.ndarray, seen: np.ndarray) -> str | None:
    """How frames are out of order, as the end of a sentence; None if they are not."""
    for first in (0, 1):
        by_text = sorted(range(first, first + len(points)), key=str)
        back = np.argsort(by_text)
        if _way(points[back], seen[back]) < _SHORTER * _way(points, seen):
            return ", sorted as text: 1, 10, 11, ..., 2, 20"
    points, seen = points[:_LOOKED_AT], seen[:_LOOKED_AT]
    weight = seen[..., None].astype(float)
    points = points - (points * weight).sum(1, keepdims=True) / weight.sum(1, keepdims=True)  # cameras shake
    far = np.stack([_distance(points, seen, points[n], seen[n]) for n in range(len(points))])
    following = float(np.nanmedian(np.diagonal(far, 1)))
    later = float(np.nanmedian(np.concatenate([np.diagonal(far, lag) for lag in (2, 3, 4)])))
    np.fill_diagonal(far, np.inf)
    nearest = float(np.nanmedian(np.where(np.isnan(far), np.inf, far).min(1)))
    lost = following > _FARTHER * max(nearest, 1e-9) and later < _AGAIN * following
    return ": the next frame is seldom like the one before" if lost else None


def _way(points: np.ndarray, seen: np.ndarray) -> float:
    """How far joints go from frame to frame, all together."""
    return float(np.nansum(_distance(points[1:], seen[1:], points[:-1], seen[:-1])))


def _distance(points: np.ndarray, seen: np.ndarray, others: np.ndarray, others_seen: np.ndarray) -> np.ndarray:
    """(N,) root mean square distance of joints that both have; NaN where there are none."""
    both = seen & others_seen
    square = (((points - others) ** 2).sum(-1) * both).sum(-1)
    return np.sqrt(np.where(both.any(-1), square / np.maximum(both.sum(-1), 1), np.nan))


def _times(copies: int) -> str:
    return "twice" if copies == 2 else f"{copies} times"


def _nth(copies: int) -> str:
    return {2: "2nd", 3: "3rd"}.get(copies, f"{copies}th")
