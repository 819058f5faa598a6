"""What is done when: a recording is cut into overlapping windows at the natural pace, whose answers are pooled.

Every step of the recording takes the mean of the windows of the usual length that cover it, those around it counting most.
Segments are what windows of all lengths speak for (`ups.tasks.segments`). Needs no PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ups.errors import SettingError
from ups.pose import PoseSequence
from ups.seen import bodies
from ups.tasks.predictions import Answer, rank
from ups.tasks.segments import Proposals, divided

WINDOW, STEP = 2.0, 0.25
"""Seconds of a window, about as long as most actions take; seconds between the starts of two."""
LENGTHS = (0.5, 0.75, 1.5, 2.0, 3.25)
"""Lengths of the windows that propose segments beside the usual ones, in lengths of those."""
_OVERLAP = 8
"""Of these windows so many begin within the length of one, or one with every step where that is fewer."""


@dataclass(frozen=True)
class Segment:
    """A part of a recording in which one thing is done.

    Attributes:
        start_s: seconds from the recording's first frame.
        end_s: where the next one starts.
        action: what is done; None = nothing known.
        probability: of the action, mean over the segment; where there is none, that none of the candidates is shown.
        why: "nobody" where nobody is seen, "unknown" where none of the candidates is recognised, "" of an action.
    """

    start_s: float
    end_s: float
    action: str | None
    probability: float
    why: str = ""

    @property
    def told(self) -> str:
        """The action, or why none is known, for people to read."""
        if self.action:
            return f"{self.action} ({self.probability:.0%})"
        return "nobody in sight" if self.why == "nobody" else "nothing known"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, rounded to milliseconds."""
        known: dict[str, Any] = {"start": round(self.start_s, 3), "end": round(self.end_s, 3), "action": self.action}
        return known | {"probability": round(self.probability, 6)} | ({"why": self.why} if self.why else {})


@dataclass(frozen=True)
class Timeline:
    """What is done when.

    Attributes:
        segments: in order, from 0 to the recording's end, without gaps; two neighbours differ.
        classes: the K candidates.
        step_s: row i of the following covers the seconds from i to i + 1 times this.
        probabilities: (S, K) float32, each row's sum is 1; NaN where nobody is seen.
        unknown: (S,) float32, the probability that none of the candidates is shown; 1 where nobody is seen.
    """

    segments: tuple[Segment, ...]
    classes: tuple[str, ...]
    step_s: float
    probabilities: np.ndarray
    unknown: np.ndarray

    @property
    def duration_s(self) -> float:
        """Of the recording."""
        return self.segments[-1].end_s

    @property
    def actions(self) -> tuple[Segment, ...]:
        """The segments in which an action is known."""
        return tuple(segment for segment in self.segments if segment.action is not None)

    def at(self, second: float) -> Segment:
        """The segment that a time lies in; raises SettingError outside of the recording."""
        for segment in self.segments:
            if segment.start_s <= second < segment.end_s:
                return segment
        raise SettingError(f"{second:g} s: the recording has {self.duration_s:g} s")

    def to_dicts(self) -> list[dict[str, Any]]:
        """The segments as plain JSON values."""
        return [segment.to_dict() for segment in self.segments]


@dataclass(frozen=True)
class Windows:
    """How a recording is cut.

    Attributes:
        frames: of the recording.
        fps: its frames per second.
        length: frames of a window.
        starts: the first frame of each.
        steps: number of steps of the timeline.
        step_s: their length in seconds.
    """

    frames: int
    fps: float
    length: int
    starts: tuple[int, ...]
    steps: int
    step_s: float

    def cut(self, clip: PoseSequence) -> Iterator[PoseSequence]:
        """The windows, one after the other; they share the recording's memory."""
        for start in self.starts:
            yield part(clip, start, start + self.length)

    def pool(self, values: np.ndarray, told: np.ndarray) -> np.ndarray:
        """Means of the windows' values (W, K) for every step: (S, K) float32; NaN where no window of `told` (W) covers it."""
        centre = np.minimum((np.arange(self.steps) + 0.5) * self.step_s, (self.frames - 0.5) / self.fps)
        total, weight = np.zeros((self.steps, values.shape[1])), np.zeros((self.steps, 1))
        half = self.length / self.fps / 2
        for number, start in enumerate(self.starts):
            if not told[number]:
                continue
            middle = start / self.fps + half
            low, high = np.searchsorted(centre, (middle - half, middle + half + 1e-9))
            near = 1.05 - np.abs(centre[low:high] - middle) / half
            total[low:high] += near[:, None] * values[number]
            weight[low:high] += near[:, None]
        with np.errstate(invalid="ignore"):
            return (total / np.where(weight > 0, weight, np.nan)).astype(np.float32)


def cuts_of(frames: int, fps: float, window_s: float = WINDOW, step_s: float = STEP) -> list[Windows]:
    """How a recording is cut into windows of all lengths, those of `window_s` seconds first; see `windows_of`."""
    usual = windows_of(frames, fps, window_s, step_s)
    found = {usual.length: usual}
    for length in LENGTHS:
        seconds = min(max(length * window_s, step_s), 60.0)
        cut = windows_of(frames, fps, seconds, step_s * max(1, int(seconds / _OVERLAP / step_s)))
        found.setdefault(cut.length, replace(cut, steps=usual.steps, step_s=step_s))
    return list(found.values())


