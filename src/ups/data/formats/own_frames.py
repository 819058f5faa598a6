"""Frames of people's own JSON: persons with keypoints by place or name, and what says which frame it is, or when."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ups.data.formats.moments import moments_of, role_of
from ups.data.formats.own_keys import stated_rate, stated_sides, told_of_facts
from ups.data.formats.timing import numbers_of, slots_of_times
from ups.errors import DataError
from ups.notices import Notice

Record = dict[str, Any]
_PEOPLE = ("persons", "people", "instances", "detections", "poses", "annotations", "objects", "bodies", "predictions")
"""Keys of the persons of a frame."""
_POINTS = ("keypoints", "joints", "pose", "pose_keypoints_2d")
"""Keys of a person's keypoints."""
_COUNT = ("index", "idx", "i", "n", "no", "nr", "number", "id")
"""Keys of a frame with persons that number frames, if all differ."""
_NUMBERS = ("id", "index", "idx", "keypoint_id", "joint_id")
_WHICH = ("name", "part", "label", "joint", "keypoint", "joint_name", "keypoint_name", "bodypart", "type", *_NUMBERS)
"""Keys of a keypoint's name, and of its number."""
_RISING = 5
"""Frames from which a key that rises is taken for their number, if it does so by at most as much."""


@dataclass(frozen=True)
class Frames:
    """What such a file says.

    Attributes:
        people: of every frame, each with "keypoints".
        numbers: of the frames.
        names: of the keypoints, None where the file has none.
        fps: frames per second, None where nothing says it.
        image_size: width and height, None where the file does not say.
        told: what is to be told.
    """

    people: list[list[Record]]
    numbers: list[int]
    names: list[str] | None
    fps: float | None
    image_size: tuple[int, int] | None
    told: tuple[Notice, ...]


def own_frames(record: Any, where: str) -> Frames | None:
    """{"fps", "width", "height", "frames": [{"frame", "persons": [{"id", "keypoints"}]}]}, as people write it by themselves:
    also a list of such frames alone; frames of one person, whose keypoints stand in the frame; persons that each have the
    number or time of their frame. None for anything else.

    Raises:
        DataError: frames of which only some have a number, or times that can't be.
    """
    facts = record if isinstance(record, dict) else {}
    frames = record.get("frames") if isinstance(record, dict) else record
    if not isinstance(frames, list) or not frames or not all(isinstance(frame, dict) for frame in frames):
        return None
    if not facts and any({"image_id", "keypoint_scores"} & set(frame) for frame in frames):
        return None
    key = next((key for key in _PEOPLE if all(isinstance(frame.get(key), list) for frame in frames)), None)
    if key is None:
        frames = [frame if points_of(frame) is not None else _gathered(frame) for frame in frames]
        if not all(points_of(frame) is not None for frame in frames):
            return None
        frames = _of_persons(frames, counted=bool(facts))
        if frames is None:
            return None
        key = "persons"
    people = [frame[key] for frame in frames]
    if not all(isinstance(person, dict) and points_of(person) is not None for each in people for person in each):
        return None
    numbers, fps, told = _numbers(frames, where)
    people = alike([[{**person, "keypoints": points_of(person)} for person in each] for each in people])
    names = facts.get("joint_names", facts.get("keypoint_names")) or dict_names(people)
    below = [facts, *(value for value in facts.values() if isinstance(value, dict))]
    rate = fps if fps is not None else next((r for each in below if (r := stated_rate(each, where)) is not None), None)
    size = next((s for each in below if (s := stated_sides(each)) is not None), None)
    told = (*told, *(notice for each in below for notice in told_of_facts(each)))
    return Frames(people, numbers, [str(n) for n in names] if isinstance(names, list) else None, rate, size, told)


