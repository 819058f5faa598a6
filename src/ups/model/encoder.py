"""UPS encoder (paper 3.3): L layers of H parallel SEM-TEM blocks, one of which each task chooses."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ups.config import ModelConfig
from ups.model.attention import attend
from ups.model.layers import add_branch, channel_dropout, normalise
from ups.model.tokenizer import GraphConvolution
from ups.skeleton import SLOTS


def rotary(n: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """cos and sin (N, width) of the rotary encoding of frame numbers."""
    rate = 1000.0 ** (-torch.arange(0, width, 2, device=device, dtype=torch.float32) / width)
    angle = torch.arange(n, device=device, dtype=torch.float32)[:, None] * rate
    angle = torch.cat([angle, angle], dim=-1)
    return angle.cos(), angle.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn pairs of channels of (..., N, width) by the angle of their frame."""
    a, b = x.chunk(2, dim=-1)
    return x * cos.to(x.dtype) + torch.cat([-b, a], dim=-1) * sin.to(x.dtype)


class SlotLinear(nn.Module):
    """A linear map out of (or into) the concatenated tokens of the joints present, with a weight for every slot.

    With J joints present only J slices of the weight are used: absent joints cost nothing.
    """

    def __init__(self, joint_width: int, width: int, into_joints: bool) -> None:
        super().__init__()
        self.into_joints = into_joints
        fan_in = width if into_joints else 16 * joint_width
        self.weight = nn.Parameter(torch.randn(len(SLOTS), joint_width, width) * fan_in**-0.5)
        self.bias = nn.Parameter(torch.zeros(len(SLOTS), joint_width) if into_joints else torch.zeros(width))

    def forward(self, x: Tensor, slots: Tensor) -> Tensor:
        """(P, N, J, D) -> (P, N, width), or (P, N, width) -> (P, N, J, D)."""
        weight = self.weight.index_select(0, slots).flatten(0, 1)  # J*D, width
        if self.into_joints:
            return F.linear(x, weight, self.bias[slots].flatten()).unflatten(-1, (len(slots), -1))
        return F.linear(x.flatten(2), weight.t(), self.bias)


class TemporalEncoding(nn.Module):
    """TEM: self-attention between frame tokens of length J*d, then a two-layer MLP."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        d, width = config.joint_width, config.frame_width
        self.heads, self.dropout = config.frame_heads, config.dropout
        self.qkv = SlotLinear(d, 3 * width, into_joints=False)
        self.project = SlotLinear(d, width, into_joints=True)
        self.up = SlotLinear(d, config.frame_mlp, into_joints=False)
        self.down = SlotLinear(d, config.frame_mlp, into_joints=True)

    def attention(self, x: Tensor, slots: Tensor, mask: Tensor | None) -> Tensor:
        """(P, N, J, D) -> the same; `mask` (P, 1, 1, N) is False where a frame is padding."""
        p, n = x.shape[:2]
        q, k, v = self.qkv(normalise(x), slots).view(p, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        cos, sin = rotary(n, q.shape[-1], q.device)
        mixed = attend(rotate(q, cos, sin), rotate(k, cos, sin), v, mask)
        return self.project(mixed.transpose(1, 2).flatten(2), slots)

    def mlp(self, x: Tensor, slots: Tensor) -> Tensor:
        """(P, N, J, D) -> the same."""
        hidden = F.gelu(self.up(normalise(x), slots))
        return self.down(channel_dropout(hidden, self.dropout, self.training), slots)


class Block(nn.Module):
    """One SEM-TEM block: two graph convolutions, then a TEM."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.drop_path = config.drop_path
        self.sem = nn.ModuleList(GraphConvolution(config.joint_width, config.graph_groups) for _ in range(2))
        self.tem = TemporalEncoding(config)

    def forward(self, x: Tensor, graph: Tensor, slots: Tensor, frames: Tensor | None) -> Tensor:
        """(P, N, J, D) -> (P, N, J, D); `frames` (P, N) is False where a frame is padding."""
        mask = None if frames is None else frames[:, None, None]
        for sem in self.sem:
            x = add_branch(x, sem(x, graph, slots, frames), self.drop_path, self.training)
        x = add_branch(x, self.tem.attention(x, slots, mask), self.drop_path, self.training)
        return add_branch(x, self.tem.mlp(x, slots), self.drop_path, self.training)


class Encoder(nn.Module):
    """L layers of H blocks."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.routing = config.routing
        self.layers = nn.ModuleList(
            nn.ModuleList(Block(config) for _ in range(config.blocks)) for _ in range(config.layers)
        )

    def forward(
        self, x: Tensor, route: list[int], weights: Tensor | None, graph: Tensor, slots: Tensor, frames: Tensor | None
    ) -> Tensor:
        """(P, N, J, D) -> (P, N, J, D) through block route[l] of every layer l.

        `weights` (L, H) are the router's while routes are learned; None where they are settled.
        """
        for number, layer in enumerate(self.layers):
            blocks, h = list(layer.children()), route[number]
            if weights is None:
                x = blocks[h](x, graph, slots, frames)
            elif self.routing == "chosen":
                x = torch.lerp(x, blocks[h](x, graph, slots, frames), weights[number, h].to(x.dtype))
            else:
                answers = []
                for i, block in enumerate(blocks):
                    # A weight of 0 leaves a block no gradient: it only has to answer, not to be learned from.
                    with torch.set_grad_enabled(torch.is_grad_enabled() and (self.routing == "dense" or i == h)):
                        answers.append(block(x, graph, slots, frames))
                x = torch.stack([w.to(x.dtype) * y for w, y in zip(weights[number], answers, strict=True)]).sum(0)
        return normalise(x)
