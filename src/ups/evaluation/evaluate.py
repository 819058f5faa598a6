"""Evaluation: a trained model on the test part of a protocol -> numbers. Deterministic; nothing is chosen here.

Several processes (`ups.runtime.distributed.start`) share out the batches of clips; each gets all figures, which are those of one
process: the batches are the same ones.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ups.config import TaskMix
from ups.data.loader import fixed_view, split_of
from ups.data.store.store import Store
from ups.errors import SettingError
from ups.evaluation.metrics import (
    area_under_curve,
    expected_calibration_error,
    mean_per_action,
    mpjpe,
    p_mpjpe,
    spearman,
    top_k,
)
from ups.inference.base import Answerer
from ups.runtime.distributed import shared
from ups.skeleton import Skeleton
from ups.skeletons import pick_joints

RATIOS = (0.2, 0.4, 0.6, 0.8, 1.0)
"""Shares of a clip's raw frames that early action prediction observes."""


def evaluate(
    predictor: Answerer,
    stores: Path,
    part: str = "test",
    tasks: tuple[str, ...] | None = None,
    flip: bool = True,
    greedy: bool = False,
    data: tuple[str, ...] = (),
) -> dict[str, dict]:
    """Metrics of every task and data set of the model's mixture: {"task/data set:protocol": {metric: value}}.

    A protocol that its store also has without leaked test clips ("xview_no_leak" beside "xview") is measured both ways.
    `data` names other data sets and protocols instead, as "task/data set:protocol"; their classes need not have been
    trained, but must be in the vocabulary. `tasks` leaves out those of other tasks.
    `part` is "test", or "validation" for the training subjects that the run held out; `stores` the folder of stores.
    `flip` averages lifted poses with those of the mirrored clip, `greedy` writes and reads the most probable bins
    instead of expectations.

    Raises:
        SettingError: a part without clips.
        DataError: no store, or an unknown protocol.
    """
    results = {}
    train = predictor.config.train
    for task in tasks or ():
        predictor.frames_of(task)  # an unknown task is an error
    for key in data or _own_keys(train.tasks, Path(stores), part):
        task, _, entry = key.partition("/")
        name, _, protocol = entry.partition(":")
        if not protocol:
            raise SettingError(f"{key!r}: TASK/STORE:PROTOCOL is needed, as in recognize_3d/nw_ucla:xview")
        predictor.frames_of(task)
        if tasks is not None and task not in tasks:
            continue
        store = Store.open(Path(stores) / name)
        indices = split_of(store, protocol, part, train.hold_out, train.seed)
        if len(indices) == 0:
            raise SettingError(f"{entry}: no clip in part {part!r}; a run validates on what its `hold_out` kept apart")
        results[key] = evaluate_task(predictor, task, store, indices, flip, greedy)
    return results


def _own_keys(mixes: tuple[TaskMix, ...], stores: Path, part: str) -> list[str]:
    """What a model is measured on: its own data sets, and their test splits without leaks where they are known."""
    keys = []
    for mix in mixes:
        for entry in mix.data:
            keys.append(f"{mix.task}/{entry}")
            name, _, protocol = entry.partition(":")
            if part == "test" and f"{protocol}_no_leak" in Store.open(stores / name).protocols:
                keys.append(f"{mix.task}/{entry}_no_leak")
    return keys


def evaluate_task(
    predictor: Answerer, task: str, store: Store, indices: np.ndarray, flip: bool = True, greedy: bool = False
) -> dict:
    """Metrics of one task on the given clips of a store."""
    if task == "estimate_pose":
        return pose_metrics(predictor, store, indices, flip, greedy)
    if task == "anticipate":
        return anticipation_metrics(predictor, store, indices)
    return action_metrics(predictor, task, store, indices)


def action_metrics(predictor: Answerer, task: str, store: Store, indices: np.ndarray) -> dict:
    """Top-1, top-5 (fractions), expected calibration error."""
    scores = _class_scores(predictor, task, store, indices)
    labels = store.labels[indices]
    right = scores.argmax(1) == labels
    return {
        "clips": len(indices),
        "top1": top_k(scores, labels, 1),
        "top5": top_k(scores, labels, min(5, len(store.classes))),
        "calibration_error": expected_calibration_error(np.exp(scores.max(1)), right),
        "classes": list(store.classes),
        "predicted": scores.argmax(1).tolist(),
        "labels": labels.tolist(),
        "probabilities": np.exp(scores.max(1)).astype(float).round(6).tolist(),
    }


