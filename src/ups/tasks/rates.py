"""Fast recordings are lifted at a rate near that of training, fewer frames are decoded, and the poses in between interpolated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ups.pose import PoseSequence
from ups.tasks.predictions import Lifted

SLOWEST = 37.5
"""Frames per second that are left at least; twice as many are thinned out."""

DECODED = 12.5
"""Frames per second that are decoded at least: between two of them joints move along a simple curve (dev/LOG.md)."""


def decoded_every(fps: float) -> int:
    """Of how many frames one is decoded; 1 where the rate is unknown (0)."""
    return max(1, int(fps // DECODED))


def filled(decoded: np.ndarray, every: int, frames: int, curved: bool = False) -> np.ndarray:
    """What was decoded for frames 0, `every`, 2 `every` and so on, (K, ...), for each of the first `frames`: linear between
    two, or if `curved` along the cubic that has there the mean slope to both neighbours (Catmull-Rom). Where a frame is not
    known (NaN) its neighbour counts.
    """
    if every == 1:
        return decoded[:frames]
    number, last = np.arange(frames), len(decoded) - 1
    before = number // every
    share = (number % every / every).astype(decoded.dtype).reshape(-1, *[1] * (decoded.ndim - 1))
    a, b = decoded[before], decoded[np.minimum(before + 1, last)]
    mixed = np.where(share == 0, a, a * (1 - share) + b * share)
    if curved:
        slopes = np.zeros_like(decoded)
        slopes[1:-1] = (decoded[2:] - decoded[:-2]) / 2
        if last:
            slopes[0], slopes[-1] = decoded[1] - decoded[0], decoded[-1] - decoded[-2]
        bend_a, bend_b = slopes[before] - (b - a), slopes[np.minimum(before + 1, last)] - (b - a)
        bend = share * (1 - share) * ((1 - share) * bend_a - share * bend_b)
        mixed += np.nan_to_num(bend)
    return np.where(np.isnan(mixed), np.where(np.isnan(a), np.where(share == 0, a, b), a), mixed)


def thinned(clip: PoseSequence) -> tuple[PoseSequence, np.ndarray]:
    """Every k-th frame of a recording, of which at least `SLOWEST` a second are left; and for each frame of the recording
    its place among those, as a number of frames (N,).
    """
    k = max(1, int(clip.fps // SLOWEST))
    target = None if clip.pose_3d is None else clip.pose_3d[:, ::k]
    some = replace(
        clip, joints=clip.joints[:, ::k], visibility=clip.visibility[:, ::k], pose_3d=target, fps=clip.fps / k
    )
    return some, np.minimum(np.arange(clip.frames) / k, some.frames - 1)


def between(lifted: Lifted, times: np.ndarray) -> Lifted:
    """The poses at places among their frames, linear between two; unknown where one of the two is."""
    first = np.floor(times).astype(int)
    last = np.ceil(times).astype(int)

    def at(values: np.ndarray) -> np.ndarray:
        share = (times - first).astype(np.float32).reshape(1, -1, *[1] * (values.ndim - 2))
        return np.where(share == 0, values[:, first], values[:, first] * (1 - share) + values[:, last] * share)

    root = None if lifted.root is None else at(lifted.root)
    error = None if lifted.reprojection is None else at(lifted.reprojection)
    return replace(lifted, joints=at(lifted.joints), spread=at(lifted.spread), root=root, reprojection=error)
