"""How often the check is wrong about public recordings, and how often it finds a mistake put into them on purpose.

    python studies/check_rates.py STORE ... [--every 5]

For each store: the share of clips with a warning or an error as they are, and the share found of each mistake.
"""

from __future__ import annotations

import argparse
import warnings
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from ups.data.checks.clip import check_clip
from ups.data.formats.repair import swapped_sides
from ups.data.store.store import Store
from ups.pose import PoseSequence


def _moved(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[PoseSequence], PoseSequence]:
    def apply(clip: PoseSequence) -> PoseSequence:
        seen = clip.visibility[..., None] > 0
        return replace(clip, joints=np.where(seen, change(clip.joints), 0).astype(np.float32), pose_3d=None)

    return apply


def _shuffled(clip: PoseSequence) -> PoseSequence:
    order = np.random.default_rng(zlib.crc32(clip.id.encode())).permutation(len(clip.skeleton))
    return replace(clip, joints=clip.joints[:, :, order], visibility=clip.visibility[:, :, order], pose_3d=None)


def _score(clip: PoseSequence) -> PoseSequence:
    third = np.clip(0.9 + 0.05 * np.sin(np.arange(clip.joints[..., 0].size)), 0, 1).reshape(clip.visibility.shape)
    plane = (clip.joints[..., :2] + 2) * 200
    return replace(clip, joints=np.concatenate([plane, third[..., None]], -1))


def _frames(order: Callable[[PoseSequence], np.ndarray]) -> Callable[[PoseSequence], PoseSequence]:
    def apply(clip: PoseSequence) -> PoseSequence:
        which = order(clip)
        return replace(clip, joints=clip.joints[:, which], visibility=clip.visibility[:, which], pose_3d=None)

    return apply


def _random_order(clip: PoseSequence) -> np.ndarray:
    return np.random.default_rng(zlib.crc32(clip.id.encode())).permutation(clip.frames)


def _by_width(clip: PoseSequence) -> PoseSequence:
    """Divided by the width of a 16:9 image on both axes, read as fractions."""
    return _moved(lambda p: p * (1, 9 / 16))(clip)


def _cropped(fixed: bool) -> Callable[[PoseSequence], PoseSequence]:
    """Keypoints in a crop around the person, which jitters like a detector's box, in its pixels or brought to 192 x 256."""

    def apply(clip: PoseSequence) -> PoseSequence:
        points = np.where(clip.visibility[..., None] > 0, clip.joints, np.nan)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # frames of nobody
            low, high = np.nanmin(points, 2, keepdims=True), np.nanmax(points, 2, keepdims=True) + 1e-6
        size = high - low
        jitter = np.random.default_rng(1).normal(0, 0.02, low.shape) * size.max(-1, keepdims=True)
        pad = 0.125 * size + 0.03 * size.max(-1, keepdims=True)
        start, end = low - pad + jitter, high + pad + jitter
        inside = points - start
        if fixed:
            scale = np.maximum((end - start)[..., :1] / 192, (end - start)[..., 1:] / 256)
            inside = (points - (start + end) / 2) / scale + (96, 128)
        joints = np.nan_to_num(inside).astype(np.float32)
        return replace(clip, joints=joints, pose_3d=None, image_size=(1280, 720))

    return apply


BOTH = {
    "sides exchanged": (swapped_sides, ("left and right", "backwards")),
    "joints shuffled": (_shuffled, ("make a body", "make no body", "bones", "left and right", "below", "lie")),
    "x and y exchanged": (_moved(lambda p: p[..., [1, 0, *range(2, p.shape[-1])]]), ("lie", "exchanged", "below")),
    "frames in random order": (_frames(_random_order), ("out of order",)),
    "frames sorted as text": (_frames(lambda c: np.array(sorted(range(c.frames), key=str))), ("out of order",)),
    "every frame twice": (_frames(lambda c: np.repeat(np.arange(c.frames), 2)), ("stands there twice",)),
    "upside down": (_moved(lambda p: p * np.array([1, -1, 1])[: p.shape[-1]]), ("below the hips", "middle", "outside")),
}
SOLID = BOTH | {
    "z up": (_moved(lambda p: p[..., [0, 2, 1]] * (1, -1, 1)), ("lie along z",)),
    "millimetres": (_moved(lambda p: p * 1000), ("millimetres",)),
    "inches": (_moved(lambda p: p / 0.0254), ("inches",)),
    "score as z": (_score, ("score",)),
}
FLAT = BOTH | {
    "fractions": (lambda c: _moved(lambda p: p / np.array(c.image_size))(c), ("fractions",)),
    "-1 to 1": (lambda c: _moved(lambda p: p / np.array(c.image_size) * 2 - 1)(c), ("-1 to 1",)),
    "by the width": (_by_width, ("too wide",)),
    "portrait as landscape": (_moved(lambda p: p * (16 / 9, 9 / 16)), ("too wide", "exchanged", "outside")),
    "crops": (_cropped(False), ("crops",)),
    "crops of one size": (_cropped(True), ("crops",)),
    "from the middle": (lambda c: _moved(lambda p: p - np.array(c.image_size) / 2)(c), ("middle",)),
}


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stores", nargs="+", type=Path)
    parser.add_argument("--every", type=int, default=5)
    args = parser.parse_args()
    for folder in args.stores:
        store = Store.open(folder)
        clips = [store[i] for i in range(0, len(store), args.every)]
        false = [[p[1] for p in check_clip(clip) if p[0] != "note"] for clip in clips]
        alarms = sorted({what for whats in false for what in whats})
        print(f"{store.name}: {len(clips)} clips, {sum(map(bool, false))} with an alarm")
        for what in alarms:
            print(f"    {sum(what in whats for whats in false)} {what}")
        for name, (spoil, words) in (FLAT if store.space == "image" else SOLID).items():
            found = refused = 0
            for clip in clips[::3]:
                problems = [p for p in check_clip(spoil(clip)) if p[0] != "note"]
                found += any(word in p[1] for p in problems for word in words)
                refused += any(word in p[1] for p in problems for word in words if p[0] == "error")
            print(f"  {name}: {found / len(clips[::3]):.0%}, as an error {refused / len(clips[::3]):.0%}")


if __name__ == "__main__":
    main()
