"""MediaPipe's pose landmarks in JSON, of whatever shape people give it: frames, persons, landmarks by place, number or
name; see `mediapipe` for what their numbers mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ups.data.formats.joint_names import slots_of
from ups.data.formats.mediapipe import JOINTS, NAMES, follow, landmark_clip
from ups.data.formats.moments import Moments, role_of
from ups.data.formats.named import Wish
from ups.data.formats.own_keys import stated_rate, told_of_facts
from ups.data.formats.timing import numbers_of, slots_of_times
from ups.errors import DataError
from ups.notices import Notice
from ups.pose import PoseSequence

_KEYS = ("pose_landmarks", "poseLandmarks", "landmarks", "landmark", "keypoints", "pose", "points")
_WORLD_KEYS = ("pose_world_landmarks", "poseWorldLandmarks", "world_landmarks", "worldLandmarks", "keypoints3D")
_FRAMES = ("frames", "data", "results", "poses", "landmarks")
_SCORES = ("visibility", "score", "confidence", "inFrameLikelihood", "in_frame_likelihood", "likelihood", "presence")
_WHICH = ("name", "landmark_name", "landmark", "id", "index", "idx", "landmark_id", "type", "landmarkType")
"""Keys of a landmark that say which it is."""


def is_mediapipe_json(record: Any) -> bool:
    """Whether parsed JSON holds 33 landmarks with x and y."""
    frames, _ = _frames(record)
    return any(_bodies(frame, keys) for frame in frames for keys in (_KEYS, _WORLD_KEYS))


def read_mediapipe_json(record: Any, path: Path, wish: Wish) -> PoseSequence:
    """Persons from JSON: a list or dict of frames, each 33 landmarks {"x", "y", "z", "visibility"}, several such, or
    either below usual keys; a frame may have its number or time beside it.

    Where a file holds landmarks of the image and of the world, those of the image are read if the image size is known.

    Raises:
        DataError: no landmarks, no image size for landmarks of the image, nobody in any frame, or times that can't be.
    """
    frames, names = _frames(record)
    facts = record if isinstance(record, dict) else {}
    size = _size(facts)
    fps, said = stated_rate(facts, str(path)), told_of_facts(facts)
    people = [_bodies(frame, _KEYS) for frame in frames]
    world = [_bodies(frame, _WORLD_KEYS) for frame in frames]
    of_world = any(world) and ((wish.image_size or size) is None or not any(people))
    bodies = [[_landmarks(body, path) for body in found] for found in (world if of_world else people)]
    moments = _moments(frames, names, path)
    most = max(map(len, bodies), default=0)
    if most > 1 and not of_world:
        numbers, rate = list(range(len(frames))), fps
        if moments is not None and moments.times:
            numbers, rate, told = slots_of_times(moments.values, moments.unit, str(path))
            return follow(bodies, numbers, path, wish, rate, size).tell(*told, *said)
        if moments is not None:
            numbers = moments.values.astype(np.int64).tolist()
        return follow(bodies, numbers, path, wish, rate, size).tell(*said)
    points = np.full((1, len(frames), len(JOINTS), 4), np.nan)
    for n, found in enumerate(bodies):
        if found:
            points[0, n] = found[0]
    clip = landmark_clip(points, path, wish, moments=moments, fps=fps, image_size=size).tell(*said)
    if most > 1:
        what = "of several persons' world landmarks only the first of each frame are read"
        clip = clip.tell(
            Notice("warning", what, "give the image size: image landmarks of all persons are followed then")
        )
    return clip


def _frames(record: Any) -> tuple[list[Any], list[str] | None]:
    """The frames of parsed JSON, and what they are called where they are a dict's values."""
    frames = record
    if isinstance(record, dict):
        frames = next((record[key] for key in _FRAMES if isinstance(record.get(key), list | dict)), None)
        if frames is None or _is_body(frames):
            numbered = [key for key in record if any(c.isdigit() for c in key) and isinstance(record[key], list | dict)]
            many = len(numbered) > 1 and any(_bodies(record[key], _KEYS + _WORLD_KEYS) for key in numbered)
            return ([record[key] for key in numbered], numbered) if many else ([record], None)
    if isinstance(frames, dict):
        return list(frames.values()), [str(key) for key in frames]
    if not isinstance(frames, list):
        return [], None
    return ([frames] if _is_body(frames) else frames), None


