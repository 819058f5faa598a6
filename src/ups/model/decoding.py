"""Decoding: memory in, token ids out, with a grammar mask and a key-value cache. Knows nothing of poses.

Only the tokens that the layout allows compete, so every output is well formed. How many tokens a step writes is the model's
(`ups.model.decoder.schedule`).

What differs from the paper: a coordinate's token is the bin of the expectation over its axis, not the most probable bin.
Later joints build upon it. Where a distribution is wide, as the size of a body seen by one camera is, its peak is a
matter of chance, and the whole body would follow that chance.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ups.model.ups import UPS
from ups.tokens.layout import CLASS_POSITION, Layout


@dataclass(frozen=True)
class Decoded:
    """Q sequences of K tokens.

    Attributes:
        tokens: (Q, K) int64, the token written at each step: of those allowed the bin of the expectation for a coordinate,
            the most probable one otherwise.
        log_probability: (Q, K) float32 of that token among the allowed ones.
        mean: (Q, K) float32, expectation of the tokens' values under the step's distribution; 0 where only one token
            is allowed.
        spread: (Q, K) float32, standard deviation of the same.
        first: (Q, number of tokens allowed at step 0) float32 log-probabilities, in the order of `layout.allowed[0]`.
        state: (Q, width) float32, the decoder's state that wrote step 0; zeros where only one token is allowed there.

    Where only one token is allowed its log-probability is 0.
    """

    tokens: Tensor
    log_probability: Tensor
    mean: Tensor
    spread: Tensor
    first: Tensor
    state: Tensor


@torch.no_grad()
def decode(
    model: UPS,
    task: str,
    memory: Tensor,
    memory_mask: Tensor | None,
    layout: Layout,
    values: Tensor,
    cached: bool = True,
    embedding: Tensor | None = None,
    greedy: bool = False,
) -> Decoded:
    """Decoding along `layout`.

    Args:
        model: in evaluation mode.
        task: whose embedding starts the sequence.
        memory: (Q, L, width) and memory_mask (Q, 1, 1, L) or None, from `UPS.memory`.
        layout: the grammar.
        values: (vocabulary,) float, the value that each token stands for, `Vocabulary.token_values`.
        cached: False recomputes every prefix, for tests and measurement.
        embedding: what `model.vocabulary()` gives, where it is at hand.
        greedy: write the most probable bin of a coordinate too, as the paper does.
    """
    table = model.vocabulary() if embedding is None else embedding
    plan = model.schedule(layout)
    positions, anchors, steps = model.state_indices(layout, memory.device)
    allowed = {ids: torch.tensor(ids, device=memory.device) for ids in layout.choices}
    embeddings = {ids: table[index] for ids, index in allowed.items()}
    caches = model.new_caches() if cached else None
    start = model.start(task, len(memory))
    known = start.new_zeros(len(memory), len(layout.positions) + 1, start.shape[-1])
    known[:, :1] = start
    mixing = torch.from_numpy(plan.mixing).to(known)
    fed = torch.from_numpy(plan.mixing != 0)
    result = _forced(len(memory), layout, memory)
    last = max((k for k, ids in enumerate(layout.allowed) if len(ids) > 1), default=-1)
    for low, high in plan.spans:
        a, b = plan.tokens[low][0], plan.tokens[high - 1][1]
        if a > last:  # the grammar leaves no choice from here on: nothing to compute
            break
        span = slice(low if caches is not None else 0, high)
        mask = None if caches is not None else steps[:high, None] >= steps[:high]
        feeding = fed[span, : a + 1].any(0).nonzero()[:, 0].to(memory.device)  # a few parents of many tokens
        inputs = mixing[span][:, feeding] @ known.index_select(1, feeding)
        anchored = None if anchors is None else anchors[span]
        hidden = model.decoder(inputs, positions[span], anchored, memory, mask, memory_mask, caches)
        written = model.decoder.writes(hidden[:, low - high :], plan.tokens[low:high])
        if a == 0:
            result.state[:] = written[:, 0]
        for ids in dict.fromkeys(ids for ids in layout.allowed[a:b] if len(ids) > 1):
            at = [k for k in layout.choices[ids] if a <= k < b]
            scores = model.logits(written[:, [k - a for k in at]], embeddings[ids]).float()
            coordinate = layout.positions[at[0]] < CLASS_POSITION
            _read(scores, allowed[ids], values, result, at, expected=coordinate and not greedy)
        known[:, a + 1 : b + 1] = model.token_inputs(table, result.tokens[:, a:b]).to(known.dtype)
    return result


def _forced(sequences: int, layout: Layout, memory: Tensor) -> Decoded:
    """Sequences of each step's first allowed token: what they stay where only one is allowed."""
    device = memory.device
    tokens = torch.tensor([ids[0] for ids in layout.allowed], device=device).repeat(sequences, 1)
    log_probability, mean, spread = (torch.zeros(tokens.shape, device=device) for _ in range(3))
    first = torch.zeros(sequences, len(layout.allowed[0]), device=device)
    state = torch.zeros(sequences, memory.shape[-1], device=device)
    return Decoded(tokens, log_probability, mean, spread, first, state)


def _read(scores: Tensor, ids: Tensor, values: Tensor, result: Decoded, at: list[int], expected: bool) -> None:
    """Token written, its log-probability, mean and deviation of the values, from (Q, len(at), T) logits.

    The cost is passes over Q * len(at) * T numbers. A maximum and a search for it take a quarter of an argmax's time.
    """
    if at[0] == 0:
        result.first[:] = scores[:, 0].log_softmax(-1)
    probability, value = scores.softmax(-1), values[ids]
    weighted = probability * value
    mean = weighted.sum(-1)  # not a matrix product: autocast would round metres to 8 bits
    square = weighted.mul_(value).sum(-1)
    if expected:  # bins are evenly spaced
        width = (value[-1] - value[0]) / (len(ids) - 1)
        index = ((mean - value[0]) / width).round().long()
    else:
        order = torch.arange(len(ids), device=scores.device, dtype=scores.dtype)
        index = torch.where(scores == scores.amax(-1, keepdim=True), order, len(ids) - 1).amin(-1).long()
    chosen = probability.gather(-1, index[..., None])[..., 0]
    result.tokens[:, at], result.log_probability[:, at], result.mean[:, at] = ids[index], chosen.log(), mean
    result.spread[:, at] = (square - mean.square()).clamp(min=0).sqrt()
