"""Decoding: memory in, token ids out, with a grammar mask and a key-value cache. Knows nothing of poses.

At each step only the tokens that the layout allows compete, so every output is well formed.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ups.batch import Layout
from ups.model.ups import UPS


@dataclass(frozen=True)
class Decoded:
    """Q sequences of K tokens.

    Attributes:
        tokens: (Q, K) int64, the most probable allowed token at each step.
        log_probability: (Q, K) float32 of that token among the allowed ones.
        mean: (Q, K) float32, expectation of the tokens' values under the step's distribution; 0 where only one token
            is allowed.
        spread: (Q, K) float32, standard deviation of the same.
        first: (Q, number of tokens allowed at step 0) float32 log-probabilities, in the order of `layout.allowed[0]`.
    """

    tokens: Tensor
    log_probability: Tensor
    mean: Tensor
    spread: Tensor
    first: Tensor


@torch.no_grad()
def decode(
    model: UPS,
    task: str,
    memory: Tensor,
    memory_mask: Tensor | None,
    layout: Layout,
    values: Tensor,
    cached: bool = True,
) -> Decoded:
    """Greedy decoding along `layout`.

    Args:
        model: in evaluation mode.
        task: whose embedding starts the sequence.
        memory: (Q, L, width) and memory_mask (Q, 1, 1, L) or None, from `UPS.memory`.
        layout: the grammar.
        values: (vocabulary,) float, the value that each token stands for (metres of a bin; anything elsewhere).
        cached: False recomputes every prefix, for tests and measurement.
    """
    embedding = model.vocabulary()
    device = memory.device
    positions = torch.tensor(layout.positions, device=device)
    anchors = torch.tensor(layout.anchors, device=device)
    allowed = {ids: torch.tensor(ids, device=device) for ids in set(layout.allowed)}
    embeddings = {ids: embedding[index] for ids, index in allowed.items()}
    caches = model.new_caches() if cached else None
    inputs = model.start(task, len(memory))
    history = inputs
    steps: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
    first = None
    for k, ids in enumerate(layout.allowed):
        if caches is not None:
            hidden = model.decoder(inputs, positions[k : k + 1], anchors[k : k + 1], memory, memory_mask, caches)[:, -1]
        else:
            hidden = model.decoder(history, positions[: k + 1], anchors[: k + 1], memory, memory_mask)[:, -1]
        scores = model.logits(hidden, embeddings[ids]).float().log_softmax(-1)
        first = scores if first is None else first
        steps.append(_read(scores, allowed[ids], values))
        inputs = model.token_inputs(embedding, steps[-1][0][:, None])
        history = torch.cat([history, inputs.to(history.dtype)], dim=1)
    assert first is not None
    tokens, log_probability, mean, spread = (torch.stack(column, dim=1) for column in zip(*steps, strict=True))
    return Decoded(tokens, log_probability, mean, spread, first)


def _read(scores: Tensor, ids: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Best token, its log-probability, mean and standard deviation of the values, from (Q, allowed) log-probabilities."""
    best, index = scores.max(-1)
    if len(ids) == 1:
        return ids[index], best, torch.zeros_like(best), torch.zeros_like(best)
    probability = scores.exp()
    mean = (probability * values[ids]).sum(-1)  # not a matrix product: autocast would round metres to 8 bits
    variance = (probability * (values[ids] - mean[:, None]).square()).sum(-1)
    return ids[index], best, mean, variance.sqrt()
