"""The shift board: how a model's answers hold where recordings differ from its benchmarks in the ways real ones do.

Other skeletons, noise, missing joints, another picture frame, rate, view or size, pauses. Test clips are changed, nothing
else; each clip's changes are its own, the same for every model. Of actions the task's main figure is measured; of 3D poses
the MPJPE of the limbs' joints that every skeleton has, relative to the middle of the hips, so that skeletons compare.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ups.checkpoint.lineage import find_leak
from ups.data.store.store import Store
from ups.errors import SettingError
from ups.inference.base import BasePredictor
from ups.pose import PoseSequence
from ups.refs import Benchmark
from ups.skeletons import skeleton_of
from ups.tasks import get_task
from ups.tasks.metrics import mpjpe
from ups.tasks.skeleton_views import ENDS, LIMBS, LISTED, in_skeleton
from ups.tasks.task import Reading, Task
from ups.tasks.timeline import part
from ups.tasks.views import at_rate, fixed_view

Change = Callable[[PoseSequence, np.random.Generator], PoseSequence]
LONGEST = 3.0
"""Seconds that are lifted of a clip, its middle."""
HOLD = 1.0
"""Seconds of standing still before and after an action."""
_TRUNK = ("pelvis", "spine", "chest", "neck", "head")


def board(task: Task, space: str) -> dict[str, Change]:
    """The changes for clips of a space, by what tables call them; "as recorded" comes first."""
    found: dict[str, Change] = {"as recorded": lambda clip, rng: clip}
    found |= {
        "12 limb joints": partial(_only, names=LIMBS),
        "no hands, feet, face": partial(_only, names=LIMBS + _TRUNK),
    }
    found |= {f"skeleton {skeleton.name}": partial(_in, skeleton=skeleton) for skeleton in LISTED}
    found |= {f"{share:.0%} of joints missing": partial(_missing, share=share) for share in (0.1, 0.2)}
    found |= {"half the rate": partial(_rate, factor=0.5), "double rate": partial(_rate, factor=2.0)}
    if space == "image":
        found |= {f"noise {share:.1%} of width": partial(_noise, size=share) for share in (0.005, 0.01, 0.02)}
        found |= {"portrait": partial(_framed, ratio=9 / 16), "landscape 16:9": partial(_framed, ratio=16 / 9)}
    else:
        found |= {f"noise {100 * size:.0f} cm": partial(_noise, size=size) for size in (0.02, 0.04)}
        found |= {"turned by 90 degrees": partial(_turned, degrees=90), "size 0.75": partial(_sized, factor=0.75)}
    if task.unit == "clip":
        found["1 s still before and after"] = _held
        if space == "image":
            found["size 0.5"] = partial(_sized, factor=0.5)
    return found


def measure_shifts(
    predictor: BasePredictor,
    stores: Path,
    limit: int = 300,
    tasks: tuple[str, ...] | None = None,
    data: tuple[str, ...] = (),
    allow_leak: bool = False,
) -> dict[str, dict[str, Any]]:
    """The board of every task and data set of the model's mixture, or of `data`, on test clips.

    Args:
        predictor: the model.
        stores: folder of the stores.
        limit: clips of each data set, at most, evenly spaced in its test part; half as many where beginnings of clips are
            asked about, a fifth where poses are lifted.
        tasks: only these.
        data: as "task/data set:protocol", instead of the model's own.
        allow_leak: measure clips that the model has learned.

    Returns:
        "task/data set:protocol" -> {"clips", "measure", "unit", "shifts": {what differs: figure}}; percent or millimetres.

    Raises:
        SettingError: clips that the model has learned are among those to be measured, or there are none.
    """
    own = [Benchmark(mix.task, ref) for mix in predictor.config.train.tasks for ref in mix.refs]
    found = {}
    for benchmark in [Benchmark.parse(text) for text in data] or own:
        if tasks is not None and benchmark.task not in tasks:
            continue
        predictor.frames_of(benchmark.task)
        store, task = Store.open(Path(stores) / benchmark.data.store), get_task(benchmark.task)
        indices = store.indices(benchmark.data.protocol, "test")
        if task.teaches_actions:
            indices = indices[store.labels[indices] >= 0]
        if not len(indices):
            raise SettingError(f"{benchmark.data}: no test clip to measure; the shift board needs some")
        leak = find_leak(predictor.lineage, store, indices, Path(stores))
        if leak is not None and not allow_leak:
            raise SettingError(f"{benchmark.data}: {leak}; --allow-leak measures it anyway")
        most = max(1, limit // (5 if task.unit == "frame" else 2 if task.columns[0] != task.main else 1))
        chosen = indices[np.linspace(0, len(indices) - 1, min(most, len(indices))).astype(int)]
        found[str(benchmark)] = _board_of(predictor, task, store, chosen) | ({} if leak is None else {"leak": True})
    return found


def _board_of(predictor: BasePredictor, task: Task, store: Store, indices: np.ndarray) -> dict[str, Any]:
    values = {}
    for name, change in board(task, "image" if task.unit == "frame" else store.space).items():
        if task.unit == "frame":
            values[name] = _limb_error(predictor, store, indices, change)
            continue
        clips = _Changed(predictor, task, store, change)
        metrics = task.evaluate(predictor, clips, indices, lambda jobs, work: [work(job) for job in jobs], Reading())
        values[name] = task.measures(metrics)[task.main]
    pose = task.unit == "frame"
    measure = "MPJPE of limbs" if pose else task.main
    return {"clips": len(indices), "measure": measure, "unit": "mm" if pose else "%", "shifts": values}


@dataclass(frozen=True)
class _Changed:
    """A store's clips, each changed in its own way."""

    predictor: BasePredictor
    task: Task
    store: Store
    change: Change

    @property
    def classes(self) -> tuple[str, ...]:
        return self.store.classes

    @property
    def labels(self) -> np.ndarray:
        return self.store.labels

    def __getitem__(self, index: int) -> PoseSequence:
        clip = self.change(self.store[index], np.random.default_rng([3, index]))
        return self.predictor.drop_untrained_joints(self.task.name, clip)


