"""Joint coordinates tokenizer (paper 3.3): joints, bones and motion in; TCN-GCN layers; joint tokens out."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ups.batch import CONTEXT, Poses
from ups.config import ModelConfig
from ups.model.layers import join_frames, mean_frame, normalise
from ups.skeleton import SLOTS, Skeleton

FEATURES = 12
"""Root-relative position, bone vector, motion, and the root's own position: 3 values each."""

RELATIONS = 4
"""Channels a group compares two joints by."""


def joint_features(poses: Poses, kind: str = "all") -> Tensor:
    """(P, N, J, FEATURES) from coordinates; every value that rests on an invisible joint is 0, and what is not of the
    `kind` (`ModelConfig.features`): "bone_motion" stands in the place of motion.
    """
    seen = poses.visible if poses.frames is None else poses.visible & poses.frames[..., None]
    x, seen = poses.joints, seen[..., None]
    x = x * seen
    roots = list(poses.skeleton.root_indices)
    count = seen[:, :, roots].sum(2, keepdim=True)
    fallback = x.sum(2, keepdim=True) / seen.sum(2, keepdim=True).clamp(min=1)
    root = torch.where(count > 0, x[:, :, roots].sum(2, keepdim=True) / count.clamp(min=1), fallback)
    parents = [p if p >= 0 else c for c, p in enumerate(poses.skeleton.parents)]
    bone = (x - x[:, :, parents]) * (seen & seen[:, :, parents])
    motion = F.pad((x[:, 1:] - x[:, :-1]) * (seen[:, 1:] & seen[:, :-1]), (0, 0, 0, 0, 1, 0))
    if kind == "bone_motion":
        motion = F.pad(bone[:, 1:] - bone[:, :-1], (0, 0, 0, 0, 1, 0))
        motion = motion * (motion_seen(seen) & motion_seen(seen)[:, :, parents])
    parts = [(x - root) * seen, bone * 4, motion * 8, root.expand_as(x) * seen]
    if kind != "all":
        kept = {"joint": (0, 3), "bone": (1,)}.get(kind, (2,))
        parts = [part if i in kept else torch.zeros_like(part) for i, part in enumerate(parts)]
    return torch.cat(parts, dim=-1)


def motion_seen(seen: Tensor) -> Tensor:
    """Whether a joint (P, N, J, 1) is seen in a frame and in the one before."""
    return seen & F.pad(seen[:, :-1], (0, 0, 0, 0, 1, 0))


def bone_graph(skeleton: Skeleton, like: Tensor) -> Tensor:
    """(3, J, J): identity, each joint from its parent, each joint from its children (rows sum to 1 or 0)."""
    graph = np.zeros((3, len(skeleton), len(skeleton)), np.float32)
    graph[0] = np.eye(len(skeleton))
    for child, parent in skeleton.bones:
        graph[1, child, parent] = graph[2, parent, child] = 1
    graph[2] /= np.maximum(graph[2].sum(-1, keepdims=True), 1)
    return torch.from_numpy(graph).to(like)


class GraphConvolution(nn.Module):
    """Graph convolution with a topology refined per clip and group of channels (CTR-GCN style).

    The topology of group g is a mix of the bone graph's parts, a learned matrix over slots, and
    tanh(query_i - key_j) of the joints' time-averaged features.
    """

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.value = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, width)
        self.mix = nn.Parameter(torch.eye(3).repeat(groups, 1)[:groups])
        self.learned = nn.Parameter(torch.zeros(groups, len(SLOTS), len(SLOTS)))
        self.query_key = nn.Linear(width, 2 * RELATIONS * groups)
        self.refine = nn.Parameter(torch.randn(groups, RELATIONS) * 0.1)

    def topology(self, x: Tensor, graph: Tensor, slots: Tensor, frames: Tensor | None) -> Tensor:
        """(P, G, J, J)."""
        query, key = self.query_key(mean_frame(x, frames)).chunk(2, dim=-1)  # P J G*R
        relation = torch.tanh(query[:, :, None] - key[:, None])  # P J J G*R
        refined = F.linear(relation, torch.block_diag(*self.refine).to(relation.dtype)).permute(0, 3, 1, 2)
        fixed = torch.einsum("gc,cij->gij", self.mix, graph) + self.learned[:, slots][:, :, slots]
        return refined + fixed.to(refined.dtype)

    def forward(self, x: Tensor, graph: Tensor, slots: Tensor, frames: Tensor | None) -> Tensor:
        """(P, N, J, D) -> (P, N, J, D), without the residual; `frames` (P, N) is False where a frame is padding."""
        p, n, j, d = x.shape
        h = normalise(x)
        topology = self.topology(h, graph, slots, frames)
        value = self.value(h).view(p, n, j, self.groups, -1).permute(0, 3, 2, 1, 4)  # P G J N D/G
        mixed = torch.matmul(topology.to(value.dtype), value.reshape(p, self.groups, j, -1))
        mixed = mixed.view(p, self.groups, j, n, -1).permute(0, 3, 2, 1, 4).reshape(p, n, j, d)
        return self.out(F.gelu(mixed))


class TemporalConvolution(nn.Module):
    """Convolution over frames, joint by joint; (P, N, J, D) is conv2d's channels-last layout, so nothing is copied."""

    def __init__(self, width: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            width, width, (kernel, 1), dilation=(dilation, 1), padding=(kernel // 2 * dilation, 0), bias=False
        )
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, frames: Tensor | None) -> Tensor:
        """(P, N, J, D) -> (P, N, J, D), without the residual; `frames` (P, N) is False where a frame is padding."""
        h = normalise(x)
        if frames is not None:
            h = h * frames[..., None, None]
        return self.out(F.gelu(self.conv(h.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)))


class JointTokenizer(nn.Module):
    """Poses -> joint tokens; frames are joined by `temporal_stride` after the first layer."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        d = config.joint_width
        self.stride, self.features = config.temporal_stride, config.features
        self.embed = nn.Linear(FEATURES, d)
        self.context = nn.Linear(CONTEXT, d)
        self.slot = nn.Embedding(len(SLOTS), d)
        self.absent = nn.Parameter(torch.randn(d) * 0.5)
        self.graph = nn.ModuleList(GraphConvolution(d, config.graph_groups) for _ in range(config.tokenizer_layers))
        self.time = nn.ModuleList(
            TemporalConvolution(d, config.temporal_kernel, 1 + i % 2) for i in range(config.tokenizer_layers)
        )

    def forward(self, poses: Poses, graph: Tensor, slots: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Joint tokens after the first layer (P, N, J, D), after the last one (P, N', J, D), and its mask (P, N')."""
        with torch.autocast(poses.joints.device.type, enabled=False):  # coordinates need more than bfloat16's 8 bits
            x = self.embed(joint_features(poses, self.features)) + self.context(poses.context)[:, None, None]
            x = torch.where(poses.visible[..., None], x, self.absent) + self.slot(slots)
        if torch.is_autocast_enabled(x.device.type):
            x = x.to(torch.get_autocast_dtype(x.device.type))
        frames, detail = poses.frames, x
        for i, (graph_layer, time_layer) in enumerate(zip(self.graph, self.time, strict=True)):
            x = x + graph_layer(x, graph, slots, frames)
            x = x + time_layer(x, frames)
            if i == 0:
                detail = x
                x, frames = join_frames(x, frames, self.stride)
        return detail, x, frames
