"""How far `ups predict` has come with a video; and what it says while a camera runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ups.cli.show import answer

if TYPE_CHECKING:
    from ups.inference.predictor import Predictor
    from ups.video.source import Frame


class Watching:
    """A progress bar on standard error, where that is a terminal."""

    def __enter__(self) -> Watching:
        from rich.console import Console
        from rich.progress import Progress

        self.shown = sys.stderr.isatty()
        self._progress = Progress(console=Console(stderr=True), disable=not self.shown, transient=True)
        self._progress.start()
        self._stage, self._task, self._told = "", None, -1.0
        return self

    def __call__(self, stage: str, number: int, total: int) -> None:
        """The stage, the number of the frame, and of how many; 0 where that is not known."""
        if stage != self._stage:
            self._stage, self._task = stage, self._progress.add_task(stage, total=total or None)
        if self._task is not None:
            self._progress.update(self._task, completed=number + 1)

    def so_far(self, result: dict[str, Any]) -> None:
        """A line for each part in which something else is done than before, as far as the video was looked at."""
        if "answers" in result:
            return
        for part in result["timeline"]:
            if part["start"] > self._told:
                self._told = part["start"]
                what = f"{part['action']} ({part['probability']:.0%})" if part["action"] else "nothing known"
                self._progress.console.print(f"from {part['start']:.1f} s: {what}", highlight=False, markup=False)

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()


def show_camera(
    number: int, predictor: Predictor, estimator: str, classes: tuple[str, ...] | None, top: int,
    frames: Iterator[Frame] | None = None,
) -> None:  # fmt: skip
    """Answers about what a camera sees, a line a frame, until it ends or Ctrl-C; `frames` stand in for a camera."""
    from ups.inference.frames import Asked, answers
    from ups.inference.streaming import OnlinePredictor
    from ups.tasks.action import recognize_2d
    from ups.tasks.pose import estimate_pose
    from ups.video.estimators import KINDS, closing
    from ups.video.joints import looked_at
    from ups.video.source import frames_of_camera

    source = frames_of_camera(number) if frames is None else frames
    lifts = estimate_pose.name in predictor.trained.model.tasks
    online: OnlinePredictor | None = None
    asked = Asked(True, lifts, top)
    with closing(KINDS[estimator](None)) as found, suppress(KeyboardInterrupt):
        for frame, seen in looked_at(source, found, ahead=0):
            if online is None:
                online = OnlinePredictor(
                    predictor, found.skeleton, space="image", fps=_RATE, image_size=frame.size,
                    task=recognize_2d.name, classes=classes,
                )  # fmt: skip
            people = sorted(seen or [], key=lambda person: -float(person[:, 2].sum()))[:1]
            if people:
                online.push(people[0][:, :2], people[0][:, 2])
            else:
                online.push(None)
            told: dict[str, Any] = {"frame": frame.number, "time": round(frame.time, 3)}
            answer(told | answers(online, asked))


_RATE = 30.0
"""Frames per second of a camera, about."""