def anticipation_metrics(predictor: Answerer, store: Store, indices: np.ndarray) -> dict:
    """Top-1 after each observation ratio, and the area under that curve. RAW frames are cut before all else."""
    labels = store.labels[indices]
    accuracy = {}
    for ratio in RATIOS:
        accuracy[f"{ratio:.0%}"] = top_k(_class_scores(predictor, "anticipate", store, indices, ratio), labels, 1)
    return {
        "clips": len(indices),
        "top1_at": accuracy,
        "area_under_curve": area_under_curve(RATIOS, list(accuracy.values())),
    }


def _class_scores(
    predictor: Answerer, task: str, store: Store, indices: np.ndarray, observed: float = 1.0
) -> np.ndarray:
    """(clips, classes) log-probabilities from the first share `observed` of each clip's raw frames."""
    batch = predictor.clips_at_once

    def score(start: int) -> np.ndarray:
        clips = [store[int(i)] for i in indices[start : start + batch]]
        seen = [clip.first(int(np.ceil(observed * clip.frames))) for clip in clips]
        return predictor.class_scores(task, seen, store.classes, batch)

    return np.concatenate(shared(range(0, len(indices), batch), score))


def pose_metrics(predictor: Answerer, store: Store, indices: np.ndarray, flip: bool, greedy: bool) -> dict:
    """MPJPE and P-MPJPE in millimetres: mean over the frames of an action, then over actions (paper Tables 3, 4).

    The root joint is part of the mean, as in VideoPose3D; its error is 0 by definition where the skeleton has one.
    """

    def measure(i: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, str, Skeleton]:
        clip = store[i] if store.space == "image" else fixed_view(store[i], i)
        lifted = predictor.lift(clip, flip, greedy=greedy)
        clip = pick_joints(clip, lifted.skeleton, clip.id)  # joints that training never had are not measured
        assert clip.pose_3d is not None
        truth = clip.pose_3d - clip.pose_3d[:, :, list(clip.skeleton.root_indices)].mean(2, keepdims=True)
        joints, action = lifted.joints[0], store.classes[clip.label] if clip.label >= 0 else "all"
        errors = mpjpe(joints, truth[0]) * 1000, p_mpjpe(joints, truth[0]) * 1000
        return *errors, np.linalg.norm(joints - truth[0], axis=-1), lifted.spread[0].ravel(), action, lifted.skeleton

    errors, aligned, joint_errors, spreads, labels, skeletons = zip(*shared(indices.tolist(), measure), strict=True)
    actions = [action for action, of_clip in zip(labels, errors, strict=True) for _ in of_clip]
    error, p_error = np.concatenate(errors), np.concatenate(aligned)
    per_action, mean = mean_per_action(error, actions)
    p_per_action, p_mean = mean_per_action(p_error, actions)
    names = (*store.classes, "all")  # the data set's own order, for Human3.6M that of the published tables
    spread, by_joint = np.concatenate(spreads), np.concatenate(joint_errors)
    joint_error, skeleton = by_joint.ravel(), skeletons[0]
    return {
        "clips": len(indices),
        "frames": len(error),
        "mpjpe_mm": mean,
        "p_mpjpe_mm": p_mean,
        "mpjpe_frames_mm": float(error.mean()),
        "p_mpjpe_frames_mm": float(p_error.mean()),
        "mpjpe_mm_per_action": {c: per_action[c] for c in names if c in per_action},
        "p_mpjpe_mm_per_action": {c: p_per_action[c] for c in names if c in p_per_action},
        "mpjpe_mm_per_joint": dict(zip(skeleton.joints, (1000 * by_joint.mean(0)).tolist(), strict=True)),
        "uncertainty_spearman": spearman(spread[spread > 0], joint_error[spread > 0]),
    }
