"""Fast recordings are lifted at a rate near that of training, fewer frames are decoded, and the poses in between interpolated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ups.pose import PoseSequence
from ups.tasks.predictions import Lifted

SLOWEST = 37.5
"""Frames per second that are left at least; twice as many are thinned out."""

DECODED = 24.0
"""Frames per second that are decoded at least: between two of them joints move nearly straight (dev/LOG.md)."""


def decoded_every(fps: float) -> int:
    """Of how many frames one is decoded; 1 where the rate is unknown (0)."""
    return max(1, int(fps // DECODED))


def filled(decoded: np.ndarray, every: int, frames: int) -> np.ndarray:
    """What was decoded for frames 0, `every`, 2 `every` and so on, (K, ...), for each of the first `frames`: linear between
    two, and as the one that is known where the other is not (NaN).
    """
    if every == 1:
        return decoded[:frames]
    number = np.arange(frames)
    before = number // every
    after = np.minimum(before + 1, len(decoded) - 1)
    share = (number % every / every).astype(decoded.dtype).reshape(-1, *[1] * (decoded.ndim - 1))
    a, b = decoded[before], decoded[after]
    mixed = np.where(share == 0, a, a * (1 - share) + b * share)
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
