"""What a task is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ups.batch import PERSONS, Batch, Poses
from ups.errors import DataError
from ups.pose import PoseSequence
from ups.skeleton import Skeleton
from ups.tokens.layout import Layout
from ups.tokens.vocabulary import Vocabulary

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Example:
    """One clip (or window) as a task presents it to the model; joints in slot order.

    Attributes:
        joints: (M, N, J, 3) float32 normalised coordinates.
        visible: (M, N, J) bool.
        context: (CONTEXT,) float32, see `ups.batch`.
        label: class index within the data set, -1 = none.
        target_frames: (T,) frame numbers whose pose is wanted, or None.
        target: (M, T, J, 3) float32 metres, root-relative, camera frame; or None.
        valid: N booleans, False = a frame that only pads the window; None = all are real.
    """

    joints: np.ndarray
    visible: np.ndarray
    context: np.ndarray
    label: int = -1
    target_frames: np.ndarray | None = None
    target: np.ndarray | None = None
    valid: np.ndarray | None = None


class Task(Protocol):
    """A question that can be asked about a pose sequence."""

    @property
    def name(self) -> str:
        """Key in `TASKS` and of the task's embedding."""
        ...

    @property
    def eot(self) -> str:
        """Name of the end-of-task token."""
        ...

    def training_example(
        self, clip: PoseSequence, classes: tuple[str, ...], frames: int, targets: int, rng: np.random.Generator
    ) -> Example:
        """An augmented example of `frames` frames; `targets` is the number of target frames, where the task has any."""
        ...

    def layout(self, vocabulary: Vocabulary, skeleton: Skeleton, classes: tuple[str, ...]) -> Layout:
        """The grammar of the task's output for clips of `skeleton` (slot order) whose data set has `classes`."""
        ...

    def tokens(
        self, examples: list[Example], vocabulary: Vocabulary, skeleton: Skeleton, classes: tuple[str, ...]
    ) -> np.ndarray:
        """Target tokens (Q, K) of the examples, in the layout's order."""
        ...


def collate(
    task: Task, examples: list[Example], vocabulary: Vocabulary, skeleton: Skeleton, classes: tuple[str, ...]
) -> Batch:
    """Examples of one skeleton (slot order) as a training batch; persons that are never seen are left out."""
    import torch

    layout = task.layout(vocabulary, skeleton, classes)
    poses, target_frames = collate_poses(examples, skeleton)
    tokens = torch.from_numpy(task.tokens(examples, vocabulary, skeleton, classes))
    return Batch(poses, layout, tokens, torch.ones(tokens.shape), target_frames)


def persons_of(example: Example) -> list[int]:
    """The persons that are ever seen; the first one where nobody is."""
    return [m for m in range(len(example.visible)) if example.visible[m].any()] or [0]


def collate_poses(examples: list[Example], skeleton: Skeleton) -> tuple[Poses, torch.Tensor | None]:
    """Input side of a batch: clips are padded to the longest; a person that is never seen costs nothing.

    Returns the poses and target frames (P, T), None where the examples have none.
    """
    import torch

    longest = max(e.joints.shape[1] for e in examples)
    joints, visible, valid, clip, targets = [], [], [], [], []
    for i, e in enumerate(examples):
        pad = longest - e.joints.shape[1]
        real = np.ones(e.joints.shape[1], bool) if e.valid is None else e.valid
        persons = persons_of(e)
        if len(persons) > PERSONS:
            raise DataError(f"a clip has {len(persons)} persons; at most {PERSONS} can be read: keep those that matter")
        for m in persons:
            joints.append(_padded(e.joints[m], pad))
            visible.append(_padded(e.visible[m], pad))
            valid.append(_padded(real, pad))
            clip.append(i)
            targets.append(e.target_frames)
    poses = Poses(
        torch.from_numpy(np.stack(joints)).float(),
        torch.from_numpy(np.stack(visible)),
        None if all(v.all() for v in valid) else torch.from_numpy(np.stack(valid)),
        torch.from_numpy(np.stack([examples[i].context for i in clip])).float(),
        torch.tensor(clip),
        len(examples),
        skeleton,
    )
    frames = None if targets[0] is None else torch.from_numpy(np.stack(targets)).long()
    return poses, frames


def _padded(frames: np.ndarray, pad: int) -> np.ndarray:
    """(N, ...) followed by `pad` frames of zeros."""
    return frames if pad == 0 else np.concatenate([frames, np.zeros((pad, *frames.shape[1:]), frames.dtype)])
