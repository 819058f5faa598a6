"""Synthetic labelled motion: a parametric human performs everyday actions, seen in 3D or by a random camera.

It needs no download: for trying the package, for tests and for timing. It is no stand-in for recorded motion; figures
measured on it say nothing about a real data set. See `ups.data.datasets.synthetic_motion` for the body and the actions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ups.cameras import Camera, random_camera, view
from ups.data.datasets.base import Clip, DataSet
from ups.data.datasets.synthetic_motion import ACTIONS, forward_kinematics, make_body, rotation, stand
from ups.errors import DataError
from ups.pose import PoseSequence
from ups.skeletons import H36M_17

CLASSES: tuple[str, ...] = tuple(ACTIONS)
SUBJECTS = 20
TRAIN_SUBJECTS = 14
"""Protocol "xsub": subjects 1-14 train, 15-20 test."""
FPS = 30.0
FRAMES = (24, 80)
"""Shortest and longest clip."""
CLIPS = 960
"""Clips in each prepared data set: every class by every subject three times."""
_IMAGE_SIZES = ((1000, 1000), (640, 480))
_PIXEL_NOISE = 1.5  # standard deviation, px
_MARGIN = 0.92  # joints stay within this share of the image around its centre


def synthesize(seed: int, index: int, frames: tuple[int, int] = FRAMES) -> tuple[np.ndarray, int, int]:
    """Clip number `index` of the endless data set `seed`, free of noise; the same arguments give the same clip.

    Labels and subjects take turns: any 320 successive clips hold each of the 16 classes by each of 20 subjects.

    Args:
        seed: >= 0, which data set.
        index: >= 0, which clip of it.
        frames: shortest and longest length, 30 frames a second.

    Returns:
        Joints (N, 17, 3) float64 in metres, y up, ground at y = 0, skeleton `H36M_17`; the person starts near the
        origin and faces +z, its left at +x, give or take 60 degrees. Then the label (index into `CLASSES`) and the
        subject (1..20).

    Raises:
        DataError: negative seed or index, or a range of frames that is empty or begins below 2.
    """
    if seed < 0 or index < 0:
        raise DataError(f"seed {seed} and clip number {index} must not be negative")
    if not 2 <= frames[0] <= frames[1]:
        raise DataError(f"frames {frames} is not a range (shortest >= 2, longest >= shortest)")
    rng = np.random.default_rng((seed, index))
    label = index % len(CLASSES)
    subject = 1 + (7 * index + index // 80) % SUBJECTS
    seconds = np.arange(rng.integers(frames[0], frames[1] + 1)) / FPS
    motion = stand(seconds, _progress(seconds, rng), rng.uniform(0.8, 1.15), rng)
    ACTIONS[CLASSES[label]](motion, rng)
    motion.arm *= rng.uniform(0.92, 1.08, (2, 1))  # nobody moves both sides alike
    motion.leg *= rng.uniform(0.98, 1.02, (2, 1))
    points = forward_kinematics(motion, make_body(subject))
    if rng.uniform() < 0.3:  # left-handed
        points = points[:, H36M_17.mirror] * np.array([-1, 1, 1])
    yaw = rotation(1, np.clip(rng.normal(0, 28), -60, 60))
    place = np.array([rng.normal(0, 0.3), 0, rng.normal(0, 0.3)])
    return points @ yaw.T + place, label, subject


def _progress(seconds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Progress of the action (N,): it begins in the first fifth of the clip and ends in the last quarter."""
    start, end = rng.uniform(0.02, 0.2), rng.uniform(0.76, 1.0)
    x = np.clip((seconds / seconds[-1] - start) / (end - start), 0, 1)
    return x ** rng.uniform(0.8, 1.25)


def generate_3d(clips: int = CLIPS, seed: int = 0) -> Iterator[Clip]:
    """`clips` clips in space "world" (y up, metres) with the noise of a motion sensor: 3-12 mm a coordinate and frame.

    Yields:
        (clip with joints (1, N, 17, 3), {"xsub": "train" or "test"}), in the order of their ids.
    """
    for index in range(clips):
        points, label, subject = synthesize(seed, index)
        rng = np.random.default_rng((seed, index, 3))
        points = points + rng.normal(0, rng.uniform(0.003, 0.012), points.shape)
        sequence = PoseSequence(
            joints=points[None],
            visibility=np.ones((1, *points.shape[:2]), dtype=np.float32),
            skeleton=H36M_17,
            space="world",
            fps=FPS,
            id=f"synthetic_3d_{seed}_{index:06d}",
            label=label,
            subject=subject,
        )
        yield sequence, _splits(subject)


