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
_MOVES = 0.005
"""Of the body's size: what joints move from frame to frame, at least, if their order is to tell anything."""
_SHORTER = 0.7
"""Share of the way from frame to frame that is left once frames sorted as text are sorted as numbers."""
_STUCK, _JOINTS = 5, 3
"""Frames, and joints of one frame, at one and the same place from which it is a sign."""
_OFTEN, _RETURNS = 10, 3
"""Frames with a joint at any one place off the body, and how often it comes back there, from which that is a sign too."""
_APART = 0.5, 0.75
"""Sizes of the body that such a place is off it: where all coordinates are one number, and elsewhere."""
_LOST_S, _NEAR = 0.5, 0.3
"""Seconds for which a tracker loses somebody, and how far he goes meanwhile, in sizes of his body."""
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


def check_places(clip: PoseSequence, seen: np.ndarray) -> Iterator[Finding]:
    """Places that stand for joints that were not found: all coordinates are one number, or several joints lie there, in frame
    after frame. `seen` (M, N, J).
    """
    points = clip.joints[seen]
    person, frame, _ = np.nonzero(seen)
    one = (points == points[:, :1]).all(-1)
    _, alike, counts = np.unique(points, axis=0, return_inverse=True, return_counts=True)
    alike = alike.reshape(-1)
    together = np.zeros(len(counts), bool)
    often = np.flatnonzero(counts >= _STUCK * _JOINTS)
    for place in often.tolist():
        per_frame = np.unique(frame[alike == place], return_counts=True)[1]
        together[place] = (per_frame >= _JOINTS).sum() >= _STUCK
    single = np.bincount(alike, weights=one, minlength=len(counts)) >= max(_STUCK, 0.02 * clip.frames)
    single |= counts >= max(_OFTEN, 0.1 * clip.frames)
    for place in np.flatnonzero(single & ~together).tolist():
        here = alike == place
        again = one[here][0] or (np.diff(np.unique(frame[here])) > 1).sum() >= _RETURNS
        away = _APART[0] if one[here][0] else _APART[1]
        single[place] = again and _far_off(clip, seen, points[here][0], person[here], frame[here], away)
    for place in np.flatnonzero(together | single)[:1].tolist():
        numbers = ", ".join(f"{value:.7g}" for value in points[alike == place][0])
        what = "joints lie at one place that seems to say that they were not found"
        yield what, "leave those cells empty, if so; else nothing", f"({numbers}), {int(counts[place])} times"


def check_tracks(clip: PoseSequence, seen: np.ndarray) -> Iterator[Finding]:
    """Persons who go on where another one ends, at the same place: one body that a tracker lost. `seen` (M, N, J)."""
    there = seen.sum(-1) >= 3
    known = [m for m in range(clip.persons) if there[m].any()]
    first = {m: int(there[m].argmax()) for m in known}
    last = {m: int(np.flatnonzero(there[m])[-1]) for m in known}
    gap = max(2, round(_LOST_S * clip.fps))
    pairs = []
    for a in known:
        for b in known:
            if 0 < first[b] - last[a] <= gap:
                both = seen[a, last[a]] & seen[b, first[b]]
                ends, starts = clip.joints[a, last[a]][both], clip.joints[b, first[b]][both]
                if len(ends) and np.linalg.norm((ends - starts).mean(0)) < _NEAR * _extent(
                    clip.joints[a, last[a]], seen[a, last[a]]
                ):
                    pairs.append(f"person {b + 1} from frame {first[b]}")
    if pairs:
        what = "a person goes on where another one ends: one body may have several ids"
        yield what, "give them one id, if so; else nothing", ", ".join(pairs[:3])


def _extent(points: np.ndarray, seen: np.ndarray) -> float:
    return float(np.ptp(points[seen], axis=0).max())


def _far_off(
    clip: PoseSequence, seen: np.ndarray, place: np.ndarray, person: np.ndarray, frame: np.ndarray, away: float
) -> bool:
    """Whether a place lies apart from bodies, by so many of their sizes, in most of some frames."""
    points, others = clip.joints[person, frame], seen[person, frame]
    others = (others & (points != place).any(-1))[..., None]
    low, high = np.where(others, points, np.inf).min(1), np.where(others, points, -np.inf).max(1)
    margin = away * (high - low).max(-1, keepdims=True)
    return float(((place < low - margin) | (place > high + margin)).any(-1).mean()) > 0.8


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
    """How frames are out of order, as the end of a sentence; None if they are not, or hardly anything moves."""
    shown = np.where(seen[..., None], points, np.nan)
    size = float(np.median((np.nanmax(shown, 1) - np.nanmin(shown, 1)).max(-1)))
    if _way(points, seen) < _MOVES * size * len(points):
        return None
    for first in (0, 1):
        by_text = sorted(range(first, first + len(points)), key=str)
        back = np.argsort(by_text)
        if _way(points[back], seen[back]) < _SHORTER * _way(points, seen):
            return ", sorted as text: 1, 10, 11, ..., 2, 20"
    points, seen = points[:_LOOKED_AT], seen[:_LOOKED_AT]
    always = seen.all(0)
    if always.any():
        points = points - np.median(points[:, always], axis=1, keepdims=True)  # cameras shake
    far = np.stack([_distance(points, seen, points[n], seen[n]) for n in range(len(points))])
    following = float(np.nanmedian(np.diagonal(far, 1)))
    later = float(np.nanmedian(np.concatenate([np.diagonal(far, lag) for lag in (2, 3, 4)])))
    np.fill_diagonal(far, np.inf)
    nearest = float(np.nanmedian(np.where(np.isnan(far), np.inf, far).min(1)))
    lost = following > max(_FARTHER * nearest, _MOVES * size) and later < _AGAIN * following
    return ": the next frame is seldom like the one before" if lost else None


def _way(points: np.ndarray, seen: np.ndarray) -> float:
    """How far joints go from frame to frame, all together."""
    return float(np.nansum(_distance(points[1:], seen[1:], points[:-1], seen[:-1])))


def _distance(points: np.ndarray, seen: np.ndarray, others: np.ndarray, others_seen: np.ndarray) -> np.ndarray:
    """(N,) middle distance of joints that both have, so that one that jumps alone does not count; NaN where there are none."""
    both = seen & others_seen
    apart = np.sort(np.where(both, np.linalg.norm(points - others, axis=-1), np.inf), axis=-1)
    middle = np.maximum(both.sum(-1) - 1, 0) * 3 // 4
    return np.where(both.any(-1), apart[np.arange(len(apart)), middle], np.nan)


def _times(copies: int) -> str:
    return "twice" if copies == 2 else f"{copies} times"


def _nth(copies: int) -> str:
    return {2: "2nd", 3: "3rd"}.get(copies, f"{copies}th")
