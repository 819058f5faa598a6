"""The joints of the people in a video, frame by frame, kept as they come: a run that was stopped goes on where it was."""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ups.data.formats.detections import Detection, recording
from ups.data.formats.timing import even
from ups.errors import DataError
from ups.notices import Notice
from ups.pose import PoseSequence
from ups.video.estimators import Estimator
from ups.video.sides import put_sides_right
from ups.video.source import Facts, Frame, frames_of

log = logging.getLogger("ups")

UNEVEN = 0.1
"""Share of a frame's duration by which frames may come early or late before their times count."""

WHOLE = 0.9
"""Share of the frames that a video says it has, below which it is told that the rest is missing."""

AHEAD = 4
"""Frames that are decoded while an estimator looks at the one before them, at most."""


def joints_of(
    path: Path, facts: Facts, estimator: Estimator, kept: Path, every: int = 1,
    progress: Callable[[int], None] = lambda number: None, found: Callable[[dict[str, Any]], None] = lambda line: None,
) -> PoseSequence:  # fmt: skip
    """The people of a video as a 2D clip, with left and right as `put_sides_right` has them.

    Args:
        path: the video.
        facts: what `facts_of` says of it.
        estimator: finds the joints.
        kept: file of what was found so far, a line a frame; lines of the same video and estimator count.
        every: look at every N-th frame.
        progress: is told the number of each frame.
        found: takes what was found in each frame that was looked at: `frame`, `time` and `people`, lists of (J, 3).

    Raises:
        DataError: nobody is seen, or as `frames_of` does.
        OSError: a file can't be read or written.
    """
    stat = path.stat()
    head = {
        "video": path.name,
        "bytes": stat.st_size,
        "changed": stat.st_mtime_ns,
        "estimator": estimator.name,
        "every": every,
    }
    known, count = _known(kept, head), 0
    with kept.open("a", encoding="utf-8") as file:
        for frame, people in looked_at(frames_of(path), estimator, lambda n: n % every == 0 and n not in known):
            progress(frame.number)
            count = frame.number + 1
            if people is not None:
                told = [np.round(person, 4).tolist() for person in people]
                known[frame.number] = {"frame": frame.number, "time": round(frame.time, 6), "people": told}
                file.write(json.dumps(known[frame.number]) + "\n")
                file.flush()
            if frame.number % every == 0:
                found(known[frame.number])
    lines = [known[number] for number in sorted(known)]
    if not lines:
        raise DataError(f"{path}: not a frame in it; is the copy complete?")
    times, step = np.array([line["time"] for line in lines]), every / facts.fps
    uneven = len(times) > 2 and np.abs(np.diff(times) - step).max() > UNEVEN * step and np.diff(times).min() > 0
    numbers = list(range(len(lines))) if uneven else [line["frame"] // every for line in lines]
    clip = recording(
        [Detection(number, person) for number, line in zip(numbers, lines, strict=True) for person in line["people"]],
        numbers, estimator.skeleton, fps=facts.fps / every, image_size=facts.size, name=path.stem, where=str(path),
    )  # fmt: skip
    clip = put_sides_right(clip)
    if count < WHOLE * facts.frames:
        what = "the video breaks off"
        told = Notice("warning", what, "copy it again", f"{count} of its {facts.frames} frames can be read")
        clip = replace(clip, notices=(*clip.notices, told))
    if not uneven:
        return clip
    grid = even(times, None, str(path))
    joints, visibility = grid.resampled(clip.joints, clip.visibility)
    return replace(clip, joints=joints, visibility=visibility, fps=grid.fps)


def looked_at(
    frames: Iterable[Frame],
    estimator: Estimator,
    wanted: Callable[[int], bool] = lambda number: True,
    ahead: int = AHEAD,
) -> Iterator[tuple[Frame, list[np.ndarray] | None]]:
    """Each frame with its people, (J, 3) of each in the frame's own pixels; None of a frame whose number isn't wanted.

    The estimator is given pictures no larger than it asks for, in a thread of its own: meanwhile the next are decoded,
    as many as `ahead`, by which answers come later.
    """
    waiting: deque[tuple[Frame, np.ndarray, Future[list[np.ndarray]] | None]] = deque()

    def first() -> tuple[Frame, list[np.ndarray] | None]:
        frame, scale, people = waiting.popleft()
        return frame, None if people is None else [person * scale for person in people.result()]

    with ThreadPoolExecutor(1, "ups-estimator") as looking:
        for frame in frames:
            if wanted(frame.number):
                rgb = frame.within(estimator.longest)
                scale = np.array([frame.size[0] / rgb.shape[1], frame.size[1] / rgb.shape[0], 1])
                waiting.append((frame, scale, looking.submit(estimator.find, rgb)))
            else:
                waiting.append((frame, np.ones(3), None))
            if len(waiting) > ahead:
                yield first()
        while waiting:
            yield first()


def _known(kept: Path, head: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """Frames of an earlier run on the same video; the file is begun anew where it is another one's, or cut where it broke off."""
    known: dict[int, dict[str, Any]] = {}
    good: list[str] = []
    with suppress(OSError, ValueError, KeyError, TypeError):
        lines = kept.read_text(encoding="utf-8").splitlines()
        if lines and json.loads(lines[0]) == head:
            for line in lines[1:]:
                values = json.loads(line)
                number, _, _ = int(values["frame"]), float(values["time"]), list(values["people"])
                known[number] = values
                good.append(line)
    if known:
        log.info("%s: goes on after %s frames", kept, len(known))
    kept.write_text("\n".join([json.dumps(head), *good]) + "\n", encoding="utf-8")
    return known