def _of_persons(persons: list[Record], counted: bool) -> list[Record] | None:
    """Frames of persons who each say the number or time of their frame: all of one number are together. Without such a key
    each is a frame of its own if a list of frames was announced (`counted`).
    """
    roles = {key: role_of(key)[0] for key in persons[0] if isinstance(key, str)}
    wanted = [key for kind in ("frame", "image", "time") for key, role in roles.items() if role == kind]
    key = next((k for k in wanted if all(isinstance(p.get(k), int | float | str) for p in persons)), None)
    if key is None:
        alone = [{k: v for k, v in person.items() if k not in _POINTS} | {"persons": [person]} for person in persons]
        return alone if counted else None
    frames: dict[Any, Record] = {}
    for person in persons:
        value = person[key]
        whole = whole_number(value)
        own = {k: v for k, v in person.items() if k != key}
        when = {k: v for k, v in person.items() if roles.get(k) in ("frame", "image", "time")}
        frame = frames.setdefault(value if whole is None else whole, {**when, "persons": []})
        frame["persons"].append(own)
    return list(frames.values())


def _numbers(frames: list[Record], where: str) -> tuple[list[int], float | None, tuple[Notice, ...]]:
    """The number of every frame as it says, or its time does; frames per second by those times, and what to tell."""
    roles = {key: role_of(key) for key in dict.fromkeys(k for frame in frames for k in frame if isinstance(k, str))}
    keys = {kind: [key for key, (role, _) in roles.items() if role == kind] for kind in ("time", "frame", "image")}
    for key in keys["frame"]:
        values = [frame.get(key) for frame in frames]
        whole = [whole_number(value) for value in values]
        if None not in whole:
            return _timed(frames, keys["time"], roles, where) or ([n for n in whole if n is not None], None, ())
        if all(isinstance(value, str) and re.search(r"\d", value) for value in values):
            return numbers_of([str(value) for value in values], where), None, ()
        if any(n is not None for n in whole):
            at = whole.index(None)
            raise DataError(
                f"{where}: frame {at + 1} of {len(frames)}: {key} {values[at]!r:.40}; a whole number is needed"
            )
    if found := _timed(frames, keys["time"], roles, where, needed=True):
        return found
    for key in keys["image"]:
        names = [frame.get(key) for frame in frames]
        if len(names) > 1 and all(isinstance(name, str) for name in names) and len(set(names)) == len(names):
            return numbers_of([str(name) for name in names], where), None, ()
    for key in roles:
        whole = [whole_number(frame.get(key)) for frame in frames]
        found = [n for n in whole if n is not None]
        if len(found) < len(frames) or len(set(found)) < len(found):
            continue
        if key.lower() in _COUNT:
            return found, None, ()
        steps = np.diff(found)
        if len(found) >= _RISING and steps.min() > 0 and np.median(steps) <= _RISING and steps.max() > 1:
            what = f"key {key[:40]!r} is read as numbers of frames, for it rises from frame to frame"
            return found, None, (Notice("warning", what, "call it frame, or leave it out if it says something else"),)
    return list(range(len(frames))), None, ()


def _timed(
    frames: list[Record], keys: list[str], roles: dict[str, Any], where: str, needed: bool = False
) -> tuple[list[int], float, tuple[Notice, ...]] | None:
    """Numbers, rate and notices by the frames' times; None where not all have one, or, if not `needed`, they can't be."""
    for key in keys:
        values = [frame.get(key) for frame in frames]
        if len(values) > 1 and all(isinstance(v, int | float | str) and not isinstance(v, bool) for v in values):
            try:
                moments = moments_of([str(value) for value in values], "time", roles[key][1], where, key)
                return slots_of_times(moments.values, moments.unit, where)
            except DataError:
                if needed:
                    raise
    return None


def whole_number(value: Any) -> int | None:
    """A whole number, written as one or as text."""
    if isinstance(value, str):
        return int(value) if value.strip().isascii() and value.strip().isdigit() and len(value) < 16 else None
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return int(value) if abs(value) < 1e15 and value == int(value) else None


