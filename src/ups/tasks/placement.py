"""Where lifted poses stand before the camera, how well they explain the picture, and how they become steady."""

from __future__ import annotations

import numpy as np

from ups.pose import PoseSequence
from ups.skeleton import Skeleton
from ups.tasks.smoothing import whittaker

FOCAL = 1.3
"""Focal length, in long sides of the image, that is assumed where a clip does not give one: a phone's main camera."""
_STEADY_HZ = 4.0
"""Motion of joints of ordinary certainty that is faster than this is smoothed away."""
_ORDINARY = 0.03
"""Metres: the spread of a joint of ordinary certainty."""


def intrinsics(clip: PoseSequence) -> tuple[float, np.ndarray]:
    """Focal length in pixels, known or assumed, and principal point (2,)."""
    width, height = clip.image_size or (1, 1)
    focal = FOCAL * max(width, height) if clip.focal is None else clip.focal
    known = clip.focal is not None and clip.centre is not None
    return focal, np.array(clip.centre if known else (width / 2, height / 2), np.float64)


def locate(joints: np.ndarray, clip: PoseSequence) -> tuple[np.ndarray, np.ndarray]:
    """The root's place in the camera's frame by which a pose fits its 2D joints best.

    A joint X relative to the root appears at x where x (Z + t_z) = f (X + t_x), and alike for y: two linear equations
    for the root's place t, weighted by the detector's confidence and solved by least squares in each frame.

    Args:
        joints: (M, N, J, 3) metres relative to the root, of the clip's own joints.
        clip: the 2D joints, in pixels.

    Returns:
        (M, N, 3) metres, NaN where fewer than three joints are seen or none fits before the camera; and (M, N), the
        root mean square distance between joints and their projections as a share of the body's size in the picture,
        NaN there too.
    """
    focal, centre = intrinsics(clip)
    weight = clip.visibility.astype(np.float64)
    x = clip.joints.astype(np.float64) - centre
    weight = weight * np.isfinite(joints).all(-1)
    points = np.nan_to_num(joints.astype(np.float64))
    known = x * points[..., 2:] - focal * points[..., :2]  # M N J 2
    # Each joint gives the equations (f, 0, -x) t = known and (0, f, -y) t = known; their weighted normal equations:
    square, right = np.zeros((*weight.shape[:2], 3, 3)), np.zeros((*weight.shape[:2], 3))
    square[..., 0, 0] = square[..., 1, 1] = focal**2 * weight.sum(-1)
    square[..., 2, :2] = square[..., :2, 2] = -focal * (weight[..., None] * x).sum(2)
    square[..., 2, 2] = (weight * (x**2).sum(-1)).sum(-1)
    right[..., :2] = focal * (weight[..., None] * known).sum(2)
    right[..., 2] = -(weight * (x * known).sum(-1)).sum(-1)
    enough = (weight > 0).sum(-1) >= 3
    square[~enough] = np.eye(3)
    place = np.linalg.solve(
        square + 1e-9 * np.trace(square, axis1=-2, axis2=-1)[..., None, None] * np.eye(3), right[..., None]
    )
    place = place[..., 0]
    there = points + place[:, :, None]
    depth = there[..., 2:]
    good = enough & np.where(weight > 0, depth[..., 0] > 0.05, True).all(-1)
    projected = focal * there[..., :2] / np.where(depth > 0.05, depth, 1)
    distance = np.sqrt((((projected - x) ** 2).sum(-1) * weight).sum(-1) / np.maximum(weight.sum(-1), 1e-9))
    seen = (weight > 0)[..., None]
    box = np.where(seen, x, -np.inf).max(2) - np.where(seen, x, np.inf).min(2)
    size = np.maximum(box.max(-1), 1e-6)
    place, error = np.where(good[..., None], place, np.nan), np.where(good, distance / size, np.nan)
    return place.astype(np.float32), error.astype(np.float32)


def steady(joints: np.ndarray, spread: np.ndarray, skeleton: Skeleton, fps: float) -> np.ndarray:
    """Poses smoothed over time, the uncertain joints most, with bones of one length each throughout.

    Every coordinate is smoothed (see `whittaker`) with the inverse square of the joint's spread as weight; then every bone
    gets its median length, from the root outwards.

    Args:
        joints: (M, N, J, 3) metres relative to the root; spread (M, N, J) metres.
        fps: frames per second.

    Returns:
        (M, N, J, 3) float32.
    """
    m, n, j, _ = joints.shape
    if n < 3:
        return joints
    strength = (fps / (2 * np.pi * _STEADY_HZ)) ** 4
    result = np.empty_like(joints)
    for person in range(m):
        for joint in range(j):
            known = np.asarray(np.isfinite(joints[person, :, joint]).all(-1))
            w = (_ORDINARY / np.maximum(np.where(known, spread[person, :, joint], 1), _ORDINARY / 10)) ** 2 * known
            if known.sum() < 3:
                result[person, :, joint] = joints[person, :, joint]
                continue
            smooth = whittaker(np.nan_to_num(joints[person, :, joint]), w, strength)
            result[person, :, joint] = np.where(known[:, None], smooth, np.nan)
    return _with_equal_bones(result, skeleton).astype(np.float32)


def _with_equal_bones(joints: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    result = joints.copy()
    for child in skeleton.top_down:
        parent = skeleton.parents[child]
        if parent < 0:
            continue
        bone = joints[:, :, child] - joints[:, :, parent]
        length = np.linalg.norm(bone, axis=-1, keepdims=True)
        result[:, :, child] = result[:, :, parent] + bone * np.nanmedian(length, 1, keepdims=True) / np.maximum(
            length, 1e-6
        )
    return result
