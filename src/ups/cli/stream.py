"""`ups stream`: answers while the frames come in."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from ups.cli.recording import Repairs
from ups.cli.show import answer, say
from ups.errors import DataError, SettingError, UpsError

if TYPE_CHECKING:
    from ups.inference.onnx import OnnxPredictor
    from ups.inference.predictor import Predictor


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
    """Candidate actions, separated by commas; default: those of the data that the model was last trained on."""
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
    how: Annotated[Repairs, arg(name="")] = field(default_factory=Repairs)
    force: bool = False
    """Answer even where the check of the first frames finds an error."""

    def run(self) -> None:
        """Read, ask, answer, until the input ends."""
        from ups.cli.first_frames import FirstFrames, StreamRefused
        from ups.inference.frames import Asked, answers, frame
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
        asked = Asked(bool(actions), estimate_pose.name in self.tasks, self.top, self.every)
        first = FirstFrames(
            find_skeleton(self.skeleton), self.space, self.fps, self.image_size, self.how.repairs(), self.force
        )
        online = OnlinePredictor(
            self._model(self.model), first.skeleton, space=first.space, fps=self.fps,
            image_size=first.image_size, persons=self.persons, task=action,
            classes=tuple(text.strip() for text in self.classes.split(",")) if self.classes else None,
            horizon=self.horizon, stride=self.stride, delay=self.delay,
            lifter=None if self.lifter is None else self._model(self.lifter),
        )  # fmt: skip
        bad: list[str] = []
        for number, line in enumerate(_lines(sys.stdin), 1):
            if not line.strip():
                continue
            try:
                online.push(*first.mended(*frame(line)))
                for remark in first.remarks(online):
                    say(remark, sys.stderr)
                answer({"frame": online.frames - 1} | answers(online, asked))
            except StreamRefused:
                raise
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


def _lines(file: Iterable[str]) -> Iterator[str]:
    """The lines of the input; of those that are too long for a frame the beginning."""
    from ups.inference.frames import LONGEST

    if not isinstance(file, io.TextIOWrapper):
        yield from file
        return
    file.reconfigure(encoding="utf-8", errors="backslashreplace")  # a line that is no text is no JSON either
    while line := file.readline(LONGEST + 1):
        yield line
        while len(line) > LONGEST and not line.endswith("\n"):
            line = file.readline(LONGEST + 1)
