"""Training (paper 3.5): tasks in rotation, one an iteration; then fine-tuning of one task along its route.

A step is a function of (config, step number, state): batches and random numbers are derived from the seed and the step,
so a resumed run continues bit for bit on a CPU. Several processes share out a step's micro-batches (docs/scale.md).
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections import defaultdict
from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from ups.batch import CLASS_POSITION, Batch, Layout
from ups.checkpoint.io import CheckpointError, Trained, load, load_training, save
from ups.checkpoint.open_vocabulary import add_classes
from ups.config import Config, TaskMix, TrainConfig, from_dict, to_dict
from ups.data.loader import Stream, balanced, prefetch, split_of
from ups.data.store.store import Store
from ups.model.ups import UPS, Choice
from ups.pose import PoseError, PoseSequence
from ups.runtime.distributed import (
    Interrupt,
    any_of,
    average_gradients,
    clip_gradients,
    gathered,
    held_like,
    is_first,
    local,
    mean,
    start,
    whole,
)
from ups.tasks import TASKS, get_task
from ups.tasks.task import Task, collate
from ups.tokens.text_encoders import get_text_encoder
from ups.tokens.vocabulary import Vocabulary, canonical_text, token_features
from ups.training.progress import Reporter

log = logging.getLogger("ups")


class TrainingError(RuntimeError):
    """A run that can't go on; the message names task, step and the last good checkpoint."""


def open_stores(config: TrainConfig, folder: Path) -> dict[str, Store]:
    """Every store that the mixture names, by store name."""
    names = dict.fromkeys(entry.split(":")[0] for mix in config.tasks for entry in mix.data)
    return {name: Store.open(Path(folder) / name) for name in names}


def new_model(config: Config, stores: dict[str, Store], tasks: tuple[Task, ...] = tuple(TASKS.values())) -> Trained:
    """An untrained model whose vocabulary holds the classes of the stores and the EOTs of the tasks."""
    data_sets = {name: (store.classes, store.skeleton) for name, store in stores.items()}
    classes = tuple(text for names, _ in data_sets.values() for text in names)
    eots = tuple(dict.fromkeys(task.eot for task in tasks))
    m = config.model
    vocabulary = Vocabulary(m.bins, -m.range_m, m.range_m, eots, classes)
    features = token_features(vocabulary, get_text_encoder(m.text_encoder))
    torch.manual_seed(config.train.seed)
    model = UPS(m, tuple(task.name for task in tasks), torch.from_numpy(features.values))
    return Trained(model, config, vocabulary, data_sets, features.class_mean, features.class_scale)


def started_from(trained: Trained, config: Config, stores: dict[str, Store]) -> Trained:
    """The weights of a trained model, for another run on all tasks of `config`; classes that it does not know are added.

    Raises:
        ValueError: the config's model is of other sizes, or trains a task that the model does not know.
    """
    have, want = to_dict(trained.config.model), to_dict(config.model)
    if differ := [f"{key} is {have[key]}, the run's {want[key]}" for key in want if have[key] != want[key]]:
        raise ValueError(f"the model to start from is of other sizes: {'; '.join(differ)}")
    for mix in config.train.tasks:
        trained.model.task_index(mix.task)
    return with_data_sets(replace(trained, config=config, steps=0), stores)


def make_batch(
    task: Task, mix: TaskMix, targets: int, vocabulary: Vocabulary,
    clips: list[PoseSequence], classes: tuple[str, ...], rng: np.random.Generator,
) -> Batch:  # fmt: skip
    """Augmented examples of the clips as one batch; a task's side of the loader."""
    examples = [task.training_example(clip, classes, mix.frames, targets, rng) for clip in clips]
    return collate(task, examples, vocabulary, clips[0].skeleton.sorted_by_slot(), classes)


