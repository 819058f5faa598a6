"""From prepared stores to the batches of every task of the mixture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ups.batch import Batch
from ups.checkpoint.io import Trained
from ups.config import Config, ShiftAugment, TaskMix, TrainConfig
from ups.data.loader import BatchStream, StoredClips, balance, split_of
from ups.data.store.store import Store
from ups.errors import DataError, SettingError, UpsError
from ups.pose import PoseSequence
from ups.tasks import get_task
from ups.tasks.skeleton_views import draw_view, shown
from ups.tasks.task import CutsWindows, Task, collate
from ups.tokens.vocabulary import Vocabulary

T = TypeVar("T")


def open_stores(config: TrainConfig, folder: Path) -> dict[str, Store]:
    """Every store that the mixture names, by store name."""
    names = dict.fromkeys(name for mix in config.tasks for name in mix.stores)
    return {name: Store.open(Path(folder) / name) for name in names}


def make_batch(
    task: Task, mix: TaskMix, config: Config, vocabulary: Vocabulary,
    clips: Sequence[PoseSequence], classes: tuple[str, ...], rng: np.random.Generator,
) -> Batch:  # fmt: skip
    """Augmented examples of the clips as one batch; a task's side of the loader."""
    augment, targets = config.train.augment, config.train.target_frames
    if augment.shift.share and rng.random() >= augment.shift.share:
        augment = replace(augment, shift=ShiftAugment())
    if isinstance(clips, StoredClips) and isinstance(task, CutsWindows):
        windows = task.training_windows(clips, mix.frames, targets, augment, config.model.confidence, rng)
        if windows is not None:
            return collate(task, windows, vocabulary, clips.store.skeleton.sorted_by_slot(), classes)
    clips = list(clips)
    if augment.shift.skeleton and rng.random() < augment.shift.skeleton:
        view = draw_view(clips[0].skeleton, rng, estimates=task.unit == "frame")
        clips = [shown(clip, view, rng) for clip in clips]
    clips = [_named(clip, task.training_view, clip, augment, rng) for clip in clips]
    if not config.model.confidence:
        clips = [clip.without_confidence() for clip in clips]
    examples = [_named(clip, task.training_example, clip, classes, mix.frames, targets, augment, rng) for clip in clips]
    return collate(task, examples, vocabulary, clips[0].skeleton.sorted_by_slot(), classes)


def _named(clip: PoseSequence, make: Callable[..., T], *values: Any) -> T:
    """What `make` makes of the values; an error of its own names the clip."""
    try:
        return make(*values)
    except Exception as error:
        if isinstance(error, UpsError) and clip.id in str(error):
            raise
        what = str(error) if isinstance(error, UpsError) else f"{type(error).__name__}: {str(error)[:200]}"
        raise DataError(f"{clip.id}: {what}; look at it with `ups data check`, or leave it out") from error


def streams_of(trained: Trained, stores: dict[str, Store]) -> list[BatchStream]:
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
        for ref in mix.refs:
            store = stores[ref.store]
            indices = split_of(store, ref.protocol, "train", c.hold_out, c.seed)
            pools.append((store, balance(indices, store.labels[indices], mix.balance)))
        task = get_task(mix.task)
        make = partial(make_batch, task, mix, trained.config, trained.vocabulary)
        streams.append(
            BatchStream(
                pools,
                make,
                batch=mix.batch // c.accumulate,
                batches=c.cycles * c.accumulate,
                seed=c.seed * 16 + i,
                temperature=c.mixing_temperature,
                shares=mix.shares,
            )
        )
    return streams
