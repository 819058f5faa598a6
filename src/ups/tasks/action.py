"""Action recognition in 3D and 2D, and early action prediction: an action token, then the end of the task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from ups.batch import CONTEXT
from ups.config import Augment
from ups.errors import DataError
from ups.pose import PoseSequence
from ups.skeleton import Skeleton
from ups.tasks.detector import detected
from ups.tasks.geometry import (
    bend_bones,
    drop_joints,
    in_slot_order,
    mirrored_label,
    resample,
    root_of,
    rotation,
    with_doubt,
)
from ups.tasks.metrics import area_under_curve, expected_calibration_error, free_figures, free_headline, top_k
from ups.tasks.predictions import Answer
from ups.tasks.task import Clips, Example, Model, Reading, Share
from ups.tasks.views import with_pause
from ups.tokens.layout import Layout, class_layout
from ups.tokens.vocabulary import Vocabulary

RATIOS = (0.2, 0.4, 0.6, 0.8, 1.0)
"""Shares of a clip's raw frames that early action prediction observes."""
MALFORMED = -2
"""In place of a class: what was written without the grammar is no action and end of the task."""
CROP = 0.8
"""Share of a clip that its further test crops are; the first one is the whole clip."""


@dataclass(frozen=True)
class ActionTask:
    """Which action is this? One action token.

    Normalisation uses the observed frames alone: 3D is centred on the first seen root and stays in metres; 2D is
    centred on the mean root and divided by the clip's body size.
    """

    name: str
    eot: str
    title: str
    space: Literal["image", "3D", "any"]
    prefix: bool = False
    """Trained on prefixes: the clip's RAW frames are cut first, at a ratio of 0.1 + 0.9 u^1.5, u from U(0, 1): the first
    glimpses are the hardest, so half of the prefixes are shorter than 0.42 of the clip."""
    unit: Literal["clip", "frame"] = "clip"
    teaches_actions: bool = True
    lower_is_better: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """See `Task`."""
        return ("20%", "40%", "60%", "area") if self.prefix else ("top-1",)

    @property
    def main(self) -> str:
        """See `Task`."""
        return self.columns[-1]

    def training_view(self, clip: PoseSequence, augment: Augment, rng: np.random.Generator) -> PoseSequence:
        """The clip as it is, or with the errors of a sensor and a pause before or after the action."""
        shift = augment.shift
        if shift.detector and rng.random() < shift.detector:
            clip = detected(clip, rng)
        if shift.pause and rng.random() < shift.pause:
            clip = with_pause(clip, rng, after=not self.prefix)
        return clip

    def example(
        self,
        clip: PoseSequence,
        frames: int,
        window: tuple[float, float] = (0.0, 1.0),
        visible: np.ndarray | None = None,
        pace: np.ndarray | None = None,
    ) -> Example:
        """The clip as the model sees it, without augmentation, resized to `frames` frames.

        `window` is the part of the clip that is taken; `visible` (M, N, J), slot order, replaces the clip's own mask;
        `pace` (frames), ascending in 0..1, says where in the window each frame is taken: evenly where None.
        """
        joints, seen = with_doubt(clip)
        seen = seen if visible is None else visible
        last = clip.frames - 1
        pace = np.linspace(0, 1, frames) if pace is None else pace
        times = (window[0] + (window[1] - window[0]) * pace) * last
        joints, seen = resample(joints, seen, times)
        skeleton = clip.skeleton.sorted_by_slot()
        if clip.space == "image":
            joints = _normalise_2d(joints, seen, skeleton)
        else:
            joints = _normalise_3d(joints, seen, skeleton)
        context = np.zeros(CONTEXT, np.float32)
        context[3] = np.log(max(last * (window[1] - window[0]), 1) / clip.fps)
        return Example(joints, seen, context, clip.label)

    def view(self, clip: PoseSequence, frames: int, crop: int, crops: int, mirrored: bool) -> Example:
        """One of several views of a clip that a test averages: crop 0 is the whole clip, the others are `CROP` of it, from its
        start (crop 1) to its end (crop `crops` - 1), a single one from its middle; mirrored, left and right change places.
        """
        start = (1 - CROP) * ((crop - 1) / (crops - 2) if crops > 2 else 0.5)
        example = self.example(clip, frames, (0.0, 1.0) if crop == 0 else (start, start + CROP))
        if not mirrored:
            return example
        mirror = list(clip.skeleton.sorted_by_slot().mirror)
        joints = example.joints[:, :, mirror] * np.array([-1, 1, 1], np.float32)
        return replace(example, joints=joints, visible=example.visible[:, :, mirror])

    def training_example(
        self,
        clip: PoseSequence,
        classes: tuple[str, ...],
        frames: int,
        targets: int | Literal["centre", "all"],
        augment: Augment,
        rng: np.random.Generator,
    ) -> Example:
        """See `Task`; `targets` does not apply."""
        if clip.label < 0:
            raise DataError(f"{clip.id}: has no action to learn; leave it out of the training split")
        a = augment.action_2d if clip.space == "image" else augment.action_3d
        if clip.persons > 1:  # who is listed first says nothing about what they do
            order = rng.permutation(clip.persons)
            clip = replace(clip, joints=clip.joints[order], visibility=clip.visibility[order], pose_3d=None)
        if self.prefix:
            clip = clip.first(int(np.ceil((0.1 + 0.9 * rng.random() ** 1.5) * clip.frames)))
        length = 1 - a.crop * (0.3 if self.prefix else 1.0) * rng.random()
        start = (1 - length) * rng.random()
        visible = drop_joints(in_slot_order(clip)[1], rng, a.drop)
        even = np.linspace(0, 1, frames)
        pace = even + a.pace * rng.random() * (np.sort(rng.random(frames)) - even)
        plain = self.example(clip, frames, (start, start + length), visible, pace)
        yaw, tilt, roll = (np.deg2rad(limit) * rng.uniform(-1, 1) for limit in (a.yaw, a.tilt, a.roll))
        size = (1 + a.scale * rng.uniform(-1, 1)) * (1 + a.stretch * rng.uniform(-1, 1, 3))
        if clip.space == "image":
            size[2] = 1  # not a length, but the detector's doubt
        joints = plain.joints @ rotation(yaw, tilt, roll).T * size.astype(np.float32)
        noise = (a.noise * rng.random() * rng.standard_normal(joints.shape)).astype(np.float32)
        noise += bend_bones(clip.skeleton.sorted_by_slot(), len(joints), frames, a.bend * rng.random(), rng)
        if clip.space == "image":
            noise[..., 2] = 0
        joints = joints + noise
        visible, label = plain.visible, clip.label
        if rng.random() < a.mirror:
            mirror = list(clip.skeleton.sorted_by_slot().mirror)
            joints = joints[:, :, mirror] * np.array([-1, 1, 1], np.float32)
            visible, label = visible[:, :, mirror], mirrored_label(label, classes)
        return Example(joints, visible, plain.context, label)

    def layout(self, vocabulary: Vocabulary, skeleton: Skeleton, classes: tuple[str, ...]) -> Layout:
        """An action of the data set, then EOT."""
        return class_layout(tuple(set(vocabulary.class_tokens(list(classes)))), vocabulary.eot_token(self.eot))

    def tokens(
        self, examples: list[Example], vocabulary: Vocabulary, skeleton: Skeleton, classes: tuple[str, ...]
    ) -> np.ndarray:
        """(B, 2)."""
        ids = vocabulary.class_tokens(list(classes))
        eot = vocabulary.eot_token(self.eot)
        return np.array([[ids[e.label], eot] for e in examples], dtype=np.int64)

    def answer(self, model: Model, clip: PoseSequence, classes: tuple[str, ...] | None) -> Answer:
        """See `Task`."""
        return model.rank_actions(self.name, clip, classes)

    def answer_many(self, model: Model, clips: list[PoseSequence], classes: tuple[str, ...], batch: int) -> np.ndarray:
        """(clips, classes) log-probabilities."""
        return model.class_scores(self.name, clips, classes, batch)

    def evaluate(
        self, model: Model, clips: Clips, indices: np.ndarray, share: Share, reading: Reading
    ) -> dict[str, Any]:
        """Of whole clips top-1, top-5 and calibration; of prefixes top-1 at each of `RATIOS` and the area under it.

        Clips without a label are left out and counted ("unlabelled"); "clips" are those that were measured. `reading.views`
        counts for recognition, whose clips are seen whole.

        Raises:
            DataError: not one clip has a label.
        """
        named = clips.labels[indices] >= 0
        unlabelled = int((~named).sum())
        if unlabelled == len(indices):
            raise DataError(f"none of the {unlabelled} clips to measure has a label; name their actions to measure")
        indices = indices[named]
        labels = clips.labels[indices]
        if self.prefix:
            scores = {f"{ratio:.0%}": self._scores(model, clips, indices, share, ratio) for ratio in RATIOS}
            accuracy = {ratio: top_k(found, labels, 1) for ratio, found in scores.items()}
            area = area_under_curve(RATIOS, list(accuracy.values()))
            found = {"clips": len(indices), "unlabelled": unlabelled, "top1_at": accuracy, "area_under_curve": area}
        else:
            scores = self._scores(model, clips, indices, share, 1.0, reading.views)
            if reading.keep is not None:
                reading.keep(scores)
            found = recognition_metrics(scores, labels, clips.classes) | {"unlabelled": unlabelled}
        return found | {"free": self._free(model, clips, indices, share)} if reading.free else found

    def _scores(
        self, model: Model, clips: Clips, indices: np.ndarray, share: Share, observed: float, views: int = 1
    ) -> np.ndarray:
        """(clips, classes) log-probabilities from the first share `observed` of each clip's RAW frames."""

        def score(seen: list[PoseSequence]) -> np.ndarray:
            if views > 1:
                return model.viewed_scores(self.name, seen, clips.classes, model.clips_at_once, views)
            return model.class_scores(self.name, seen, clips.classes, model.clips_at_once)

        return self._of_batches(model, clips, indices, share, observed, score)

    def _of_batches(
        self, model: Model, clips: Clips, indices: np.ndarray, share: Share, observed: float,
        ask: Callable[[list[PoseSequence]], np.ndarray],
    ) -> np.ndarray:  # fmt: skip
        """What is answered to the first share `observed` of each clip's RAW frames, asked in batches."""
        batch = model.clips_at_once

        def answered(start: int) -> np.ndarray:
            whole = [clips[int(i)] for i in indices[start : start + batch]]
            return ask([clip.first(int(np.ceil(observed * clip.frames))) for clip in whole])

        return np.concatenate(share(range(0, len(indices), batch), answered))

    def _free(self, model: Model, clips: Clips, indices: np.ndarray, share: Share) -> dict[str, Any]:
        """What is written without the grammar (see `Reading.free`), of one view of each clip. Of prefixes the mean share of
        well-formed outputs, the area, and both at each of `RATIOS`; a ratio without well-formed outputs counts 0.
        """

        def ask(seen: list[PoseSequence]) -> np.ndarray:
            return model.free_classes(self.name, seen, clips.classes, model.clips_at_once)

        labels = clips.labels[indices]
        formed, right, among, grammar = [], [], [], []
        ratios = RATIOS if self.prefix else (1.0,)
        for ratio in ratios:
            named = self._of_batches(model, clips, indices, share, ratio, ask)
            formed.append(float((named != MALFORMED).mean()))
            right.append(float((named == labels).mean()))
            among.append(right[-1] / formed[-1] if formed[-1] else None)
            grammar.append(top_k(self._scores(model, clips, indices, share, ratio), labels, 1))
        if not self.prefix:
            return free_figures("top-1", formed[0], right[0], among[0], grammar[0], 100)
        areas = (area_under_curve(RATIOS, [x or 0.0 for x in values]) for values in (right, among, grammar))
        every_area, formed_area, grammar_area = areas
        names = [f"{ratio:.0%}" for ratio in ratios]
        share_formed = float(np.mean(formed))
        return free_figures("area", share_formed, every_area, formed_area, grammar_area, 100) | {
            "well_formed_at": dict(zip(names, formed, strict=True)),
            "top1_at": dict(zip(names, right, strict=True)),
        }

    def measures(self, metrics: dict[str, Any]) -> dict[str, float]:
        """Percent: "top-1", "top-5"; of prefixes "20%" .. "100%" and "area"."""
        names = {"top-1": "top1", "top-5": "top5", "area": "area_under_curve"}
        found = {name: 100 * metrics[key] for name, key in names.items() if key in metrics}
        return found | {ratio: 100 * value for ratio, value in metrics.get("top1_at", {}).items()}

    def headline(self, metrics: dict[str, Any]) -> list[tuple[str, str]]:
        """See `Task`."""
        left_out = metrics.get("unlabelled", 0)
        told = [("clips without a label, left out", str(left_out))] if left_out else []
        free = free_headline(metrics, " %")
        if not self.prefix:
            return [("top-1", f"{metrics['top1']:.1%}"), ("top-5", f"{metrics['top5']:.1%}"), *free, *told]
        curve = [(f"top-1 of first {ratio}", f"{value:.1%}") for ratio, value in metrics["top1_at"].items()]
        return [*curve, ("area under curve", f"{metrics['area_under_curve']:.1%}"), *free, *told]


