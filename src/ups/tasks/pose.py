"""3D pose estimation from 2D joints: for each target frame x, y, z tokens of every joint, then the end of the task."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ups.batch import CONTEXT
from ups.errors import DataError
from ups.pose import PoseSequence
from ups.skeleton import Skeleton
from ups.tasks.geometry import drop_joints, in_slot_order, root_of
from ups.tasks.task import Example, persons_of
from ups.tokens.layout import Layout, pose_layout
from ups.tokens.vocabulary import Vocabulary


@dataclass(frozen=True)
class PoseTask:
    """What is the 3D pose behind these 2D joints? Root-relative metres in the camera's frame."""

    name: str
    eot: str
    mirror: float = 0.5
    noise: float = 0.002
    """Standard deviation of 2D noise in training, in image widths."""
    drop: float = 0.1

    def example(self, clip: PoseSequence, start: int, frames: int, target_frames: np.ndarray) -> Example:
        """The window of `frames` raw frames from `start` (may be negative or pass the end: edges are repeated).

        2D joints are centred on the window's mean root and divided by its body size; where on the screen and how large
        the body stood, and how long the window lasts, is the context. `target_frames` count from the window's start.
        """
        if clip.space != "image" or clip.image_size is None:
            raise DataError(
                f"{clip.id or 'clip'}: pose estimation reads 2D joints, this clip's space is {clip.space!r}"
            )
        number = np.clip(np.arange(start, start + frames), 0, clip.frames - 1)
        joints, seen = in_slot_order(clip)
        joints, seen = joints[:, number], seen[:, number]
        target = None
        if clip.pose_3d is not None:
            order = list(clip.skeleton.slot_order)
            target = clip.pose_3d[:, number[target_frames]][:, :, order]
            target = target - target[:, :, list(clip.skeleton.sorted_by_slot().root_indices)].mean(2, keepdims=True)
        return _centred(joints, seen, clip, target_frames, target)

    def training_example(
        self, clip: PoseSequence, classes: tuple[str, ...], frames: int, targets: int, rng: np.random.Generator
    ) -> Example:
        """See `Task`: a random window and `targets` random frames of it."""
        del classes
        if clip.pose_3d is None:
            raise DataError(f"{clip.id}: no 3D poses to learn from; prepare a data set that pairs 2D with 3D")
        wanted = rng.integers(0, frames, targets)
        start = int(rng.integers(-(frames // 2), max(clip.frames - frames // 2, -(frames // 2) + 1)))
        plain = self.example(clip, start, frames, wanted)
        noise = self.noise * rng.random() / np.exp(plain.context[2])
        joints = plain.joints.copy()
        joints[..., :2] += (noise * rng.standard_normal((*joints.shape[:3], 2))).astype(np.float32)
        example = Example(
            joints,
            drop_joints(plain.visible, rng, self.drop),
            plain.context,
            -1,
            wanted,
            plain.target,
        )
        return self.mirrored(example, clip.skeleton.sorted_by_slot()) if rng.random() < self.mirror else example

    def mirrored(self, example: Example, skeleton: Skeleton) -> Example:
        """The example seen in a mirror: left and right joints change places."""
        mirror = list(skeleton.mirror)
        flip = np.array([-1, 1, 1], np.float32)
        context = example.context.copy()
        context[0] *= -1
        target = None if example.target is None else example.target[:, :, mirror] * flip
        return Example(
            example.joints[:, :, mirror] * flip,
            example.visible[:, :, mirror],
            context,
            example.label,
            example.target_frames,
            target,
        )

    def joints(self, skeleton: Skeleton) -> tuple[str, ...]:
        """The joints that are decoded, parents before children: all but a root joint, which is the origin."""
        names = tuple(skeleton.joints[i] for i in skeleton.top_down)
        return tuple(j for j in names if skeleton.root != (j,))

    def layout(self, vocabulary: Vocabulary, skeleton: Skeleton, classes: tuple[str, ...]) -> Layout:
        """x, y, z of every joint, then EOT."""
        axes = (vocabulary.axis_tokens(0), vocabulary.axis_tokens(1), vocabulary.axis_tokens(2))
        return pose_layout(skeleton, self.joints(skeleton), axes, vocabulary.eot_token(self.eot))

    def tokens(
        self, examples: list[Example], vocabulary: Vocabulary, skeleton: Skeleton, classes: tuple[str, ...]
    ) -> np.ndarray:
        """(persons * T, 3J + 1)."""
        keep = [skeleton.joints.index(j) for j in self.joints(skeleton)]
        poses = np.concatenate([e.target[persons_of(e)] for e in examples if e.target is not None])
        tokens = vocabulary.quantize(poses[:, :, keep]).reshape(poses.shape[0] * poses.shape[1], -1)
        end = np.full((len(tokens), 1), vocabulary.eot_token(self.eot))
        return np.concatenate([tokens, end], axis=1).astype(np.int64)

    def poses(self, coordinates: np.ndarray, skeleton: Skeleton) -> np.ndarray:
        """Decoded coordinates (Q, 3J) metres, without the EOT step, as (Q, J, 3) with the root in its place."""
        keep = [skeleton.joints.index(j) for j in self.joints(skeleton)]
        result = np.zeros((len(coordinates), len(skeleton), 3), np.float32)
        result[:, keep] = coordinates.reshape(len(coordinates), -1, 3)
        return result


def _centred(
    joints: np.ndarray, seen: np.ndarray, clip: PoseSequence, wanted: np.ndarray, target: np.ndarray | None
) -> Example:
    """Pixels to window-centred body sizes; the context keeps where and how large that was, in half image widths."""
    width, height = clip.image_size or (1, 1)
    screen = joints / width * 2 - np.array([1, height / width], np.float32)
    root, found = root_of(screen, seen, clip.skeleton.sorted_by_slot())
    if not seen.any():
        origin, size = np.zeros(2), 1.0
    else:
        origin = root[found].mean(0) if found.any() else screen[seen].mean(0)
        size = max(float(np.sqrt(((screen[seen] - origin) ** 2).sum(-1).mean())), 1e-3)
    planar = (screen - origin) / (2 * size)
    context = np.zeros(CONTEXT, np.float32)
    context[:] = *origin, np.log(size), np.log(joints.shape[1] / clip.fps)
    flat = np.concatenate([planar, np.zeros_like(planar[..., :1])], -1)
    return Example(flat.astype(np.float32), seen, context, clip.label, wanted, target)


estimate_pose = PoseTask("estimate_pose", "estimation")
