"""Untrimmed recordings, made of test clips: several actions in a row, parted by pauses, and how well timelines tell them.

Of a pause the frames are those of people who stand idle (data set ReActIdle), in the clip's skeleton, rate, place and size,
turned as the body stood; where that store is not there, the pose before it is held. The same seed makes the same recordings.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ups.checkpoint.lineage import find_leak
from ups.data.store.store import Store
from ups.errors import DataError, SettingError
from ups.inference.base import BasePredictor
from ups.labels import canonical_text
from ups.pose import PoseSequence
from ups.refs import Benchmark
from ups.tasks import get_task
from ups.tasks.action import ActionTask
from ups.tasks.segment_metrics import OVERLAPS, Span, f1, segment_counts, time_right
from ups.tasks.skeleton_views import in_skeleton
from ups.tasks.timeline import STEP, WINDOW, part
from ups.tasks.views import at_rate, fixed_view

IDLE = "reactidle"
PAUSE = (1.0, 4.0)
"""Shortest and longest pause, in seconds."""
CLIPS = 8
"""Clips of a recording."""


@dataclass(frozen=True)
class Recording:
    """A made-up recording and what is done in it.

    Attributes:
        clip: the recording, of one person.
        truth: its actions, by their number in the data set.
    """

    clip: PoseSequence
    truth: tuple[Span, ...]


def untrimmed(store: Store, indices: np.ndarray, idle: Store | None, clips: int = 60, seed: int = 0) -> list[Recording]:
    """Recordings of `CLIPS` clips each, which are drawn among the given ones without repeating any.

    Args:
        store: the clips'.
        indices: of labelled clips.
        idle: people who stand idle, in 3D; None = the pose before a pause is held.
        clips: of all recordings together, at most.
        seed: of the choice, the order and the pauses.

    Raises:
        DataError: fewer than two clips.
    """
    rng = np.random.default_rng([17, seed])
    chosen = rng.permutation(indices)[:clips]
    if len(chosen) < 2:
        raise DataError(f"{store.name}: {len(chosen)} labelled clips; at least 2 are joined to a recording")
    groups = [chosen[i : i + CLIPS] for i in range(0, len(chosen), CLIPS)]
    return [_joined(store, group, idle, rng) for group in groups if len(group) > 1]


def _joined(store: Store, indices: np.ndarray, idle: Store | None, rng: np.random.Generator) -> Recording:
    clips = [store[int(i)].keep_best(1) for i in indices]
    parts: list[tuple[np.ndarray, np.ndarray]] = []
    truth, frames, fps = [], 0, clips[0].fps
    for clip in clips:
        clip = clip if clip.fps == fps else at_rate(clip, fps / clip.fps)
        length = max(1, round(rng.uniform(*PAUSE) * fps))
        for joints, visibility in (_pause(clip, length, idle, rng), (clip.joints, clip.visibility)):
            parts.append((joints, visibility))
        truth.append(((frames + length) / fps, (frames + length + clip.frames) / fps, clip.label))
        frames += length + clip.frames
    joints, visibility = (np.concatenate(values, 1) for values in zip(*parts, strict=True))
    whole = replace(
        clips[0],
        joints=joints,
        visibility=visibility,
        pose_3d=None,
        label=-1,
        id=f"{store.name} untrimmed {indices[0]}",
    )
    return Recording(whole, tuple(truth))


def _pause(
    clip: PoseSequence, length: int, idle: Store | None, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Joints and visibility of so many frames before a clip: where its first pose is seen, as large as that."""
    seen = clip.visibility[0].sum(-1)
    first = int(np.argmax(seen >= 0.8 * seen.max()))
    pose, there = clip.joints[:, first], clip.visibility[:, first]
    if idle is None:
        return np.repeat(pose[:, None], length, 1), np.repeat(there[:, None], length, 1)
    number = int(rng.integers(len(idle)))
    whole = idle[number]
    needed = min(whole.frames, int(np.ceil(length * whole.fps / clip.fps)) + 1)
    start = int(rng.integers(0, whole.frames - needed + 1))
    some = at_rate(part(whole, start, start + needed).keep_best(1), clip.fps / whole.fps)
    if clip.space == "image":
        some = fixed_view(some, number)
    some = in_skeleton(some, clip.skeleton, rng)
    numbers = np.minimum(np.arange(length), some.frames - 1)
    joints, visibility = some.joints[:, numbers].copy(), some.visibility[:, numbers] * (there > 0)[:, None]
    both = (there[0] > 0) & (visibility[0, 0] > 0)
    if both.sum() < 2:
        return np.repeat(pose[:, None], length, 1), np.repeat(there[:, None], length, 1)
    if clip.space != "image":
        joints = _turned_as(joints, pose[0], clip, both)
    ours, theirs = pose[0][both], joints[0, 0][both]
    size = np.linalg.norm(ours - ours.mean(0)) / max(float(np.linalg.norm(theirs - theirs.mean(0))), 1e-6)
    moved = (joints - theirs.mean(0)) * (size if clip.space == "image" else 1.0) + ours.mean(0)
    return np.where(visibility[..., None] > 0, moved, 0).astype(np.float32), visibility.astype(np.float32)


