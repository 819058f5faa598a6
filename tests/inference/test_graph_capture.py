"""Recordings: the same numbers for other inputs, and no way to record what would play wrongly."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ups.inference.graph_capture import record


def same(call: Callable[..., tuple[Tensor, ...]], *shape: int) -> None:
    """Play a recording for inputs that it was not made with, twice."""
    inputs = [torch.randn(*shape) for _ in range(3)]
    play = record(call, [inputs[0]])
    for x in (inputs[1], inputs[2], inputs[1]):
        for ours, wanted in zip(play(x), call(x), strict=True):
            assert torch.equal(ours, wanted)


def test_constants_views_and_several_results():
    weight, bias = torch.randn(4, 6), torch.randn(4)

    def call(x: Tensor) -> tuple[Tensor, ...]:
        q, k = F.linear(x, weight * 2, bias).chunk(2, dim=-1)
        a, b, c = torch.stack([q, k, q + k])
        best, index = (a @ b.transpose(-2, -1)).max(-1)
        return best, index, c.sum(0), bias[index % 4]

    same(call, 5, 6)


def test_buffers_that_are_written_in_parts():
    def call(x: Tensor) -> tuple[Tensor, ...]:
        result = torch.full((5, 3), 7.0)
        result[:, 1] = x.sum(-1)
        view = result[1:4]
        view[0, 2] = x[0, 0]
        sums = result.sum(0)  # reads what was written through the view
        result[:, 0] = x.mean(-1)
        own = torch.zeros_like(x)
        own[1:] = x[1:] - x[:-1]
        own += 1
        total = torch.ones(6)
        total.add_(x[0])
        total *= 2
        later = torch.ones(6)
        early = x + later  # what a constant holds before it is changed
        later += 1
        return result, sums, own, total, early, x + later

    same(call, 5, 6)


def test_only_what_is_needed_is_played():
    calls = []

    class Count(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            calls.append(func.__name__)
            return func(*args, **(kwargs or {}))

    def call(x: Tensor) -> tuple[Tensor, ...]:
        unread = torch.zeros(5)
        unread[:] = x.exp().sum(-1)
        constant = torch.eye(6) @ torch.eye(6)
        return (x.float() @ constant,)

    play = record(call, [torch.randn(5, 6)])
    x = torch.randn(5, 6)
    with Count():
        play(x)
    assert calls == ["matmul"]


def test_a_course_that_depends_on_the_input_is_refused():
    x = torch.randn(3)
    with pytest.raises(ValueError, match="course depends on its input"):
        record(lambda x: (x if x.sum() > 0 else -x,), [x])
    with pytest.raises(ValueError, match="course depends on its input"):
        record(lambda x: (x * int(x.argmax()),), [x])
