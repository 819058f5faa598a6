"""Questions about pose sequences and their answers, whatever computes them. Nothing here needs PyTorch."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from ups.checkpoint.known_actions import taught_actions
from ups.config import Config
from ups.errors import DataError, SettingError
from ups.inference.predictions import Answer, Lifted, ranked
from ups.pose import PoseSequence
from ups.skeleton import Skeleton
from ups.skeletons import pick_joints, skeleton_of
from ups.tasks import get_task
from ups.tasks.action import ActionTask
from ups.tasks.pose import PoseTask
from ups.tasks.task import Example
from ups.tokens.vocabulary import Vocabulary, canonical_text


class Answerer(ABC):
    """What can be asked of a trained model; how the model is run is a subclass's own matter.

    Args:
        config: what it was built and trained with.
        vocabulary: meaning of its tokens.
        data_sets: class names and skeleton of every data set it was trained on.
    """

    clips_at_once = 16
    """Clips that are best answered together: a CPU is no faster with more, which take more memory."""

    def __init__(
        self, config: Config, vocabulary: Vocabulary, data_sets: dict[str, tuple[tuple[str, ...], Skeleton]]
    ) -> None:
        self.config, self.vocabulary, self.data_sets = config, vocabulary, data_sets

    @abstractmethod
    def action_scores(
        self, task: ActionTask, examples: list[Example], skeleton: Skeleton, classes: tuple[str, ...]
    ) -> np.ndarray:
        """Log-probability of each class for each example, whose joints are those of `skeleton`: (B, classes) float32."""

    @abstractmethod
    def coordinates(
        self, task: PoseTask, examples: list[Example], skeleton: Skeleton, greedy: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Decoded coordinates and their spread in metres for all target frames of windows of one person: (Q, 3J) each.

        The coordinates are expectations over bins; if `greedy` the best bins are written, and their centres read.
        """

    def frames_of(self, task: str) -> int:
        """Frames that the model was trained to see for a task."""
        for mix in self.config.train.tasks:
            if mix.task == task:
                return mix.frames
        known = ", ".join(mix.task for mix in self.config.train.tasks)
        raise SettingError(f"the model was not trained on {task!r}; it knows {known}")

    def familiar(self, task: str, clip: PoseSequence) -> PoseSequence:
        """The clip without joints that no training data of the task had: the weights of their slots were never trained.

        Raises:
            DataError: neither a pelvis nor both hips are left.
        """
        entries = [entry for mix in self.config.train.tasks if mix.task == task for entry in mix.data]
        names = [entry.partition(":")[0] for entry in entries]
        met = {j for n in names if n in self.data_sets for j in self.data_sets[n][1].joints}
        joints = [joint for joint in clip.skeleton.joints if joint in met]
        if not met or len(joints) == len(clip.skeleton):
            return clip
        where = clip.id or "clip"
        return pick_joints(clip, skeleton_of(joints, where), where)

    def recognize(self, clip: PoseSequence, classes: tuple[str, ...] | None = None) -> Answer:
        """Which action is this? 2D or 3D is told by the clip's space.

        `classes` are the candidates, by text; all actions that the model can tell (`actions`) where None.
        """
        return self._answer("recognize_2d" if clip.space == "image" else "recognize_3d", clip, classes)

    def anticipate(self, clip: PoseSequence, classes: tuple[str, ...] | None = None) -> Answer:
        """Which action is about to happen, from its first frames? See `recognize`."""
        return self._answer("anticipate", clip, classes)

    def lift(
        self,
        clip: PoseSequence,
        flip: bool = True,
        stride: int | None = None,
        greedy: bool = False,
        delay: int | None = None,
    ) -> Lifted:
        """What is the 3D pose behind these 2D joints, in every frame?

        Args:
            clip: 2D joints in pixels with image_size; any number of persons.
            flip: average with the answer for the mirrored clip.
            stride: frames decoded from each window: 1 = the central one ("center"), the window's length = all of
                them ("all"); two thirds of the window where None, which costs half a percent of accuracy beside 1
                (docs/log.md) and encodes every frame one and a half times.
            greedy: write each coordinate's most probable bin and read its centre, as the paper does, instead of the
                expectation over the axis's bins.
            delay: frames of a window after the first one that is decoded from it; the decoded ones stand in the
                window's middle where None. Fewer = less of the future is needed (see `ups.inference.streaming`).
        """
        clip = self.familiar("estimate_pose", clip)
        persons = [self._lift_person(one_person(clip, m), flip, stride, greedy, delay) for m in range(clip.persons)]
        return Lifted(
            np.stack([joints for joints, _ in persons]), np.stack([spread for _, spread in persons]), clip.skeleton
        )

    def class_scores(
        self, task: str, clips: list[PoseSequence], classes: tuple[str, ...], batch: int = 64
    ) -> np.ndarray:
        """Log-probability of each class for each clip: (clips, classes) float32. The clips share one skeleton."""
        question = get_task(task)
        if not isinstance(question, ActionTask):
            raise SettingError(f"task {task!r} does not answer with an action")
        frames, skeleton = self.frames_of(task), clips[0].skeleton.sorted_by_slot()
        scores = []
        for start in range(0, len(clips), batch):
            examples = [question.example(clip, frames) for clip in clips[start : start + batch]]
            scores.append(self.action_scores(question, examples, skeleton, classes))
        return np.concatenate(scores)

    def _answer(self, task: str, clip: PoseSequence, classes: tuple[str, ...] | None) -> Answer:
        names = self.candidates(classes)
        return ranked(names, self.class_scores(task, [self.familiar(task, clip)], names)[0])

    def candidates(self, classes: tuple[str, ...] | None) -> tuple[str, ...]:
        """One name for each of the classes asked about; all actions that the model can tell where None."""
        spellings = {canonical_text(name): name for name in reversed(classes or self.actions())}
        return tuple(reversed(spellings.values()))

    def actions(self) -> tuple[str, ...]:
        """The actions that the model can tell: see `taught_actions`."""
        return taught_actions(self.config, self.vocabulary, self.data_sets)

    def windows(self, stride: int | None, delay: int | None) -> tuple[int, int, int]:
        """How `lift` cuts windows: their length, the frame of a window decoded first, and how many are decoded.

        Raises:
            DataError: no frame is decoded, or the decoded ones don't fit into a window.
            SettingError: the model does not estimate poses.
        """
        frames = self.frames_of("estimate_pose")
        stride = min(default_stride(frames) if stride is None else stride, frames)
        if stride < 1:
            raise DataError(f"stride {stride}: at least 1 frame is decoded from each window")
        first = (frames - stride) // 2 if delay is None else frames - 1 - delay
        if not 0 <= first <= frames - stride:
            raise DataError(
                f"a delay of {delay} frames; windows have {frames} frames of which {stride} are decoded, so that it is "
                f"{stride - 1} to {frames - 1}"
            )
        return frames, first, stride

    def _lift_person(
        self, clip: PoseSequence, flip: bool, stride: int | None, greedy: bool, delay: int | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """(N, J, 3) and (N, J) of a clip of one person."""
        task = get_task("estimate_pose")
        assert isinstance(task, PoseTask)
        frames, first, stride = self.windows(stride, delay)
        wanted = np.arange(first, first + stride)
        starts = range(-first, clip.frames - first, stride)
        examples = [task.example(clip, start, frames, wanted) for start in starts]
        skeleton = clip.skeleton.sorted_by_slot()
        joints, spread = self._decode_poses(task, examples, clip, greedy)
        if flip:
            mirror = list(skeleton.mirror)
            other, other_spread = self._decode_poses(task, [task.mirrored(e, skeleton) for e in examples], clip, greedy)
            joints = (joints + other[:, mirror] * np.array([-1, 1, 1], np.float32)) / 2
            spread = (spread + other_spread[:, mirror]) / 2
        back = np.argsort(clip.skeleton.slot_order)
        return joints[: clip.frames, back], spread[: clip.frames, back]

    def _decode_poses(
        self, task: PoseTask, examples: list[Example], clip: PoseSequence, greedy: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Joints (windows * T, J, 3) and spread (windows * T, J) in slot order."""
        skeleton = clip.skeleton.sorted_by_slot()
        joints, spread = [], []
        for start in range(0, len(examples), 64):
            coordinates, deviation = self.coordinates(task, examples[start : start + 64], skeleton, greedy)
            joints.append(task.poses(coordinates, skeleton))
            spread.append(np.linalg.norm(task.poses(deviation, skeleton), axis=-1))
        return np.concatenate(joints), np.concatenate(spread)


def default_stride(frames: int) -> int:
    """Frames that `lift` decodes from each window of `frames` where it isn't told how many."""
    return max(1, 2 * frames // 3)


def one_person(clip: PoseSequence, m: int) -> PoseSequence:
    """The clip of person m alone."""
    target = None if clip.pose_3d is None else clip.pose_3d[m : m + 1]
    return PoseSequence(
        clip.joints[m : m + 1], clip.visibility[m : m + 1], clip.skeleton, clip.space, clip.fps, clip.id, clip.label,
        clip.subject, clip.view, clip.image_size, target,
    )  # fmt: skip