def streams_of(trained: Trained, stores: dict[str, Store], tasks: dict[str, Task]) -> list[Stream]:
    """One stream of batches for each task of the mixture, in rotation order."""
    c = trained.config.train
    streams = []
    if not c.tasks:
        raise ValueError("the configuration names no task to train on")
    for i, mix in enumerate(c.tasks):
        if mix.batch < c.accumulate:
            raise ValueError(f"task {mix.task}: a batch of {mix.batch} can't be cut into {c.accumulate} micro-batches")
        pools = []
        for entry in mix.data:
            name, _, protocol = entry.partition(":")
            if not protocol:
                raise PoseError(f"task {mix.task}: data {entry!r} names no protocol; write STORE:PROTOCOL")
            indices = split_of(stores[name], protocol, "train", c.hold_out, c.seed)
            pools.append((stores[name], balanced(indices, stores[name].labels[indices], mix.balance)))
        task = tasks[mix.task]
        make = partial(make_batch, task, mix, c.target_frames, trained.vocabulary)
        film = task.name == "estimate_pose"
        streams.append(
            Stream(
                pools,
                mix.batch // c.accumulate,
                make,
                c.cycles * c.accumulate,
                c.seed * 16 + i,
                c.mixing_temperature,
                film,
                mix.shares,
            )
        )
    return streams


def sequence_loss(
    choices: list[Choice], batch: Batch, vocabulary: Vocabulary, config: TrainConfig
) -> tuple[Tensor, Tensor]:
    """Negative log-likelihood of the target tokens (equation 3), mean over sequences and steps.

    Coordinate targets are smoothed over neighbouring bins, class targets over the data set's classes. Where
    `config.expectation` is set, the distance (in decimetres) between the expectation over an axis's bins, which is what
    is read out, and the target bin's centre is added.

    Returns:
        The loss, and the negative log-likelihood alone.
    """
    nll, extra = batch.weights.new_zeros(()), batch.weights.new_zeros(())
    for choice in choices:
        target, weight = batch.tokens[:, choice.steps], batch.weights[:, choice.steps]
        log_p = choice.scores.float().log_softmax(-1)
        if batch.layout.positions[choice.steps[0]] < CLASS_POSITION:
            bin_number = target - choice.ids[0]
            loss = _smoothed(log_p, bin_number, config.smooth_bins)
            if config.expectation > 0:
                centres = torch.from_numpy(vocabulary.bin_centres).to(log_p.device)
                distance = ((log_p.exp() * centres).sum(-1) - centres[bin_number]).abs()
                extra = extra + 10 * config.expectation * (distance * weight).sum()
        else:
            loss = -log_p.gather(-1, target[..., None])[..., 0]
            if batch.layout.positions[choice.steps[0]] == CLASS_POSITION and config.smooth_labels > 0:
                classes = torch.tensor(batch.layout.allowed[choice.steps[0]], device=target.device)
                spread = -log_p[:, 0, classes].mean(-1)
                first = (1 - config.smooth_labels) * loss[:, 0] + config.smooth_labels * spread
                loss = torch.cat([first[:, None], loss[:, 1:]], dim=1)
        nll = nll + (loss * weight).sum()
    count = batch.weights.sum()
    return (nll + extra) / count, nll.detach() / count


def _smoothed(log_p: Tensor, target: Tensor, deviation: float) -> Tensor:
    """Cross-entropy of (..., bins) with a Gaussian of `deviation` bins around the target bin (...)."""
    if deviation == 0:
        return -log_p.gather(-1, target[..., None])[..., 0]
    reach = math.ceil(3 * deviation)
    offsets = torch.arange(-reach, reach + 1, device=target.device)
    weight = torch.softmax(-(offsets.float() ** 2) / (2 * deviation**2), 0)
    near = (target[..., None] + offsets).clamp(0, log_p.shape[-1] - 1)
    return -(log_p.gather(-1, near) * weight).sum(-1)


def drop_mask(layout: Layout, tokens: Tensor) -> Tensor | None:
    """Which tokens to hide from the decoder, (Q, K): a ratio from U(0, 1) for each sequence (as Pix2Seq does)."""
    if not layout.per_frame:
        return None
    ratio = torch.rand(len(tokens), 1, device=tokens.device)
    return torch.rand(tokens.shape, device=tokens.device) < ratio


