"""What `test_distributed.py` does in several processes: `torchrun distributed_worker.py PART FOLDER`."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import torch
from helpers import MIXES, MODEL, TRAIN, trained_model

from ups.checkpoint.io import Trained
from ups.config import Config, TrainConfig
from ups.data.store.store import Store
from ups.evaluation.evaluate import evaluate
from ups.experiments.runner import Experiment, experiments, run
from ups.inference.predictor import Predictor
from ups.recipes import get_recipe
from ups.runtime.distributed import is_first, local, start
from ups.training.batches import open_stores, streams_of
from ups.training.loop import train
from ups.training.run import Run

LOSSY = replace(MODEL, dropout=0.3, drop_path=0.3)  # so that random numbers matter
STEPS = replace(TRAIN, explore=0.6, accumulate=2, workers=1, checkpoint_minutes=0.0)
PAPER = get_recipe("paper").model


def model(strategy: str = "ddp", shaken: float = 0.1) -> Trained:
    """The small model of the tests, as every process builds it."""
    return trained_model(replace(STEPS, strategy=strategy), LOSSY, shaken=shaken)


def paper() -> Trained:
    """The paper recipe's model with text features of RoBERTa's width that mean nothing, and few short clips a step."""
    pairs = zip(get_recipe("paper").train.tasks, MIXES, strict=True)
    mixes = tuple(replace(mix, data=small.data, batch=2, frames=8) for mix, small in pairs)
    config: TrainConfig = replace(get_recipe("paper").train, tasks=mixes, accumulate=2, workers=0, strategy="fsdp")
    return trained_model(config, PAPER, features=768, shaken=0.0)


def take_steps(trained: Trained, stores: dict[str, Store], folder: Path) -> tuple[Run, list[float]]:
    """One step of estimate_pose and one of recognize_2d."""
    steps = Run(trained, folder)
    steps.model.train()
    share = trained.config.train.accumulate // steps.fabric.world_size
    first = share * steps.fabric.global_rank
    streams = streams_of(trained, stores)
    losses = [
        steps.take_step(trained.config.train.tasks[i].task, [streams[i][first + j] for j in range(share)])
        for i in range(2)
    ]
    return steps, losses


def _train(folder: Path, stores: dict[str, Store]) -> dict:
    """Runs that are cut and go on, with either strategy, then one that a signal to process 1 ends."""
    facts = {}
    for strategy in ("ddp", "fsdp"):
        train(model(strategy), stores, folder / strategy, stop_after=5)
        done = train(model(strategy, shaken=0.5), stores, folder / strategy)
        facts[strategy] = {name: float(value.double().sum()) for name, value in done.model.state_dict().items()}
    trained = model()
    calls = iter(range(1, 1000))

    def hook(*_: object) -> None:
        if next(calls) == 6 and not is_first():
            signal.raise_signal(signal.SIGTERM)

    trained.model.register_forward_hook(hook)
    try:
        train(trained, stores, folder / "stopped")
    except KeyboardInterrupt:
        facts["stopped"] = True
    facts["results"] = evaluate(Predictor(model()), folder / "stores")
    return facts


def _killed(folder: Path, stores: dict[str, Store]) -> dict:
    """A run whose process 1 dies in its seventh step the first time."""
    trained = model()
    if not (folder / "killed" / "checkpoint").exists():
        calls = iter(range(1, 1000))
        if os.environ["RANK"] == "1":
            trained.model.register_forward_hook(
                lambda *_: os.kill(os.getpid(), signal.SIGKILL) if next(calls) == 7 else None
            )
    train(trained, stores, folder / "killed")
    return {}


def _paper(folder: Path, stores: dict[str, Store]) -> dict:
    """Two steps of the paper recipe with shared blocks."""
    steps, losses = take_steps(paper(), stores, folder / "paper")
    return {"losses": losses, "held": sum(local(p).numel() for p in steps.model.parameters())}


def micro_experiments() -> list[Experiment]:
    """A unified model and a twin, with a step of fine-tuning on each task."""
    base = Config("test", LOSSY, replace(STEPS, cycles=2))
    chosen = experiments("claims", base, fine_tune=0.5)
    return [e for e in chosen if e.name in ("unified", "separate_recognize_3d")]


def _experiments(folder: Path, stores: dict[str, Store]) -> dict:
    """All of them, twice: the second time nothing is left to do."""
    del stores
    run(micro_experiments(), folder / "stores", folder / "experiments")
    run(micro_experiments(), folder / "stores", folder / "experiments")
    return {}


def _main(part: str, folder: Path) -> None:
    torch.set_num_threads(1)
    start()
    stores = open_stores(STEPS, folder / "stores")
    facts = {"train": _train, "killed": _killed, "paper": _paper, "experiments": _experiments}[part](folder, stores)
    (folder / f"{part}-{os.environ['RANK']}.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    _main(sys.argv[1], Path(sys.argv[2]))