def generate_2d(clips: int = CLIPS, seed: int = 1) -> Iterator[Clip]:
    """`clips` clips as random cameras see them, 1000 x 1000 or 640 x 480 px, the whole path inside the image.

    Pixels carry normal noise of 1.5 px; a few joints are lost for some frames, as a detector loses them (visibility 0).
    `pose_3d` is the same person in the camera's frame, exact to float32.

    Yields:
        (clip with joints (1, N, 17, 2) px, {"xsub": "train" or "test"}), in the order of their ids.
    """
    for index in range(clips):
        points, label, subject = synthesize(seed, index)
        rng = np.random.default_rng((seed, index, 2))
        camera = _fitting_camera(rng, points)
        pixels, in_camera = view(points, camera)
        visible = _detected(rng, len(points))
        pixels = (pixels + rng.normal(0, _PIXEL_NOISE, pixels.shape)) * visible[..., None]
        sequence = PoseSequence(
            joints=pixels[None],
            visibility=visible[None].astype(np.float32),
            skeleton=H36M_17,
            space="image",
            fps=FPS,
            id=f"synthetic_2d_{seed}_{index:06d}",
            label=label,
            subject=subject,
            image_size=camera.image_size,
            pose_3d=in_camera[None],
        )
        yield sequence, _splits(subject)


def _splits(subject: int) -> dict[str, str]:
    return {"xsub": "train" if subject <= TRAIN_SUBJECTS else "test"}


def _fitting_camera(rng: np.random.Generator, points: np.ndarray) -> Camera:
    """A random camera before the person, at z > 0, zoomed out until `points` (N, J, 3) lie inside its image."""
    size = _IMAGE_SIZES[rng.integers(len(_IMAGE_SIZES))]
    camera = random_camera(rng, points, size)
    while camera.translation[2] < points[..., 2].max():
        camera = random_camera(rng, points, size)
    half = np.array(size) / 2
    excess = (np.abs(view(points, camera)[0] - half) / half).max() / _MARGIN
    focal = camera.focal[0] / max(1.0, excess)
    return replace(camera, focal=(focal, focal))


def _detected(rng: np.random.Generator, frames: int) -> np.ndarray:
    """Which joints are seen (N, 17) bool: single misses of 0-3 %, and in some clips one joint lost for a while."""
    seen = rng.uniform(size=(frames, len(H36M_17))) >= rng.uniform(0, 0.03)
    if rng.uniform() < 0.3:
        start = rng.integers(frames)
        seen[start : start + frames // 4, rng.integers(len(H36M_17))] = False
    return seen


def read_3d(source: Path) -> Iterator[Clip]:
    """The 3D data set, `CLIPS` clips of seed 0; `source` is not looked at."""
    return generate_3d()


def read_2d(source: Path) -> Iterator[Clip]:
    """The 2D data set, `CLIPS` clips of seed 1; `source` is not looked at."""
    return generate_2d()


_TERMS = "Generated by this package; free to use under the package's own licence."
SYNTHETIC_3D = DataSet(
    name="synthetic_3d",
    skeleton=H36M_17,
    space="world",
    classes=CLASSES,
    protocols=("xsub",),
    terms=_TERMS,
    read=read_3d,
    files=(),
    summary=f"a parametric human, {len(CLASSES)} actions, {SUBJECTS} subjects, 17 joints in 3D; needs no download",
)
SYNTHETIC_2D = DataSet(
    name="synthetic_2d",
    skeleton=H36M_17,
    space="image",
    classes=CLASSES,
    protocols=("xsub",),
    terms=_TERMS,
    read=read_2d,
    files=(),
    summary=f"a parametric human, {len(CLASSES)} actions, random cameras, 17 joints in 2D with their 3D poses",
    paired=True,
)
