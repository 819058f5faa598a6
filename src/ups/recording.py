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

Call = Callable[..., tuple[Tensor, ...]]

_ITEM = torch.Tensor.__setitem__
_TO_PYTHON = (
    torch.Tensor.item, torch.Tensor.tolist, torch.Tensor.__bool__, torch.Tensor.__int__, torch.Tensor.__float__,
    torch.Tensor.__index__,
)  # fmt: skip


def record(call: Call, inputs: Sequence[Tensor]) -> Call:
    """`call(*inputs)` as a function of other inputs of the same shapes and types, which does the same operations.

    What `call` returns must depend on the inputs; its control flow must not. No autocast may be on inside it. The
    tensors that the function returns may be overwritten by its next call. It is not for several threads at once.

    Raises:
        ValueError: control flow that depends on the inputs, or a change of a constant that can't be repeated.
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
        self.reads: dict[fx.Node, set[int]] = {}
        """Storages that each recorded operation reads."""
        self.writes: dict[fx.Node, int] = {}
        """Storage that an operation in place writes to."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation; write it down if it depends on the inputs."""
        if func is torch.Tensor.__iter__:
            return iter(self.__torch_function__(torch.Tensor.unbind, types, args))
        kwargs = kwargs or {}
        tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        result = func(*args, **kwargs)
        self.kept.append((args, kwargs, result))
        storages = {_storage(x) for x in tensors}
        if not storages & self.depends:
            return result
        if func in _TO_PYTHON:
            raise ValueError("a computation whose course depends on its input can't be recorded")
        made = [x for x in tree_leaves(result) if isinstance(x, Tensor)]
        changes = func is _ITEM or _in_place(func)
        if changes and func is not _ITEM and _storage(args[0]) not in self.depends:
            raise ValueError(f"{func.__name__} changes a constant in place, which can't be repeated")
        if not changes and (not made or result is args[0]):
            return result
        node = self.graph.call_function(func, *tree_map_only(Tensor, self.node_of, (args, kwargs)))
        self.reads[node] = storages
        if changes:
            self.writes[node] = _storage(args[0])
            self.depends.add(_storage(args[0]))
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
            self.nodes[id(x)] = self.graph.get_attr(name)
        return self.nodes[id(x)]

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


def _in_place(func: Any) -> bool:
    """Whether a function changes its first argument, by PyTorch's naming: `add_`, `__iadd__`."""
    name = func.__name__
    return (
        name.endswith("_") and not name.endswith("__") or name in ("__iadd__", "__isub__", "__imul__", "__itruediv__")
    )
