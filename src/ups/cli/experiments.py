"""`ups experiments`: named sets of runs that differ in one thing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg, subcommand

from ups.cli.show import show
from ups.recipes import get_recipe, held_out, shorter, with_assigned_data

if TYPE_CHECKING:
    from ups.experiments.runner import Experiment


@dataclass
class _Chosen:
    """Which experiments; the same arguments name the same ones in run, list and report."""

    set: Positional[Literal["claims", "plain_twins", "routing", "blocks", "depth", "memory_and_vocabulary"]]
    """claims: all tasks, each task alone at equal samples, without routing; blocks: H = 1, 2, 5; depth: L = 1, 3, 5;
    memory_and_vocabulary: bins, their smoothing, dropping of decoder inputs, text encoder."""
    output: Path = Path("runs/experiments")
    """Folder of the runs: OUTPUT/NAME/seed_S, with those fine-tuned on each task below it."""
    recipe: str = "small"
    """What all experiments are derived from."""
    data: tuple[str, ...] = ()
    """Other data sets than the recipe's, each as TASK=STORE:PROTOCOL."""
    accumulate: int | None = None
    """Micro-batches an optimiser step, a multiple of the number of processes; default: the recipe's."""
    share: float = 1.0
    """Share of the recipe's training cycles."""
    seeds: tuple[int, ...] = (0,)
    """One run of every experiment for each."""
    fine_tune: float = 0.1
    """Optimiser steps of fine-tuning on each task, as a share of the cycles; 0 = none."""
    hold_out: float = 0.0
    """Share of the training subjects kept apart; where above 0, they are measured on in place of the test part."""

    def experiments(self) -> list[Experiment]:
        """The experiments that the arguments name."""
        from ups.experiments.runner import experiments

        recipe = with_assigned_data(get_recipe(self.recipe), self.data)
        if self.accumulate is not None:
            recipe = replace(recipe, train=replace(recipe.train, accumulate=self.accumulate))
        base = held_out(shorter(recipe, self.share), self.hold_out)
        return experiments(self.set, base, self.seeds, self.fine_tune)


@dataclass
class RunExperiments(_Chosen):
    """Train, fine-tune and evaluate a set of experiments. What is done is skipped; Ctrl-C saves, and the same command
    goes on. Under torchrun or srun the processes share each run: see --accumulate.
    """

    stores: Path = Path("data")
    """Folder of the prepared stores."""
    device: str | None = None
    """Where models are measured: cpu, cuda, cuda:1; default: a GPU if there is one, where they are trained too."""
    allow_leak: bool = False
    """Go on where recordings of the test part are learned through another data set or protocol; figures are marked."""

    def run(self) -> None:
        """Run, then compare."""
        from ups.experiments.runner import comparison, run
        from ups.runtime.allocator import keep_freed_memory
        from ups.runtime.device import choose_device
        from ups.runtime.distributed import is_first, start

        chosen = self.experiments()
        keep_freed_memory()
        fabric = start()
        device = fabric.device if fabric.world_size > 1 else choose_device(self.device)
        run(chosen, self.stores, self.output, self.allow_leak, device)
        if is_first():
            show(comparison(chosen, self.output))


@dataclass
class List(_Chosen):
    """Tell how far each experiment of a set is, and its main figures."""

    def run(self) -> None:
        """Print the table."""
        from ups.experiments.runner import listing

        show(listing(self.experiments(), self.output))


@dataclass
class Compare(_Chosen):
    """Compare what was measured so far: mean and spread over seeds, differences to the unified model, routes."""

    def run(self) -> None:
        """Print the tables."""
        from ups.experiments.runner import comparison

        show(comparison(self.experiments(), self.output))


@dataclass
class Experiments:
    """Run named sets of experiments, and compare them."""

    command: Annotated[
        Annotated[RunExperiments, subcommand("run")]
        | Annotated[List, subcommand("list")]
        | Annotated[Compare, subcommand("report")],
        arg(name=""),
    ]

    def run(self) -> None:
        """Run the chosen command."""
        self.command.run()
