"""Floating-point operations and parameters of one answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from ups.batch import CONTEXT, Poses
from ups.checkpoint.io import Trained
from ups.errors import SettingError
from ups.model.decoding import decode
from ups.skeleton import Skeleton
from ups.tasks import get_task


@dataclass(frozen=True)
class Cost:
    """Floating-point operations of one answer: one clip of one person, batch size 1. 1 MAC = 2 FLOPs.

    Matrix products and convolutions are counted, as is usual; norms, activations and look-ups are not.

    Attributes:
        frames, skeleton: shape of the input.
        encoder: joint tokenizer, encoder, and what makes the decoder's memory of their output.
        decoder: all steps of one sequence: one action, or the pose of one frame.
        parameters: those that take part, i.e. without the blocks that the task's route leaves out.
    """

    frames: int
    skeleton: Skeleton
    encoder: int
    decoder: int
    parameters: int

    @property
    def total(self) -> int:
        """FLOPs of encoder and decoder."""
        return self.encoder + self.decoder


def cost(trained: Trained, task: str, frames: int, skeleton: Skeleton) -> Cost:
    """FLOPs of one answer of `task` for one person in `frames` frames; see `Cost`.

    Raises:
        SettingError: a task that the model does not know, or no frame.
    """
    if frames < 1:
        raise SettingError(f"{frames} frames; at least 1 is needed")
    model, skeleton = trained.model, skeleton.sorted_by_slot()
    poses = Poses(
        torch.zeros(1, frames, len(skeleton), 3),
        torch.ones(1, frames, len(skeleton), dtype=torch.bool),
        torch.ones(1, frames, dtype=torch.bool),
        torch.zeros(1, CONTEXT),
        torch.zeros(1, dtype=torch.long),
        1,
        skeleton,
    )
    layout = get_task(task).layout(trained.vocabulary, skeleton, trained.vocabulary.classes)
    wanted = torch.tensor([[frames // 2]]) if layout.per_frame else None
    values = torch.from_numpy(trained.vocabulary.token_values)
    model.requires_grad_(False)  # the counter's hooks want gradients otherwise
    with torch.no_grad():
        encoder, (memory, mask) = count_flops(lambda: model.memory(task, poses, layout, wanted))
        decoder, _ = count_flops(lambda: decode(model, task, memory, mask, layout, values))
        embeddings, _ = count_flops(model.vocabulary)  # the same for every input, so no part of an answer's cost
    route = model.routes()[task]
    idle = 0 if model.encoder.routing == "dense" else sum(
        _count(block)
        for chosen, layer in zip(route, model.encoder.layers, strict=True)
        for i, block in enumerate(layer.children())
        if i != chosen
    )  # fmt: skip
    return Cost(frames, skeleton, encoder, decoder - embeddings, _count(model) - idle)


def _count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def count_flops(call: Callable[[], Any]) -> tuple[int, Any]:
    """Floating-point operations of the matrix products and convolutions that a call makes, and what it returns."""
    with FlopCounterMode(display=False) as counter:
        result = call()
    return counter.get_total_flops(), result
