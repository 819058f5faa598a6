"""From prepared stores to the batches of every task of the mixture."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from ups.batch import Batch
from ups.checkpoint.io import Trained
from ups.config import TaskMix, TrainConfig
from ups.data.loader import Stream, balanced, split_of
from ups.data.store.store import Store
from ups.errors import DataError, SettingError
from ups.pose import PoseSequence
from ups.tasks.task import Task, collate
from ups.tokens.vocabulary import Vocabulary


def open_stores(config: TrainConfig, folder: Path) -> dict[str, Store]:
    """Every store that the mixture names, by store name."""
    names = dict.fromkeys(entry.split(":")[0] for mix in config.tasks for entry in mix.data)
    return {name: Store.open(Path(folder) / name) for name in names}


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
        raise SettingError("the configuration names no task to train on")
    for i, mix in enumerate(c.tasks):
        if mix.batch < c.accumulate:
            raise SettingError(
                f"task {mix.task}: a batch of {mix.batch} can't be cut into {c.accumulate} micro-batches"
            )
        pools = []
        for entry in mix.data:
            name, _, protocol = entry.partition(":")
            if not protocol:
                raise DataError(f"task {mix.task}: data {entry!r} names no protocol; write STORE:PROTOCOL")
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
