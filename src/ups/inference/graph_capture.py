"""A computation recorded once for inputs of one shape, and played again without what does not depend on them.

One answer about one clip costs little arithmetic. What takes the time is Python code, and values that are the same every
time: the vocabulary's embedding, weights gathered for a skeleton's joints, layouts and masks. A recording holds only the
operations whose result depends on the input and is needed; all else that they read is kept as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map_only

from ups.errors import SettingError

Call = Callable[..., tuple[Tensor, ...]]

_CHANGING = ("__setitem__", "__iadd__", "__isub__", "__imul__", "__itruediv__")
_TO_PYTHON = (
    torch.Tensor.item, torch.Tensor.tolist, torch.Tensor.__bool__, torch.Tensor.__int__, torch.Tensor.__float__,
    torch.Tensor.__index__,
)  # fmt: skip


def record(call: Call, inputs: Sequence[Tensor]) -> Call:
    """`call(*inputs)` as a function of other inputs of the same shapes and types, which does the same operations.

    The control flow of `call` must not depend on the inputs, and no autocast may be on inside it. The tensors that the
    function returns may be overwritten by its next call. It is not for several threads at once.

    Raises:
        SettingError: control flow that depends on the inputs.
    """
    inputs = [x.clone() for x in inputs]
    recorder = _Recorder(inputs)
    with torch.inference_mode():
        with recorder:
            results = call(*inputs)
        recorder.finish(results)
    module = fx.GraphModule(recorder.constants, recorder.graph)
    vars(module).update(module._buffers)  # attributes of the object itself are found several times faster
    forward = module.forward

    def play(*inputs: Tensor) -> tuple[Tensor, ...]:
        with torch.inference_mode():
            return forward(*inputs)

    return play


class _Recorder(TorchFunctionMode):
    """Writes down the operations that read what depends on the inputs.

    A tensor depends on them if its storage does; so all views of a buffer do once a part of it was written.
    """

    def __init__(self, inputs: Sequence[Tensor]) -> None:
        self.graph, self.constants = fx.Graph(), torch.nn.Module()
        self.kept: list[Any] = list(inputs)  # nothing is freed while recording, so ids and storages stay unique
        self.nodes = {id(x): self.graph.placeholder(f"input_{i}") for i, x in enumerate(inputs)}
        self.depends = {_storage(x) for x in inputs}
        self.constant: set[int] = set()
        """Storages that recorded operations read and none wrote to yet."""
        self.begin = self.graph.call_function(_begin)
        self.reads: dict[fx.Node, set[int]] = {}
        """Storages that each recorded operation reads."""
        self.writes: dict[fx.Node, int] = {}
        """Storage that an operation in place writes to."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation; write it down if it depends on the inputs."""
        if func is torch.Tensor.__iter__:
            return iter(self.__torch_function__(torch.Tensor.unbind, types, args))
        kwargs = kwargs or {}
        storages = {_storage(x) for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)}
        changes, matters = _in_place(func), bool(storages & self.depends)
        if changes and (place := _storage(args[0])) not in self.depends and (matters or place in self.constant):
            self.restore(args[0])
            matters = True
        result = func(*args, **kwargs)
        self.kept.append((args, kwargs, result))
        if not matters:
            return result
        if func in _TO_PYTHON:
            raise SettingError("a computation whose course depends on its input can't be recorded")
        made = [x for x in tree_leaves(result) if isinstance(x, Tensor)]
        if not changes and (not made or result is args[0]):
            return result
        node = self.graph.call_function(func, *tree_map_only(Tensor, self.node_of, (args, kwargs)))
        self.reads[node] = storages
        if changes:
            self.writes[node] = _storage(args[0])
            return result
        self.depends.update(map(_storage, made))
        if isinstance(result, Tensor):
            self.nodes[id(result)] = node
            return result
        for i, x in enumerate(made):
            self.nodes[id(x)] = self.graph.call_function(_part, (node, i))
            self.reads[self.nodes[id(x)]] = {_storage(x)}
        return result

    def node_of(self, x: Tensor) -> fx.Node:
        """The node of a tensor; one that no recorded operation made is kept: a constant, or a buffer to write to."""
        if id(x) not in self.nodes:
            name = f"constant_{len(self.nodes)}"
            self.constants.register_buffer(name, x.detach())
            self.constant.add(_storage(x))
            self.nodes[id(x)] = self.graph.get_attr(name)
        return self.nodes[id(x)]

    def restore(self, x: Tensor) -> None:
        """Let every playing begin with what a buffer holds now, before it is changed for the first time."""
        whole = torch.empty(0, dtype=x.dtype, device=x.device).set_(x.untyped_storage())
        now = whole.clone()
        self.kept.append((whole, now))
        with self.graph.inserting_before(self.begin):
            node = self.graph.call_function(torch.Tensor.copy_, (self.node_of(whole), self.node_of(now)))
        self.reads[node], self.writes[node] = set(), _storage(x)
        self.depends.add(_storage(x))

    def finish(self, results: Sequence[Tensor]) -> None:
        """End the graph with the results, and leave out what they don't need."""
        self.graph.output(tuple(self.node_of(x) for x in results))
        needed = {_storage(x) for x in results}
        for node in reversed(list(self.graph.nodes)):
            if node.op in ("output", "placeholder"):
                continue
            if node.users or self.writes.get(node) in needed:
                needed |= self.reads.get(node, set())
            else:
                self.graph.erase_node(node)


def _storage(x: Tensor) -> int:
    return x.untyped_storage()._cdata


def _part(values: Sequence[Tensor], i: int) -> Tensor:
    return values[i]


def _begin() -> None:
    """Marks where buffers are restored."""


def _in_place(func: Any) -> bool:
    """Whether a function changes its first argument, by PyTorch's naming: `add_`, `__iadd__`, and `x[...] = y`."""
    name = func.__name__
    return name in _CHANGING or (name.endswith("_") and not name.endswith("__"))
