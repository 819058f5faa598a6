"""Scaled dot-product attention, by whichever way is fast on the device at hand."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """(..., heads, N, width) queries over (..., heads, L, width) keys and values -> (..., heads, N, width).

    `mask` (broadcast to (..., heads, N, L)) is False where a key must not be read. On a CPU two batched matrix products
    are several times faster in bfloat16 than PyTorch's fused kernel (dev/LOG.md); elsewhere the fused kernel is used.
    """
    if q.device.type != "cpu":
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return softmax(scores).to(v.dtype) @ v


def softmax(scores: Tensor) -> Tensor:
    """Over the last axis, in float32 or better; a row of which nothing is finite gives NaN.

    PyTorch's CPU kernel computes rows of fewer than 16 numbers, less than a vector register, one number after another.
    """
    scores = scores if scores.dtype == torch.float64 else scores.float()
    if torch.compiler.is_compiling() or scores.shape[-1] >= 16:  # what is exported must not depend on a length
        return scores.softmax(-1)
    weights = (scores - scores.amax(-1, keepdim=True)).exp()
    return weights / weights.sum(-1, keepdim=True)
