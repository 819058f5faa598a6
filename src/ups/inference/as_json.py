"""Answers as JSON has them, the same from every command and from the service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ups.tasks.predictions import Answer, Lifted

if TYPE_CHECKING:
    from ups.pose import PoseSequence


def recording_told(clip: PoseSequence) -> dict[str, Any]:
    """What a recording is like."""
    return {"persons": clip.persons, "frames": clip.frames, "fps": clip.fps, "skeleton": clip.skeleton.name}


def actions_told(answer: Answer, top: int) -> dict[str, Any]:
    """The `top` most probable actions, and the probability that it is none of them where the model tells it."""
    pairs = list(zip(answer.classes, answer.probabilities, strict=True))[:top]
    told: dict[str, Any] = {"best": answer.best, "answers": [{"class": text, "probability": p} for text, p in pairs]}
    return told if answer.unknown is None else told | {"unknown": round(answer.unknown, 6)}


def poses_told(lifted: Lifted) -> dict[str, Any]:
    """3D poses of all persons, with their unit and frame."""
    return {
        "unit": "metre",
        "frame": "camera: x right, y down, z forward; relative to the root joint",
        "joint_names": list(lifted.skeleton.joints),
        "joints": or_null(lifted.joints),
        "spread": or_null(lifted.spread),
    }


def or_null(values: np.ndarray) -> Any:
    """Numbers as lists, rounded to a tenth of a millimetre; None for NaN."""
    rounded = values.astype(float).round(4).astype(object)
    rounded[np.isnan(values)] = None
    return rounded.tolist()