def _limb_error(predictor: BasePredictor, store: Store, indices: np.ndarray, change: Change) -> float:
    """Millimetres, mean over frames."""
    clips = []
    for i in map(int, indices):
        clip = store[i]
        frames = max(1, round(LONGEST * clip.fps))
        clip = part(clip, max(0, (clip.frames - frames) // 2), max(0, (clip.frames - frames) // 2) + frames)
        clip = clip if clip.space == "image" else fixed_view(clip, i)
        clips.append(change(clip, np.random.default_rng([3, i])))
    errors = []
    for clip, lifted in zip(clips, predictor.lift_together(clips, flip=False), strict=True):
        assert clip.pose_3d is not None
        names = [joint for joint in lifted.skeleton.joints if joint in _limbs(lifted.skeleton.joints)]
        true, told = (
            _from_hips(points, joints, names)
            for points, joints in ((clip.pose_3d[0], clip.skeleton.joints), (lifted.joints[0], lifted.skeleton.joints))
        )
        errors.append(1000 * mpjpe(np.nan_to_num(told), true))
    return float(np.concatenate(errors).mean())


def _from_hips(points: np.ndarray, joints: tuple[str, ...], names: list[str]) -> np.ndarray:
    """The named joints of (N, J, 3), relative to the middle of the hips."""
    middle = points[:, [joints.index("left_hip"), joints.index("right_hip")]].mean(1, keepdims=True)
    return (points - middle)[:, [joints.index(name) for name in names]]


def _limbs(joints: Iterable[str]) -> list[str]:
    """The limbs' joints among these; a hand for a wrist, a foot for an ankle where that is not recorded."""
    have, found = set(joints), []
    for limb in LIMBS:
        side, name = limb.split("_")
        found.append(limb if limb in have else f"{side}_{ENDS.get(name, name)}")
    return [joint for joint in found if joint in have]


def _only(clip: PoseSequence, rng: np.random.Generator, names: tuple[str, ...]) -> PoseSequence:
    del rng
    limbs = _limbs(clip.skeleton.joints)
    keep = [joint for joint in clip.skeleton.joints if joint in names or joint in limbs]
    return clip.pick_joints(skeleton_of(keep, clip.id or "clip"))


def _in(clip: PoseSequence, rng: np.random.Generator, skeleton: Any) -> PoseSequence:
    return in_skeleton(clip, skeleton, rng)


def _missing(clip: PoseSequence, rng: np.random.Generator, share: float) -> PoseSequence:
    return replace(clip, visibility=clip.visibility * (rng.random(clip.visibility.shape) >= share))


def _rate(clip: PoseSequence, rng: np.random.Generator, factor: float) -> PoseSequence:
    del rng
    return at_rate(clip, factor)


def _noise(clip: PoseSequence, rng: np.random.Generator, size: float) -> PoseSequence:
    """White noise of a standard deviation in metres, or in widths of the image."""
    unit = size if clip.image_size is None else size * clip.image_size[0]
    moved = clip.joints + unit * rng.standard_normal(clip.joints.shape)
    return replace(clip, joints=np.where(clip.visibility[..., None] > 0, moved, 0).astype(np.float32))


def _framed(clip: PoseSequence, rng: np.random.Generator, ratio: float) -> PoseSequence:
    """Camera and people stay; the picture is cut or widened at both sides to `ratio` of its height."""
    del rng
    width, height = clip.image_size or (1, 1)
    new = round(height * ratio)
    moved = clip.joints + np.array([(new - width) / 2, 0], np.float32)
    centre = None if clip.centre is None else (clip.centre[0] + (new - width) / 2, clip.centre[1])
    joints = np.where(clip.visibility[..., None] > 0, moved, 0).astype(np.float32)
    return replace(clip, joints=joints, image_size=(new, height), centre=centre)


def _turned(clip: PoseSequence, rng: np.random.Generator, degrees: float) -> PoseSequence:
    del rng
    angle, seen = np.deg2rad(degrees), clip.visibility > 0
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]], np.float32)
    middle = clip.joints[seen].mean(0) if seen.any() else np.zeros(3, np.float32)
    moved = (clip.joints - middle) @ turn.T + middle
    return replace(clip, joints=np.where(seen[..., None], moved, 0).astype(np.float32))


def _sized(clip: PoseSequence, rng: np.random.Generator, factor: float) -> PoseSequence:
    del rng
    return replace(clip, joints=clip.joints * np.float32(factor))


def _held(clip: PoseSequence, rng: np.random.Generator) -> PoseSequence:
    del rng
    number = round(HOLD * clip.fps)
    frames = np.concatenate([np.zeros(number, int), np.arange(clip.frames), np.full(number, clip.frames - 1)])
    return replace(clip, joints=clip.joints[:, frames], visibility=clip.visibility[:, frames], pose_3d=None)
