"""Frames of a stream as lines of JSON, and what is answered about them; for `ups stream` and `ups serve`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ups.data.formats.keypoints import openpose_person
from ups.errors import DataError
from ups.inference.as_json import or_null

if TYPE_CHECKING:
    from ups.inference.streaming import OnlinePredictor

LONGEST = 1_000_000
"""Characters of a line."""
_NEEDED = (
    "a list of joints is needed, each a list of its coordinates, or an object "
    'with "joints" and "visibility", or with "people"'
)


@dataclass(frozen=True)
class Asked:
    """What is to be answered about every frame.

    Attributes:
        action: the action, at every `every`-th frame, of which the `top` most probable are told.
        pose: the 3D poses.
    """

    action: bool
    pose: bool
    top: int = 5
    every: int = 1


def answers(online: OnlinePredictor, asked: Asked) -> dict[str, Any]:
    """The answers about the last frame, for JSON; raises as `OnlinePredictor.action` and `pose` do."""
    told: dict[str, Any] = {}
    if asked.action and (online.frames - 1) % asked.every == 0:
        answer = online.action()
        pairs = [] if answer is None else list(zip(answer.classes, answer.probabilities, strict=True))[: asked.top]
        found = [{"class": text, "probability": round(p, 6)} for text, p in pairs]
        told["action"] = found or None
        if answer is not None and answer.unknown is not None:
            told["unknown"] = round(answer.unknown, 6)
    if asked.pose and online.frames > online.delay:
        pose = online.pose()
        told["pose"] = None if pose is None else {
            "frame": pose.frame,
            "joint_names": list(pose.skeleton.joints),
            "joints": or_null(pose.joints),
            "spread": or_null(pose.spread),
        }  # fmt: skip
    return told


def frame(line: str) -> tuple[Any, Any]:
    """Joints and visibility (or None) of a line, as `OnlinePredictor.push` takes them.

    Raises:
        DataError: the line is no frame, see `ups stream --help`.
    """
    if len(line) > LONGEST:
        raise DataError(f"over {LONGEST:,} characters; one frame is needed, of the persons that the stream shows")
    try:
        values = json.loads(line)
        if values is None:
            raise DataError('null is no frame; where nobody is there give {"joints": null}')
        if isinstance(values, dict) and "people" in values:
            return _people(values["people"])
        return _person(values)
    except json.JSONDecodeError as error:
        raise DataError(f"not JSON ({error.msg}, at character {error.pos + 1}); {_NEEDED}") from error
    except (ValueError, TypeError, AttributeError, KeyError, OverflowError, RecursionError) as error:
        what = repr(error) if isinstance(error, KeyError) else str(error)
        raise DataError(f"{what[:200]}; {_NEEDED}") from error


def _people(people: list[Any]) -> tuple[Any, Any]:
    """Persons (P, J, V) and what is known of their visibility (P, J)."""
    frames = []
    for person in people:
        if isinstance(person, dict) and "pose_keypoints_2d" in person:
            points = np.asarray(openpose_person(person, 0, "people").points)
            frames.append((points[:, :2], points[:, 2]))
        else:
            frames.append(_person(person))
    if not frames:
        return None, None
    joints = np.stack([joints for joints, _ in frames])
    if joints.ndim != 3:
        raise DataError(f"people: joints of one have shape {joints.shape[1:]}; {_NEEDED}")
    marks = [np.ones(joints.shape[1]) if seen is None else seen for _, seen in frames]
    return joints, None if all(seen is None for _, seen in frames) else np.stack(marks)


def _person(values: Any) -> tuple[Any, Any]:
    """Joints and visibility (or None) of a person, or of all: a list, or an object of both."""
    given = values if isinstance(values, dict) else {"joints": values}
    unknown = sorted(set(given) - {"joints", "visibility"})
    if unknown or "joints" not in given:
        raise DataError(f"unknown {', '.join(unknown[:3])}" if unknown else "no joints")
    if given["joints"] is None:
        return None, None
    joints, seen = (None if given.get(k) is None else np.array(given[k], np.float32) for k in ("joints", "visibility"))
    return joints, seen