def _turned_as(joints: np.ndarray, pose: np.ndarray, clip: PoseSequence, both: np.ndarray) -> np.ndarray:
    """(1, N, J, 3), turned about the vertical axis so that its first pose's shoulders lie as those of `pose`."""
    left, right = (clip.skeleton.joints.index(f"{side}_shoulder") for side in ("left", "right"))
    if not (both[left] and both[right]):
        return joints
    angles = [np.arctan2(*(each[left] - each[right])[[2, 0]]) for each in (joints[0, 0], pose)]
    angle = angles[0] - angles[1]
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    return joints @ turn.T


def measure_untrimmed(
    predictor: BasePredictor,
    stores: Path,
    clips: int = 60,
    tasks: tuple[str, ...] | None = None,
    data: tuple[str, ...] = (),
    allow_leak: bool = False,
    window_s: float = WINDOW,
    step_s: float = STEP,
) -> dict[str, dict[str, Any]]:
    """How well timelines tell what is done in made-up recordings, for every data set that the model recognises actions of.

    Args:
        predictor: the model; calibrated, it knows pauses better.
        stores: folder of the stores; of people who stand idle that of ReActIdle is used, if it is there.
        clips: of each data set, at most.
        tasks: only these.
        data: as "task/data set:protocol", instead of the model's own.
        allow_leak: measure clips that the model has learned.
        window_s: see `BasePredictor.timeline`.
        step_s: see `BasePredictor.timeline`.

    Returns:
        "task/data set:protocol" -> {"recordings", "clips", "seconds", "pauses", "frame_accuracy", "f1_at": {"0.1": ..}}, in 0..1.

    Raises:
        SettingError: clips that the model has learned are among those to be measured, or no task to measure.
    """
    stores = Path(stores)
    idle = Store.open(stores / IDLE) if (stores / IDLE / "store.json").exists() else None
    own = [Benchmark(mix.task, ref) for mix in predictor.config.train.tasks for ref in mix.refs]
    found = {}
    for benchmark in [Benchmark.parse(text) for text in data] or own:
        task, store = get_task(benchmark.task), Store.open(stores / benchmark.data.store)
        if not isinstance(task, ActionTask) or task.prefix or (tasks is not None and task.name not in tasks):
            continue
        predictor.frames_of(task.name)
        indices = store.indices(benchmark.data.protocol, "test")
        indices = indices[store.labels[indices] >= 0]
        leak = find_leak(predictor.lineage, store, indices, stores)
        if leak is not None and not allow_leak:
            raise SettingError(f"{benchmark.data}: {leak}; --allow-leak measures it anyway")
        recordings = untrimmed(store, indices, idle, clips)
        figures = _scored(predictor, task.name, recordings, store.classes, window_s, step_s)
        pauses = "held poses" if idle is None else "people who stand idle"
        found[str(benchmark)] = figures | {"pauses": pauses} | ({} if leak is None else {"leak": True})
    if not found:
        raise SettingError("no task of recognition to measure on untrimmed recordings")
    return found


def _scored(
    predictor: BasePredictor,
    task: str,
    recordings: list[Recording],
    classes: tuple[str, ...],
    window_s: float,
    step_s: float,
) -> dict[str, Any]:
    numbers = {canonical_text(name): i for i, name in enumerate(classes)}
    counts: dict[float, list[tuple[int, int, int]]] = {overlap: [] for overlap in OVERLAPS}
    right, seconds = 0.0, 0.0
    for recording in recordings:
        timeline = predictor.timeline(recording.clip, classes, task, window_s, step_s)
        told = [(s.start_s, s.end_s, numbers[canonical_text(s.action)]) for s in timeline.actions if s.action]
        for overlap, of in counts.items():
            of.append(segment_counts(told, recording.truth, overlap))
        right += time_right(told, recording.truth, timeline.duration_s) * timeline.duration_s
        seconds += timeline.duration_s
    return {
        "recordings": len(recordings),
        "clips": sum(len(recording.truth) for recording in recordings),
        "seconds": seconds,
        "frame_accuracy": right / seconds,
        "f1_at": {f"{overlap:g}": f1(of) for overlap, of in counts.items()},
    }
