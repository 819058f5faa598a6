"""The public inference API: pose sequences in, answers out.

predictor = Predictor.from_pretrained("runs/unified/checkpoint")
clip = pose_sequence(joints, "coco-17", space="image", fps=30, image_size=(1920, 1080))
predictor.recognize(clip).best        # what is being done
predictor.anticipate(clip).best       # what is about to be done
predictor.lift(clip).joints           # (M, N, J, 3) metres, root-relative, camera frame
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ups.batch import Layout, Poses
from ups.checkpoint import Trained, load
from ups.data.skeletons import pick_joints, skeleton_of
from ups.decoding import Decoded, decode
from ups.pose import PoseError, PoseSequence
from ups.skeleton import Skeleton
from ups.tasks import get_task
from ups.tasks.action import ActionTask
from ups.tasks.pose import PoseTask
from ups.tasks.task import Example, collate_poses
from ups.vocabulary import canonical_text


@dataclass(frozen=True)
class Answer:
    """An action among the classes that were asked about.

    Attributes:
        classes: the candidates, most probable first.
        probabilities: theirs, summing to 1.
    """

    classes: tuple[str, ...]
    probabilities: tuple[float, ...]

    @property
    def best(self) -> str:
        """The most probable action."""
        return self.classes[0]


@dataclass(frozen=True)
class Lifted:
    """3D poses behind 2D joints.

    Attributes:
        joints: (M, N, J, 3) float32 metres, relative to the root, camera frame (x right, y down, z forward), in the
            input skeleton's joint order.
        spread: (M, N, J) float32 metres: standard deviation of the decoded distribution, the joint's uncertainty.
        skeleton: names the J joints: those of the input, without any that the model never met in training.
    """

    joints: np.ndarray
    spread: np.ndarray
    skeleton: Skeleton


def ranked(names: tuple[str, ...], log_probabilities: np.ndarray) -> Answer:
    """The answer that gives each name the probability of its logarithm (classes,)."""
    probability = np.exp(log_probabilities)
    order = np.argsort(-probability, kind="stable")
    return Answer(tuple(names[i] for i in order), tuple(float(probability[i]) for i in order))


class Predictor:
    """Answers questions about pose sequences with one trained model, whose weights must not change from then on."""

    def __init__(self, trained: Trained) -> None:
        self.trained, self.model = trained, trained.model.eval()
        vocabulary = trained.vocabulary
        values = np.zeros(vocabulary.size, np.float32)
        values[: 3 * vocabulary.bins] = np.tile(vocabulary.bin_centres, 3)
        self.values = torch.from_numpy(values).to(self.device)
        self._embedding: Tensor | None = None  # of the vocabulary: the same for every question

    @staticmethod
    def from_pretrained(folder: Path | str) -> Predictor:
        """The model in a checkpoint folder; raises `ups.checkpoint.CheckpointError`."""
        return Predictor(load(folder))

    def in_float32(self) -> Predictor:
        """The same model answering in float32 throughout, whatever precision it was trained in."""
        train = replace(self.trained.config.train, precision="32-true")
        return Predictor(replace(self.trained, config=replace(self.trained.config, train=train)))

    @property
    def device(self) -> torch.device:
        """Where the model's weights lie."""
        return self.model.output_scale.device

    def frames_of(self, task: str) -> int:
        """Frames that the model was trained to see for a task."""
        for mix in self.trained.config.train.tasks:
            if mix.task == task:
                return mix.frames
        raise ValueError(f"the model was not trained on {task!r}; it knows {', '.join(self.model.tasks)}")

    def familiar(self, task: str, clip: PoseSequence) -> PoseSequence:
        """The clip without joints that no training data of the task had: the weights of their slots were never trained.

        Raises:
            PoseError: neither a pelvis nor both hips are left.
        """
        entries = [entry for mix in self.trained.config.train.tasks if mix.task == task for entry in mix.data]
        names = [entry.partition(":")[0] for entry in entries]
        met = {j for n in names if n in self.trained.data_sets for j in self.trained.data_sets[n][1].joints}
        joints = [joint for joint in clip.skeleton.joints if joint in met]
        if not met or len(joints) == len(clip.skeleton):
            return clip
        where = clip.id or "clip"
        return pick_joints(clip, skeleton_of(joints, where), where)

    def recognize(self, clip: PoseSequence, classes: tuple[str, ...] | None = None) -> Answer:
        """Which action is this? 2D or 3D is told by the clip's space.

        `classes` are the candidates, by text; all classes that the model knows where None.
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
                them ("all"); a third of the window where None.
            greedy: read the most probable bin's centre instead of the expectation over an axis's bins.
            delay: frames of a window after the first one that is decoded from it; the decoded ones stand in the
                window's middle where None. Fewer = less of the future is needed (see `ups.online`).
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
            raise ValueError(f"task {task!r} does not answer with an action")
        skeleton = clips[0].skeleton.sorted_by_slot()
        layout = question.layout(self.trained.vocabulary, skeleton, classes)
        column = [layout.allowed[0].index(t) for t in self.trained.vocabulary.class_tokens(list(classes))]
        frames = self.frames_of(task)
        scores = []
        for start in range(0, len(clips), batch):
            examples = [question.example(clip, frames) for clip in clips[start : start + batch]]
            poses, _ = collate_poses(examples, skeleton)
            with self._inference():
                decoded = self.decoded(task, self._moved(poses), layout, None)
            scores.append(decoded.first[:, column].cpu().numpy())
        return np.concatenate(scores)

    def _answer(self, task: str, clip: PoseSequence, classes: tuple[str, ...] | None) -> Answer:
        names = self.candidates(classes)
        return ranked(names, self.class_scores(task, [self.familiar(task, clip)], names)[0])

    def candidates(self, classes: tuple[str, ...] | None) -> tuple[str, ...]:
        """One name for each of the classes asked about; all that the model knows where None."""
        spellings = {canonical_text(name): name for name in reversed(classes or self.trained.vocabulary.classes)}
        return tuple(reversed(spellings.values()))

    def decoded(self, task: str, poses: Poses, layout: Layout, target_frames: Tensor | None) -> Decoded:
        """What the model writes for a batch of poses on its own device; see `UPS.memory` and `decode`."""
        memory, mask = self.model.memory(task, poses, layout, target_frames)
        if self._embedding is None:
            self._embedding = self.model.vocabulary()
        return decode(self.model, task, memory, mask, layout, self.values, embedding=self._embedding)

    def windows(self, stride: int | None, delay: int | None) -> tuple[int, int, int]:
        """How `lift` cuts windows: their length, the frame of a window decoded first, and how many are decoded.

        Raises:
            PoseError: no frame is decoded, or the decoded ones don't fit into a window.
            ValueError: the model does not estimate poses.
        """
        frames = self.frames_of("estimate_pose")
        stride = min(max(1, frames // 3) if stride is None else stride, frames)
        if stride < 1:
            raise PoseError(f"stride {stride}: at least 1 frame is decoded from each window")
        first = (frames - stride) // 2 if delay is None else frames - 1 - delay
        if not 0 <= first <= frames - stride:
            raise PoseError(
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
        layout = task.layout(self.trained.vocabulary, skeleton, ())
        joints, spread = [], []
        for start in range(0, len(examples), 64):
            poses, target_frames = collate_poses(examples[start : start + 64], skeleton)
            assert target_frames is not None
            with self._inference():
                decoded = self.decoded(task.name, self._moved(poses), layout, target_frames.to(self.device))
            coordinates = self.values[decoded.tokens] if greedy else decoded.mean
            joints.append(task.poses(coordinates[:, :-1].cpu().numpy(), skeleton))
            deviation = task.poses(decoded.spread[:, :-1].cpu().numpy(), skeleton)
            spread.append(np.linalg.norm(deviation, axis=-1))
        return np.concatenate(joints), np.concatenate(spread)

    def _moved(self, poses: Poses) -> Poses:
        return poses.to(self.device)

    @contextmanager
    def _inference(self) -> Iterator[None]:
        mixed = self.trained.config.train.precision == "bf16-mixed"
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=mixed):
            yield


def one_person(clip: PoseSequence, m: int) -> PoseSequence:
    """The clip of person m alone."""
    target = None if clip.pose_3d is None else clip.pose_3d[m : m + 1]
    return PoseSequence(
        clip.joints[m : m + 1], clip.visibility[m : m + 1], clip.skeleton, clip.space, clip.fps, clip.id, clip.label,
        clip.subject, clip.view, clip.image_size, target,
    )  # fmt: skip
