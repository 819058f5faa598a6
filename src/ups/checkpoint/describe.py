"""What a model is made of and what it costs, and what an evaluation found, in tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from torch.utils.flop_counter import FlopCounterMode

from ups.batch import CONTEXT, Poses
from ups.checkpoint.io import Trained, load, locate
from ups.config import Config, TaskMix
from ups.data.datasets.h36m import H36M_ACTIONS
from ups.data.datasets.registry import DATA_SETS
from ups.model.decoding import decode
from ups.model.ups import UPS
from ups.recipes import RECIPES
from ups.skeleton import Skeleton, get_skeleton
from ups.tasks import TASKS, get_task
from ups.tokens.text_encoders import get_text_encoder
from ups.tokens.vocabulary import Vocabulary


@dataclass(frozen=True)
class Cost:
    """Floating-point operations of one answer: one clip of one person, batch size 1. 1 MAC = 2 FLOPs.

    Matrix products and convolutions are counted, as is usual; norms, activations and look-ups are not.

    Attributes:
        frames, skeleton: shape of the input.
        encoder: joint tokenizer, encoder, and what makes the decoder's memory of their output.
        decoder: all steps of one sequence: one action, or the pose of one frame.
        parameters: those that take part, i.e. without the blocks that the task's route leaves out.
    """

    frames: int
    skeleton: Skeleton
    encoder: int
    decoder: int
    parameters: int

    @property
    def total(self) -> int:
        """FLOPs of encoder and decoder."""
        return self.encoder + self.decoder


def load_or_build(what: str) -> Trained:
    """The model in a checkpoint folder, or an untrained one of the recipe called `what`.

    Raises:
        ValueError: neither; a damaged checkpoint (`CheckpointError`).
    """
    if locate(what).is_dir():
        return load(what)
    if what in RECIPES:
        return untrained(RECIPES[what])
    raise ValueError(f"{what!r} is neither a checkpoint folder nor a recipe; recipes: {', '.join(RECIPES)}")


def untrained(config: Config) -> Trained:
    """A model of the config's size with the classes of its data sets; it needs no stores, and its texts mean nothing."""
    names = dict.fromkeys(entry.split(":")[0] for mix in config.train.tasks for entry in mix.data)
    data_sets = {name: (DATA_SETS[name].classes, DATA_SETS[name].skeleton) for name in names if name in DATA_SETS}
    eots = tuple(dict.fromkeys(task.eot for task in TASKS.values()))
    classes = tuple(text for texts, _ in data_sets.values() for text in texts)
    m = config.model
    vocabulary = Vocabulary(m.bins, -m.range_m, m.range_m, eots, classes)
    width = get_text_encoder(m.text_encoder).encode(["walk"]).shape[1]
    torch.manual_seed(config.train.seed)  # the routes are those that training starts with
    model = UPS(m, tuple(TASKS), torch.zeros(vocabulary.size, width)).eval()
    return Trained(model, config, vocabulary, data_sets)


def components(model: UPS) -> dict[str, int]:
    """Learned parameters of each part of the model, in the order of the data's way through it."""
    memory = ("frame_memory", "joint_memory", "joint_slot", "memory_norm", "person")
    counts = {name: _count(part) for name, part in model.named_children()}
    return {
        "joint tokenizer": counts["tokenizer"],
        "routed encoder": counts["encoder"],
        "task and block embeddings": counts["router"],
        "decoder's memory": sum(counts[name] for name in memory),
        "decoder": counts["decoder"] + model.output_scale.numel(),
        "token embeddings": counts["vocabulary"],
    }


