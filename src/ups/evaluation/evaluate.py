"""Evaluation: a trained model on the test split of a protocol -> numbers. Deterministic; nothing is chosen here.

Several processes (`ups.runtime.distributed.start`) share out the batches of clips; each gets all figures, which are those of one
process: the batches are the same ones.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np

from ups.checkpoint.lineage import find_leak
from ups.config import TaskMix
from ups.data.loader import split_of
from ups.data.store.store import Store
from ups.errors import DataError, SettingError
from ups.evaluation.fusion import ClipScores
from ups.inference.base import BasePredictor
from ups.refs import Benchmark, DataRef
from ups.runtime.distributed import map_distributed
from ups.tasks import get_task
from ups.tasks.task import Reading


def evaluate(
    predictor: BasePredictor,
    stores: Path,
    split: str = "test",
    tasks: tuple[str, ...] | None = None,
    flip: bool = True,
    greedy: bool = False,
    data: tuple[str, ...] = (),
    allow_leak: bool = False,
    scores: dict[str, ClipScores] | None = None,
    stride: int | None = None,
    views: int = 1,
    free: bool = False,
) -> dict[str, dict]:
    """Metrics of every task and data set of the model's mixture: {"task/data set:protocol": {metric: value}}.

    A protocol that its store also has without leaked test clips ("xview_no_leak" beside "xview") is measured both ways.
    `data` names other data sets and protocols instead, as "task/data set:protocol"; their classes need not have been
    trained, but must be in the vocabulary. `tasks` leaves out those of other tasks.
    `split` is "test", or "validation" for the training subjects that the run held out; `stores` the folder of stores.
    `flip` averages lifted poses with those of the mirrored clip, `greedy` writes and reads the most probable bins
    instead of expectations. `allow_leak` measures clips that the model, or one that it started from, has learned, and
    adds "leak": {"clips", "of", "learned_in"} to their metrics. `scores` is filled with the scores of every clip of
    recognition, by the same names as the metrics. `stride`, `views` and `free` are those of `ups.tasks.task.Reading`;
    of a model that was trained on central frames `stride` is 1 where none is given.

    Raises:
        SettingError: clips that the model has learned are among those to be measured.
        SettingError: a split without clips; no views; a model that can't write without the grammar, where `free` is wanted.
        DataError: no store, an unknown protocol, or actions asked about a split in which no clip has a label.
    """
    if views < 1:
        raise SettingError(f"{views} views of a clip; at least 1 is needed")
    if free:
        predictor.check_free()
    if stride is None and predictor.config.train.target_frames == "centre":
        stride = 1  # given, so that every frame is decoded and none interpolated
    wanted: dict[Benchmark, tuple[Store, np.ndarray]] = {}
    train = predictor.config.train
    for task in tasks or ():
        predictor.frames_of(task)  # an unknown task is an error
    chosen = [Benchmark.parse(text) for text in data] or _own_benchmarks(
        tuple(mix for mix in train.tasks if tasks is None or mix.task in tasks), Path(stores), split
    )
    leaks = {}
    for benchmark in chosen:  # all are checked before the first is measured
        task, ref = benchmark.task, benchmark.data
        predictor.frames_of(task)
        if tasks is not None and task not in tasks:
            continue
        store = Store.open(Path(stores) / ref.store)
        indices = split_of(store, ref.protocol, split, train.hold_out, train.seed)
        if len(indices) == 0:
            raise SettingError(f"{ref}: no clip in split {split!r}; a run validates on what its `hold_out` kept apart")
        if get_task(task).teaches_actions and (store.labels[indices] < 0).all():
            raise DataError(
                f"{ref}: none of the {len(indices)} clips in split {split!r} has a label, so nothing can be measured; name "
                "their actions (clips.csv: column label) and prepare the data again"
            )
        wanted[benchmark] = store, indices
        leak = leaks[benchmark] = find_leak(predictor.lineage, store, indices, Path(stores))
        if leak is not None and not allow_leak:
            raise SettingError(f"{ref}: {leak}; --allow-leak measures it anyway, and marks the figures")
    results = {}
    for benchmark, (store, indices) in wanted.items():
        kept: list[np.ndarray] = []
        reading = Reading(flip, greedy, kept.append, stride, views, free)
        leak = leaks[benchmark]
        metrics = get_task(benchmark.task).evaluate(predictor, store, indices, map_distributed, reading)
        if scores is not None and kept:
            measured = indices[store.labels[indices] >= 0]
            ids = tuple(store.ids[int(i)] for i in measured)
            scores[str(benchmark)] = ClipScores(
                ids, store.labels[measured], store.classes, kept[0], leak.clips if leak else 0
            )
        results[str(benchmark)] = metrics if leak is None else metrics | {"leak": asdict(leak)}
    return results


def _own_benchmarks(mixes: tuple[TaskMix, ...], stores: Path, split: str) -> list[Benchmark]:
    """What a model is measured on: its own data sets, and their test splits without leaks where they are known."""
    found = []
    for mix in mixes:
        for ref in mix.refs:
            found.append(Benchmark(mix.task, ref))
            clean = f"{ref.protocol}_no_leak"
            if split == "test" and clean in Store.open(stores / ref.store).protocols:
                found.append(Benchmark(mix.task, DataRef(ref.store, clean)))
    return found


def evaluate_task(
    predictor: BasePredictor, task: str, store: Store, indices: np.ndarray, flip: bool = True, greedy: bool = False
) -> dict:
    """Metrics of one task on the given clips of a store."""
    return get_task(task).evaluate(predictor, store, indices, map_distributed, Reading(flip, greedy))
