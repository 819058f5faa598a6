"""The errors of pose estimators and depth sensors, as a model to train with. All sizes are shares of the body's size.

A joint's error is the sum of a constant part (what one annotator calls a hip is not what another does), a slow one
(drift, while a limb is hidden) and a fast one (jitter), the last two larger at the ends of limbs and where they move
quickly. For some frames left and right are exchanged, limbs or whole bodies are not seen, or another person is taken
for this one. Where a detector errs it is less sure: its confidence falls with the error, in some clips.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ups.pose import PoseSequence
from ups.skeleton import Skeleton
from ups.tasks.geometry import knots

CONSTANT, SLOW, FAST, SHAKY = 0.012, 0.02, 0.01, 0.03
"""Largest standard deviations of a clip, in body sizes (the longer side of the box around a body, about 1.6 m); fast
errors are `SHAKY` instead of `FAST` in three clips of ten, as those of small networks and low resolution are."""
_ENDS = ("wrist", "hand", "hand_tip", "thumb", "index", "pinky", "ankle", "heel", "foot")
_ARM = ("elbow", "wrist", "hand", "hand_tip", "thumb", "index", "pinky")
_LEG = ("knee", "ankle", "heel", "foot")
_LIMBS = [tuple(f"{side}_{part}" for part in limb) for side in ("left", "right") for limb in (_ARM, _LEG)]
_GROUPS = (*_LIMBS, _LIMBS[1] + _LIMBS[3])
"""What is hidden together: an arm, a leg, both legs."""


def body_size(clip: PoseSequence) -> float:
    """Median over persons and frames of the longer side of the box around the joints seen, in the clip's unit."""
    seen = clip.visibility > 0
    there = seen.sum(-1) >= 4
    if not there.any():
        return 1.0
    low = np.where(seen[..., None], clip.joints, np.inf)[there].min(1)
    high = np.where(seen[..., None], clip.joints, -np.inf)[there].max(1)
    return max(float(np.median((high - low).max(-1))), 1e-3)


def detected(clip: PoseSequence, rng: np.random.Generator) -> PoseSequence:
    """The clip as an imperfect detector sees it; the 3D poses behind it stay what they are."""
    size = body_size(clip)
    shape = clip.joints.shape
    error = _errors(clip, size, rng)
    joints = clip.joints + error * np.float32(size)
    seen = (clip.visibility > 0) & ~_missing(clip.skeleton, shape[:3], rng)
    joints = _exchanged(joints, clip.skeleton, rng)
    if rng.random() < 0.05:  # another person for a few frames
        start = int(rng.integers(0, shape[1]))
        part = slice(start, start + int(rng.integers(1, 4)))
        joints[:, part] += np.float32(size) * rng.normal(0, 0.5, shape[-1]).astype(np.float32)
    sure = np.ones(shape[:3], np.float32)
    if rng.random() < 0.5:
        doubt = rng.uniform(0, 0.1) * np.linalg.norm(error, axis=-1) / 0.05
        sure = rng.uniform(0.7, 1.0) - doubt + rng.normal(0, rng.uniform(0, 0.1), shape[:3])
    confidence = np.where(seen, np.clip(sure, 0.05, 1), 0).astype(np.float32)
    return replace(clip, joints=np.where(seen[..., None], joints, 0), visibility=confidence)


def _errors(clip: PoseSequence, size: float, rng: np.random.Generator) -> np.ndarray:
    """(M, N, J, V) float32, in body sizes."""
    m, n, j, v = clip.joints.shape
    ends = np.array([1.4 if joint.split("_", 1)[-1] in _ENDS else 1.0 for joint in clip.skeleton.joints])
    share = ends * np.exp(0.3 * rng.standard_normal(j))
    speed = np.zeros((m, n, j))
    speed[:, 1:] = np.linalg.norm(np.diff(clip.joints, axis=1), axis=-1) / size
    seen = clip.visibility > 0
    speed[:, 1:] *= seen[:, 1:] & seen[:, :-1]
    speed = np.minimum(speed, 0.1)[..., None]
    shaky = rng.random() < 0.3
    fast = (SHAKY if shaky else FAST) * rng.random() ** 1.5 * rng.standard_normal((m, n, j, v))
    fast *= 1 + rng.uniform(0, 15 if shaky else 40) * speed
    slow = SLOW * rng.random() ** 1.5 * knots(rng.standard_normal((m, max(3, n // 8), j, v)), n)
    slow *= 1 + rng.uniform(0, 15) * speed
    constant = CONSTANT * rng.random() * rng.standard_normal((m, 1, j, v))
    return ((fast + slow) * share[:, None] + constant).astype(np.float32)


def _missing(skeleton: Skeleton, shape: tuple[int, int, int], rng: np.random.Generator) -> np.ndarray:
    """(M, N, J) bool: what is not seen."""
    m, n, j = shape
    missing = np.zeros(shape, bool)
    if rng.random() < 0.5:  # single joints
        missing |= rng.random(shape) < 0.2 * rng.random()
    if rng.random() < 0.3:  # a limb, for a while or throughout
        limb = _GROUPS[int(rng.integers(len(_GROUPS)))]
        hidden = [i for i, joint in enumerate(skeleton.joints) if joint in limb]
        missing[:, _stretch(n, 1.0, rng), hidden] = True
    if rng.random() < 0.15:  # everything, for a while
        missing[int(rng.integers(m)), _stretch(n, 0.2, rng)] = True
    return missing if not missing.all() else np.zeros(shape, bool)


def _exchanged(joints: np.ndarray, skeleton: Skeleton, rng: np.random.Generator) -> np.ndarray:
    """Left and right of the legs, the arms or the whole body exchanged up to three times in one clip of three, for one
    to five frames each.
    """
    if rng.random() >= 1 / 3 or not skeleton.mirror_pairs:
        return joints
    part = (_LEG, _LEG, _ARM, None)[int(rng.integers(4))]
    pairs = [p for p in skeleton.mirror_pairs if part is None or skeleton.joints[p[0]].split("_", 1)[1] in part]
    order = np.arange(len(skeleton))
    for left, right in pairs:
        order[left], order[right] = right, left
    joints = joints.copy()
    for _ in range(int(rng.integers(1, 4))):
        start = int(rng.integers(0, joints.shape[1]))
        stretch = slice(start, start + int(rng.integers(1, 6)))
        joints[:, stretch] = joints[:, stretch][:, :, order]
    return joints


def _stretch(frames: int, longest: float, rng: np.random.Generator) -> slice:
    """At least one frame, at most that share of them."""
    length = max(1, round(frames * longest * rng.random()))
    start = int(rng.integers(0, frames - length + 1))
    return slice(start, start + length)