def _bodies(frame: Any, keys: Sequence[str]) -> list[Any]:
    """The bodies of a frame: of 33 landmarks, of lists of such, or of either below a key."""
    below = isinstance(frame, dict) and not _is_body(frame)
    if below:
        frame = next((frame[key] for key in keys if frame.get(key) is not None), None)
    elif keys is _WORLD_KEYS:
        return []
    if isinstance(frame, dict) and not _is_body(frame):
        frame = frame.get("landmark", frame.get("landmarks"))
    if _is_body(frame):
        return [frame]
    if not isinstance(frame, list):
        return []
    return [body for each in frame for body in (_bodies(each, keys) if not _is_body(each) else [each]) if body]


def _is_body(value: Any) -> bool:
    """Whether this is 33 landmarks, in a list or by name."""
    if isinstance(value, dict):
        points = [v for v in value.values() if isinstance(v, dict) and "x" in v and "y" in v]
        return len(points) >= len(JOINTS) - 3 and len(_named([str(k) for k in value])) >= len(JOINTS) - 3
    if not isinstance(value, list) or len(value) != len(JOINTS):
        return False
    return all(
        {"x", "y"} <= set(_place(v))
        if isinstance(v, dict)
        else isinstance(v, list) and 2 <= len(v) <= 5 and not isinstance(v[0], list | dict)
        for v in value
    )


def _place(landmark: dict[str, Any]) -> dict[str, Any]:
    """What holds a landmark's x and y: itself, or as in ML Kit's its position."""
    for key in ("position3D", "position"):
        if isinstance(landmark.get(key), dict):
            return landmark[key]
    return landmark


def _named(names: Sequence[str]) -> dict[int, int]:
    """Place among names -> which of the 33 it is."""
    low = [name.lower().replace(" ", "_").replace("-", "_") for name in names]
    if len(set(NAMES) & set(low)) >= len(JOINTS) - 3:
        return {i: NAMES.index(name) for i, name in enumerate(low) if name in NAMES}
    return {i: JOINTS.index(slot) for slot, i in slots_of(names).places.items() if slot in JOINTS}


def _landmarks(body: Any, path: Path) -> np.ndarray:
    """(33, 4) of x, y, z, visibility; NaN where there is none."""
    result = np.full((len(JOINTS), 4), np.nan)
    if isinstance(body, dict):
        values, order = list(body.values()), _named([str(key) for key in body])
    else:
        values, order = body, _order(body, path)
    for i, j in order.items():
        landmark = values[i]
        if isinstance(landmark, dict):
            score = next((landmark[key] for key in _SCORES if key in landmark), 1.0)
            place = _place(landmark)
            given = [place.get("x"), place.get("y"), place.get("z", 0.0), score]
        else:
            given = list(landmark)[:4]
        result[j, : len(given)] = [np.nan if v is None else float(v) for v in given]
    return result


def _order(body: list[Any], path: Path) -> dict[int, int]:
    """Place in a list of 33 landmarks -> which it is: by its number or name where it has one, else by its place."""
    places = {i: i for i in range(len(body))}
    if not all(isinstance(landmark, dict) for landmark in body):
        return places
    key = next((key for key in _WHICH if all(key in landmark for landmark in body)), None)
    if key is None:
        return places
    marks = [landmark[key] for landmark in body]
    if all(isinstance(mark, int) or str(mark).isdecimal() for mark in marks):
        numbers = [int(mark) for mark in marks]
        first = min(numbers)
        if sorted(numbers) != list(range(first, first + len(JOINTS))):
            raise DataError(
                f"{path}: landmarks with {key} {first} to {max(numbers)}; 33 different ones in a row are needed"
            )
        return {i: number - first for i, number in enumerate(numbers)}
    order = _named([str(mark) for mark in marks])
    return order if len(order) >= len(JOINTS) - 3 else places


def _moments(frames: list[Any], names: list[str] | None, path: Path) -> Moments | None:
    """When the frames were, by a key that all have, or by what they are called; None where nothing says."""
    if names is not None:
        values = [int(name) for name in names] if all(n.isdecimal() for n in names) else numbers_of(names, str(path))
        return Moments(np.array(values, float))
    if not frames or not all(isinstance(frame, dict) for frame in frames):
        return None
    roles = {key: role_of(key) for key in frames[0]}
    for wanted in ("time", "frame"):
        for key, (role, unit) in roles.items():
            if role == wanted and all(_is_number(frame.get(key)) for frame in frames):
                return Moments(np.array([float(frame[key]) for frame in frames]), role == "time", unit)
    return None


def _size(facts: dict[str, Any]) -> tuple[int, int] | None:
    """Width and height that the file says."""
    given: list[Any] = [[facts.get("width"), facts.get("height")], facts.get("image_size"), facts.get("resolution")]
    for pair in given:
        if isinstance(pair, list) and len(pair) == 2 and all(_is_number(v) and v >= 1 for v in pair):
            return int(pair[0]), int(pair[1])
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e18
