"""Decoding: memory in, token ids out, with a grammar mask and a key-value cache. Knows nothing of poses.

Only the tokens that the layout allows compete, so every output is well formed. How many tokens a step writes is the model's
(`ups.model.decoder.schedule`).

What differs from the paper: a coordinate's token is the bin of the expectation over its axis, not the most probable bin.
Later joints build upon it. Where a distribution is wide, as the size of a body seen by one camera is, its peak is a
matter of chance, and the whole body would follow that chance. `decode_freely` is the paper's way: no grammar, and the model
ends its output itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ups.errors import SettingError
from ups.model.ups import UPS
from ups.tokens.layout import CLASS_POSITION, END_POSITION, Layout
from ups.tokens.vocabulary import Vocabulary


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
            scores = model.logits(written[:, [k - a for k in at]], embeddings[ids])
            coordinate = layout.positions[at[0]] < CLASS_POSITION
            _read(scores, allowed[ids], values, result, at, expected=coordinate and not greedy)
        if b <= last:  # a later step reads it
            known[:, a + 1 : b + 1] = model.token_inputs(table, result.tokens[:, a:b]).to(known.dtype)
    return result


@dataclass(frozen=True)
class Written:
    """Q sequences that were decoded without a grammar.

    Attributes:
        tokens: (Q, T) int64, T twice the layout's length; after the end of a sequence the end-of-task token is repeated.
        lengths: (Q,) int64 tokens written, the end-of-task token among them; T where none was written.
    """

    tokens: Tensor
    lengths: Tensor

    def well_formed(self, layout: Layout, vocabulary: Vocabulary) -> Tensor:
        """Which sequences have the layout's length and the right kind of token at each step: a bin of the right axis, a
        class (of any data set), the task's own end; (Q,) bool.
        """
        kinds = {kind: (low, high) for kind, low, high in vocabulary.ranges()}
        spans = [
            kinds["class"] if position == CLASS_POSITION else (ids[0], ids[-1] + 1)
            for position, ids in zip(layout.positions, layout.allowed, strict=True)
        ]
        low, high = torch.tensor(spans, device=self.tokens.device).T
        written = self.tokens[:, : len(spans)]
        return (self.lengths == len(spans)) & ((written >= low) & (written < high)).all(1)


@torch.no_grad()
def decode_freely(
    model: UPS,
    task: str,
    memory: Tensor,
    memory_mask: Tensor | None,
    layout: Layout,
    embedding: Tensor | None = None,
) -> Written:
    """Decoding without the grammar, as the paper's: at each step the most probable token of the whole vocabulary, until the
    task's end-of-task token, or twice as many steps as `layout` has.

    Where a step stands in the sequence is told as in training, by the position of the layout's step of that number;
    steps behind the last one are told that they are the last.

    Raises:
        SettingError: the model writes several tokens a step.
    """
    check_free(model.config.decoding)
    table = model.vocabulary() if embedding is None else embedding
    eot, more = layout.allowed[-1][0], len(layout.positions)
    positions = torch.tensor([*layout.positions, *[END_POSITION] * more], device=memory.device)
    anchors = torch.tensor([*layout.anchors, *[-1] * more], device=memory.device)
    tokens = torch.full((len(memory), 2 * more), eot, device=memory.device)
    lengths = torch.zeros(len(memory), dtype=torch.long, device=memory.device)
    ended = torch.zeros(len(memory), dtype=torch.bool, device=memory.device)
    caches, fed = model.new_caches(), model.start(task, len(memory))
    for k in range(2 * more):
        anchored = anchors[k : k + 1] if max(layout.anchors) >= 0 else None
        hidden = model.decoder(fed, positions[k : k + 1], anchored, memory, None, memory_mask, caches)
        best = model.logits(hidden[:, 0], table).float().argmax(-1)
        tokens[:, k] = torch.where(ended, eot, best)
        lengths += ~ended
        ended |= best == eot
        if ended.all():
            break
        fed = model.token_inputs(table, tokens[:, k : k + 1]).to(fed.dtype)
    return Written(tokens, lengths)


def check_free(decoding: str) -> None:
    """Raises SettingError where a model of this decoding can't write without the grammar."""
    if decoding != "token":
        raise SettingError(
            f"decoding without the grammar writes token by token; this model was trained with model.decoding {decoding}, "
            "which writes several at once: train one with --model.decoding token"
        )


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

    The cost is passes over Q * len(at) * T numbers: the sums over bins are one product, and a maximum and a search for it
    take a quarter of an argmax's time.
    """
    if at[0] == 0:
        result.first[:] = scores[:, 0].log_softmax(-1, dtype=torch.float32)
    value = values[ids]
    probability = scores.softmax(-1, dtype=torch.float32)
    with torch.autocast(scores.device.type, enabled=False):  # it would round metres to 8 bits
        mean, square = (probability @ torch.stack([value, value.square()], -1)).unbind(-1)
    if expected:  # bins are evenly spaced
        width = (value[-1] - value[0]) / (len(ids) - 1)
        index = ((mean - value[0]) / width).round().long()
    else:
        order = torch.arange(len(ids), device=scores.device, dtype=torch.float32)
        best = scores.amax(-1, keepdim=True)
        index = torch.where(scores == best, order, len(ids) - 1).amin(-1).long()
    chosen = probability.gather(-1, index[..., None])[..., 0]
    result.tokens[:, at], result.log_probability[:, at], result.mean[:, at] = ids[index], chosen.log(), mean
    result.spread[:, at] = (square - mean.square()).clamp(min=0).sqrt()
