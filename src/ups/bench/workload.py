"""Generated clips for one task at the shape it was trained on, and training batches made of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ups.batch import Batch
from ups.bench.inputs import random_clip, shape_of
from ups.checkpoint.io import Trained
from ups.config import TaskMix
from ups.inference.base import default_stride
from ups.pose import PoseSequence
from ups.tasks import get_task

BATCH = 64
"""Clips of a batch that is answered, and sequences that are decoded together."""


@dataclass(frozen=True)
class Workload:
    """One task's inputs.

    Attributes:
        mix: the task, its batch and frames.
        clips: of a training step and of a batch to answer, each `mix.frames` frames long.
        question: what is answered at once: `BATCH` clips; for pose estimation one clip, long enough for as many windows.
        classes: candidates.
        steps: K, tokens of one answer's sequence.
    """

    mix: TaskMix
    clips: list[PoseSequence]
    question: list[PoseSequence]
    classes: tuple[str, ...]
    steps: int

    @property
    def unit(self) -> str:
        """What inference counts."""
        return get_task(self.mix.task).unit

    @property
    def units(self) -> int:
        """How many of them the question holds."""
        return self.question[0].frames if self.unit == "frame" else len(self.question)


def workload(trained: Trained, task: str) -> Workload:
    """Generated clips for a task, at the shape it was trained on; one person."""
    mix, skeleton, classes = shape_of(trained, task)
    rng = np.random.default_rng(0)

    def clip(frames: int, i: int) -> PoseSequence:
        return random_clip(task, skeleton, frames, 1, i % len(classes) if classes else -1, rng)

    clips = [clip(mix.frames, i) for i in range(max(mix.batch, BATCH))]
    long = get_task(task).unit == "frame"
    question = [clip(BATCH * default_stride(mix.frames), 0)] if long else clips[:BATCH]
    layout = get_task(task).layout(trained.vocabulary, skeleton.sorted_by_slot(), classes)
    return Workload(mix, clips, question, classes, len(layout.positions))


def training_batches(
    trained: Trained, mix: TaskMix, clips: list[PoseSequence], classes: tuple[str, ...]
) -> list[Batch]:
    """The micro-batches of one optimiser step, from the first clips."""
    from ups.training.batches import make_batch  # with all that training needs, which an answer does not

    train, size = trained.config.train, mix.batch // trained.config.train.accumulate
    rng = np.random.default_rng(0)
    return [
        make_batch(
            get_task(mix.task), mix, trained.config, trained.vocabulary, clips[i * size : (i + 1) * size], classes, rng
        )
        for i in range(train.accumulate)
    ]  # fmt: skip
