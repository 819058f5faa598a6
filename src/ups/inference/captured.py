"""The answers of `Predictor` in float32, one clip or window at a time, from captured graphs (`graph_capture`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from torch import Tensor

from ups.inference.graph_capture import Call, record
from ups.inference.predictor import Predictor
from ups.model.decoding import Decoded
from ups.skeleton import Skeleton
from ups.tasks.action import ActionTask
from ups.tasks.pose import PoseTask
from ups.tasks.task import Example, collate_poses
from ups.tokens.layout import Layout


class CapturedPredictor(Predictor):
    """For questions about inputs of the same shape again and again: what does not depend on them is computed once.

    Every new shape, skeleton or list of candidates costs a recording, which is kept. The arrays that it returns may be
    overwritten by the next answer. Not for several threads at once.

    Attributes:
        recordings: what was recorded, by all that it depends on.
    """

    def __init__(self, predictor: Predictor) -> None:
        super().__init__(predictor.trained, "32-true")
        self.recordings: dict[tuple, Call] = {}

    def action_scores(
        self, task: ActionTask, examples: list[Example], skeleton: Skeleton, classes: tuple[str, ...]
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `BasePredictor`."""

        def scores(decoded: Decoded, layout: Layout) -> tuple[Tensor, ...]:
            column = [layout.allowed[0].index(token) for token in self.vocabulary.class_tokens(list(classes))]
            return decoded.first[:, column], decoded.state

        log_probability, state = self._play(task, examples, skeleton, classes, scores)
        return log_probability, state

    def coordinates(
        self, task: PoseTask, examples: list[Example], skeleton: Skeleton, greedy: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `BasePredictor`; what is greedy isn't recorded."""
        if greedy:
            return super().coordinates(task, examples, skeleton, greedy)

        def means(decoded: Decoded, layout: Layout) -> tuple[Tensor, ...]:
            return decoded.mean[:, :-1], decoded.spread[:, :-1]

        mean, spread = self._play(task, examples, skeleton, (), means)
        return mean, spread

    def _play(
        self, task: ActionTask | PoseTask, examples: list[Example], skeleton: Skeleton, classes: tuple[str, ...],
        part: Callable[[Decoded, Layout], tuple[Tensor, ...]],
    ) -> list[np.ndarray]:  # fmt: skip
        """The part wanted of what is decoded for the examples; which part that is depends on the kind of task alone."""
        poses, target_frames = collate_poses(examples, skeleton)
        poses = poses.to(self.device)
        fixed = [poses.clip, poses.frames, target_frames]
        fixed = tuple(None if x is None else tuple(x.flatten().tolist()) for x in fixed)
        key = (task.name, skeleton.joints, classes, tuple(poses.joints.shape), fixed)
        inputs = poses.joints, poses.visible, poses.context
        if key not in self.recordings:
            layout = task.layout(self.vocabulary, skeleton, classes)
            targets = None if target_frames is None else target_frames.to(self.device)

            def call(joints: Tensor, visible: Tensor, context: Tensor) -> tuple[Tensor, ...]:
                given = replace(poses, joints=joints, visible=visible, context=context)
                return part(self.decoded(task.name, given, layout, targets), layout)

            self.recordings[key] = record(call, inputs)
        return [x.cpu().numpy() for x in self.recordings[key](*inputs)]
