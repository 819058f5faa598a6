"""Answers about many recordings, of any skeletons and lengths: what can be computed together is, whose it may be.

Clips, and windows of long recordings, of one task and skeleton share batches; so do windows that are lifted. The answers
are those of one recording at a time, up to the rounding of sums (`tests/inference/test_many.py`).
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import numpy as np

from ups.batch import PERSONS
from ups.pose import PoseSequence
from ups.seen import bodies, check_somebody
from ups.skeleton import Skeleton
from ups.skeletons import get_skeleton
from ups.tasks import get_task
from ups.tasks.action import ActionTask, recognize_2d, recognize_3d
from ups.tasks.placement import intrinsics, locate, steady
from ups.tasks.pose import estimate_pose
from ups.tasks.predictions import Answer, Lifted, rank
from ups.tasks.rates import SLOWEST, between, decoded_every, thinned
from ups.tasks.smoothing import calmed
from ups.tasks.timeline import (
    STEP,
    WINDOW,
    Timeline,
    Told,
    Windows,
    cuts_of,
    make_timeline,
    part,
    pooled_answer,
    somebody_in_steps,
    windows_of,
)

log = logging.getLogger("ups")
_Asked = tuple[Any, str, PoseSequence]
"""Whose answer it will be, the task, and a clip of joints that the model knows."""


class Answering(Protocol):
    """What is asked of a predictor here; see `ups.inference.base.BasePredictor`."""

    clips_at_once: int

    def judged(
        self, task: str, clips: list[PoseSequence], classes: tuple[str, ...], batch: int = 64
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Log-probabilities (clips, K), and that it is none of them (clips)."""
        ...

    def drop_untrained_joints(self, task: str, clip: PoseSequence) -> PoseSequence:
        """The clip with the joints that the model knows."""
        ...

    def is_long(self, task: str, clip: PoseSequence) -> bool:
        """Whether the clip is asked about in windows."""
        ...

    def as_read(self, clip: PoseSequence) -> PoseSequence:
        """The clip with what the model reads of it."""
        ...

    def asked_for(self, clip: PoseSequence, wanted: Skeleton) -> PoseSequence:
        """The clip with the joints that are wanted."""
        ...

    def _lift_persons(
        self, clips: list[PoseSequence], flip: bool, stride: int | None, greedy: bool, delay: int | None, every: int = 1
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Poses and spread of clips of one person."""
        ...


def judged_together(
    predictor: Answering, asked: Iterable[_Asked], names: tuple[str, ...]
) -> Iterator[tuple[Any, np.ndarray, float | None]]:
    """Whose, log-probabilities (K), and the probability that it is none of them; in the order in which batches are full.

    No more clips are held than wait for a batch of their task and skeleton.
    """
    waiting: dict[tuple[str, Skeleton], list[tuple[Any, PoseSequence]]] = defaultdict(list)

    def answered(task: str, pairs: list[tuple[Any, PoseSequence]]) -> Iterator[tuple[Any, np.ndarray, float | None]]:
        scores, unknown = predictor.judged(task, [clip for _, clip in pairs], names, len(pairs))
        for i, (whose, _) in enumerate(pairs):
            yield whose, scores[i], None if unknown is None else float(unknown[i])

    for whose, task, clip in asked:
        key = task, clip.skeleton
        waiting[key].append((whose, clip))
        if len(waiting[key]) == predictor.clips_at_once:
            yield from answered(task, waiting.pop(key))
    for (task, _), pairs in waiting.items():
        yield from answered(task, pairs)


def timelines(
    predictor: Answering,
    clips: list[PoseSequence],
    names: tuple[str, ...],
    task: str | None = None,
    window_s: float = WINDOW,
    step_s: float = STEP,
) -> list[Timeline]:
    """`BasePredictor.timeline` of each recording; windows share batches across recordings."""
    cuts = [cuts_of(clip.frames, clip.fps, window_s, step_s) for clip in clips]
    return [
        make_timeline(names, told, somebody_in_steps(clip.visibility, told[0].windows))
        for clip, told in zip(clips, told_of(predictor, clips, cuts, names, task), strict=True)
    ]


def told_of(
    predictor: Answering, clips: list[PoseSequence], cuts: list[list[Windows]], names: tuple[str, ...], task: str | None
) -> list[list[Told]]:
    """What the model tells of the windows into which each recording is cut."""
    found = [
        [
            Told(cut, np.zeros(n, bool), np.zeros((n, len(names)), np.float32), np.ones((n, 1), np.float32))
            for cut in some
            for n in [len(cut.starts)]
        ]
        for some in cuts
    ]

    def asked() -> Iterator[_Asked]:
        for i, clip in enumerate(clips):
            question = task or recognition_of(clip)
            for which, cut in enumerate(cuts[i]):
                for k, window in enumerate(cut.cut(clip)):
                    known = predictor.drop_untrained_joints(question, window)
                    if bodies(known.visibility).any():
                        yield (i, which, k), question, known

    for (i, which, k), scores, none in judged_together(predictor, asked(), names):
        told = found[i][which]
        told.asked[k], told.probabilities[k] = True, np.exp(scores)
        told.unknown[k] = 1 - told.probabilities[k].max() if none is None else none
    return found


def pooled_answers(predictor: Answering, clips: list[PoseSequence], names: tuple[str, ...], task: str) -> list[Answer]:
    """One answer about each long recording, of its windows of the usual length."""
    cuts = [[windows_of(clip.frames, clip.fps)] for clip in clips]
    return [
        pooled_answer(make_timeline(names, told, somebody_in_steps(clip.visibility, told[0].windows)))
        for clip, told in zip(clips, told_of(predictor, clips, cuts, names, task), strict=True)
    ]


def recognition_of(clip: PoseSequence) -> str:
    """The task that recognises actions in the clip's space."""
    return recognize_2d.name if clip.space == "image" else recognize_3d.name


def ranked(
    predictor: Answering, clips: list[PoseSequence], names: tuple[str, ...], task: str | None = None
) -> list[Answer]:
    """`BasePredictor.rank_actions` of each clip by a task, by recognition in its own space where None."""
    tasks = [task or recognition_of(clip) for clip in clips]
    known = [predictor.drop_untrained_joints(name, clip) for name, clip in zip(tasks, clips, strict=True)]
    for clip in known:
        check_somebody(clip.visibility, clip.id or "clip")
        if clip.persons > PERSONS:
            log.warning("%s: %d persons; the %d seen best are looked at", clip.id or "clip", clip.persons, PERSONS)
    found: dict[int, Answer] = {}
    whole: list[_Asked] = []
    long: dict[str, list[int]] = defaultdict(list)
    for i in sorted(range(len(clips)), key=lambda i: known[i].frames):  # those of a batch are padded to the longest
        name, clip, question = tasks[i], known[i], get_task(tasks[i])
        if predictor.is_long(name, clip):
            if not (isinstance(question, ActionTask) and question.prefix):
                long[name].append(i)
                continue
            clip = part(clip, windows_of(clip.frames, clip.fps).starts[-1], clip.frames)
            check_somebody(clip.visibility, f"{clip.id or 'clip'}: its last {WINDOW:g} s")
        whole.append((i, name, clip))
    for name, some in long.items():
        pooled = pooled_answers(predictor, [known[i] for i in some], names, name)
        found |= dict(zip(some, pooled, strict=True))
    for i, scores, none in judged_together(predictor, whole, names):
        found[i] = rank(names, scores, none)
    return [found[i] for i in range(len(clips))]


def lifted(
    predictor: Answering,
    clips: list[PoseSequence],
    flip: bool = True,
    stride: int | None = None,
    greedy: bool = False,
    delay: int | None = None,
    skeleton: Skeleton | str | None = None,
    smooth: bool = False,
) -> list[Lifted]:
    """`BasePredictor.lift` of each clip; windows share batches across persons and clips of one skeleton."""
    wanted = get_skeleton(skeleton) if isinstance(skeleton, str) else skeleton
    places: dict[int, np.ndarray] = {}
    known: list[PoseSequence] = []
    for i, clip in enumerate(clips):
        if stride is None and delay is None:
            clip = calmed(clip)
            if clip.fps >= 2 * SLOWEST:
                clip, places[i] = thinned(clip)
        clip = predictor.drop_untrained_joints(estimate_pose.name, predictor.as_read(clip))
        check_somebody(clip.visibility, clip.id or "clip")
        known.append(clip)
    asked = [clip if wanted is None else predictor.asked_for(clip, wanted) for clip in known]
    alike: dict[tuple[Skeleton, int], list[int]] = defaultdict(list)
    for i, clip in enumerate(asked):
        every = decoded_every(clip.fps) if stride is None and delay is None else 1
        alike[clip.skeleton, every].append(i)
    found: dict[int, Lifted] = {}
    for (_, every), some in alike.items():
        persons = [asked[i].person(m) for i in some for m in range(asked[i].persons)]
        each = iter(predictor._lift_persons(persons, flip, stride, greedy, delay, every))
        for i in some:
            joints, spread = (np.stack(a) for a in zip(*(next(each) for _ in range(asked[i].persons)), strict=True))
            found[i] = _placed(joints, spread, known[i], asked[i], wanted, smooth)
    return [between(found[i], places[i]) if i in places else found[i] for i in range(len(clips))]


def _placed(
    joints: np.ndarray,
    spread: np.ndarray,
    clip: PoseSequence,
    asked: PoseSequence,
    wanted: Skeleton | None,
    smooth: bool,
) -> Lifted:
    """What was decoded (M, N, J, 3) and (M, N, J) of the joints of `asked`, with its place before the camera."""
    if smooth:
        joints = steady(joints, spread, asked.skeleton, clip.fps)
    root, error = locate(joints, asked)
    if wanted is not None:
        order = [asked.skeleton.joints.index(joint) for joint in wanted.joints]
        joints, spread = joints[:, :, order], spread[:, :, order]
        middle = joints[:, :, list(wanted.root_indices)].mean(2)
        joints, root = joints - middle[:, :, None], root + middle
    focal, _ = intrinsics(clip)
    return Lifted(joints, spread, wanted or clip.skeleton, root, error, focal, clip.focal is not None)
