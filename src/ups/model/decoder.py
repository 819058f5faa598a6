"""UPS decoder (paper 3.3): transformer blocks that produce one token at a time, reading the encoder's memory.

A step's input is the previous token's embedding plus the embedding of the position to be filled, so the same weights
write actions, coordinates and end-of-task marks. Position = (slot, axis) of a coordinate, "class", or "end". A step that
writes a joint's coordinate also starts from that joint's memory token, its anchor, so that the decoder need not first
learn to find it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ups.batch import POSITIONS
from ups.config import ModelConfig
from ups.model.attention import attend


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
        self.norm_self, self.norm_cross, self.norm_mlp = (nn.LayerNorm(width) for _ in range(3))
        self.qkv = nn.Linear(width, 3 * width)
        self.project_self = nn.Linear(width, width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.project_cross = nn.Linear(width, width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # Q heads K width

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
        return attend(q, k, v, mask, causal).transpose(1, 2).flatten(2)

    def forward(self, x: Tensor, memory: Tensor, memory_mask: Tensor | None, cache: Cache | None) -> Tensor:
        """(Q, K, width) with memory (Q, L, width) -> (Q, K, width); with a cache, K holds only the new tokens."""
        q, k, v = (self._heads(t) for t in self.qkv(self.norm_self(x)).chunk(3, dim=-1))
        if cache is not None:
            if cache.tokens is not None:
                k, v = torch.cat([cache.tokens[0], k], dim=2), torch.cat([cache.tokens[1], v], dim=2)
            cache.tokens = k, v
        x = x + self.project_self(self._attend(q, k, v, None, causal=q.shape[2] > 1))
        if cache is not None and cache.memory is not None:
            keys, values = cache.memory
        else:
            keys, values = (self._heads(t) for t in self.key_value(memory).chunk(2, dim=-1))
            if cache is not None:
                cache.memory = keys, values
        query = self._heads(self.query(self.norm_cross(x)))
        x = x + self.project_cross(self._attend(query, keys, values, memory_mask, causal=False))
        hidden = F.gelu(self.up(self.norm_mlp(x)))
        return x + F.dropout(self.down(hidden), self.dropout, self.training)


class Decoder(nn.Module):
    """Token embeddings in, vocabulary-space vectors out."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.start = nn.Linear(config.routing_width, config.decoder_width)
        self.position = nn.Embedding(POSITIONS, config.decoder_width)
        self.dropped = nn.Parameter(torch.randn(config.decoder_width) * 0.02)
        self.blocks = nn.ModuleList(DecoderBlock(config) for _ in range(config.decoder_layers))
        self.norm = nn.LayerNorm(config.decoder_width)

    def forward(
        self,
        inputs: Tensor,
        positions: Tensor,
        anchors: Tensor,
        memory: Tensor,
        memory_mask: Tensor | None,
        caches: list[Cache] | None = None,
    ) -> Tensor:
        """Embeddings of the previous tokens (Q, K, width), the K positions to fill and anchors -> (Q, K, width).

        anchors (K) index the memory's tokens, -1 = none.
        """
        x = inputs + self.position(positions)
        if bool((anchors >= 0).any()):
            x = x + memory[:, anchors.clamp(min=0)] * (anchors >= 0)[:, None].to(memory.dtype)
        for i, block in enumerate(self.blocks):
            x = block(x, memory, memory_mask, caches[i] if caches is not None else None)
        return self.norm(x)
