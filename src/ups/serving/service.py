"""A model with its readers and its thread: recordings in, answers out, for many at once."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from ups.data.apart import Read, Readers, Source
from ups.errors import DataError, SettingError
from ups.inference.as_json import actions_told, poses_told, recording_told
from ups.inference.captured import CapturedPredictor
from ups.inference.predictor import Predictor
from ups.pose import PoseSequence
from ups.serving.batcher import Batcher, Work
from ups.serving.jobs import Jobs
from ups.serving.limits import Limits
from ups.serving.metrics import Metrics
from ups.tasks import TASKS, get_task
from ups.tasks.action import ActionTask, recognize_2d, recognize_3d
from ups.tasks.pose import estimate_pose
from ups.tasks.predictions import Answer, rank
from ups.tasks.task import check_space


@dataclass(frozen=True)
class Question:
    """What is asked about a recording.

    Attributes:
        task: name of the task; recognition in the recording's own space where None.
        classes: candidate actions; all that the model knows where None.
        data_set: candidates are the actions of this data set.
        top: how many actions are told.
        smooth: of 3D poses, see `BasePredictor.lift`.
    """

    task: str | None = None
    classes: tuple[str, ...] | None = None
    data_set: str | None = None
    top: int = 5
    smooth: bool = False


class Service:
    """Answers about uploads.

    Args:
        model: folder or name of the trained model.
        limits: what is taken on, at most.
        readers: processes that read uploads.
        device: where the model answers.
        estimator: that finds people in videos.

    Attributes:
        jobs: what takes longer than a request may; None where none are taken.
        busy: requests that are answered or wait.
        streams: that are open.
        ending: whether the end was asked for.
    """

    def __init__(
        self, model: Path | str, limits: Limits, readers: int = 2, device: str = "cpu", estimator: str = "mediapipe"
    ) -> None:
        limits.check()
        self.model, self.limits, self.metrics = str(model), limits, Metrics()
        self.predictor = Predictor.from_pretrained(model, device=device)
        self.batcher = Batcher(self.predictor.clips_at_once, self.metrics.batches.observe)
        self.readers = Readers(readers, limits.read_seconds, limits.read_megabytes, self.metrics.killed.inc)
        self._threads = ThreadPoolExecutor(readers, "ups-reader")
        self.estimator = estimator
        self.jobs = Jobs(str(model), limits, estimator) if limits.jobs else None
        self.busy, self.streams, self.ending = 0, 0, False
        self._captured: WeakValueDictionary[Hashable, CapturedPredictor] = WeakValueDictionary()

    @property
    def ready(self) -> bool:
        """Whether a request would be answered now."""
        return not self.ending and self.batcher.alive and self.busy < self.limits.queue

    def close(self) -> None:
        """Finish what was accepted, and end all threads and processes."""
        if self.jobs is not None:
            self.jobs.close()
        self._threads.shutdown()
        self.batcher.close()
        self.readers.close()

    async def answer(self, upload: Source, question: Question) -> dict[str, Any]:
        """The answer about a recording, as JSON has it.

        Raises:
            DataError, SettingError: the recording or the question can't be used.
        """
        loop = asyncio.get_running_loop()
        outcome = "failed"
        try:
            prepared = await loop.run_in_executor(self._threads, self._prepare, upload, question)
            result = await asyncio.wrap_future(self.batcher.submit(prepared.key, prepared.work, prepared.clip))
            told = await loop.run_in_executor(self._threads, partial(prepared.tell, result))
            outcome = "answered"
        finally:
            task = question.task if question.task in TASKS else "recognize" if question.task is None else "unknown"
            self.metrics.recordings.labels(task, outcome).inc()
        return {"file": upload.name, **prepared.facts, **told}

    def for_streams(self, settings: Hashable) -> CapturedPredictor:
        """What answers all streams with these settings, in the model's thread; it goes with the last of them."""
        captured = self._captured.get(settings)
        if captured is None:
            captured = self._captured[settings] = CapturedPredictor(self.predictor)
        return captured

    def _prepare(self, upload: Source, question: Question) -> _Prepared:
        begun = time.perf_counter()
        try:
            read = self.readers.read(upload)
        finally:
            self.metrics.reading.observe(time.perf_counter() - begun)
        size, most = read.clip.persons * read.clip.frames, self.limits.frames
        if size > most:
            raise DataError(
                f"{upload.name}: {read.clip.persons} persons x {read.clip.frames} frames are answered by {most:,} at a time;"
                " cut it into parts"
            )
        return prepare(self.predictor, read, question, upload.name)


@dataclass(frozen=True)
class _Prepared:
    """A question about one clip, ready for the model; clips of the same key are answered together."""

    key: Any
    work: Work
    clip: PoseSequence
    facts: dict[str, Any]
    question: Question
    classes: tuple[str, ...]

    def tell(self, result: Any) -> dict[str, Any]:
        """The model's result as JSON has it."""
        return actions_told(result, self.question.top) if isinstance(result, Answer) else poses_told(result)


def prepare(predictor: Predictor, read: Read, question: Question, where: str) -> _Prepared:
    """What the model is to compute for a recording; raises DataError or SettingError as `Predictor`'s methods do."""
    clip = read.clip
    task = get_task(question.task) if question.task else recognize_2d if clip.space == "image" else recognize_3d
    check_space(task, clip.space, where)
    predictor.frames_of(task.name)
    facts = {"task": task.name, **recording_told(clip), "warnings": list(read.told)}
    clip = predictor.drop_untrained_joints(task.name, clip)
    if isinstance(task, ActionTask):
        asked = predictor.trained.classes_of(question.data_set) if question.data_set else question.classes
        classes = predictor.candidates(asked)
        predictor.vocabulary.class_tokens(list(classes))
        key = (task.name, clip.skeleton, clip.persons, classes)

        def judged(clips: list[PoseSequence]) -> list[Any]:
            scores, unknown = predictor.judged(task.name, clips, classes)
            doubts = [None] * len(clips) if unknown is None else unknown.tolist()
            return [rank(classes, score, doubt) for score, doubt in zip(scores, doubts, strict=True)]

        def in_windows(clips: list[PoseSequence]) -> list[Any]:
            return [predictor.answer_about(task.name, one, classes) for one in clips]

        if predictor.is_long(task.name, clip):
            return _Prepared(None, in_windows, clip, facts, question, classes)
        return _Prepared(key, judged, clip, facts, question, classes)
    if task is not estimate_pose:
        raise SettingError(f"task {task.name!r} is not served")

    def lifts(clips: list[PoseSequence]) -> list[Any]:
        return [predictor.lift(one, smooth=question.smooth) for one in clips]

    return _Prepared(None, lifts, clip, facts, question, ())


def as_json(answer: dict[str, Any]) -> bytes:
    """An answer as UTF-8 JSON; raises ValueError where it holds what is no number."""
    return json.dumps(answer, allow_nan=False, ensure_ascii=False).encode()
