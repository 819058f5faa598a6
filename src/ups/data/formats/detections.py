"""Persons that a pose estimator found in single frames -> a recording: who is who, and when.

Ids in the file are believed. Without them persons are followed through time: from one frame to the next a person moves
by less than half his size, and he may be hidden for a second. Who is found within that second where nobody can have got
to is somebody else.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ups.batch import PERSONS
from ups.data.formats.timing import frame_rate, frames_at
from ups.data.formats.tracking import Track, into_slots, link
from ups.errors import DataError
from ups.notices import Notice
from ups.pose import PoseSequence
from ups.seen import not_seen
from ups.skeleton import Skeleton

MOST_PERSONS = 2
"""Persons kept of a recording without ids: those seen best, over all frames."""
DETECTED = 200
"""Persons that one frame may show."""
FASTEST = 8.0
"""Of his own sizes, by which a person moves in a second: a sprinter of 1.7 m covers six."""
FARTHEST = 100_000
"""Pixels; coordinates beyond, and those that are no numbers, are damage."""
CELLS = 10_000_000
"""Numbers of a recording with frames or persons left out, at most, or four times as many as it gives."""


@dataclass(frozen=True)
class Detection:
    """One person in one frame.

    Attributes:
        frame: its number in the video.
        points: (J, 3) or (J * 3): x and y in pixels, and a score; of any scale that `ups.seen.not_seen` knows.
        person: who it is: a name or an id >= 0; None or below 0 where the file does not say.
    """

    frame: int
    points: Any
    person: int | str | None = None


def recording(
    detections: Sequence[Detection],
    numbers: Sequence[int],
    skeleton: Skeleton,
    *,
    fps: float | None,
    image_size: tuple[int, int],
    name: str,
    where: str,
    stated_fps: float | None = None,
) -> PoseSequence:
    """A 2D clip of what was detected.

    Args:
        detections: in any order.
        numbers: of all frames that the file has, those without anybody included, each once.
        skeleton: names the J joints.
        fps, image_size: what the user or the file says; `fps` is None where the user does not.
        name: of the clip.
        where: the file, for errors.
        stated_fps: what the file says, None where it does not.

    Raises:
        DataError: nobody in any frame, too many, two with one id in a frame, values that can't be pixels or scores.
    """
    frame_rate(stated_fps, fps, where)  # refuses one that can't be
    if not numbers:
        raise DataError(f"{where}: nobody is seen, for there is no frame in it; look at what wrote it")
    time = frames_at(numbers, stated_fps, fps, where)
    try:
        points = np.array([np.reshape(d.points, (-1, 3)) for d in detections], np.float64)
        points = points.reshape(len(detections), -1 if detections else len(skeleton), 3)
    except (ValueError, TypeError) as error:
        raise DataError(f"{where}: persons of different numbers of joints, or no numbers ({error})") from error
    if len(points) and points.shape[1] != len(skeleton):
        raise DataError(f"{where}: {points.shape[1]} keypoints; the {len(skeleton)} of {skeleton.name} are needed")
    far = np.argwhere(~((np.abs(points[..., :2]) <= FARTHEST) | np.isnan(points[..., :2])))
    if len(far):
        raise DataError(f"{where}: keypoint {points[tuple(far[0][:2])]}; pixels up to {FARTHEST} are needed")
    joints, visibility, scaled = not_seen(points[..., :2], points[..., 2], where, skeleton.root_indices)
    place = dict(zip(numbers, time.places.tolist(), strict=True))
    seen = np.flatnonzero((visibility > 0).any(-1)).tolist()
    if not seen:
        raise DataError(f"{where}: nobody is seen in any of its {len(numbers)} frames; cut it to where somebody is")
    frames = [place[detections[i].frame] for i in seen]
    tracks, more = _who(detections, frames, seen, joints, visibility, time.frames, time.fps, where)
    if len(tracks) * time.frames > 1000 and len(tracks) * time.frames * len(skeleton) * 3 > max(CELLS, 4 * points.size):
        raise DataError(f"{where}: {len(seen)} persons over {time.frames} frames; cut it at its gaps, into recordings")
    result = np.zeros((len(tracks), time.frames, len(skeleton), 3), np.float32)
    for m, track in enumerate(tracks):
        for frame, i in track:
            result[m, frame, :, :2], result[m, frame, :, 2] = joints[i], visibility[i]
    notices = (*time.notices, *scaled, *more)
    return PoseSequence(
        result[..., :2], result[..., 2], skeleton, "image", time.fps, name, image_size=image_size, notices=notices
    )


def _who(
    detections: Sequence[Detection], frames: list[int], seen: list[int], joints: np.ndarray, visibility: np.ndarray,
    count: int, fps: float, where: str,
) -> tuple[list[Track], list[Notice]]:  # fmt: skip
    """Persons, as (frame, number of the detection) each; those seen best, best first, and what to tell about the rest."""
    known = [detections[i].person for i in seen]
    ids = [None if isinstance(person, int) and person < 0 else person for person in known]
    by_frame: dict[int, list[int]] = defaultdict(list)
    for frame, i in zip(frames, seen, strict=True):
        by_frame[frame].append(i)
    most = max(map(len, by_frame.values()))
    if most > DETECTED:
        raise DataError(f"{where}: {most} persons in one frame; at most {DETECTED} are followed: keep the surest ones")
    if set(ids) == {0} and most > 1:  # what some tools write where nobody was tracked
        ids = [None] * len(ids)
    named: dict[int | str, Track] = defaultdict(list)
    for frame, i, person in zip(frames, seen, ids, strict=True):
        if person is not None:
            named[person].append((frame, i))
    for person, track in named.items():
        track.sort()
        twice = [frame for (frame, _), (after, _) in zip(track, track[1:], strict=False) if frame == after]
        if twice:
            number = detections[next(i for frame, i in track if frame == twice[0])].frame
            raise DataError(
                f"{where}: two persons with id {person} in frame {number}; correct the ids, or leave them out: persons "
                "without ids are followed through time"
            )
    free: list[list[int]] = [[] for _ in range(count)]
    for frame, i, person in zip(frames, seen, ids, strict=True):
        if person is None:
            free[frame].append(i)
    followed, others = _follow(free, joints, visibility, fps)
    taken = _adopt(followed, list(named.values()), others, round(fps))
    followed = [track for track in followed if track]
    told = []
    if taken:
        what = f"{taken} detections without an id are taken for persons with one, whose tracks they continue"
        remedy = "nothing, if that is right; else give them ids"
        told = [Notice("note", what, remedy, f"{taken} of {len(seen)} detections")]
    tracks = [*named.values(), *followed]
    weights = [_weight(track, visibility) for track in tracks]
    if not named:
        slots = into_slots(tracks, weights, MOST_PERSONS, others)
        kept = [sorted(step for track in slot for step in track) for slot in slots]
    else:
        order = sorted(range(len(tracks)), key=lambda i: -weights[i])
        kept = [tracks[i] for i in order[:PERSONS]]
    left = len(seen) - sum(map(len, kept))
    if not left:
        return kept, told
    remedy = "nothing, if they matter most; else give the persons ids, or cut the others out"
    what = f"only the {len(kept)} persons seen best are kept"
    return kept, [*told, Notice("note", what, remedy, f"{left} of {len(seen)} detections are left out")]


def _adopt(followed: list[Track], named: list[Track], others: Callable[[Track, Track], bool], patience: int) -> int:
    """Moves what fills a gap of a person with an id to that person: frames in a row that begin or end within `patience`
    frames of a step of his, where he can have been; to the nearest in time of several. Returns how many detections.
    """
    runs = []
    for number, track in enumerate(followed):
        cuts = [i for i in range(1, len(track)) if track[i][0] > track[i - 1][0] + 1]
        runs += [(track[i:j], number) for i, j in zip([0, *cuts], [*cuts, len(track)], strict=True)]
    runs.sort()
    left = list(range(len(runs)))
    for step in (1, -1):  # forwards in time, then backwards
        for k in left[::step]:
            run = runs[k][0]
            found = []
            for person in named:
                at = bisect_left(person, (run[0][0],))
                before, after = person[max(at - 1, 0) : at], person[at : at + 1]
                if after and after[0][0] <= run[-1][0]:
                    continue
                gaps = [*(run[0][0] - frame for frame, _ in before), *(frame - run[-1][0] for frame, _ in after)]
                apart = (bool(before) and others(before, run)) or (bool(after) and others(run, after))
                if min(gaps) <= patience and not apart:
                    found.append((min(gaps), person, at))
            if found:
                _, person, at = min(found, key=lambda each: each[0])
                person[at:at] = run
                runs[k] = ([], runs[k][1])
        left = [k for k in left if runs[k][0]]
    taken = sum(map(len, followed)) - sum(len(runs[k][0]) for k in left)
    for track in followed:
        track.clear()
    for k in left:
        followed[runs[k][1]] += runs[k][0]
    return taken


def _follow(
    frames: list[list[int]], joints: np.ndarray, visibility: np.ndarray, fps: float
) -> tuple[list[Track], Callable[[Track, Track], bool]]:
    """Detections (their numbers) of every frame, linked through time, and what tells whether one track's person can't
    be a later one's.
    """
    everyone = [i for persons in frames for i in persons]
    if not everyone:
        return [], lambda before, after: False
    size = max(float(np.median([np.ptp(joints[i][visibility[i] > 0], axis=0).max() for i in everyone])), 2.0)
    patience = round(fps)
    tracks = link(
        [joints[persons] for persons in frames], [visibility[persons] for persons in frames], size / 2, patience
    )

    def others(before: Track, after: Track) -> bool:
        (left, last), (found, first) = before[-1], after[0]
        if found - left > patience:
            return False
        middles = [np.median(joints[i][visibility[i] > 0], axis=0) for i in (last, first)]
        return float(np.linalg.norm(middles[1] - middles[0])) > size * (0.5 + FASTEST * (found - left) / fps)

    return [[(frame, frames[frame][p]) for frame, p in track] for track in tracks], others


def _weight(track: Iterable[tuple[int, int]], visibility: np.ndarray) -> float:
    return float(sum(visibility[i].sum() for _, i in track))
