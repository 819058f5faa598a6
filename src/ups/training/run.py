"""A training run's state: a step, a checkpoint, a resumption. A step is a function of (config, step number, state)."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from ups.batch import Batch
from ups.checkpoint.io import STEP, Trained, load, load_training, save
from ups.config import Config, from_dict
from ups.errors import CheckpointError, SettingError, TrainingError
from ups.files import tidy
from ups.runtime.distributed import (
    all_gather,
    average_gradients,
    clip_gradients,
    full_tensor,
    is_first,
    mean,
    shard_like,
    start,
)
from ups.training.loss import drop_mask, sequence_loss
from ups.training.optimizer import Average, learning_rate, parameter_groups, set_routing
from ups.training.progress import State


def check_unfinished(output: Path) -> None:
    """Raises SettingError where a run's folder holds a finished model, which is not trained over again by mistake.

    What its process left beside it, where it was killed right after the model took its place, is removed: no other
    writer comes there.
    """
    folder = Path(output) / "checkpoint"
    if (folder / "model.json").exists() and not (folder / STEP).exists():
        tidy(folder)
        raise SettingError(f"{folder} holds a model whose training is finished; give another --output, or remove it")


class Run:
    """A training run: model, optimiser, average and step, which together are what a checkpoint holds.

    Args:
        trained: the model as it begins.
        output: folder of the run.
        data: fingerprints of the stores by name, by which a resumed run notices that its data have changed.

    Raises:
        SettingError: a step's micro-batches can't be shared by the processes there are.
    """

    def __init__(self, trained: Trained, output: Path, data: dict[str, str] | None = None) -> None:
        trained.calibration = {}  # training changes what was measured
        self.trained, self.output, self.data = trained, Path(output), data or {}
        self.config = trained.config.train
        self.fabric = start(self.config.precision, self.config.strategy)
        if self.config.accumulate % self.fabric.world_size:
            raise SettingError(
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

    def state(self) -> State:
        """What the log tells of the run as it is."""
        gaps = {task: self.model.router.gaps(i) for i, task in enumerate(self.model.tasks)}
        return State(self.optimizer.param_groups[0]["lr"], self.model.routes(), gaps)

    def weights(self) -> dict[str, Tensor]:
        """The weights that answer: the running average where one is kept."""
        state = dict(self.model.state_dict())
        if self.config.ema > 0:
            state.update(self.average.values)
        return {name: full_tensor(value) for name, value in state.items()}

    def save(self, resumable: bool = True) -> None:
        """Write the checkpoint atomically; every process must call, the first one writes."""
        tensors: dict[str, Tensor] = {}
        names = {p: name for name, p in self.model.named_parameters()}
        for p, name in names.items():
            tensors[f"raw.{name}"] = full_tensor(p.detach())
            tensors[f"average.{name}"] = full_tensor(self.average.values[name])
            for key, value in self.optimizer.state.get(p, {}).items():
                tensors[f"optimizer.{key}.{name}"] = full_tensor(value)
        self.trained.steps = self.step
        training = {"tensors": tensors, "facts": {"step": self.step, "data": self.data}} if resumable else None
        weights = self.weights()
        if is_first():
            save(self.trained, self.folder, weights, training)
        self.fabric.barrier()

    def resume(self) -> bool:
        """Continue from the checkpoint in the output folder, if there is one that this config wrote.

        Raises:
            CheckpointError: it is damaged, of another config or other data, or not the same for all processes.
            SettingError: the run there is finished.
        """
        state = load_training(self.folder)
        step = state["facts"]["step"] if state else None
        before = state["facts"].get("data", {}) if state else {}
        differ = [name for name, now in self.data.items() if before.get(name, now) != now]
        found = all_gather((step, differ))
        if len(steps := {number for number, _ in found}) > 1:
            raise CheckpointError(f"{self.folder}: processes find different steps ({steps}); share one folder")
        if changed := next((names for _, names in found if names), None):
            raise CheckpointError(
                f"{self.folder}: the data in {', '.join(changed[:3])} have changed since step {step}; restore them, or begin "
                "anew in another output folder, with --start from these weights"
            )
        if state is None:
            check_unfinished(self.output)
            return False
        saved = json.loads((self.folder / "model.json").read_text())["config"]
        if from_dict(Config, saved) != self.trained.config:
            raise CheckpointError(
                f"{self.folder}: holds a run with another configuration; give another output folder, or remove this one"
            )
        tensors = state["tensors"]
        if missing := [name for name, _ in self.model.named_parameters() if f"raw.{name}" not in tensors]:
            raise CheckpointError(
                f"{self.folder}: a run of an older version, which lacks {', '.join(missing[:3])}; go on from its weights "
                "with --start and another output folder"
            )
        with torch.no_grad():
            for name, p in self.model.named_parameters():
                p.copy_(shard_like(tensors[f"raw.{name}"], p))
                self.average.values[name].copy_(shard_like(tensors[f"average.{name}"], p))
                if f"optimizer.step.{name}" in tensors:
                    self.optimizer.state[p] = {
                        "step": tensors[f"optimizer.step.{name}"].to(p.device),
                        "exp_avg": shard_like(tensors[f"optimizer.exp_avg.{name}"], p),
                        "exp_avg_sq": shard_like(tensors[f"optimizer.exp_avg_sq.{name}"], p),
                    }
        self.step = int(state["facts"]["step"])
        if self.step:  # as after that step, for a run that was killed after its last one takes no other
            set_routing(self.model, self.config, (self.step - 1) / self.total)
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
        """Save, and leave the averaged (EMA) weights in the model, whole and in evaluation mode."""
        self.save(resumable=self.step < self.total)
        if any(isinstance(p, DTensor) for p in self.model.parameters()):
            self.trained.model = load(self.folder).model.to(self.fabric.device)
        else:
            self.model.load_state_dict(self.weights())
        self.trained.model.eval()
