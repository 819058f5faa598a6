"""What a model is made of and what it costs, in tables."""

from __future__ import annotations

from rich.console import Group
from rich.table import Table
from rich.text import Text

from ups.checkpoint.cost import _count, cost
from ups.checkpoint.io import Trained
from ups.config import TaskMix
from ups.errors import SettingError
from ups.model.ups import UPS
from ups.skeleton import Skeleton
from ups.skeletons import get_skeleton


def components(model: UPS) -> dict[str, int]:
    """Learned parameters of each part of the model, in the order of the data's way through it."""
    memory = ("frame_memory", "joint_memory", "joint_slot", "memory_norm", "person")
    counts = {name: _count(part) for name, part in model.named_children()}
    return {
        "joint tokenizer": counts["tokenizer"],
        "routed encoder": counts["encoder"],
        "task and block embeddings": counts["router"],
        "decoder's memory": sum(counts[name] for name in memory),
        "decoder": counts["decoder"] + model.output_scale.numel() + model.start_embedding.numel(),
        "token embeddings": counts["vocabulary"],
    }


def describe(trained: Trained, frames: int | None = None, skeleton: str | None = None) -> Group:
    """Parameters, cost and route of each task, and the vocabulary; printable with rich.

    `frames` and the name of a `skeleton` replace the shapes that each task was trained on.
    """
    tasks = Table("task", "route", "frames", "joints", "GFLOPs", "GMACs", "of which decoder", "parameters used")
    mixes = {mix.task: mix for mix in trained.config.train.tasks}
    for name, route in trained.model.routes().items():
        of = get_skeleton(skeleton) if skeleton else _skeleton_of(trained, mixes.get(name))
        usual = mixes[name].frames if name in mixes else TaskMix("", ()).frames
        c = cost(trained, name, usual if frames is None else frames, of)
        blocks = "-".join(str(block + 1) for block in route)
        figures = (f"{c.total / 1e9:.3f}", f"{c.total / 2e9:.3f}", f"{c.decoder / c.total:.0%}", f"{c.parameters:,}")
        tasks.add_row(name, blocks, str(c.frames), f"{len(of)} ({of.name})", *figures)
    state = (
        f"{trained.steps} steps of training" if trained.steps else "not trained: its routes are those it starts with"
    )
    note = (
        "One clip of one person; estimate_pose decodes the pose of one frame. 1 MAC = 2 FLOPs; matrix products and "
        "convolutions are counted, the token embeddings (the same for every input) are not. A route names the block "
        "taken in each layer."
    )
    return Group(
        f"{trained.config.name}: {state}", "", _parameter_table(trained.model), tasks, note, "", _token_table(trained)
    )


def _parameter_table(model: UPS) -> Table:
    table = Table("part", "parameters")
    counts = components(model)
    for name, number in counts.items():
        table.add_row(name, Text(f"{number:,}", justify="right"))
    table.add_section()
    table.add_row("all", Text(f"{sum(counts.values()):,}", justify="right"))
    return table


def _token_table(trained: Trained) -> Table:
    table = Table("tokens", "from", "to", "number", "first text")
    for kind, start, stop in trained.vocabulary.ranges():
        text = trained.vocabulary.text_of(start) if stop > start else ""
        table.add_row(kind, str(start), str(stop - 1), str(stop - start), text)
    return table


def _skeleton_of(trained: Trained, mix: TaskMix | None) -> Skeleton:
    """Of the first data set that the task, or else the model, was trained on."""
    names = mix.stores if mix else ()
    known = [trained.data_sets[name].skeleton for name in (*names, *trained.data_sets) if name in trained.data_sets]
    if not known:
        raise SettingError("the model's data sets are not known here; name a skeleton")
    return known[0]