def cost(trained: Trained, task: str, frames: int, skeleton: Skeleton) -> Cost:
    """FLOPs of one answer of `task` for one person in `frames` frames; see `Cost`.

    Raises:
        ValueError: a task that the model does not know, or no frame.
    """
    if frames < 1:
        raise ValueError(f"{frames} frames; at least 1 is needed")
    model, skeleton = trained.model, skeleton.sorted_by_slot()
    poses = Poses(
        torch.zeros(1, frames, len(skeleton), 3),
        torch.ones(1, frames, len(skeleton), dtype=torch.bool),
        torch.ones(1, frames, dtype=torch.bool),
        torch.zeros(1, CONTEXT),
        torch.zeros(1, dtype=torch.long),
        1,
        skeleton,
    )
    layout = get_task(task).layout(trained.vocabulary, skeleton, trained.vocabulary.classes)
    wanted = torch.tensor([[frames // 2]]) if layout.per_frame else None
    values = torch.from_numpy(trained.vocabulary.token_values)
    model.requires_grad_(False)  # the counter's hooks want gradients otherwise
    with torch.no_grad():
        encoder, (memory, mask) = count_flops(lambda: model.memory(task, poses, layout, wanted))
        decoder, _ = count_flops(lambda: decode(model, task, memory, mask, layout, values))
        embeddings, _ = count_flops(model.vocabulary)  # the same for every input, so no part of an answer's cost
    route = model.routes()[task]
    idle = 0 if model.encoder.dense else sum(
        _count(block)
        for chosen, layer in zip(route, model.encoder.layers, strict=True)
        for i, block in enumerate(layer.children())
        if i != chosen
    )  # fmt: skip
    return Cost(frames, skeleton, encoder, decoder - embeddings, _count(model) - idle)


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


def headline(metrics: dict[str, Any]) -> list[tuple[str, str]]:
    """The figures of one task's evaluation that matter most, as (name, text with its unit)."""
    if "top1" in metrics:
        return [("top-1", f"{metrics['top1']:.1%}"), ("top-5", f"{metrics['top5']:.1%}")]
    if "top1_at" in metrics:
        curve = [(f"top-1 of first {ratio}", f"{value:.1%}") for ratio, value in metrics["top1_at"].items()]
        return [*curve, ("area under curve", f"{metrics['area_under_curve']:.1%}")]
    return [("MPJPE", f"{metrics['mpjpe_mm']:.1f} mm"), ("P-MPJPE", f"{metrics['p_mpjpe_mm']:.1f} mm")]


def result_tables(results: dict[str, dict[str, Any]]) -> Group:
    """What `ups.evaluation.evaluate.evaluate` found, printable with rich: the main figures, then pose errors by action."""
    main = Table("task", "data set", "protocol", "clips", "metric", "value")
    tables: list[RenderableType] = [main]
    for key, metrics in results.items():
        task, _, entry = key.partition("/")
        data_set, _, protocol = entry.partition(":")
        for i, (name, value) in enumerate(headline(metrics)):
            left = (task, data_set, protocol, str(metrics["clips"])) if i == 0 else ("", "", "", "")
            main.add_row(*left, name, Text(value, justify="right"))
        main.add_section()
        if "mpjpe_mm_per_action" in metrics:
            actions = Table("action", "MPJPE, mm", "P-MPJPE, mm", title=f"{data_set}:{protocol}")
            aligned = metrics["p_mpjpe_mm_per_action"]
            for action, error in metrics["mpjpe_mm_per_action"].items():
                name = H36M_ACTIONS.get(action, action) if data_set.startswith("h36m") else action
                actions.add_row(name, f"{error:.1f}", f"{aligned[action]:.1f}")
            actions.add_section()
            actions.add_row("mean", f"{metrics['mpjpe_mm']:.1f}", f"{metrics['p_mpjpe_mm']:.1f}")
            tables.append(actions)
    return Group(*tables)


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
    names = [entry.split(":")[0] for entry in mix.data] if mix else []
    known = [trained.data_sets[name][1] for name in (*names, *trained.data_sets) if name in trained.data_sets]
    if not known:
        raise ValueError("the model's data sets are not known here; name a skeleton")
    return known[0]


def _count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def count_flops(call: Callable[[], Any]) -> tuple[int, Any]:
    """Floating-point operations of the matrix products and convolutions that a call makes, and what it returns."""
    with FlopCounterMode(display=False) as counter:
        result = call()
    return counter.get_total_flops(), result
