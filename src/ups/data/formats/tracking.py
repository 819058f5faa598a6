"""Persons over time: detections of single frames, in whatever order a detector lists them, linked into tracks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

_BLOCK = 256
"""Tracks compared with the detections of a frame at once, which bounds the memory that takes."""

Track = list[tuple[int, int]]
"""One person: (frame, number of the detection within the frame), frames rising; frames may be left out."""


def link(joints: Sequence[np.ndarray], scores: Sequence[np.ndarray], gate: float, patience: int) -> list[Track]:
    """Links every detection to the track it most likely continues; what continues none begins a new one.

    In each frame the open tracks and the detections are matched so that as many pairs as possible lie within `gate`
    and, of all such matchings, the sum of their distances is least. A distance is the mean over the joints that both
    the detection and the track's last one have.

    Args:
        joints: (P, J, V) of every frame; P, which may be 0, changes from frame to frame.
        scores: (P, J) of every frame, 0 = joint not seen.
        gate: the largest distance of one person's consecutive detections, in the unit of the joints.
        patience: how many frames later a person who was lost may be found again.
    """
    tracks: list[Track] = []
    waiting: list[Track] = []
    for frame in range(len(joints)):
        if not len(joints[frame]):
            continue
        waiting = [track for track in waiting if frame - track[-1][0] <= patience]
        free = set(range(len(joints[frame])))
        if waiting:
            before = [
                np.stack([values[f][p] for f, p in (track[-1] for track in waiting)]) for values in (joints, scores)
            ]
            blocks = range(0, len(waiting), _BLOCK)
            distance = np.concatenate(
                [
                    _distances(before[0][i : i + _BLOCK], before[1][i : i + _BLOCK], joints[frame], scores[frame])
                    for i in blocks
                ]
            )
            close = distance <= gate
            never = gate * (min(distance.shape) + 1)  # dearer than any number of pairs within the gate
            for t, p in zip(*linear_sum_assignment(np.where(close, distance, never)), strict=True):
                if close[t, p]:
                    waiting[t].append((frame, int(p)))
                    free.remove(int(p))
        begun: list[Track] = [[(frame, person)] for person in sorted(free)]
        tracks += begun
        waiting += begun
    return tracks


def into_slots(
    tracks: Sequence[Track], weights: Sequence[float], slots: int,
    others: Callable[[Track, Track], bool] = lambda before, after: False,
) -> list[list[Track]]:  # fmt: skip
    """The heaviest tracks in at most `slots` places.

    From the heaviest down, a track goes to the first slot none of whose tracks lives at the same time (from its first
    to its last frame), or opens a new slot, or is left out. So the parts of a broken track share a slot, and so may
    two persons of whom one has gone before the other comes.

    Args:
        tracks: of persons.
        weights: of the tracks.
        slots: how many places there are.
        others: whether a track and a later one are of two persons for certain; those share a slot only where no other
            is free.
    """
    assert len(tracks) == len(weights)
    result: list[list[Track]] = []
    for i in sorted(range(len(tracks)), key=lambda i: -weights[i]):
        track = tracks[i]
        free = [slot for slot in result if all(_apart(track, other) for other in slot)]
        own = [slot for slot in free if not any(others(*sorted((track, other))) for other in slot)]
        if not own and len(result) < slots:
            result.append([track])
        elif free:
            (own or free)[0].append(track)
    return result


def _apart(a: Track, b: Track) -> bool:
    return a[-1][0] < b[0][0] or b[-1][0] < a[0][0]


def _distances(a: np.ndarray, a_scores: np.ndarray, b: np.ndarray, b_scores: np.ndarray) -> np.ndarray:
    """Mean distance of poses (A, J, V) from poses (B, J, V) over joints seen in both: (A, B), infinite without any."""
    both = (a_scores > 0)[:, None] & (b_scores > 0)[None]
    total = (np.linalg.norm(a[:, None] - b[None], axis=-1) * both).sum(-1)
    count = both.sum(-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.inf)
