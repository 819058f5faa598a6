"""What bounds each stage: its arithmetic at the speed of a matrix product, or its bytes at the speed of memory.

A stage can't take less than max(FLOPs / peak, bytes / bandwidth). The bytes are those that every operator must move: all
that it reads and writes, each once, as if nothing stayed in a cache between two operators; views move nothing. A stage
whose tensors do stay in a cache can be faster than that.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from ups.bench.timing import synchronise

STAGES: tuple[str, ...] = ("tokenizer", "encoder", "decoder", "read-out", "rest")
"""Of an answer. Read-out: from the decoder's states to tokens and coordinates. Rest: normalising, moving and collecting
poses, what makes the decoder's memory of the encoder's tokens.
"""
TRIAD = 32 * 2**20
"""Numbers of each of the three arrays whose triad measures the bandwidth: 128 MB, more than caches hold."""
_LOOK_UPS = {"embedding", "gather", "index", "index_select"}
"""Operators that read as much of their first argument as they write."""
_MADE = {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"}
"""Operators that only take memory."""


@dataclass
class Work:
    """What operators do.

    Attributes:
        flops: of matrix products and convolutions.
        bytes: read and written.
        operators: how many there were.
    """

    flops: float = 0.0
    bytes: float = 0.0
    operators: int = 0

    def add(self, flops: float, moved: float) -> None:
        """One more operator."""
        self.flops, self.bytes, self.operators = self.flops + flops, self.bytes + moved, self.operators + 1


def triad(device: torch.device, numbers: int = TRIAD) -> tuple[Callable[[], object], float]:
    """a = b + s c on arrays that no cache holds, as STREAM has it, and the bytes that it moves."""
    b, c, a = (torch.ones(numbers, device=device) for _ in range(3))
    return lambda: torch.add(b, c, alpha=3.0, out=a), 3.0 * 4 * numbers


class Stages:
    """Which stage of an answer is being computed, told by hooks on the model's parts."""

    def __init__(self, model: nn.Module) -> None:
        self.parts = {name: model.get_submodule(name) for name in ("tokenizer", "encoder", "decoder")}
        self.now, self.after = "rest", "rest"
        self.changed: Callable[[str], object] = lambda old: None

    def _to(self, stage: str) -> None:
        self.changed(self.now)
        self.now = stage

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Follow the calls meanwhile."""
        handles = []
        self.now = self.after = "rest"
        for name, part in self.parts.items():

            def enter(*_: object, name: str = name) -> None:
                self.after = "read-out" if name == "decoder" else "rest"
                self._to(name)

            handles.append(part.register_forward_pre_hook(enter))
            handles.append(part.register_forward_hook(lambda *_: self._to(self.after)))
        try:
            yield
            self.changed(self.now)
        finally:
            for handle in handles:
                handle.remove()


class _Counter(TorchDispatchMode):
    """Adds up what every operator does, by the stage that is being computed."""

    def __init__(self, stage: Callable[[], str]) -> None:
        super().__init__()
        self.stage = stage
        self.work: dict[str, Work] = defaultdict(Work)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        counted = func._overloadpacket in flop_registry
        if not counted:
            with self:  # an operator that stands for several
                result = func.decompose(*args, **kwargs)
                if result is not NotImplemented:
                    return result
        result = func(*args, **kwargs)
        flops = flop_registry[func._overloadpacket](*args, **kwargs, out_val=result) if counted else 0
        self.work[self.stage()].add(flops, moved(func, tree_leaves((args, kwargs)), tree_leaves(result)))
        return result


def moved(func: Any, given: Iterable[object], made: Iterable[object]) -> float:
    """The bytes that an operator must read and write; none for a view."""
    name = func._overloadpacket.__name__
    inputs = [t for t in given if isinstance(t, Tensor)]
    outputs = [t for t in made if isinstance(t, Tensor)]
    if name in _MADE or not outputs:
        return 0.0
    lying = {_place(t) for t in inputs}
    writes = func._schema.is_mutable
    if not writes and all(_place(t) in lying for t in outputs):
        return 0.0
    written = sum(map(_size, outputs))
    if name in _LOOK_UPS and inputs:
        return min(_size(inputs[0]), written) + sum(map(_size, inputs[1:])) + written
    return sum(map(_size, inputs)) + written


def _place(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _size(tensor: Tensor) -> float:
    """Bytes of a tensor, those of what is repeated (stride 0) once."""
    numbers = math.prod(n for n, stride in zip(tensor.shape, tensor.stride(), strict=True) if stride or n == 0)
    return float(numbers * tensor.element_size())


def count_stages(model: nn.Module, call: Callable[[], object]) -> dict[str, Work]:
    """What each stage of an answer does in one call."""
    stages = Stages(model)
    with stages.followed(), _Counter(lambda: stages.now) as counter:
        call()
    return dict(counter.work)


def count(call: Callable[[], object]) -> Work:
    """What a whole call does: a training step, say."""
    with _Counter(lambda: "") as counter:
        call()
    return counter.work[""]


def stage_times(model: nn.Module, call: Callable[[], object], device: torch.device) -> dict[str, float]:
    """Seconds that each stage of one call took."""
    stages, spent = Stages(model), dict.fromkeys(STAGES, 0.0)
    last = perf_counter()

    def changed(old: str) -> None:
        nonlocal last
        synchronise(device)
        now = perf_counter()
        spent[old] += now - last
        last = now

    stages.changed = changed
    with stages.followed():
        synchronise(device)
        last = perf_counter()
        call()
    return spent


def bounded(work: Work, seconds: float, peak: float, bandwidth: float) -> dict[str, Any]:
    """A stage against its bound, as plain JSON values; `peak` FLOP/s, `bandwidth` bytes/s."""
    arithmetic, memory = work.flops / peak, work.bytes / bandwidth
    bound = max(arithmetic, memory)
    return {
        "seconds": seconds,
        "flops": work.flops,
        "bytes": work.bytes,
        "operators": work.operators,
        "bound_s": bound,
        "bound_by": "arithmetic" if arithmetic >= memory else "memory",
        "share_of_bound": bound / seconds if seconds > 0 else 0.0,
    }


def medians(rows: list[dict[str, float]]) -> dict[str, float]:
    """The median of each figure."""
    return {name: float(np.median([row[name] for row in rows])) for name in rows[0]}