def windows_of(frames: int, fps: float, window_s: float = WINDOW, step_s: float = STEP) -> Windows:
    """How a recording is cut into windows of `window_s` seconds every `step_s`; one shorter than that is one window.

    Raises:
        SettingError: windows or steps of no length, or steps longer than a window.
    """
    if not 0 < step_s <= window_s <= 60:
        raise SettingError(
            f"windows of {window_s:g} s every {step_s:g} s: steps above 0, up to a window's 60 s at most"
        )
    length = min(max(2, round(window_s * fps)), frames)
    number = int(np.ceil((frames - length) / (step_s * fps) - 1e-6)) + 1
    starts = tuple(sorted({min(round(k * step_s * fps), frames - length) for k in range(number)}))
    steps = max(1, int(np.ceil(frames / fps / step_s - 1e-6)))
    return Windows(frames, fps, length, starts, steps, step_s)


def part(clip: PoseSequence, start: int, stop: int) -> PoseSequence:
    """The frames from `start` to before `stop`, which share the clip's memory."""
    target = None if clip.pose_3d is None else clip.pose_3d[:, start:stop]
    return replace(clip, joints=clip.joints[:, start:stop], visibility=clip.visibility[:, start:stop], pose_3d=target)


def somebody_in_steps(visibility: np.ndarray, windows: Windows) -> np.ndarray:
    """Whether any frame of each step shows enough of a body: (M, N, J) -> (S) bool."""
    there = np.asarray(bodies(visibility)).any(0)
    assert isinstance(there, np.ndarray)
    step = np.minimum((np.arange(len(there)) / windows.fps / windows.step_s).astype(int), windows.steps - 1)
    result = np.zeros(windows.steps, bool)
    np.logical_or.at(result, step, there)
    return result


@dataclass(frozen=True)
class Told:
    """What a model told of windows of one length.

    Attributes:
        windows: how the recording was cut.
        asked: (W,) bool, the windows that show enough of somebody.
        probabilities: (W, K) of the actions.
        unknown: (W, 1) that none of them is shown.
    """

    windows: Windows
    asked: np.ndarray
    probabilities: np.ndarray
    unknown: np.ndarray

    def proposals(self, steps: int) -> Proposals:
        """The windows by the steps that they cover."""
        w = self.windows
        first = np.minimum(np.round(np.array(w.starts) / w.fps / w.step_s).astype(int), steps - 1)
        covered = max(1, round(w.length / w.fps / w.step_s))
        stop = np.where(np.array(w.starts) + w.length >= w.frames, steps, np.minimum(first + covered, steps))
        kept = self.asked
        return Proposals(first[kept], stop[kept], self.probabilities[kept], self.unknown[kept, 0])


def make_timeline(classes: tuple[str, ...], told: Sequence[Told], somebody: np.ndarray) -> Timeline:
    """The timeline of a recording.

    Args:
        classes: the K candidates.
        told: by windows of each length, those of the usual one first.
        somebody: (S,) bool, the steps in which somebody is seen.
    """
    windows = told[0].windows
    probabilities, unknown = (told[0].windows.pool(v, told[0].asked) for v in (told[0].probabilities, told[0].unknown))
    known = somebody & np.isfinite(unknown[:, 0])
    probabilities = np.where(known[:, None], probabilities, np.nan).astype(np.float32)
    shortest = min(told, key=lambda each: each.windows.length)
    nearest = shortest.windows.pool(shortest.unknown, shortest.asked)[:, 0]
    nearest = np.where(np.isfinite(nearest), nearest, unknown[:, 0])
    proposals = [each.proposals(windows.steps) for each in told]
    end, segments = windows.frames / windows.fps, []
    edges = np.flatnonzero(np.diff(known.astype(int))) + 1
    for first, stop in zip((0, *edges.tolist()), (*edges.tolist(), windows.steps), strict=True):
        if known[first]:
            some = [each.within(first, stop) for each in proposals]
            parts = divided(stop - first, some, nearest[first:stop], windows.step_s)
        else:
            parts = [(0, stop - first, -1, 1.0)]
        for low, high, action, sure in parts:
            last = first + high
            times = (first + low) * windows.step_s, end if last == windows.steps else last * windows.step_s
            if 0 <= action < len(classes):
                segments.append(Segment(*times, classes[action], sure))
            else:
                segments.append(Segment(*times, None, sure, "nobody" if action < 0 else "unknown"))
    return Timeline(
        tuple(segments), classes, windows.step_s, probabilities, np.where(known, unknown[:, 0], 1).astype(np.float32)
    )


def pooled_answer(timeline: Timeline) -> Answer:
    """One answer about a whole recording: the steps' probabilities, the more of it the more is known of a step.

    Its `unknown` is that of the steps that speak for the best action.
    """
    known = np.isfinite(timeline.probabilities[:, 0])
    probabilities, unknown = timeline.probabilities[known].astype(np.float64), timeline.unknown[known]
    weight = np.maximum(1 - unknown, 1e-3)[:, None]
    mean = (weight * probabilities).sum(0) / weight.sum()
    speaks = (weight * probabilities)[:, mean.argmax()]
    return rank(timeline.classes, np.log(np.maximum(mean, 1e-12)), float((speaks * unknown).sum() / speaks.sum()))
