"""3D pose estimation from 2D joints: for each target frame x, y, z tokens of every joint, then the end of the task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ups.batch import CONTEXT
from ups.config import Augment
from ups.errors import DataError
from ups.pose import PoseSequence
from ups.skeleton import Skeleton
from ups.tasks.detector import detected
from ups.tasks.geometry import hide, root_of, with_doubt
from ups.tasks.metrics import (
    acceleration_error,
    free_figures,
    free_headline,
    mean_per_action,
    mpjpe,
    mpjve,
    p_mpjpe,
    spearman,
)
from ups.tasks.placement import FOCAL
from ups.tasks.pose_windows import WindowDraw, can_cut, cut_windows, draw_window
from ups.tasks.predictions import Lifted
from ups.tasks.task import Clips, Example, Model, Reading, Share, persons_of
from ups.tasks.views import LONGEST, RATES, at_rate, film, fixed_view, piece, reframed
from ups.tokens.layout import Layout, pose_layout
from ups.tokens.vocabulary import Vocabulary

if TYPE_CHECKING:
    from ups.data.loader import StoredClips

_Errors = tuple[np.ndarray, ...]
"""Of a clip's frames: MPJPE, P-MPJPE, MPJVE, acceleration error a frame and a second; of its joints error and spread."""


@dataclass(frozen=True)
class PoseTask:
    """What is the 3D pose behind these 2D joints? Root-relative metres in the camera's frame."""

    name: str
    eot: str
    title: str
    space: Literal["image", "3D", "any"] = "image"
    unit: Literal["clip", "frame"] = "frame"
    teaches_actions: bool = False
    lower_is_better: bool = True
    columns: tuple[str, ...] = ("MPJPE", "P-MPJPE")
    main: str = "MPJPE"

    def training_view(self, clip: PoseSequence, augment: Augment, rng: np.random.Generator) -> PoseSequence:
        """A clip of the 3D world as a random camera sees it, a filmed one as it is; or both as other cameras, at other
        rates, and pose estimators see them.
        """
        shift = augment.shift
        other = bool(shift.camera) and rng.random() < shift.camera
        if clip.space != "image":
            clip = film(piece(clip, LONGEST, rng), rng, wide=other)
        elif other:
            clip = reframed(clip, rng)
        if shift.rate and rng.random() < shift.rate:
            clip = at_rate(clip, float(np.exp(rng.uniform(*np.log(RATES)))))
        return detected(clip, rng) if shift.detector and rng.random() < shift.detector else clip

    def example(self, clip: PoseSequence, start: int, frames: int, target_frames: np.ndarray) -> Example:
        """The window of `frames` raw frames from `start` (may be negative or pass the end: edges are repeated).

        2D joints are centred on the window's mean root and divided by its body size; where on the screen and how large
        the body stood, and how long the window lasts, is the context. `target_frames` count from the window's start.
        """
        return self.examples(clip, [start], frames, target_frames)[0]

    def examples(
        self, clip: PoseSequence, starts: Sequence[int], frames: int, target_frames: np.ndarray
    ) -> list[Example]:
        """`example` of each of these starts; what does not depend on the window is done once."""
        if clip.space != "image" or clip.image_size is None:
            raise DataError(
                f"{clip.id or 'clip'}: pose estimation reads 2D joints, this clip's space is {clip.space!r}"
            )
        joints, seen = with_doubt(clip)
        skeleton = clip.skeleton.sorted_by_slot()
        order, roots = list(clip.skeleton.slot_order), list(skeleton.root_indices)
        places = np.concatenate([_on_screen(joints[..., :2], clip), joints[..., 2:]], -1)
        root, rooted = root_of(places[..., :2], seen, skeleton)
        found = []
        for start in starts:
            number = np.clip(np.arange(start, start + frames), 0, clip.frames - 1)
            target = None
            if clip.pose_3d is not None:
                target = clip.pose_3d[:, number[target_frames]][:, :, order]
                target = target - target[:, :, roots].mean(2, keepdims=True)
            joints, context = _centred(places[:, number], seen[:, number], root[:, number][rooted[:, number]])
            context[-1] = np.log(frames / clip.fps)
            found.append(Example(joints, seen[:, number], context, clip.label, target_frames, target))
        return found

    def training_example(
        self,
        clip: PoseSequence,
        classes: tuple[str, ...],
        frames: int,
        targets: int | Literal["centre", "all"],
        augment: Augment,
        rng: np.random.Generator,
    ) -> Example:
        """See `Task`: a random window and `targets` random frames of it."""
        del classes
        if clip.pose_3d is None:
            raise DataError(f"{clip.id}: no 3D poses to learn from; prepare a data set that pairs 2D with 3D")
        jitter = np.empty((clip.persons, frames, len(clip.skeleton), 2))
        return self.drawn_example(
            clip, frames, augment, draw_window(clip.frames, frames, targets, jitter, augment, rng)
        )

    def drawn_example(self, clip: PoseSequence, frames: int, augment: Augment, draw: WindowDraw) -> Example:
        """The augmented window that was drawn."""
        plain = self.example(clip, draw.start, frames, draw.wanted)
        noise = augment.pose.noise * draw.amount / np.exp(plain.context[2])
        joints = plain.joints.copy()
        joints[..., :2] += (noise * draw.jitter).astype(np.float32)
        visible = hide(plain.visible, draw.hidden)
        example = Example(joints, visible, plain.context, -1, draw.wanted, plain.target)
        return self.mirrored(example, clip.skeleton.sorted_by_slot()) if draw.mirrored else example

    def training_windows(
        self,
        clips: StoredClips,
        frames: int,
        targets: int | Literal["centre", "all"],
        augment: Augment,
        confidence: bool,
        rng: np.random.Generator,
    ) -> list[Example] | None:
        """What `training_example` makes of each clip of a store, whose windows are cut there; None where that can't be."""
        if not can_cut(clips, augment):
            return None
        return cut_windows(self, clips, frames, targets, augment, confidence, rng)

    def mirrored(self, example: Example, skeleton: Skeleton) -> Example:
        """The example seen in a mirror: left and right joints change places."""
        mirror = list(skeleton.mirror)
        flip = np.array([-1, 1, 1], np.float32)
        context = example.context.copy()
        context[0] *= -1
        target = None if example.target is None else example.target[:, :, mirror] * flip
        return Example(
            example.joints[:, :, mirror] * flip,
            example.visible[:, :, mirror],
            context,
            example.label,
            example.target_frames,
            target,
        )

    def joints(self, skeleton: Skeleton) -> tuple[str, ...]:
        """The joints that are decoded, parents before children: all but a root joint, which is the origin."""
        names = tuple(skeleton.joints[i] for i in skeleton.top_down)
        return tuple(j for j in names if skeleton.root != (j,))

    def layout(self, vocabulary: Vocabulary, skeleton: Skeleton, classes: tuple[str, ...]) -> Layout:
        """x, y, z of every joint, then EOT."""
        axes = (vocabulary.axis_tokens(0), vocabulary.axis_tokens(1), vocabulary.axis_tokens(2))
        return pose_layout(skeleton, self.joints(skeleton), axes, vocabulary.eot_token(self.eot))

    def tokens(
        self, examples: list[Example], vocabulary: Vocabulary, skeleton: Skeleton, classes: tuple[str, ...]
    ) -> np.ndarray:
        """(persons * T, 3J + 1)."""
        keep = [skeleton.joints.index(j) for j in self.joints(skeleton)]
        poses = np.concatenate([e.target[persons_of(e)] for e in examples if e.target is not None])
        tokens = vocabulary.quantize(poses[:, :, keep]).reshape(poses.shape[0] * poses.shape[1], -1)
        end = np.full((len(tokens), 1), vocabulary.eot_token(self.eot))
        return np.concatenate([tokens, end], axis=1).astype(np.int64)

    def poses(self, coordinates: np.ndarray, skeleton: Skeleton) -> np.ndarray:
        """Decoded coordinates (Q, 3J) metres, without the EOT step, as (Q, J, 3) with the root in its place."""
        keep = [skeleton.joints.index(j) for j in self.joints(skeleton)]
        result = np.zeros((len(coordinates), len(skeleton), 3), np.float32)
        result[:, keep] = coordinates.reshape(len(coordinates), -1, 3)
        return result

    def answer(self, model: Model, clip: PoseSequence, classes: tuple[str, ...] | None) -> Lifted:
        """The 3D poses, without the average with the mirrored clip."""
        return model.lift(clip, flip=False)

    def answer_many(self, model: Model, clips: list[PoseSequence], classes: tuple[str, ...], batch: int) -> Lifted:
        """Those of the first clip, whose windows are the batch."""
        return model.lift(clips[0], flip=False)

    def evaluate(
        self, model: Model, clips: Clips, indices: np.ndarray, share: Share, reading: Reading
    ) -> dict[str, Any]:
        """MPJPE and P-MPJPE in millimetres: mean over the frames of an action, then over actions (paper Tables 3, 4).

        The root joint is part of the mean, as in VideoPose3D; its error is 0 by definition where the skeleton has one.
        MPJVE (mm a frame) and acceleration error (mm a frame squared, and metres a second squared, by which data sets of
        different rates can be compared) are means over all frames.
        """
        batch = model.clips_at_once

        def measure_batch(start: int) -> list[tuple[_Errors, str, Skeleton]]:
            some = [(int(i), clips[int(i)]) for i in indices[start : start + batch]]
            seen = [clip if clip.space == "image" else fixed_view(clip, i) for i, clip in some]
            together = model.lift_together(seen, reading.flip, reading.stride, reading.greedy)
            return [measure(clip, lifted) for clip, lifted in zip(seen, together, strict=True)]

        def measure(clip: PoseSequence, lifted: Lifted) -> tuple[_Errors, str, Skeleton]:
            truth = clip.pick_joints(lifted.skeleton).root_relative_3d()[0]  # joints that training lacked don't count
            joints = np.nan_to_num(lifted.joints[0])  # a frame without a pose counts as one with all joints at the root
            action = clips.classes[clip.label] if clip.label >= 0 else "all"
            millimetres = (f(joints, truth) * 1000 for f in (mpjpe, p_mpjpe, mpjve, acceleration_error))
            jerks = acceleration_error(joints, truth) * clip.fps**2
            errors = *millimetres, jerks, np.linalg.norm(joints - truth, axis=-1), lifted.spread[0].ravel()
            return errors, action, lifted.skeleton

        measured = [each for some in share(range(0, len(indices), batch), measure_batch) for each in some]
        found, labels, skeletons = zip(*measured, strict=True)
        errors, aligned, velocity, jitter, jitter_s, joint_errors, spreads = zip(*found, strict=True)
        actions = [action for action, of_clip in zip(labels, errors, strict=True) for _ in of_clip]
        error, p_error = np.concatenate(errors), np.concatenate(aligned)
        per_action, mean = mean_per_action(error, actions)
        p_per_action, p_mean = mean_per_action(p_error, actions)
        names = (*clips.classes, "all")  # the data set's own order, for Human3.6M that of the published tables
        spread, by_joint = np.concatenate(spreads), np.concatenate(joint_errors)
        joint_error, skeleton = by_joint.ravel(), skeletons[0]
        free = {"free": self._free(model, clips, indices, share, reading.stride)} if reading.free else {}
        return {
            "clips": len(indices),
            "frames": len(error),
            **free,
            "mpjpe_mm": mean,
            "p_mpjpe_mm": p_mean,
            "mpjpe_frames_mm": float(error.mean()),
            "p_mpjpe_frames_mm": float(p_error.mean()),
            **{
                name: float(np.concatenate(values).mean())
                for name, values in (
                    ("mpjve_mm", velocity),
                    ("acceleration_error_mm", jitter),
                    ("acceleration_error_m_s2", jitter_s),
                )
                if sum(map(len, values))
            },
            "mpjpe_mm_per_action": {c: per_action[c] for c in names if c in per_action},
            "p_mpjpe_mm_per_action": {c: p_per_action[c] for c in names if c in p_per_action},
            "mpjpe_mm_per_joint": dict(zip(skeleton.joints, (1000 * by_joint.mean(0)).tolist(), strict=True)),
            "uncertainty_spearman": spearman(spread[spread > 0], joint_error[spread > 0]),
        }

    def _free(
        self, model: Model, clips: Clips, indices: np.ndarray, share: Share, stride: int | None
    ) -> dict[str, Any]:
        """What is written without the grammar (see `Reading.free`): MPJPE, where a malformed pose counts as one with all
        joints at the root; beside it, the most probable bins under the grammar. Neither is averaged with a mirror's.
        """
        batch = model.clips_at_once
        stride = stride or max(1, 2 * model.frames_of(self.name) // 3)  # given, no frame is interpolated

        def measure(start: int) -> list[tuple[np.ndarray, np.ndarray, np.ndarray, str]]:
            some = [(int(i), clips[int(i)]) for i in indices[start : start + batch]]
            seen = [clip if clip.space == "image" else fixed_view(clip, i) for i, clip in some]
            ways = (model.lift_together(seen, False, stride, True, free) for free in (True, False))
            found = []
            for clip, free, constrained in zip(seen, *ways, strict=True):
                truth = clip.pick_joints(free.skeleton).root_relative_3d()[0]
                errors = [1000 * mpjpe(np.nan_to_num(way.joints[0]), truth) for way in (free, constrained)]
                action = clips.classes[clip.label] if clip.label >= 0 else "all"
                found.append((*errors, np.isfinite(free.joints[0]).all((1, 2)), action))
            return found

        found = [each for some in share(range(0, len(indices), batch), measure) for each in some]
        every, grammar, formed = (np.concatenate([each[k] for each in found]) for k in range(3))
        actions = np.array([each[3] for each in found for _ in each[0]])
        among = mean_per_action(every[formed], list(actions[formed]))[1] if formed.any() else None
        means = (mean_per_action(errors, list(actions))[1] for errors in (every, grammar))
        every_mean, grammar_mean = means
        return free_figures("MPJPE", float(formed.mean()), every_mean, among, grammar_mean, 1)

    def measures(self, metrics: dict[str, Any]) -> dict[str, float]:
        """Millimetres: "MPJPE", "P-MPJPE", and with an action, "MPJPE Walking"; "MPJVE" a frame, "acceleration" error a frame
        squared.
        """
        names = {"MPJVE": "mpjve_mm", "acceleration": "acceleration_error_mm"}
        found = {name: metrics[key] for name, key in names.items() if key in metrics}
        for name, key in (("MPJPE", "mpjpe_mm"), ("P-MPJPE", "p_mpjpe_mm")):
            if key in metrics:
                found[name] = metrics[key]
            found |= {f"{name} {action}": value for action, value in metrics.get(f"{key}_per_action", {}).items()}
        return found

    def headline(self, metrics: dict[str, Any]) -> list[tuple[str, str]]:
        """See `Task`."""
        told = [("MPJPE", f"{metrics['mpjpe_mm']:.1f} mm"), ("P-MPJPE", f"{metrics['p_mpjpe_mm']:.1f} mm")]
        if "mpjve_mm" in metrics:
            told.append(("MPJVE", f"{metrics['mpjve_mm']:.1f} mm a frame"))
        if "acceleration_error_mm" in metrics:
            per_second = metrics["acceleration_error_m_s2"]
            told.append(
                ("acceleration error", f"{metrics['acceleration_error_mm']:.1f} mm/frame² ({per_second:.1f} m/s²)")
            )
        return told + free_headline(metrics, " mm")


def _on_screen(pixels: np.ndarray, clip: PoseSequence) -> np.ndarray:
    """Places (M, N, J, 2) in half long sides of the image from its middle, whatever its shape; where the focal length is
    known, in those of an image whose focal length is `FOCAL` long sides.
    """
    width, height = clip.image_size or (1, 1)
    half = max(width, height) / 2 if clip.focal is None else clip.focal / FOCAL / 2
    centre = (width / 2, height / 2) if clip.focal is None or clip.centre is None else clip.centre
    return (pixels - np.array(centre, np.float32)) / np.float32(half)


def _centred(places: np.ndarray, seen: np.ndarray, roots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places on the screen and doubt (M, N, J, 3) to window-centred body sizes, and the context, which keeps where and how
    large that was; how long the window lasts is left 0. `roots` (F, 2) are those of the frames that show them.
    """
    screen = places[..., :2]
    if not seen.any():
        origin, size = np.zeros(2), 1.0
    else:
        origin = roots.mean(0) if len(roots) else screen[seen].mean(0)
        size = max(float(np.sqrt(((screen[seen] - origin) ** 2).sum(-1).mean())), 1e-3)
    planar = (screen - origin) / (2 * size)
    context = np.zeros(CONTEXT, np.float32)
    context[:-1] = *origin, np.log(size)
    return np.concatenate([planar, places[..., 2:]], -1).astype(np.float32), context


estimate_pose = PoseTask("estimate_pose", "estimation", "3D pose estimation")
