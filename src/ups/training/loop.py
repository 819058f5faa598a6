"""Training (paper 3.5): tasks in rotation, one an iteration; then fine-tuning of one task along its route.

A step is a function of (config, step number, state): batches and random numbers are derived from the seed and the step,
so a resumed run continues bit for bit on a CPU. Several processes share out a step's micro-batches (docs/scale.md).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import replace
from itertools import islice
from pathlib import Path

from ups.batch import Batch
from ups.checkpoint.create import with_data_sets
from ups.checkpoint.io import Trained
from ups.checkpoint.lineage import check_mixture, joined, training_parts
from ups.data.loader import BatchStream, prefetch
from ups.data.store.store import Store
from ups.errors import SettingError, TrainingError
from ups.files import alone
from ups.runtime.distributed import (
    Interrupt,
    all_gather,
    any_of,
    is_first,
)
from ups.tasks import get_task
from ups.training.batches import clips_of_step, streams_of
from ups.training.progress import Reporter
from ups.training.run import Run

log = logging.getLogger("ups")


def train(
    trained: Trained,
    stores: dict[str, Store],
    output: Path,
    stop_after: int | None = None,
    allow_leak: bool = False,
) -> Trained:
    """Run (or resume) the training that `trained.config` describes, and write OUTPUT/checkpoint and OUTPUT/log.jsonl.

    Args:
        trained: a model from `new_model`, or one to fine-tune.
        stores: the data, by name.
        output: folder of the run; a checkpoint in it with the same config is continued.
        stop_after: end after that many steps with a resumable checkpoint, as if interrupted.
        allow_leak: learn from recordings that are test clips of the run's own data sets, too.

    Returns:
        The model with the averaged (EMA) weights, in evaluation mode.

    Raises:
        SettingError: the run, or a model that it starts from, learns test clips of the run's own data sets.
        TrainingError: the loss is no longer finite.
        SettingError: another process trains in that folder, or a finished model stands there.
        CheckpointError: the run that stands there is of another config, or its data have changed since.
        KeyboardInterrupt: after the checkpoint was saved, on Ctrl-C in any process, SIGTERM, SIGHUP or SIGUSR1.
    """
    trained.lineage = joined(trained.lineage, training_parts(trained.config.train, stores))
    if not allow_leak:
        check_mixture(trained.config.train, stores, trained.lineage, _folder_of(stores))
    run = Run(trained, output, {name: store.fingerprint for name, store in stores.items()})
    streams = streams_of(trained, stores)  # refuses what can't be learned from, before anything is written
    with _alone(run.output):
        return _train(run, streams, stop_after)


@contextmanager
def _alone(output: Path) -> Iterator[None]:
    """One run at a time in a folder, see `ups.files.alone`; all processes of a run learn of a refusal."""
    with ExitStack() as stack:
        refusal = None
        if is_first():
            try:
                stack.enter_context(alone(output))
            except (SettingError, OSError) as error:
                refusal = error
        if found := next(filter(None, all_gather(refusal)), None):
            raise found
        yield


def _train(run: Run, streams: list[BatchStream], stop_after: int | None) -> Trained:
    trained, config = run.trained, run.config
    if run.resume() and is_first():
        log.info("continuing %s at step %d of %d", run.folder, run.step, run.total)
    names = [mix.task for mix in config.tasks]
    batches = _micro_batches(run, streams)
    end = run.total if stop_after is None else min(run.total, stop_after)
    saved = time.monotonic()
    try:
        with ExitStack() as stack:
            reporter = stack.enter_context(Reporter(run.output, run.step, run.total, run.state)) if is_first() else None
            interrupt = stack.enter_context(Interrupt())
            run.model.train()
            while run.step < end:
                task = names[run.step % len(names)]
                micro = next(batches)
                try:
                    loss = run.take_step(task, micro)
                except TrainingError as error:
                    clips = clips_of_step(streams, run.step, config.accumulate)
                    raise TrainingError(f"{error}; its clips, largest coordinates first: {clips}") from error
                if reporter is not None:
                    reporter.step(run.step, task, loss, sum(b.poses.clips for b in micro) * run.fabric.world_size)
                due = time.monotonic() - saved > 60 * config.checkpoint_minutes
                stop, due = any_of(run.fabric, interrupt.requested, due)
                if stop or due:
                    run.save()
                    saved = time.monotonic()
                if stop:
                    message = "interrupted at step %d; saved in %s, the same command continues"
                    log.log(logging.WARNING if is_first() else logging.DEBUG, message, run.step, run.folder)
                    raise KeyboardInterrupt
    finally:
        batches.close()
    run.finish()
    return trained


def _folder_of(stores: dict[str, Store]) -> Path | None:
    """Where the stores lie."""
    return next((store.folder.parent for store in stores.values()), None)


def _micro_batches(run: Run, streams: list[BatchStream]) -> Generator[list[Batch], None, None]:
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
    allow_leak: bool = False,
) -> Trained:
    """A copy of the model, trained further on one task along its route (paper 5: "then fine-tuned on each task").

    `data` = STORE:PROTOCOL entries replace the task's data sets; class names that the model does not know yet are added
    to its vocabulary by their text. `allow_leak` as in `train`.

    Raises:
        SettingError: a task that the model was not trained on.
        DataError: clips that the task can't learn from.
    """
    mixes = [mix for mix in trained.config.train.tasks if mix.task == get_task(task).name]
    if not mixes:
        raise SettingError(f"the model was not trained on task {task!r}, so there is nothing to fine-tune")
    if data:
        mixes = [replace(mixes[0], data=data, shares=())]
        names = dict.fromkeys(mixes[0].stores)
        trained = with_data_sets(trained, {name: stores[name] for name in names})
    config = replace(
        trained.config.train, tasks=tuple(mixes), cycles=cycles, learning_rate=learning_rate, explore=0.0,
        route_learning_rate=0.0,
    )  # fmt: skip
    own = deepcopy(trained.model)  # the caller's model keeps its weights
    tuned = replace(trained, model=own, config=replace(trained.config, train=config))
    return train(tuned, stores, output, allow_leak=allow_leak)
