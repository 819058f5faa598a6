"""Small layers that several parts of the network share."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def normalise(x: Tensor) -> Tensor:
    """Layer normalisation of the last axis without a scale and a shift of its own: the linear map that follows has both.

    The gradient of a scale costs more than the normalisation itself (docs/performance.md).
    """
    return F.layer_norm(x, x.shape[-1:])


def channel_dropout(x: Tensor, probability: float, training: bool) -> Tensor:
    """Dropout of whole channels of (B, ..., D), drawn for each of B: random numbers for every value cost too much."""
    if not training or probability == 0:
        return x
    shape = (len(x), *[1] * (x.dim() - 2), x.shape[-1])
    keep = torch.rand(shape, device=x.device) >= probability
    return x * (keep.to(x.dtype) / (1 - probability))


def add_branch(x: Tensor, branch: Tensor, drop_path: float, training: bool) -> Tensor:
    """x + branch, both (B, ...); in training the branch is left out for a random share of B (stochastic depth)."""
    if not training or drop_path == 0:
        return x + branch
    keep = torch.rand(len(branch), *[1] * (branch.dim() - 1), device=branch.device) >= drop_path
    return torch.addcmul(x, branch, keep.to(branch.dtype) / (1 - drop_path))


def join_frames(x: Tensor, frames: Tensor | None, stride: int) -> tuple[Tensor, Tensor | None]:
    """Mean of every `stride` neighbouring real frames: (P, N, J, D) -> (P, ceil(N / stride), J, D).

    `frames` (P, N) is False where a frame is padding, None where none is; the joined frames' mask is returned.
    """
    if stride == 1:
        return x, frames
    pad = -x.shape[1] % stride
    if frames is None and pad:
        frames = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
    if frames is None:
        return x.unflatten(1, (-1, stride)).mean(2), None
    parts = F.pad(x, (0, 0, 0, 0, 0, pad)).unflatten(1, (-1, stride))
    real = F.pad(frames, (0, pad)).unflatten(1, (-1, stride))
    weight = real.to(x.dtype) / real.sum(-1, keepdim=True).clamp(min=1).to(x.dtype)
    return (parts * weight[..., None, None]).sum(2), real.any(-1)


def mean_frame(x: Tensor, frames: Tensor | None) -> Tensor:
    """Mean over the real frames: (P, N, J, D) -> (P, J, D)."""
    if frames is None:
        return x.mean(1)
    weight = frames.to(x.dtype) / frames.sum(1, keepdim=True).clamp(min=1).to(x.dtype)
    return torch.bmm(weight[:, None], x.flatten(2)).view(x.shape[0], *x.shape[2:])
