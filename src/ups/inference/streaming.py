"""Answers while the motion goes on: frames come one at a time, and every frame can be asked about, for hours.

online = OnlinePredictor(Predictor.from_pretrained("runs/small/checkpoint"), "coco-17", space="image", fps=30,
                         image_size=(1920, 1080))
for joints in camera:               # (J, 2) pixels
    online.push(joints)
    answer = online.action()        # what is being done, by all that was seen so far; None = nobody is in sight
    pose = online.pose()            # the 3D pose of `online.delay` frames ago; None = none, or nobody was in sight

Which answers these are is said in terms of `Predictor`, whose questions about a whole clip give the same (docs/streaming.md).
What does not change from frame to frame is computed once (`graph_capture`), or left to ONNX Runtime, which is faster. The
activations do change, all of them: clip and window are centred and scaled by what they show, and the graph's topology is
that of their mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ups.errors import DataError, SettingError
from ups.inference.base import BasePredictor, finite
from ups.inference.onnx import OnnxPredictor
from ups.pose import PoseSequence, Space, pose_sequence
from ups.seen import bodies, numbers
from ups.skeleton import Skeleton
from ups.skeletons import get_skeleton
from ups.tasks import get_task
from ups.tasks.action import ActionTask, anticipate
from ups.tasks.pose import estimate_pose
from ups.tasks.predictions import Answer
from ups.tasks.task import check_space
from ups.tasks.timeline import WINDOW

if TYPE_CHECKING:
    from ups.inference.predictor import Predictor


@dataclass(frozen=True)
class OnlinePose:
    """The 3D poses of all persons in one frame.

    Attributes:
        frame: number of the frame, from 0.
        joints: (M, J, 3) float32 metres, relative to the root, camera frame, in the input skeleton's joint order; NaN of
            a person who was not seen.
        spread: (M, J) float32 metres, see `Lifted`.
        skeleton: names the J joints: those of the input, without any that the model never met in training.
    """

    frame: int
    joints: np.ndarray
    spread: np.ndarray
    skeleton: Skeleton


class OnlinePredictor:
    """Answers about a stream of frames, with memory that does not grow. Not for several threads at once.

    Attributes:
        predictor: the offline twin whose answers `action` gives: the given predictor in float32.
        lifter: the one whose answers `pose` gives.
        frames: number of frames pushed so far.

    Args:
        predictor: a `Predictor`, or an `OnnxPredictor` (for one question of one skeleton, without PyTorch, in half the time).
            Streams alike that are answered by one thread may share a `CapturedPredictor`, and with it what is computed once.
        skeleton: of all frames; a name or a `Skeleton`.
        space: frame of reference and unit of all frames, see `ups.pose.Space`; "image" = 2D.
        fps: frames per second, > 0.
        image_size: (width, height) in pixels, for 2D.
        persons: M, at most, in any frame.
        task: what `action` answers: anticipate, the action that is about to be completed (trained on beginnings of
            clips), or recognize_3d or recognize_2d, the one that a whole clip shows.
        classes: the candidates of `action`, by text; all that clips taught the model where None.
        horizon: `action` covers the last `horizon` frames; a window's, `ups.tasks.timeline.WINDOW` seconds, where None. Of
            more than the clips of training have, windows are pooled as `predictor.recognize` does.
        stride: frames whose 3D poses are decoded from one window: more = cheaper, and the delay grows.
        delay: frames between a frame and its 3D pose; from stride - 1 to the window's length - 1. As small as a window
            allows that stands evenly around the decoded frames where None.
        lifter: who lifts, where that isn't `predictor`: exported models answer one task each.

    Raises:
        DataError: a setting of poses that can't be (see `PoseSequence`, `Predictor.windows`), or no horizon.
        SettingError: an unknown skeleton, or a class that the model does not know.
    """

    def __init__(
        self,
        predictor: Predictor | OnnxPredictor,
        skeleton: str | Skeleton,
        *,
        space: Space,
        fps: float,
        image_size: tuple[int, int] | None = None,
        persons: int = 1,
        task: str = anticipate.name,
        classes: tuple[str, ...] | None = None,
        horizon: int | None = None,
        stride: int = 9,
        delay: int | None = None,
        lifter: Predictor | OnnxPredictor | None = None,
    ) -> None:
        horizon = max(1, round(WINDOW * fps)) if horizon is None and fps > 0 else horizon or 0
        if horizon < 1:
            raise DataError(f"a horizon of {horizon} frames; at least 1 is needed")
        self.predictor, self._namer = _for_one(predictor)
        self.lifter, self._lifter = (self.predictor, self._namer) if lifter is None else _for_one(lifter)
        self.skeleton = get_skeleton(skeleton) if isinstance(skeleton, str) else skeleton
        self.space: Space = space
        self.fps, self.image_size, self.horizon = fps, image_size, horizon
        self.classes = self.predictor.candidates(classes)
        self.predictor.vocabulary.class_tokens(list(self.classes))
        self._window = self.lifter.windows(stride, delay) if self._lifts() else (0, 0, 1)
        length, _, stride = self._window
        self._capacity = max(horizon, length + stride - 1)
        blank = np.full((persons, 2 * self._capacity, len(self.skeleton), 2 if space == "image" else 3), np.nan)
        none = pose_sequence(blank, self.skeleton, space=space, fps=fps, image_size=image_size)  # checks the settings
        self._joints, self._visibility = none.joints.copy(), none.visibility.copy()
        chosen = get_task(task)
        if not isinstance(chosen, ActionTask):
            raise SettingError(f"task {task!r} does not answer with an action; see `pose` for 3D poses")
        check_space(chosen, space, "the stream")
        self._task = chosen
        self.reset()

    def reset(self) -> None:
        """Forget all frames; a new stream with the same settings begins."""
        self.frames, self._end = 0, 0
        self._block: tuple[int, np.ndarray, np.ndarray, Skeleton] | None = None

    @property
    def delay(self) -> int:
        """Frames between the last one pushed and the one whose 3D pose is given.

        Raises:
            DataError: the frames are not 2D.
            SettingError: the model does not estimate poses.
        """
        self._check_lifting()
        length, first, _ = self._window
        return length - 1 - first

    def push(self, joints: np.ndarray | None, visibility: np.ndarray | None = None) -> None:
        """Take the next frame.

        Args:
            joints: (J, V) of one person or (P, J, V) of the P persons who are there, 0 to M, in the unit and frame of the
                stream's space; None = nobody. What counts as not seen, NaN above all, is said in `ups.seen.not_seen`.
                Person m is the same from frame to frame, so one who is not there while a later one is has to be NaN.
            visibility: (J) or (P, J) in 0..1, or another scale that `not_seen` knows; where None, every joint with
                coordinates counts as seen.

        Raises:
            DataError: another shape, a value that is infinite; the stream is as before.
        """
        m, _, j, v = self._joints.shape
        name = f"frame {self.frames}"
        given = np.zeros((0, j, v), np.float32) if joints is None else numbers(joints, name, "joints")
        given = np.zeros((0, j, v), np.float32) if given.size == 0 and given.shape[0] == 0 else given
        seen = None if visibility is None or not given.size else numbers(visibility, name, "visibility")
        if given.ndim not in (2, 3) or given.shape[-2:] != (j, v) or len(given.reshape(-1, j, v)) > m:
            raise DataError(
                f"{name}: joints have shape {given.shape}; ({m}, {j}, {v}) is needed: persons, joints of "
                f"{self.skeleton.name!r}, coordinates of space {self.space!r}"
            )
        if seen is not None and seen.shape != given.shape[:-1]:
            raise DataError(f"{name}: visibility has shape {seen.shape}; {given.shape[:-1]} is needed")
        there = given.size // (j * v)
        whole = np.full((m, 1, j, v), np.nan, given.dtype)
        whole[:there, 0] = given.reshape(there, j, v)
        scores = None
        if seen is not None:
            scores = np.zeros((m, 1, j), seen.dtype)
            scores[:there, 0] = seen.reshape(there, j)
        frame = pose_sequence(
            whole, self.skeleton, space=self.space, fps=self.fps, image_size=self.image_size, visibility=scores, id=name
        )
        if self._end == 2 * self._capacity:  # the newer half becomes the older one
            for kept in (self._joints, self._visibility):
                kept[:, : self._capacity] = kept[:, self._capacity :]
            self._end = self._capacity
        self._joints[:, self._end], self._visibility[:, self._end] = frame.joints[:, 0], frame.visibility[:, 0]
        self._end += 1
        self.frames += 1

    def action(self) -> Answer | None:
        """The action so far: that of `predictor.anticipate` (or `recognize`) for the last `horizon` frames.

        None while nobody is in sight: no frame of the last second, or of the horizon if that is shorter, shows enough of
        a body (`ups.seen.BODY`).

        Raises:
            DataError: no frame yet.
            SettingError: the model was not trained on the question.
        """
        task = self._task
        clip = self.predictor.drop_untrained_joints(task.name, self.seen(self.horizon))
        if not bodies(clip.visibility[:, -max(1, round(self.fps)) :]).any():
            return None
        return self._namer.answer_about(task.name, clip, self.classes)

    def pose(self) -> OnlinePose | None:
        """The 3D poses in the frame `delay` frames before the last one; None while there is no such frame.

        None also where nobody is seen in the window that the frame is decoded from; of several persons, one of whom
        nothing is seen there is NaN. The poses are those of `lifter.lift(clip, flip=False, stride=stride, delay=delay)` for
        any clip that begins with the frames so far. Every `stride`-th frame they are computed for `stride` frames at once.

        Raises:
            DataError: the frames are not 2D.
            SettingError: the model does not estimate poses.
        """
        frame = self.frames - 1 - self.delay
        if frame < 0:
            return None
        stride = self._window[2]
        number, place = divmod(frame, stride)
        if self._block is None or self._block[0] != number:
            self._block = (number, *self._lift(number))
        _, joints, spread, skeleton = self._block
        if np.isnan(joints[:, place]).all():
            return None
        return OnlinePose(frame, joints[:, place], spread[:, place], skeleton)

    def seen(self, frames: int) -> PoseSequence:
        """The last frames, at most that many and at most those that are kept; raises DataError where there is none."""
        if self.frames == 0:
            raise DataError("the stream has no frame yet; push one first")
        part = slice(max(0, self._end - min(frames, self._capacity)), self._end)
        joints, visibility = self._joints[:, part].copy(), self._visibility[:, part].copy()
        return PoseSequence(
            joints, visibility, self.skeleton, self.space, self.fps, "stream", image_size=self.image_size
        )  # fmt: skip

    def _lift(self, number: int) -> tuple[np.ndarray, np.ndarray, Skeleton]:
        """Joints (M, stride, J, 3), spread (M, stride, J) and their skeleton, of the number-th window."""
        task = estimate_pose
        length, first, stride = self._window
        clip = self.lifter.as_read(self.lifter.drop_untrained_joints(task.name, self.seen(length + stride - 1)))
        start = number * stride - first - (self.frames - clip.frames)
        wanted = np.arange(first, first + stride)
        skeleton = clip.skeleton.sorted_by_slot()
        examples = [task.example(clip.person(m), start, length, wanted) for m in range(clip.persons)]
        there = [m for m, example in enumerate(examples) if bodies(example.visible).any()]
        joints = np.full((clip.persons, stride, len(skeleton), 3), np.nan, np.float32)
        deviation = joints.copy()
        if there:
            found = self._lifter.coordinates(task, [examples[m] for m in there], skeleton, greedy=False)
            for array, values in zip((joints, deviation), map(finite, found), strict=True):
                array[there] = task.poses(values, skeleton).reshape(len(there), stride, len(skeleton), 3)
        back = np.argsort(clip.skeleton.slot_order)
        return joints[:, :, back], np.linalg.norm(deviation[:, :, back], axis=-1), clip.skeleton

    def _lifts(self) -> bool:
        return self.space == "image" and any(m.task == estimate_pose.name for m in self.lifter.config.train.tasks)

    def _check_lifting(self) -> None:
        if self.space != "image":
            raise DataError(f"3D poses are estimated from 2D joints; this stream's space is {self.space!r}")
        self.lifter.frames_of(estimate_pose.name)


def _for_one(predictor: Predictor | OnnxPredictor) -> tuple[BasePredictor, BasePredictor]:
    """The offline twin of what answers a stream, and what answers it."""
    if isinstance(predictor, OnnxPredictor):
        return predictor, predictor
    from ups.inference.captured import CapturedPredictor
    from ups.inference.predictor import Predictor

    if isinstance(predictor, CapturedPredictor):
        return Predictor(predictor.trained, "32-true"), predictor
    return Predictor(predictor.trained, "32-true"), CapturedPredictor(predictor)
