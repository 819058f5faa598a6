"""How training sees a clip: through which camera, in which picture, at which rate, with which pauses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ups.cameras import Camera, any_camera, fixed_camera, random_camera, view
from ups.pose import PoseSequence
from ups.tasks.geometry import interpolate

RATES = (0.35, 3.0)
"""Frames per second of a training window, as multiples of the clip's."""
_PAUSE = 1.5
"""Longest pause before or after an action, in seconds."""


LONGEST = 300
"""Frames of motion capture that a camera takes in at most: it stands far away from a long path."""


def piece(clip: PoseSequence, frames: int, rng: np.random.Generator) -> PoseSequence:
    """A random part of at most `frames` frames."""
    if clip.frames <= frames:
        return clip
    part = slice(start := int(rng.integers(0, clip.frames - frames + 1)), start + frames)
    target = None if clip.pose_3d is None else clip.pose_3d[:, part]
    return replace(clip, joints=clip.joints[:, part], visibility=clip.visibility[:, part], pose_3d=target)


def film(clip: PoseSequence, rng: np.random.Generator, wide: bool = False) -> PoseSequence:
    """A world-space clip of one person as a random synthetic camera sees it.

    Sizes vary as people's heights do, by 5 % (normal, at most 15 %): one camera can't tell a large body far away from a
    small one near by, so what varies more than people do only blurs what is learned. With `wide` it is any camera (see
    `any_camera`), which misses what is outside its picture and sometimes knows its focal length, and bodies vary in
    proportion too.
    """
    size = np.float32(np.clip(rng.normal(1.0, 0.05), 0.85, 1.15))
    if not wide:
        points = clip.joints[0] * size
        return _seen_by(clip, points, random_camera(rng, points))
    points = clip.joints[0] * (size * np.clip(rng.normal(1.0, 0.03, 3), 0.9, 1.1)).astype(np.float32)
    camera = any_camera(rng, points)
    seen = _seen_by(clip, points, camera)
    inside = ((seen.joints >= 0) & (seen.joints < camera.image_size)).all(-1) | (rng.random() < 0.2)
    if inside.mean() > 0.3:
        seen = replace(seen, visibility=seen.visibility * inside)
    return replace(seen, focal=camera.focal[0]) if rng.random() < 0.3 else seen


def fixed_view(clip: PoseSequence, number: int) -> PoseSequence:
    """A world-space clip as the test camera of clip `number` sees it: always the same."""
    return _seen_by(clip, clip.joints[0], fixed_camera(number, clip.joints[0]))


def reframed(clip: PoseSequence, rng: np.random.Generator) -> PoseSequence:
    """A filmed clip in another picture frame: turned in three of ten (normal, 7 degrees, at most 20), cut or widened, 0.5
    to 1.9 heights wide.
    """
    assert clip.image_size is not None
    height = clip.image_size[1]
    joints, pose_3d = clip.joints, clip.pose_3d
    if rng.random() < 0.3:
        angle = np.deg2rad(np.clip(rng.normal(0, 7), -20, 20))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], np.float32)
        joints = joints @ turn.T  # about any point: where the body stands then is drawn below
        if pose_3d is not None:
            pose_3d = np.concatenate([pose_3d[..., :2] @ turn.T, pose_3d[..., 2:]], -1)
    tall = height * np.exp(rng.uniform(np.log(0.8), np.log(1.5)))
    size = round(tall * np.exp(rng.uniform(np.log(0.5), np.log(1.9)))), round(tall)
    seen = clip.visibility > 0
    body = joints[seen].mean(0) if seen.any() else np.zeros(2, np.float32)
    corner = body - np.array(size) * rng.uniform(0.2, 0.8, 2)
    moved = np.where(seen[..., None], joints - corner, 0).astype(np.float32)
    return replace(clip, joints=moved, pose_3d=pose_3d, image_size=size)


def at_rate(clip: PoseSequence, factor: float) -> PoseSequence:
    """The clip with `factor` times its frames per second, by linear interpolation; at least two frames."""
    fps = float(np.clip(clip.fps * factor, 1, 1000))
    frames = max(2, int((clip.frames - 1) * fps / clip.fps + 1e-6) + 1)
    times = np.minimum(np.arange(frames) * clip.fps / fps, clip.frames - 1)
    joints, visibility = interpolate(clip.joints, clip.visibility, times)
    pose_3d = None
    if clip.pose_3d is not None:
        pose_3d, _ = interpolate(clip.pose_3d, np.ones(clip.pose_3d.shape[:3], np.float32), times)
    return replace(clip, joints=joints, visibility=visibility, pose_3d=pose_3d, fps=fps)


def with_pause(clip: PoseSequence, rng: np.random.Generator, after: bool = True) -> PoseSequence:
    """The clip with the first pose held for a while before it and the last one after it; with `after` False, which is
    for the beginnings of actions, for a third of the while before it only.
    """
    first, last = (round(_PAUSE * rng.random() * clip.fps) for _ in range(2))
    first = first if after else first // 3
    number = np.concatenate([np.zeros(first), np.arange(clip.frames), np.full(last if after else 0, clip.frames - 1)])
    number = number.astype(int)
    target = None if clip.pose_3d is None else clip.pose_3d[:, number]
    return replace(clip, joints=clip.joints[:, number], visibility=clip.visibility[:, number], pose_3d=target)


def _seen_by(clip: PoseSequence, points: np.ndarray, camera: Camera) -> PoseSequence:
    """World points (N, J, 3) in pixels, with the camera-frame metres behind them."""
    pixels, in_camera = view(points, camera)
    return replace(
        clip, joints=pixels[None], visibility=clip.visibility[:1], space="image", image_size=camera.image_size,
        pose_3d=in_camera[None],
    )  # fmt: skip
