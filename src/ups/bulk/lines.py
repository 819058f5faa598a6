"""Answers about the recordings of a folder as they come, one JSON object each, by one process or several."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import Any

from ups.bulk.workshop import first_line, lifted_together, read_at, workshop
from ups.errors import IncompleteError, SettingError, UpsError
from ups.inference.as_json import actions_told, poses_told, recording_told
from ups.inference.many import recognition_of
from ups.pose import PoseSequence
from ups.tasks import get_task
from ups.tasks.action import ActionTask
from ups.tasks.pose import estimate_pose
from ups.tasks.task import check_space

MANY = 32
"""Recordings from which on processes of their own are worth their start, which takes 2 to 3 seconds."""
AT_ONCE = 32
"""Recordings that a process reads and answers together."""
_SECONDS = 60.0
"""That reading one may take."""


@dataclass(frozen=True)
class Question:
    """What is asked about every recording.

    Attributes:
        model: folder or name of the model.
        task: recognition in the recording's own space where None.
        classes: candidates; all that the model was taught where None.
        top: how many actions are told.
        timeline: what is done when, instead of one answer.
        options: of `read_file`.
        force: take recordings even where the check finds an error.
        root: folder from which relative paths count.
    """

    model: str
    task: str | None = None
    classes: tuple[str, ...] | None = None
    top: int = 5
    timeline: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    force: bool = False
    root: str = ""


def lines(question: Question, paths: list[str], processes: int = 1) -> Iterator[dict[str, Any]]:
    """What `ups predict` tells of each recording, in their order; "error" of one that can't be used.

    Raises:
        SettingError: a timeline of poses.
        IncompleteError: a process died.
    """
    if question.timeline and question.task == estimate_pose.name:
        raise SettingError("a timeline tells actions; estimate_pose answers for every frame")
    if processes == 1:
        for start in range(0, len(paths), AT_ONCE):
            yield from answered(question, paths[start : start + AT_ONCE])
        return
    size = max(
        1, min(AT_ONCE, -(-len(paths) // (2 * processes)))
    )  # smaller where there are few, so that every process has some
    left = deque(paths[start : start + size] for start in range(0, len(paths), size))
    given: deque[Future[list[dict[str, Any]]]] = deque()
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        try:
            while left or given:
                while left and len(given) < 3 * processes:
                    given.append(pool.submit(answered, question, left.popleft()))
                yield from given.popleft().result()
        except BrokenProcessPool as error:
            raise IncompleteError(
                "a process that answers died; ups batch goes on where it was ended, and tells which recording it was"
            ) from error
        finally:
            for future in given:
                future.cancel()


def answered(question: Question, paths: list[str]) -> list[dict[str, Any]]:
    """The same of a few recordings, by this process."""
    predictor, readers = workshop(question.model, _SECONDS)
    told: dict[str, dict[str, Any]] = {}
    asked: dict[str, dict[str, PoseSequence]] = {}
    failures: list[tuple[str, str]] = []
    for path in paths:
        try:
            read = read_at(readers, question.root, path, question.options, question.force)
            task = question.task or recognition_of(read.clip)
            check_space(get_task(task), read.clip.space, path)
            predictor.frames_of(task)
            asked.setdefault(task, {})[path] = read.clip
            told[path] = {"file": path, "task": task, **recording_told(read.clip)}
            if read.told:
                told[path]["warnings"] = list(read.told)
        except (UpsError, OSError) as error:
            failures.append((path, first_line(error)))
    for task, clips in asked.items():
        if not isinstance(get_task(task), ActionTask):
            for path, lifted in lifted_together(predictor, clips, failures).items():
                told[path] |= poses_told(lifted)
            continue
        for path, found in _named(question, task, clips, failures).items():
            told[path] |= found
    for path, why in failures:
        told[path] = {"file": path, "error": why}
    return [told[path] for path in paths]


def _named(
    question: Question, task: str, clips: dict[str, PoseSequence], failures: list[tuple[str, str]]
) -> dict[str, dict[str, Any]]:
    """Actions, or timelines, by path."""
    predictor, _ = workshop(question.model, _SECONDS)

    def ask(some: list[PoseSequence]) -> list[dict[str, Any]]:
        if question.timeline:
            found = predictor.timeline_many(some, question.classes, task)
            return [{"timeline": each.to_dicts()} for each in found]
        return [actions_told(a, question.top) for a in predictor.rank_many(task, some, question.classes)]

    try:
        return dict(zip(clips, ask(list(clips.values())), strict=True))
    except UpsError:  # one must not keep the others from an answer
        found = {}
        for path, clip in clips.items():
            try:
                found[path] = ask([clip])[0]
            except UpsError as error:
                failures.append((path, first_line(error)))
        return found
