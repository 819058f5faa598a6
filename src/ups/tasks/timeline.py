"""What is done when: a recording is cut into overlapping windows at the natural pace, whose answers are pooled.

Every step of the recording takes the mean of the windows that cover it, those around it counting most. Segments are the
most probable sequence of actions, and of "nothing known", where every change costs as much as `CHANGE` says (Viterbi's
algorithm). Needs no PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ups.errors import SettingError
from ups.pose import PoseSequence
from ups.seen import bodies
from ups.tasks.predictions import Answer, rank

WINDOW, STEP = 2.0, 0.25
"""Seconds of a window, about as long as most actions take; seconds between the starts of two."""
CHANGE = 1.0
"""What a change of the action costs, in nats of its probability."""
_LEAST = 1e-4
"""No step makes an action less probable than this: a single window can't forbid one."""


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


def make_timeline(
    classes: tuple[str, ...], windows: Windows, probabilities: np.ndarray, unknown: np.ndarray, somebody: np.ndarray
) -> Timeline:
    """The timeline of what is known of every step: (S, K), (S) and (S) bool."""
    known = somebody & np.isfinite(unknown)
    probabilities = np.where(known[:, None], probabilities, np.nan).astype(np.float32)
    unknown = np.where(known, unknown, 1).astype(np.float32)
    states = _states(probabilities, unknown, known)
    changes = np.flatnonzero(np.diff(states)) + 1
    end = windows.frames / windows.fps
    segments = []
    for first, last in zip((0, *changes), (*changes, windows.steps), strict=True):
        state, span = int(states[first]), slice(int(first), int(last))
        times = float(first * windows.step_s), end if last == windows.steps else float(last * windows.step_s)
        if state == NOBODY:
            segments.append(Segment(*times, None, 1.0, "nobody"))
        elif state == UNKNOWN:
            segments.append(Segment(*times, None, float(unknown[span].mean()), "unknown"))
        else:
            sure = probabilities[span, state] * (1 - unknown[span])
            segments.append(Segment(*times, classes[state], float(sure.mean())))
    return Timeline(tuple(segments), classes, windows.step_s, probabilities, unknown)


NOBODY, UNKNOWN = -2, -1
"""States of a step beside the number of an action."""


def _states(probabilities: np.ndarray, unknown: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The state of each step; stretches without anybody part the others."""
    states = np.full(len(known), NOBODY)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], known.astype(int), [0]])))
    for first, stop in zip(edges[::2], edges[1::2], strict=True):
        some = slice(first, stop)
        each = probabilities[some] * (1 - unknown[some, None])
        scores = np.log(np.maximum(np.concatenate([each, unknown[some, None]], 1), _LEAST))
        best = _best_path(scores)
        states[some] = np.where(best == probabilities.shape[1], UNKNOWN, best)
    return states


def _best_path(scores: np.ndarray) -> np.ndarray:
    """The sequence of states with the greatest sum of (S, K) log-probabilities, every change costing `CHANGE`."""
    before = np.zeros(scores.shape, np.int32)
    total = scores[0].copy()
    for i in range(1, len(scores)):
        best = int(total.argmax())
        change = total[best] - CHANGE > total
        before[i] = np.where(change, best, np.arange(len(total)))
        total = np.where(change, total[best] - CHANGE, total) + scores[i]
    path = np.empty(len(scores), int)
    path[-1] = total.argmax()
    for i in range(len(scores) - 1, 0, -1):
        path[i - 1] = before[i, path[i]]
    return path


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
