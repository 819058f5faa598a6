"""From prepared stores to the batches of every task of the mixture."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ups.batch import Batch
from ups.checkpoint.io import Trained
from ups.config import Config, ShiftAugment, TaskMix, TrainConfig
from ups.data.loader import BatchStream, StoredClips, balance, by_length, split_of
from ups.data.store.store import Store
from ups.errors import DataError, SettingError, UpsError
from ups.labels import canonical_text
from ups.pose import PoseSequence
from ups.refs import DataRef
from ups.runtime.distributed import is_first
from ups.tasks import get_task
from ups.tasks.skeleton_views import derivable, draw_view, shown
from ups.tasks.task import CutsWindows, Task, collate
from ups.tokens.vocabulary import Vocabulary

log = logging.getLogger("ups")

T = TypeVar("T")


def open_stores(config: TrainConfig, folder: Path) -> dict[str, Store]:
    """Every store that the mixture names, by store name; it is told which have no checksums."""
    names = dict.fromkeys(name for mix in config.tasks for name in mix.stores)
    stores = {name: Store.open(Path(folder) / name) for name in names}
    if unchecked := [name for name, store in stores.items() if not store.checksums]:
        log.warning(
            "%s: written by an older version, without checksums, so damage can't be seen; prepare again to have them",
            ", ".join(unchecked),
        )
    return stores


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
    if augment.shift.skeleton and derivable(clips[0].skeleton) and rng.random() < augment.shift.skeleton:
        view = draw_view(clips[0].skeleton, rng, estimates=task.unit == "frame")
        clips = [shown(clip, view, rng) for clip in clips]
    clips = [_named(clip, task.training_view, clip, augment, rng) for clip in clips]
    if not config.model.confidence:
        clips = [clip.without_confidence() for clip in clips]
    examples = [_named(clip, task.training_example, clip, classes, mix.frames, targets, augment, rng) for clip in clips]
    return collate(task, examples, vocabulary, clips[0].skeleton.sorted_by_slot(), classes)


def _training_clips(task: Task, ref: DataRef, store: Store, config: TrainConfig) -> np.ndarray:
    """Numbers of the clips that a task learns from: of a task that teaches actions, those that have one."""
    indices = split_of(store, ref.protocol, "train", config.hold_out, config.seed)
    subjects = np.unique(store.subjects[indices])
    if config.hold_out and len(subjects) == 1 and subjects[0] >= 0:
        raise SettingError(
            f"{ref}: train.hold-out keeps some people apart for validation, but all training clips are of one; train "
            "without it, or add clips of other people"
        )
    named = indices[store.labels[indices] >= 0] if task.teaches_actions else indices
    if len(named) < len(indices):
        left = f"{len(indices) - len(named)} of {len(indices)} training clips have no label and are left out"
        log.log(logging.WARNING if is_first() else logging.DEBUG, "%s: %s", ref, left)
    return named


def _check_learnable(task: Task, mix: TaskMix, pools: list[tuple[Store, np.ndarray]]) -> None:
    """Whether there are actions to tell apart, and clips to measure it on; raises SettingError before training."""
    names = ", ".join(mix.data)
    if all(len(store.indices(ref.protocol, "test")) == 0 for ref, (store, _) in zip(mix.refs, pools, strict=True)):
        raise SettingError(
            f"{names}: no test clip, so that nothing would tell how good the model is; put some people's clips into the "
            "test part (own recordings: `ups data table FOLDER`, or the column of clips.csv) and prepare the data again"
        )
    if not task.teaches_actions or any(len(indices) == 0 for _, indices in pools):
        return
    actions = {canonical_text(store.classes[i]) for store, indices in pools for i in np.unique(store.labels[indices])}
    if len(actions) < 2:
        raise SettingError(
            f"{names}: all training clips show one action, {next(iter(actions))!r}, and at least 2 are needed to tell them "
            "apart; add clips of another one (of doing nothing, say), or put some into the training part"
        )


def _named(clip: PoseSequence, make: Callable[..., T], *values: Any) -> T:
    """What `make` makes of the values; an error of its own names the clip."""
    try:
        return make(*values)
    except Exception as error:
        if isinstance(error, UpsError) and clip.id in str(error):
            raise
        what = str(error) if isinstance(error, UpsError) else f"{type(error).__name__}: {str(error)[:200]}"
        raise DataError(f"{clip.id}: {what}; look at it with `ups data check`, or leave it out") from error


def clips_of_step(streams: list[BatchStream], step: int, accumulate: int) -> str:
    """The clips of an optimiser step, for messages: the three with the largest coordinates, and how many there are."""
    stream, first = streams[step % len(streams)], step // len(streams) * accumulate
    found: dict[str, float] = {}
    for number in range(first, first + accumulate):
        which, indices = stream.indices(number)
        store = stream.stores[which][0]
        found |= {f"{store.name} {store.ids[i]}": float(np.abs(store[int(i)].joints).max()) for i in indices}
    largest = sorted(found, key=lambda name: -found[name])
    return ", ".join(largest[:3]) + (f" and {len(largest) - 3} others" if len(largest) > 3 else "")


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
            indices = _training_clips(get_task(mix.task), ref, store, c)
            drawn = balance(indices, store.labels[indices], mix.balance)
            pools.append((store, by_length(drawn, store.frames[drawn], mix.frames) if mix.by_length else drawn))
        task = get_task(mix.task)
        _check_learnable(task, mix, pools)
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
