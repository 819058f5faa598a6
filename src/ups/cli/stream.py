"""`ups stream`: answers while the frames come in."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tyro.conf import Positional

from ups.cli.show import answer
from ups.errors import DataError, SettingError, UpsError

if TYPE_CHECKING:
    import numpy as np

    from ups.inference.onnx import OnnxPredictor
    from ups.inference.predictor import Predictor
    from ups.inference.streaming import OnlinePredictor


LONGEST = 1_000_000
"""Characters of a line."""
_NEEDED = (
    "a list of joints is needed, each a list of its coordinates, or an object "
    'with "joints" and "visibility", or with "people"'
)


@dataclass
class Stream:
    """Read frames from standard input, one line of JSON each, and answer each with a line of JSON.

    A frame is its joints, [[x, y], ...] or [[x, y, z], ...], a list of those for several persons, or an object
    {"joints": ..., "visibility": ...}, or {"people": [one of these for each]}, as OpenPose has it too. A coordinate that
    is null was not seen; where joints are null, or there are no people, nobody was there, and action and pose are null
    while nobody is in sight. A line that can't be used is answered with
    {"line": its number, "error": why}, the next one goes on, and the exit code is 2 in the end.
    """

    model: Positional[Path]
    """Folder of the trained model, or of one exported for the question asked: that takes half the time."""
    skeleton: str
    """Name of the frames' skeleton, or a file that describes it."""
    space: Literal["image", "camera", "kinect", "world"] = "image"
    """Pixels of an image, or metres in the camera's, a depth sensor's or the world's frame."""
    fps: float = 30.0
    """Frames per second."""
    image_size: tuple[int, int] | None = None
    """Width and height in pixels, for image."""
    persons: int = 1
    """Persons in a frame, at most; the coordinates of one who is not there while a later one is are null."""
    tasks: tuple[str, ...] = ("anticipate",)
    """What to answer: anticipate, the action that is going on, or recognize_3d or recognize_2d, the one that a whole clip
    shows; estimate_pose, the 3D pose behind 2D joints; or one of the first three and the last."""
    classes: str | None = None
    """Candidate actions, separated by commas; default: all classes the model knows."""
    top: int = 5
    """How many actions to list."""
    every: int = 1
    """Answer with the action every N frames."""
    horizon: int | None = None
    """The action is that of the last N frames; default: two seconds, a window of `ups predict --timeline`."""
    stride: int = 9
    """3D poses decoded together: more = cheaper and later."""
    delay: int | None = None
    """Frames between a frame and its 3D pose; default: half a window and the others decoded with it."""
    lifter: Path | None = None
    """Folder of the model for 3D poses where it is another one: an exported model answers one task."""
    threads: int | None = None
    """Processor threads that compute; default: the library's choice."""

    def run(self) -> None:
        """Read, ask, answer, until the input ends."""
        from ups.inference.streaming import OnlinePredictor
        from ups.skeletons import find_skeleton
        from ups.tasks import get_task
        from ups.tasks.pose import estimate_pose

        for name, value in (("--top", self.top), ("--every", self.every), ("--threads", self.threads)):
            if value is not None and value < 1:
                raise SettingError(f"{name} {value}; at least 1 is needed")
        actions = [name for name in self.tasks if get_task(name) is not estimate_pose]
        if len(actions) > 1 or not self.tasks:
            raise SettingError(
                f"--tasks {' '.join(self.tasks)}; one task of actions, estimate_pose, or both are needed"
            )
        action = actions[0] if actions else "anticipate"
        wanted = {"action": bool(actions), "pose": estimate_pose.name in self.tasks}
        online = OnlinePredictor(
            self._model(self.model), find_skeleton(self.skeleton), space=self.space, fps=self.fps,
            image_size=self.image_size, persons=self.persons, task=action,
            classes=tuple(text.strip() for text in self.classes.split(",")) if self.classes else None,
            horizon=self.horizon, stride=self.stride, delay=self.delay,
            lifter=None if self.lifter is None else self._model(self.lifter),
        )  # fmt: skip
        bad: list[str] = []
        for number, line in enumerate(_lines(sys.stdin), 1):
            if not line.strip():
                continue
            try:
                online.push(*_frame(line))
                answer({"frame": online.frames - 1} | self.answers(online, wanted))
            except UpsError as error:
                bad.append(f"line {number}: {error}")
                answer({"line": number, "error": str(error)})
        if bad:
            raise DataError(f"{len(bad)} lines of the input have no answer; the first is {bad[0]}")

    def _model(self, folder: Path) -> Predictor | OnnxPredictor:
        from ups.inference.onnx import OnnxPredictor, is_export

        if is_export(folder):
            return OnnxPredictor(folder, self.threads)
        import torch

        from ups.inference.predictor import Predictor

        if self.threads is not None:
            torch.set_num_threads(self.threads)
        return Predictor.from_pretrained(folder)

    def answers(self, online: OnlinePredictor, wanted: dict[str, bool]) -> dict[str, Any]:
        """The answers about the last frame."""
        answers: dict[str, Any] = {}
        if wanted["action"] and (online.frames - 1) % self.every == 0:
            answer = online.action()
            pairs = [] if answer is None else list(zip(answer.classes, answer.probabilities, strict=True))[: self.top]
            found = [{"class": text, "probability": round(p, 6)} for text, p in pairs]
            answers["action"] = found or None
            if answer is not None and answer.unknown is not None:
                answers["unknown"] = round(answer.unknown, 6)
        if wanted["pose"] and online.frames > online.delay:
            pose = online.pose()
            answers["pose"] = None if pose is None else {
                "frame": pose.frame,
                "joint_names": list(pose.skeleton.joints),
                "joints": or_null(pose.joints),
                "spread": or_null(pose.spread),
            }  # fmt: skip
        return answers


def or_null(values: np.ndarray) -> Any:
    """Numbers as lists, rounded to a tenth of a millimetre; None for NaN."""
    import numpy as np

    rounded = values.astype(float).round(4).astype(object)
    rounded[np.isnan(values)] = None
    return rounded.tolist()


def _lines(file: Iterable[str]) -> Iterator[str]:
    """The lines of the input; of those that are too long for a frame the beginning."""
    if not isinstance(file, io.TextIOWrapper):
        yield from file
        return
    file.reconfigure(encoding="utf-8", errors="backslashreplace")  # a line that is no text is no JSON either
    while line := file.readline(LONGEST + 1):
        yield line
        while len(line) > LONGEST and not line.endswith("\n"):
            line = file.readline(LONGEST + 1)


def _frame(line: str) -> tuple[Any, Any]:
    """Joints and visibility (or None) of a line."""
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
    import numpy as np

    from ups.data.formats.keypoints import openpose_person

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
    import numpy as np

    given = values if isinstance(values, dict) else {"joints": values}
    unknown = sorted(set(given) - {"joints", "visibility"})
    if unknown or "joints" not in given:
        raise DataError(f"unknown {', '.join(unknown[:3])}" if unknown else "no joints")
    if given["joints"] is None:
        return None, None
    joints, seen = (None if given.get(k) is None else np.array(given[k], np.float32) for k in ("joints", "visibility"))
    return joints, seen
