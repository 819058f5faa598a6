"""What is done in a video's first seconds, told while its other frames are looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ups.batch import PERSONS
from ups.data.formats.detections import Detection, recording
from ups.errors import DataError
from ups.skeleton import Skeleton
from ups.tasks.action import recognize_2d
from ups.tasks.timeline import WINDOW, Segment
from ups.video.sides import put_sides_right
from ups.video.source import Facts

if TYPE_CHECKING:
    from ups.inference.predictor import Predictor

KEPT = 12
"""Parts that are told, the last ones: what is done in a long video is told when all of it is known."""


class Early:
    """Asks about every two seconds by themselves. The timeline that follows knows what comes before and after, too.

    An action is told where it is more probable than that none of the candidates is shown.

    Args:
        predictor: that recognises 2D actions.
        names: the candidates, see `Predictor.candidates`.
        facts: of the video.
        skeleton: of what is found in its frames.
        every: of its frames one is looked at.
        tell: takes the parts so far, each as in `ups.tasks.timeline.Segment.to_dict`.
    """

    def __init__(
        self,
        predictor: Predictor,
        names: tuple[str, ...],
        facts: Facts,
        skeleton: Skeleton,
        every: int,
        tell: Callable[[list[dict[str, Any]]], None],
    ) -> None:
        self.predictor, self.names, self.tell = predictor, names, tell
        self.facts, self.skeleton, self.every = facts, skeleton, every
        self._lines: list[dict[str, Any]] = []
        self._told: list[Segment] = []

    def add(self, line: dict[str, Any]) -> None:
        """What was found in the next frame that was looked at: its number, its time and the people."""
        if self._lines and line["time"] - self._lines[0]["time"] >= WINDOW - 1e-6:
            self._answer(line["time"])
            self._lines = []
        self._lines.append(line)

    def _answer(self, end: float) -> None:
        found = self._asked(self._lines[0]["time"], end)
        last = self._told[-1] if self._told else None
        if last is not None and (last.action, last.why) == (found.action, found.why):
            before, now = last.end_s - last.start_s, found.end_s - found.start_s
            mean = (last.probability * before + found.probability * now) / (before + now)
            self._told[-1] = replace(last, end_s=found.end_s, probability=mean)
        else:
            self._told = [*self._told, found][-KEPT:]
        self.tell([part.to_dict() for part in self._told])

    def _asked(self, start: float, end: float) -> Segment:
        try:
            clip = recording(
                [Detection(i, person) for i, line in enumerate(self._lines) for person in line["people"]],
                range(len(self._lines)), self.skeleton, fps=self.facts.fps / self.every, image_size=self.facts.size,
                name="", where="",
            )  # fmt: skip
            clip = put_sides_right(clip.keep_best(PERSONS))
            answer = self.predictor.rank_actions(recognize_2d.name, clip, self.names)
        except DataError:
            return Segment(start, end, None, 1.0, "nobody")
        unknown = answer.unknown or 0.0
        best = (1 - unknown) * answer.probabilities[0]
        return (
            Segment(start, end, answer.best, best) if best >= unknown else Segment(start, end, None, unknown, "unknown")
        )
