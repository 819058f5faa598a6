"""What only a new process can measure: how soon a first answer comes, and how much memory an answer or a step takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter

import torch

from ups.bench.timing import peak_memory, synchronise
from ups.bench.workload import BATCH, training_batches
from ups.checkpoint.io import load
from ups.config import TaskMix
from ups.errors import IncompleteError
from ups.inference.base import BasePredictor
from ups.inference.predictor import Predictor
from ups.pose import PoseSequence
from ups.runtime.allocator import keep_freed_memory
from ups.runtime.precision import resolve_precision
from ups.tasks import get_task


@dataclass(frozen=True)
class FreshProcess:
    """What the new process is to do.

    Attributes:
        folder: the checkpoint.
        mix: the task, and the shape of its batches.
        clips: generated clips; the first one is asked about alone.
        classes: candidates.
        threads: of PyTorch.
        device: where it computes.
    """

    folder: Path
    mix: TaskMix
    clips: list[PoseSequence]
    classes: tuple[str, ...]
    threads: int
    device: str


def answer_many(predictor: BasePredictor, task: str, clips: list[PoseSequence], classes: tuple[str, ...]) -> object:
    """The answers to clips in batches; of pose estimation to the first clip, whose windows are the batch."""
    return get_task(task).answer_many(predictor, clips, classes, BATCH)


def first_answer(job: FreshProcess) -> dict[str, float]:
    """How long a process takes from its start to its first answer.

    Returns:
        total_s, of it load_s (reading the checkpoint) and answer_s (the first clip); the rest is the start of Python and
        the imports. peak_memory_mb of the process until then, or of the device where that is no CPU.
    """
    return _new_process(_answer, job)


def answering_memory(job: FreshProcess) -> float:
    """Peak memory, MB, of a process that loads the model and answers all clips as `answer_many` does."""
    return _new_process(_answer_all, job)["peak_memory_mb"]


def training_memory(job: FreshProcess) -> float:
    """Peak memory, MB, of a process that loads the model and takes two optimiser steps on the clips."""
    return _new_process(_train, job)["peak_memory_mb"]


def _answer(job: FreshProcess) -> dict[str, float]:
    start, device = perf_counter(), torch.device(job.device)
    predictor = _predictor(job)
    synchronise(device)
    loaded = perf_counter()
    predictor.ask(job.mix.task, job.clips[0], job.classes)
    end = perf_counter()
    return {"load_s": loaded - start, "answer_s": end - loaded, "peak_memory_mb": peak_memory(device)}


def _answer_all(job: FreshProcess) -> dict[str, float]:
    answer_many(_predictor(job), job.mix.task, job.clips, job.classes)
    return {"peak_memory_mb": peak_memory(torch.device(job.device))}


def _predictor(job: FreshProcess) -> Predictor:
    trained = load(job.folder)
    trained.model.to(torch.device(job.device))
    return Predictor(trained, resolve_precision(trained.config.train.precision, torch.device(job.device)))


def _train(job: FreshProcess) -> dict[str, float]:
    from ups.training.run import Run

    keep_freed_memory()  # as `ups train` does
    trained = load(job.folder)
    run = Run(trained, job.folder)
    run.model.train()
    batches = training_batches(trained, job.mix, job.clips, job.classes)
    for _ in range(2):
        run.take_step(job.mix.task, batches)
    return {"peak_memory_mb": peak_memory(run.fabric.device)}


def _new_process(work: Callable[[FreshProcess], dict[str, float]], job: FreshProcess) -> dict[str, float]:
    context = get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    start = perf_counter()
    child = context.Process(target=_run, args=(work, job, sender))
    child.start()
    sender.close()
    try:
        found = receiver.recv()
    except EOFError:
        child.join()
        raise IncompleteError(
            f"the process that measures {job.mix.task} ended with exit code {child.exitcode}; its message is above"
        ) from None
    total = perf_counter() - start
    child.join()
    return {"total_s": total, **found}


def _run(work: Callable[[FreshProcess], dict[str, float]], job: FreshProcess, pipe: Connection) -> None:
    torch.set_num_threads(job.threads)
    pipe.send(work(job))
    pipe.close()
