"""How far joints, named as a skeleton names them, are from the shape of a human body; and which unit would fit one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ups.pose import PoseSequence
from ups.skeletons import SKELETONS

_LIMBS = (
    ("hip", "knee", 0.42), ("knee", "ankle", 0.40), ("knee", "foot", 0.42), ("shoulder", "elbow", 0.28),
    ("elbow", "wrist", 0.25), ("elbow", "hand", 0.28),
)  # fmt: skip
"""Bones of each side and their lengths in metres in an adult. A foot or hand counts where ankle or wrist is missing."""
_HEIGHTS = {
    "pelvis": 0.0, "spine": 0.15, "chest": 0.38, "neck": 0.45, "head": 0.62, "head_top": 0.72, "nose": 0.60,
    "left_eye": 0.63, "right_eye": 0.63, "left_ear": 0.62, "right_ear": 0.62,
}  # fmt: skip
"""Metres above the middle of the hips, along the trunk."""
_TRUNK = 0.45
UNITS = {"m": 1.0, "ft": 0.3048, "in": 0.0254, "cm": 0.01, "mm": 0.001}
BAD, BETTER = 0.85, 0.6
"""A body's misfit from which an order of joints is doubted, and the share of it that another order has at most."""
_OTHER_ORDERS = {"coco-17 with the neck behind": (*SKELETONS["coco-17"].joints, "neck")}
"""Orders of joints in use that no listed skeleton has."""
ODD, _CLEAR = 0.5, 0.4
"""The same of orders that are doubted only if another one fits that clearly."""


def unit_of(clip: PoseSequence, seen: np.ndarray) -> str | None:
    """The unit in which the 3D bones are an adult's or a child's; None where no unit makes them so, or none is seen."""
    ratios = []
    for first, second, length in _bones(clip.skeleton.joints):
        both = seen[:, :, first] & seen[:, :, second]
        if both.any():
            bone = np.linalg.norm(clip.joints[:, :, first] - clip.joints[:, :, second], axis=-1)[both]
            ratios.append(float(np.median(bone)) / length)
    scale = float(np.median(ratios)) if ratios else 0.0
    if scale <= 0:
        return None
    unit = min(UNITS, key=lambda name: abs(np.log(scale * UNITS[name])))
    return unit if 0.3 < scale * UNITS[unit] < 2.2 else None


def misfit(joints: np.ndarray, seen: np.ndarray, names: Sequence[str]) -> float | None:
    """How unlike a body's are the joints (M, N, J, V) of these names: near 0.3 for a body, above 1 for none.

    The mean, over bones and heights along the trunk, of how far their relative lengths are from an adult's (as a
    logarithm, at most 2), plus how much those of bones change over time. None where too little is seen.
    """
    parts = [_length(joints, seen, a, b) for a, b, _ in _bones(names)]
    wanted = [length for _, _, length in _bones(names)]
    known = [(part, length) for part, length in zip(parts, wanted, strict=True) if part is not None]
    if len(known) < 4:
        return None
    scale = float(np.median([part[0] / length for part, length in known]))
    if scale <= 0:
        return 2.0
    costs = [min(abs(float(np.log(max(part[0], 1e-9) / length / scale))), 2.0) + part[1] for part, length in known]
    pairs = [names.index(n) for n in ("left_shoulder", "right_shoulder", "left_hip", "right_hip") if n in names]
    if len(pairs) == 4:
        there = seen[:, :, pairs].all(-1)
        if there.any():
            shoulders, hips = (joints[:, :, p].mean(2)[there] for p in (pairs[:2], pairs[2:]))
            trunk = shoulders - hips
            long = np.linalg.norm(trunk, axis=-1)
            costs.append(min(abs(float(np.log(max(_usual(long), 1e-9) / _TRUNK / scale))), 2.0) + _change(long))
            direction = trunk / np.maximum(long, 1e-9)[:, None]
            for joint, height in _HEIGHTS.items():
                if joint not in names or not seen[:, :, names.index(joint)][there].any():
                    continue
                j = names.index(joint)
                given = seen[:, :, j][there]
                offset = joints[:, :, j][there][given] - hips[given]
                along = float(np.median((offset * direction[given]).sum(-1))) / scale
                costs.append(min(abs(along - height) / 0.3, 2.0))
    return float(np.mean(costs))


def better_order(clip: PoseSequence, seen: np.ndarray) -> tuple[float, str | None] | None:
    """(misfit of the clip's own order, what has as many joints and fits much better: a listed skeleton or one of
    `_OTHER_ORDERS`, or None).

    None where the clip's own order makes a good body, or too little is seen to tell.
    """
    own = misfit(clip.joints, seen, clip.skeleton.joints)
    if own is None or own < ODD:
        return None
    others = {}
    for skeleton in SKELETONS.values():
        if len(skeleton) == len(clip.skeleton) and skeleton.joints != clip.skeleton.joints:
            found = misfit(clip.joints, seen, skeleton.joints)
            if found is not None:
                others[skeleton.name] = found
    for name, joints in _OTHER_ORDERS.items():
        if len(joints) == len(clip.skeleton) and (found := misfit(clip.joints, seen, joints)) is not None:
            others[name] = found
    best = min(others, key=lambda name: others[name], default=None)
    better = best is not None and others[best] < (BETTER if own >= BAD else _CLEAR) * own
    return own, best if better else None


def _bones(names: Sequence[str]) -> list[tuple[int, int, float]]:
    result = []
    for start, end, length in _LIMBS:
        for side in ("left", "right"):
            a, b = f"{side}_{start}", f"{side}_{end}"
            short = {"foot": f"{side}_ankle", "hand": f"{side}_wrist"}.get(end)
            if a in names and b in names and short not in names:
                result.append((names.index(a), names.index(b), length))
    return result


def _length(joints: np.ndarray, seen: np.ndarray, a: int, b: int) -> tuple[float, float] | None:
    """Usual length of a bone and its relative change over time; None where it is seldom seen."""
    both = seen[:, :, a] & seen[:, :, b]
    if both.sum() < 3:
        return None
    lengths = np.linalg.norm(joints[:, :, a] - joints[:, :, b], axis=-1)[both]
    return _usual(lengths), _change(lengths)


def _usual(lengths: np.ndarray) -> float:
    """The 80th percentile: in 2D a bone that points at the camera looks short."""
    return float(np.percentile(lengths, 80)) if len(lengths) else 0.0


def _change(lengths: np.ndarray) -> float:
    low, middle, high = np.percentile(lengths, (25, 50, 75)) if len(lengths) else (0, 0, 0)
    return min(float(high - low) / max(float(middle), 1e-9), 1.0)
