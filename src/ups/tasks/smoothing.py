"""Smoothing over time, as strong as the data themselves ask for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ups.pose import PoseSequence

_MOTION_HZ = 3.0
"""What joints do below this frequency is taken for movement, when their jitter is measured."""
_SHARE = 0.5
"""Of the strength that would be best if a joint moved evenly: where it moves most, it is smoothed too much."""
_STRONGEST = 25.0
_WEAKEST = 0.02
"""Strength below which nothing is changed."""
_FEWEST = 8
"""Frames at which a joint's jitter can be measured, at least."""
_APART = 0.12
"""Seconds."""
_LEAST = 0.3
"""Share of what is measured that is movement at least: the noise is known no better."""
_LOOKED_AT = 200
"""Frames, about, whose jitter is measured: evenly spaced ones of a longer recording."""
_LEAP = 50.0
"""Squares of second differences count as so many times their median at most."""
_MEDIAN = 0.455
"""Median of the square of a standard normal number."""


def whittaker(values: np.ndarray, weight: np.ndarray, strength: float) -> np.ndarray:
    """The x that makes sum weight (values - x)^2 + strength * sum (second difference of x)^2 least.

    Args:
        values: (N, V), N at least 3.
        weight: (N,), not negative, three at least above 0; frames of weight 0 are interpolated.
        strength: of smoothing.
    """
    from scipy.linalg import lapack  # a fifth of a second, which other answers do without

    n = len(values)
    band = np.zeros((3, n))  # D'D of second differences, upper form
    band[2, :] = 6
    band[2, [0, -1]], band[2, [1, -2]] = 1, 5
    band[1, 1:], band[0, 2:] = -4, 1
    band[1, [1, -1]] = -2
    if n == 3:
        band[2] = 1, 4, 1
    if n == 4:
        band[2] = 1, 5, 5, 1
    band *= strength
    band[2] += weight
    solve: Any = lapack  # its routines are made at run time
    _, smooth, failed = solve.dpbsv(band, weight[:, None] * values, overwrite_ab=True, overwrite_b=True)
    assert not failed
    return smooth


def jitter(clip: PoseSequence) -> tuple[np.ndarray, np.ndarray]:
    """How much of the movement of 2D joints is none: their white noise, and the movement beside it.

    Fourth differences of white noise of variance s have variance 70 s, second ones 6 s. Movement below `_MOTION_HZ` makes
    fourth ones smaller than second ones by a known factor at least, which is subtracted. What second differences between
    frames `_APART` seconds apart have above 6 s is movement. Single leaps hardly count.

    Returns:
        Variance of the noise, and mean square of the movement's second differences from frame to frame, (M, J) each, in
        the square of the clip's unit; NaN where too few frames show the joint, or frames are too far apart to tell.
    """
    m, n, j, _ = clip.joints.shape
    apart = max(1, round(_APART * clip.fps))
    slow = (2 * np.sin(np.pi * min(_MOTION_HZ / clip.fps, 0.5))) ** 4
    noise, bend = np.full((2, m, j), np.nan)
    if n < max(2 * apart, 4) + _FEWEST or slow > 6:
        return noise, bend
    seen = clip.visibility > 0
    pairs = seen[:, 1:] & seen[:, :-1]
    near_known = pairs[:, 1:] & pairs[:, :-1]
    fourth_known = near_known[:, 2:] & near_known[:, 1:-1] & near_known[:, :-2]
    far_known = seen[:, 2 * apart :] & seen[:, apart:-apart] & seen[:, : -2 * apart]
    near = np.diff(clip.joints, 2, axis=1)
    fourth = np.diff(near, 2, axis=1)
    far = clip.joints[:, 2 * apart :] - 2 * clip.joints[:, apart:-apart] + clip.joints[:, : -2 * apart]
    skip = max(1, n // _LOOKED_AT)
    if seen.all():  # all joints in one go
        every = [np.moveaxis(of[:, ::skip], 1, 2).reshape(m, j, -1) for of in (near, fourth, far)]
        return _measured(every[0], every[1], every[2], slow, apart)
    for person, joint in np.argwhere((fourth_known.sum(1) >= _FEWEST) & (far_known.sum(1) >= _FEWEST)):
        tracks = [
            of[person, :, joint][known[person, :, joint]][::skip].ravel()
            for of, known in ((near, near_known), (fourth, fourth_known), (far, far_known))
        ]
        noise[person, joint], bend[person, joint] = _measured(tracks[0], tracks[1], tracks[2], slow, apart)
    return noise, bend


def _measured(
    near: np.ndarray, fourth: np.ndarray, far: np.ndarray, slow: float, apart: int
) -> tuple[np.ndarray, np.ndarray]:
    """What `jitter` returns, of differences along the last axis."""
    near, fourth, far = near**2, fourth**2, far**2
    both = (np.median(fourth, -1) - slow * np.median(near, -1)) / _MEDIAN
    noise = np.maximum(0.0, both / (70 - 6 * slow))
    moved = np.minimum(far, _LEAP * np.median(far, -1, keepdims=True)).mean(-1)
    return noise, np.maximum(moved - 6 * noise, _LEAST * moved) / apart**4


def calmed(clip: PoseSequence) -> PoseSequence:
    """A 2D clip without most of the jitter of its joints; what does not jitter stays as it is to the bit.

    Every joint is smoothed (see `whittaker`) as strongly as its own noise beside its own movement asks for, so a
    recording of many frames a second is calmed more than one of few. Frames in which it is not seen stay unseen.
    """
    noise, bend = jitter(clip)
    strength = _SHARE * noise / np.maximum(bend, noise * _SHARE / _STRONGEST + 1e-12)
    restless = np.argwhere(strength >= _WEAKEST)
    if not len(restless):
        return clip
    joints = clip.joints.copy()
    for person, joint in restless:
        there = (clip.visibility[person, :, joint] > 0).astype(np.float64)
        first, last = np.flatnonzero(there)[[0, -1]]
        part = slice(first, last + 1)
        track = whittaker(joints[person, part, joint].astype(np.float64), there[part], float(strength[person, joint]))
        joints[person, part, joint] = np.where(there[part, None] > 0, track, 0)
    return replace(clip, joints=joints)