def points_of(person: Record) -> Any:
    """A person's keypoints, whatever they are called; None without any."""
    pose = person.get("pose")
    found = person.get("keypoints", person.get("joints", pose.get("keypoints") if isinstance(pose, dict) else pose))
    found = person.get("pose_keypoints_2d") if found is None else found
    if isinstance(found, dict) and isinstance(found.get("xy"), list):
        return _arrays(found)
    if isinstance(found, dict) and found and not {"x", "y"} <= set(found):  # name -> its place
        points = [_named_point(name, place) for name, place in found.items()]
        return None if None in points else points
    return found if isinstance(found, list | dict) and found else None


def _gathered(frame: Record) -> Record:
    """A frame in which every keypoint stands under its own name, with these together."""
    points = {key: value for key, value in frame.items() if isinstance(value, dict) and {"x", "y"} <= set(value)}
    return {**{k: v for k, v in frame.items() if k not in points}, "keypoints": points} if points else frame


def _arrays(found: dict[str, Any]) -> Any:
    """Keypoints of one person in Ultralytics' arrays "xy" and "conf" as [x, y, score] each; None for anything else."""
    xy, conf = found["xy"], found.get("conf")
    while isinstance(xy, list) and len(xy) == 1 and isinstance(xy[0], list) and xy[0] and isinstance(xy[0][0], list):
        xy = xy[0]
    while isinstance(conf, list) and len(conf) == 1 and isinstance(conf[0], list):
        conf = conf[0]
    if not all(isinstance(p, list) and len(p) == 2 and not isinstance(p[0], list) for p in xy):
        return None
    if conf is None:
        return xy or None
    return [[*p, c] for p, c in zip(xy, conf, strict=False)] if len(conf) == len(xy) > 0 else None


def _named_point(name: str, place: Any) -> Record | None:
    """{"name", "x", "y", "score"} of a keypoint that stands under its name; None for anything else."""
    if place is None or place == []:
        return {"name": name, "x": 0.0, "y": 0.0, "score": 0.0}
    if isinstance(place, dict) and {"x", "y"} <= set(place):
        return {**place, "name": name}
    if isinstance(place, list) and len(place) in (2, 3) and all(isinstance(v, int | float) for v in place):
        return {"name": name, "x": place[0], "y": place[1], "score": place[2] if len(place) > 2 else 1.0}
    return None


def alike(people: list[list[Record]]) -> list[list[Record]]:
    """Persons whose keypoints with names or numbers are all there, in one order: those that some lack count as not seen."""
    points = [points_of(person) for frame in people for person in frame]
    key = next((key for key in _WHICH if points and all(_all_have(p, key) for p in points)), None)
    if key is None:
        return people
    marks = list(dict.fromkeys(k[key] for p in points for k in p))
    if all(isinstance(mark, int) for mark in marks):
        marks.sort()
    elif key in _NUMBERS:
        return people
    gone: dict[Any, Record] = {mark: {key: mark, "x": 0.0, "y": 0.0, "score": 0.0} for mark in marks}
    named = {} if key in _NUMBERS else {mark: {"name": str(mark)} for mark in marks}

    def ordered(person: Record) -> list[Record]:
        own = gone | {point[key]: point for point in points_of(person)}
        return [own[mark] | named.get(mark, {}) for mark in marks]

    return [[{**person, "keypoints": ordered(person)} for person in frame] for frame in people]


def _all_have(points: Any, key: str) -> bool:
    """Whether all keypoints of a person have different values below a key."""
    marks = [k.get(key) for k in points if isinstance(k, dict)] if isinstance(points, list) else []
    return bool(marks) and len(marks) == len(points) == len(set(map(str, marks))) and None not in marks


def dict_names(frames: Sequence[Sequence[Record]]) -> list[str] | None:
    """Names of keypoints that are dicts of their own."""
    points = next((points_of(person) for people in frames for person in people), None)
    names = [_name(p) for p in points if isinstance(p, dict)] if isinstance(points, list) else []
    return [str(name) for name in names] if names and all(names) else None


def _name(point: Record) -> str | None:
    found = (point.get(key) for key in _WHICH if key not in _NUMBERS)
    return next((name for name in found if isinstance(name, str) and name), None)
