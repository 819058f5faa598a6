"""UPS decoder (paper 3.3): transformer blocks that write a sequence of tokens, reading the encoder's memory.

A state writes one token, or the three of a joint. Its input is the embedding of the earlier tokens that feed it plus the
embedding of the position to be filled, so the same weights write actions, coordinates and end-of-task marks. Position =
(slot, axis) of a coordinate, "class", or "end". A state that writes a joint's coordinates also starts from that joint's
memory token, its anchor, so that the decoder need not first learn to find it.

What differs from the paper: several tokens may be written at one step (`schedule`). They share what they see, all
tokens of earlier steps, and are fed by tokens of earlier steps, so the sequence stays auto-regressive step by step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ups.config import Decoding, ModelConfig
from ups.errors import SettingError
from ups.model.attention import attend
from ups.model.layers import channel_dropout, normalise
from ups.tokens.layout import POSITIONS, Layout


@dataclass(frozen=True)
class Schedule:
    """When and by what each of K tokens is written.

    Attributes:
        tokens: the tokens that each of S states writes, as (first, one past the last); all K in order.
        feeds: the earlier tokens that feed each state; empty = the task's start does.
        steps: step number of each state, ascending from 0.
        spans: the states of each step, as (first, one past the last).
    """

    tokens: tuple[tuple[int, int], ...]
    feeds: tuple[tuple[int, ...], ...]
    steps: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]

    @cached_property
    def mixing(self) -> np.ndarray:
        """(S, K + 1) float32: a state's input as a mix of the start (column 0) and the K tokens' embeddings."""
        mix = np.zeros((len(self.feeds), self.tokens[-1][1] + 1), np.float32)
        for state, feeds in enumerate(self.feeds):
            for column in [k + 1 for k in feeds] or [0]:
                mix[state, column] = max(len(feeds), 1) ** -0.5
        return mix


@lru_cache(maxsize=64)
def schedule(layout: Layout, decoding: Decoding) -> Schedule:
    """token: one by one, each fed by the one before it (the paper). joint: x, y, z of a joint at once, fed by those of
    the joint before. level: all joints of one depth in the skeleton's tree at once, fed by x, y, z of their parents.
    body: all joints of a frame at once, fed by the task's start; they see one another's states, not what is written.

    Raises:
        SettingError: several tokens are to be written at a step, and the layout's coordinates do not come first, x, y, z
            of a joint at a time; or a level is to be, and the tokens are not sorted by depth.
    """
    count, anchors = len(layout.positions), layout.anchors
    together = decoding != "token"
    first = [k for k in range(count) if not (together and k and anchors[k] >= 0 and anchors[k] == anchors[k - 1])]
    tokens = tuple(zip(first, [*first[1:], count], strict=True))
    sizes = [b - a for a, b in tokens]
    if together and sizes != [3] * sizes.count(3) + [1] * sizes.count(1):
        raise SettingError(
            f"decoding {decoding!r} writes x, y, z of a joint at once, then other tokens one by one; this layout's runs "
            f"are {sizes}: order it so, or use decoding 'token'"
        )
    unsorted = "the layout's tokens are not sorted by depth: put parents before children"
    if decoding == "level":
        if any(p >= a for a, b in tokens for p in layout.parents[a:b]):
            raise SettingError(unsorted)
        feeds = tuple(tuple(sorted({p for p in layout.parents[a:b] if p >= 0})) for a, b in tokens)
        depth: list[int] = []
        for a, _ in tokens:
            parent = layout.parents[a]
            depth.append(0 if parent < 0 else 1 + depth[max(s for s, f in enumerate(first) if f <= parent)])
        steps = tuple(depth)
    elif decoding == "body":
        joints = sizes.count(3)
        feeds = tuple(() if s < max(joints, 1) else tuple(range(*tokens[s - 1])) for s in range(len(tokens)))
        steps = tuple(0 if s < joints else s - max(joints - 1, 0) for s in range(len(tokens)))
    else:
        feeds = ((), *(tuple(range(a, b)) for a, b in tokens[:-1]))
        steps = tuple(range(len(tokens)))
    if any(b < a for a, b in zip(steps, steps[1:], strict=False)):
        raise SettingError(unsorted)
    spans = tuple((steps.index(s), len(steps) - steps[::-1].index(s)) for s in range(steps[-1] + 1))
    return Schedule(tokens, feeds, steps, spans)


class Cache:
    """Keys and values of one decoder block: of the memory (once) and of the tokens so far."""

    def __init__(self) -> None:
        self.memory: tuple[Tensor, Tensor] | None = None
        self.tokens: tuple[Tensor, Tensor] | None = None


class DecoderBlock(nn.Module):
    """Causal self-attention, cross-attention, MLP; pre-norm."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.decoder_width
        self.heads, self.dropout = config.decoder_heads, config.dropout
        self.qkv = nn.Linear(width, 3 * width)
        self.project_self = nn.Linear(width, width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.project_cross = nn.Linear(width, width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # Q heads K width

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        return attend(q, k, v, mask).transpose(1, 2).flatten(2)

    def read(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of the memory (Q, L, width): (Q, heads, L, width / heads) each."""
        keys, values = self.key_value(memory).chunk(2, dim=-1)
        return self._heads(keys), self._heads(values)

    def forward(
        self, x: Tensor, memory: Tensor, mask: Tensor | None, memory_mask: Tensor | None, cache: Cache | None
    ) -> Tensor:
        """(Q, S, width) with memory (Q, L, width) -> (Q, S, width); with a cache, S holds only a step's new states.

        `mask` (S, S) is False where a state must not read another one.
        """
        q, k, v = (self._heads(t) for t in self.qkv(normalise(x)).chunk(3, dim=-1))
        if cache is not None:
            if cache.tokens is not None:
                k, v = torch.cat([cache.tokens[0], k], dim=2), torch.cat([cache.tokens[1], v], dim=2)
            cache.tokens = k, v
        x = x + self.project_self(self._attend(q, k, v, mask))
        if cache is not None and cache.memory is not None:
            keys, values = cache.memory
        else:
            keys, values = self.read(memory)
            if cache is not None:
                keys, values = keys.contiguous(), values.contiguous()  # once, not in the product of every step
                cache.memory = keys, values
        query = self._heads(self.query(normalise(x)))
        x = x + self.project_cross(self._attend(query, keys, values, memory_mask))
        hidden = F.gelu(self.up(normalise(x)))
        return x + channel_dropout(self.down(hidden), self.dropout, self.training)


class Decoder(nn.Module):
    """Token embeddings in, vocabulary-space vectors out."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.decoder_width
        self.start = nn.Linear(config.routing_width, width)
        self.position = nn.Embedding(POSITIONS, width)
        self.dropped = nn.Parameter(torch.randn(width) * 0.02)
        self.blocks = nn.ModuleList(DecoderBlock(config) for _ in range(config.decoder_layers))
        self.norm = nn.LayerNorm(width)
        if config.decoding != "token":
            self.axes = nn.Linear(width, 3 * width)

    def forward(
        self,
        inputs: Tensor,
        positions: Tensor,
        anchors: Tensor | None,
        memory: Tensor,
        mask: Tensor | None,
        memory_mask: Tensor | None,
        caches: list[Cache] | None = None,
    ) -> Tensor:
        """What feeds S states (Q, S, width), the positions they fill and their anchors -> (Q, S, width).

        positions (S) are those of each state's first token; anchors (S) index the memory's tokens, -1 = none, and are
        None where no state has one; `mask` (S, S) as in `DecoderBlock`.
        """
        x = inputs + self.position(positions).to(inputs.dtype)
        if anchors is not None:
            x = x + memory.index_select(1, anchors.clamp(min=0)) * (anchors >= 0)[:, None].to(memory.dtype)
        for i, block in enumerate(self.blocks):
            x = block(x, memory, mask, memory_mask, caches[i] if caches is not None else None)
        return self.norm(x)

    def writes(self, hidden: Tensor, tokens: Sequence[tuple[int, int]]) -> Tensor:
        """States (Q, S, width) that write the given token spans -> one vector a token (Q, K, width)."""
        sizes = [b - a for a, b in tokens]
        joints = sum(size == 3 for size in sizes)
        if joints == 0:
            return hidden
        written = self.axes(hidden[:, :joints]).unflatten(-1, (3, -1)).flatten(1, 2)
        return written if joints == len(sizes) else torch.cat([written, hidden[:, joints:]], dim=1)