def mirrored_classes(classes: tuple[str, ...]) -> list[int]:
    """Of each class that of the mirrored clip, see `mirrored_label`."""
    return [mirrored_label(label, classes) for label in range(len(classes))]


def recognition_metrics(scores: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> dict[str, Any]:
    """Top-1, top-5 and calibration of (clips, classes) log-probabilities, with every answer."""
    right = scores.argmax(1) == labels
    return {
        "clips": len(labels),
        "top1": top_k(scores, labels, 1),
        "top5": top_k(scores, labels, min(5, len(classes))),
        "calibration_error": expected_calibration_error(np.exp(scores.max(1)), right),
        "classes": list(classes),
        "predicted": scores.argmax(1).tolist(),
        "labels": labels.tolist(),
        "probabilities": np.exp(scores.max(1)).astype(float).round(6).tolist(),
    }


def _normalise_3d(joints: np.ndarray, seen: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    root, found = root_of(joints, seen, skeleton)
    first = np.argwhere(found)
    origin = root[tuple(first[np.argmin(first[:, 1])])] if len(first) else np.zeros(3)
    return (joints - origin).astype(np.float32)


def _normalise_2d(joints: np.ndarray, seen: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    if not seen.any():
        return np.zeros((*joints.shape[:3], 3), np.float32)
    joints, doubt = joints[..., :2], joints[..., 2:]
    root, found = root_of(joints, seen, skeleton)
    origin = root[found].mean(0) if found.any() else joints[seen].mean(0)
    spread = joints - np.where(found, 1, 0)[..., None, None] * root[:, :, None]
    spread = spread[seen & found[..., None]] if found.any() else joints[seen] - origin
    size = max(float(np.sqrt((spread**2).sum(-1).mean())), 1e-3)
    planar = (joints - origin) / (2 * size)
    return np.concatenate([planar, doubt], -1).astype(np.float32)


recognize_3d = ActionTask("recognize_3d", "recognition", "3D action recognition", "3D")
recognize_2d = ActionTask("recognize_2d", "recognition", "2D action recognition", "image")
anticipate = ActionTask("anticipate", "anticipation", "early action prediction", "any", prefix=True)
