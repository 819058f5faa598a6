"""World-space clips of one person as synthetic cameras see them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ups.cameras import Camera, fixed_camera, random_camera, view
from ups.pose import PoseSequence


def film(clip: PoseSequence, rng: np.random.Generator) -> PoseSequence:
    """A world-space clip of one person as a random synthetic camera sees it.

    Sizes vary as people's heights do, by 5 % (normal, at most 15 %): one camera can't tell a large body far away from a
    small one near by, so what varies more than people do only blurs what is learned.
    """
    points = clip.joints[0] * np.float32(np.clip(rng.normal(1.0, 0.05), 0.85, 1.15))
    return _seen_by(clip, points, random_camera(rng, points))


def fixed_view(clip: PoseSequence, number: int) -> PoseSequence:
    """A world-space clip as the test camera of clip `number` sees it: always the same."""
    return _seen_by(clip, clip.joints[0], fixed_camera(number, clip.joints[0]))


def _seen_by(clip: PoseSequence, points: np.ndarray, camera: Camera) -> PoseSequence:
    """World points (N, J, 3) in pixels, with the camera-frame metres behind them."""
    pixels, in_camera = view(points, camera)
    return replace(
        clip, joints=pixels[None], visibility=clip.visibility[:1], space="image", image_size=camera.image_size,
        pose_3d=in_camera[None],
    )  # fmt: skip