def parameter_groups(model: UPS, config: TrainConfig) -> list[dict[str, Any]]:
    """AdamW groups: matrices with weight decay; norms, biases, embeddings without; the router at its own rate.

    What processes share out is apart from what each of them holds: PyTorch can't step both at once.
    """
    groups: dict[tuple[str, bool], list[Tensor]] = defaultdict(list)
    for name, p in model.named_parameters():
        embedding = any(part in name for part in ("slot", "position", "person", "residual", "absent", "dropped"))
        kind = "router" if name.startswith("router") else "plain" if p.dim() < 2 or embedding else "matrix"
        groups[kind, isinstance(p, DTensor)].append(p)
    decay = {"matrix": config.weight_decay, "plain": 0.0, "router": 0.0}
    rate = {"matrix": 1.0, "plain": 1.0, "router": config.route_learning_rate}
    order = sorted(groups, key=lambda key: list(decay).index(key[0]))
    return [{"params": groups[key], "weight_decay": decay[key[0]], "rate": rate[key[0]]} for key in order]


def learning_rate(config: TrainConfig, progress: float) -> float:
    """Linear warm-up, then a cosine to 0; `progress` in 0..1."""
    if progress < config.warmup:
        return config.learning_rate * progress / config.warmup
    done = (progress - config.warmup) / max(1 - config.warmup, 1e-9)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def set_routing(model: UPS, config: TrainConfig, progress: float) -> None:
    """Anneal the Gumbel-softmax: temperature geometrically, noise linearly to 0 at the end of exploration."""
    left = max(0.0, 1 - progress / config.explore) if config.explore > 0 else 0.0
    start, end = config.route_temperature
    model.router.noise = left
    model.router.temperature = end * (start / end) ** left


class Average:
    """Exponential running average of a model's parameters, warmed up so that early steps count less."""

    def __init__(self, model: UPS, decay: float) -> None:
        self.decay = decay
        self.values = {name: p.detach().clone() for name, p in model.named_parameters()}

    @torch.no_grad()
    def update(self, model: UPS, step: int) -> None:
        """Move towards the model's parameters after optimiser step `step` (from 0)."""
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        parameters = dict(model.named_parameters())
        torch._foreach_lerp_(  # pyright: ignore[reportPrivateImportUsage]
            [local(value) for value in self.values.values()], [local(parameters[name]) for name in self.values], weight
        )


