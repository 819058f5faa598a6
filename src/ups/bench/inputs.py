"""Generated clips of the shapes that a model was made for: how long an answer takes does not depend on what it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ups.checkpoint.io import Trained
from ups.config import TaskMix
from ups.errors import SettingError
from ups.pose import PoseSequence
from ups.refs import DataSetInfo
from ups.skeleton import Skeleton
from ups.tasks import get_task

_SIZE = (1000, 1000)
_LABEL = "bench"


def random_clip(
    task: str, skeleton: Skeleton, frames: int, persons: int, label: int, rng: np.random.Generator
) -> PoseSequence:
    """A clip for `task`: joints that wander about a random pose, all seen; 2D with 3D poses behind where it reads 2D."""
    shape = (persons, frames, len(skeleton))
    pose = rng.uniform(-0.5, 0.5, (persons, 1, len(skeleton), 3))
    solid = pose + np.cumsum(rng.normal(0, 0.01, (*shape, 3)), 1) / frames**0.5
    name = f"generated clip of {task}"
    if get_task(task).space != "image":
        return PoseSequence(solid, np.ones(shape), skeleton, "kinect", 30.0, name, label)
    solid = solid + np.array([0, 0, 4])
    pixels = np.array(_SIZE) / 2 + 1000 * solid[..., :2] / solid[..., 2:]
    return PoseSequence(
        pixels, np.ones(shape), skeleton, "image", 30.0, name, label, image_size=_SIZE, pose_3d=solid
    )  # fmt: skip


def mix_of(trained: Trained, task: str) -> TaskMix:
    """How `task` was trained; raises SettingError with the known ones where it was not."""
    mixes = {mix.task: mix for mix in trained.config.train.tasks}
    if task not in mixes:
        raise SettingError(f"the model was not trained on {task!r}; it knows {', '.join(mixes)}")
    return mixes[task]


def shape_of(trained: Trained, task: str) -> tuple[TaskMix, Skeleton, tuple[str, ...]]:
    """How `task` was trained, and the skeleton and classes of its first data set that is known.

    Raises:
        SettingError: the model was not trained on the task, or none of its data sets is known.
    """
    mix = mix_of(trained, task)
    for name in mix.stores:
        if name in trained.data_sets:
            info = trained.data_sets[name]
            return mix, info.skeleton, info.classes
    raise SettingError(f"task {task!r}: none of its data sets ({', '.join(mix.data)}) is known here")


def at_shape(
    trained: Trained, task: str, skeleton: Skeleton, frames: int, classes: tuple[str, ...] | None = None
) -> Trained:
    """The same weights, taken as if `task` had been trained on clips of `frames` frames of `skeleton`.

    For comparing speed at another model's shape; what it answers there means nothing. `classes` are the candidates, all
    of which the vocabulary must hold; those of the model's data sets where None.
    """
    mix = replace(mix_of(trained, task), data=(f"{_LABEL}:any",), frames=frames)
    train = replace(trained.config.train, tasks=(mix,))
    known = {_LABEL: DataSetInfo(trained.vocabulary.classes if classes is None else classes, skeleton)}
    return replace(trained, config=replace(trained.config, train=train), data_sets=known)
