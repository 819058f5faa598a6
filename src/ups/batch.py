"""What passes between data, tasks and model: a batch of poses, and the layout of the sequences to decode from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ups.skeleton import Skeleton
from ups.tokens.layout import Layout

if TYPE_CHECKING:  # who prepares poses for another runtime needs no PyTorch
    import torch
    from torch import Tensor

CONTEXT = 4
"""Length of a clip's context: origin x, y and log scale of its coordinates on the screen (0 in 3D), log duration."""
PERSONS = 8
"""The most persons a clip may have."""


@dataclass(frozen=True)
class Poses:
    """P persons of B clips that share one skeleton, joints in slot order.

    Attributes:
        joints: (P, N, J, 3) float32, normalised coordinates; anything where invisible.
        visible: (P, N, J) bool.
        frames: (P, N) bool, False = padding; None where no frame is.
        context: (P, CONTEXT) float32.
        clip: (P,) int64, index of the person's clip, ascending.
        clips: B.
        skeleton: joints in slot order.
    """

    joints: Tensor
    visible: Tensor
    frames: Tensor | None
    context: Tensor
    clip: Tensor
    clips: int
    skeleton: Skeleton

    def to(self, device: torch.device) -> Poses:
        """The same batch on another device."""
        joints, visible, context, clip = (t.to(device) for t in (self.joints, self.visible, self.context, self.clip))
        frames = None if self.frames is None else self.frames.to(device)
        return Poses(joints, visible, frames, context, clip, self.clips, self.skeleton)


class Batch:
    """Poses with the sequences that a task wants decoded from them.

    A plain class: Fabric would rebuild a dataclass or tuple value by value on every forward call.

    Attributes:
        poses: the input.
        layout: the grammar of every sequence.
        tokens: (Q, K) int64 targets; Q = clips, or persons * target frames in that order.
        weights: (Q, K) float32, 0 where the target is unknown.
        target_frames: (P, T) int64 frame numbers, None unless layout.per_frame.
    """

    def __init__(
        self, poses: Poses, layout: Layout, tokens: Tensor, weights: Tensor, target_frames: Tensor | None
    ) -> None:
        self.poses, self.layout, self.tokens, self.weights = poses, layout, tokens, weights
        self.target_frames = target_frames

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        frames = None if self.target_frames is None else self.target_frames.to(device)
        return Batch(self.poses.to(device), self.layout, self.tokens.to(device), self.weights.to(device), frames)