class Run:
    """A training run: model, optimiser, average and step, which together are what a checkpoint holds.

    Raises:
        ValueError: a step's micro-batches can't be shared by the processes there are.
    """

    def __init__(self, trained: Trained, output: Path) -> None:
        self.trained, self.output = trained, Path(output)
        self.config = trained.config.train
        self.fabric = start(self.config.precision, self.config.strategy)
        if self.config.accumulate % self.fabric.world_size:
            raise ValueError(
                f"{self.config.accumulate} micro-batches a step can't be shared by {self.fabric.world_size} processes; "
                f"set train.accumulate to {self.fabric.world_size} or a multiple of it"
            )
        self.model = trained.model.to(self.fabric.device)
        self.wrapped = self.fabric.setup_module(self.model)
        groups = parameter_groups(self.model, self.config)
        self.optimizer = torch.optim.AdamW(groups, lr=self.config.learning_rate, betas=(0.9, 0.98), fused=True)
        self.wrapped_optimizer: Any = self.fabric.setup_optimizers(self.optimizer)
        self.average = Average(self.model, self.config.ema)
        self.step = 0

    @property
    def total(self) -> int:
        """Optimiser steps of the whole run."""
        return self.config.cycles * len(self.config.tasks)

    @property
    def folder(self) -> Path:
        """Where the checkpoint lies."""
        return self.output / "checkpoint"

    def weights(self) -> dict[str, Tensor]:
        """The weights that answer: the running average where one is kept."""
        state = dict(self.model.state_dict())
        if self.config.ema > 0:
            state.update(self.average.values)
        return {name: whole(value) for name, value in state.items()}

    def save(self, resumable: bool = True) -> None:
        """Write the checkpoint atomically; every process must call, the first one writes."""
        tensors: dict[str, Tensor] = {}
        names = {p: name for name, p in self.model.named_parameters()}
        for p, name in names.items():
            tensors[f"raw.{name}"] = whole(p.detach())
            tensors[f"average.{name}"] = whole(self.average.values[name])
            for key, value in self.optimizer.state.get(p, {}).items():
                tensors[f"optimizer.{key}.{name}"] = whole(value)
        self.trained.steps = self.step
        training = {"tensors": tensors, "facts": {"step": self.step}} if resumable else None
        weights = self.weights()
        if is_first():
            save(self.trained, self.folder, weights, training)
        self.fabric.barrier()

    def resume(self) -> bool:
        """Continue from the checkpoint in the output folder, if there is one that this config wrote.

        Raises:
            CheckpointError: it is of another config, or not the same for all processes.
        """
        state = load_training(self.folder)
        steps = gathered(state and state["facts"]["step"])
        if len(set(steps)) > 1:
            raise CheckpointError(f"{self.folder}: processes find different steps ({steps}); share one folder")
        if state is None:
            return False
        saved = json.loads((self.folder / "model.json").read_text())["config"]
        if from_dict(Config, saved) != self.trained.config:
            raise CheckpointError(
                f"{self.folder}: holds a run with another configuration; give another output folder, or remove this one"
            )
        tensors = state["tensors"]
        with torch.no_grad():
            for name, p in self.model.named_parameters():
                p.copy_(held_like(tensors[f"raw.{name}"], p))
                self.average.values[name].copy_(held_like(tensors[f"average.{name}"], p))
                if f"optimizer.step.{name}" in tensors:
                    self.optimizer.state[p] = {
                        "step": tensors[f"optimizer.step.{name}"].to(p.device),
                        "exp_avg": held_like(tensors[f"optimizer.exp_avg.{name}"], p),
                        "exp_avg_sq": held_like(tensors[f"optimizer.exp_avg_sq.{name}"], p),
                    }
        self.step = int(state["facts"]["step"])
        return True

    def take_step(self, task: str, batches: list[Batch]) -> float:
        """One optimiser step on this process's micro-batches of one task; returns the loss over those of all."""
        config = self.config
        seed = config.seed * 1_000_003 + self.step
        number = self.fabric.global_rank * len(batches)
        self.model.router.seed = seed if len(batches) * self.fabric.world_size > 1 else None
        progress = self.step / self.total
        set_routing(self.model, config, progress)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(config, progress) * group["rate"]
        total = 0.0
        for i, batch in enumerate((b.to(self.fabric.device) for b in batches), number):
            torch.manual_seed(seed + i * 2_654_435_761)  # the same wherever micro-batch i is computed
            drop = drop_mask(batch.layout, batch.tokens) if config.drop_inputs else None
            choices = self.wrapped(task, batch, drop)
            loss, likelihood = sequence_loss(choices, batch, self.trained.vocabulary, config)
            self.fabric.backward(loss / len(batches))
            total += float(likelihood) / len(batches)
        average_gradients(self.model)
        norm = clip_gradients(self.model, config.clip_norm)
        total = mean(self.fabric, total)
        if not math.isfinite(total) or not math.isfinite(norm):
            self.optimizer.zero_grad()
            raise TrainingError(
                f"the loss of task {task} became {total}, its gradient's norm {norm}, at step {self.step}; last good "
                f"checkpoint: {self.folder if self.folder.exists() else 'none yet'}; lower the learning rate or use float32"
            )
        self.wrapped_optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.average.update(self.model, self.step)
        self.step += 1
        return total

    def finish(self) -> None:
        """Save, and leave the weights that answer in the model, whole and in evaluation mode."""
        self.save(resumable=self.step < self.total)
        if any(isinstance(p, DTensor) for p in self.model.parameters()):
            self.trained.model = load(self.folder).model.to(self.fabric.device)
        else:
            self.model.load_state_dict(self.weights())
        self.trained.model.eval()


def train(
    trained: Trained,
    stores: dict[str, Store],
    output: Path,
    tasks: dict[str, Task] | None = None,
    stop_after: int | None = None,
) -> Trained:
    """Run (or resume) the training that `trained.config` describes, and write OUTPUT/checkpoint and OUTPUT/log.jsonl.

    Args:
        trained: a model from `new_model`, or one to fine-tune.
        stores: the data, by name.
        output: folder of the run; a checkpoint in it with the same config is continued.
        tasks: the tasks by name; the package's own where None.
        stop_after: end after that many steps with a resumable checkpoint, as if interrupted.

    Returns:
        The model with the weights that answer, in evaluation mode.

    Raises:
        TrainingError: the loss is no longer finite.
        KeyboardInterrupt: after the checkpoint was saved, on Ctrl-C in any process, SIGTERM or SIGUSR1.
    """
    run = Run(trained, output)
    config = run.config
    Path(output).mkdir(parents=True, exist_ok=True)
    if run.resume() and is_first():
        log.info("continuing %s at step %d of %d", run.folder, run.step, run.total)
    streams = streams_of(trained, stores, tasks or TASKS)
    names = [mix.task for mix in config.tasks]
    batches = _micro_batches(run, streams)
    end = run.total if stop_after is None else min(run.total, stop_after)
    saved = time.monotonic()
    try:
        with ExitStack() as stack:
            reporter = stack.enter_context(Reporter(run)) if is_first() else None
            interrupt = stack.enter_context(Interrupt())
            run.model.train()
            while run.step < end:
                task = names[run.step % len(names)]
                micro = next(batches)
                loss = run.take_step(task, micro)
                if reporter is not None:
                    reporter.step(task, loss, sum(b.poses.clips for b in micro) * run.fabric.world_size)
                due = time.monotonic() - saved > 60 * config.checkpoint_minutes
                stop, due = any_of(run.fabric, interrupt.requested, due)
                if stop or due:
                    run.save()
                    saved = time.monotonic()
                if stop:
                    told = "interrupted at step %d; saved in %s, the same command continues"
                    log.log(logging.WARNING if is_first() else logging.DEBUG, told, run.step, run.folder)
                    raise KeyboardInterrupt
    finally:
        batches.close()
    run.finish()
    return trained


def _micro_batches(run: Run, streams: list[Stream]) -> Generator[list[Batch], None, None]:
    """This process's micro-batches of one step after the other, from the run's next step on."""
    accumulate, fabric = run.config.accumulate, run.fabric
    batches = prefetch(streams, run.step, run.config.workers, accumulate, fabric.global_rank, fabric.world_size)
    while micro := list(islice(batches, accumulate // fabric.world_size)):
        yield micro


def fine_tune(
    trained: Trained,
    task: str,
    stores: dict[str, Store],
    output: Path,
    cycles: int,
    learning_rate: float,
    data: tuple[str, ...] = (),
) -> Trained:
    """Continue training on one task along its route, which stays as it is (paper 5: "then fine-tuned on each task").

    `data` = STORE:PROTOCOL entries replace the task's data sets; class names that the model does not know yet are added
    to its vocabulary by their text.

    Raises:
        ValueError: a task that the model was not trained on.
        PoseError: clips that the task can't learn from.
    """
    mixes = [mix for mix in trained.config.train.tasks if mix.task == get_task(task).name]
    if not mixes:
        raise ValueError(f"the model was not trained on task {task!r}, so there is nothing to fine-tune")
    if data:
        mixes = [replace(mixes[0], data=data, shares=())]
        names = dict.fromkeys(entry.partition(":")[0] for entry in data)
        trained = with_data_sets(trained, {name: stores[name] for name in names})
    config = replace(
        trained.config.train, tasks=tuple(mixes), cycles=cycles, learning_rate=learning_rate, explore=0.0,
        route_learning_rate=0.0,
    )  # fmt: skip
    tuned = replace(trained, config=replace(trained.config, train=config))
    return train(tuned, stores, output)


def with_data_sets(trained: Trained, stores: dict[str, Store]) -> Trained:
    """A model that also knows the skeletons and class names of these stores; its answers about others stay as they are."""
    known = set(trained.vocabulary.classes)
    new = tuple(c for store in stores.values() for c in store.classes if canonical_text(c) not in known)
    if new:
        trained = add_classes(trained, list(new))
    data_sets = {name: (store.classes, store.skeleton) for name, store in stores.items()}
    return replace(trained, data_sets={**trained.data_sets, **data_sets})
