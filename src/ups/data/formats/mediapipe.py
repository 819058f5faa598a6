"""MediaPipe's pose landmarks as people and freemocap write them: csv, JSON or npy of 33 points.

Image landmarks are fractions of the image's width and height; multiplied, they are pixels, and the guessed z is dropped.
World landmarks are metres from the middle of the hips, x right, y down, z away from the camera: space "camera".
freemocap's triangulated joints are millimetres, z up: space "world".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ups.data.formats.axes import y_up
from ups.data.formats.joint_names import quoted, slots_of
from ups.data.formats.layouts import LAYOUTS
from ups.data.formats.named import Wish, named_clip
from ups.data.formats.table import Table, read_table
from ups.data.formats.timing import FPS, placed
from ups.errors import DataError
from ups.pose import PoseSequence

JOINTS = LAYOUTS[33].joints
_AXES = {"x": 0, "y": 1, "z": 2, "v": 3, "visibility": 3, "vis": 3, "c": 3, "score": 3, "confidence": 3, "conf": 3}
_NUMBERED = re.compile(
    r"(?:landmark|lm|point|p|kp|keypoint|joint|pose)?[_.]?(?P<a>[a-z]*)[_.]?(?P<n>\d+)[_.]?(?P<b>[a-z]*)"
)
_PLACE = {"landmark", "landmark_id", "landmark_index", "landmark_name", "joint", "keypoint", "name", "index", "id", "idx",
          "part", "body_part", "bodypart", "marker"}  # fmt: skip
_FRAME = {"frame", "frame_id", "frame_number", "frame_idx", "frame_index", "image"}
_NAMED = re.compile(r"(?P<name>[a-z_]+?)_(?P<axis>x|y|z|v|visibility|vis|c|score|confidence|conf)")
_THEIRS = {"left_mouth": "mouth_left", "right_mouth": "mouth_right", "left_foot": "left_foot_index",
           "right_foot": "right_foot_index"}  # fmt: skip
NAMES = tuple(_THEIRS.get(str(slot), str(slot)) for slot in JOINTS)
"""The joints by MediaPipe's own names."""
_KEYS = ("pose_landmarks", "poseLandmarks", "landmarks", "landmark", "keypoints", "pose", "points")
_WORLD_KEYS = ("pose_world_landmarks", "poseWorldLandmarks", "world_landmarks", "worldLandmarks", "keypoints3D")
_FRAMES = ("frames", "data", "results", "poses", "landmarks")


def is_mediapipe_table(head: list[str]) -> bool:
    """Whether a table has numbered landmarks (x0, y0, z0, v0, ...) or a row a landmark (frame, landmark, x, y, ...)."""
    low = [c.lower() for c in head]
    long = bool(_PLACE & set(low)) and {"x", "y"} <= set(low) and bool(_FRAME & set(low))
    return long or len({n for c in low if (match := _numbered(c)) for n in [match[0]]}) >= len(JOINTS)


def read_mediapipe_csv(path: Path, wish: Wish) -> PoseSequence:
    """One person from a table of numbered landmarks, counted from 0 or 1, or of a row a landmark and frame.

    Raises:
        DataError: columns or cells that are neither, no image size for landmarks of the image, nobody in any frame.
        OSError: the file can't be read.
    """
    table = read_table(path)
    low = [c.lower() for c in table.head]
    if _PLACE & set(low) and {"x", "y"} <= set(low):
        return _clip(_long(low, table), path, wish)
    found = {i: match for i, c in enumerate(low) if (match := _numbered(c))}
    first = min(n for n, _ in found.values())
    kept = {i: (n - first, v) for i, (n, v) in found.items() if n - first < len(JOINTS)}
    values = table.numbers(list(kept))
    points = np.full((len(table.rows), len(JOINTS), 4), np.nan)
    for column, (n, v) in enumerate(kept.values()):
        points[:, n, v] = values[:, column]
    return _clip(points, path, wish)


def is_named_table(head: list[str]) -> bool:
    """Whether a table has MediaPipe's joints by MediaPipe's names, three coordinates each, and says nothing of a space."""
    low, front = {c.lower() for c in head}, _front(head)
    return all(f"{front}{name}_{axis}" in low for name in NAMES for axis in "xyz")


def read_named_table(path: Path, wish: Wish) -> PoseSequence:
    """One person from a table of nose_x, nose_y, nose_z, nose_visibility, ...: freemocap's in millimetres, z up, or
    MediaPipe's own landmarks. Other columns are left out.

    Raises:
        DataError: as `read_mediapipe_csv`.
        OSError: the file can't be read.
    """
    table = read_table(path)
    head = list(table.head)
    front = _front(head)
    columns = {}
    for i, column in enumerate(head):
        match = _NAMED.fullmatch(column.lower().removeprefix(front))
        if match and match["name"] in NAMES and match["axis"] in _AXES and column.lower().startswith(front):
            columns[i] = NAMES.index(match["name"]), _AXES[match["axis"]]
    values = table.numbers(list(columns))
    points = np.full((len(table.rows), len(JOINTS), 4), np.nan)
    for column, (j, v) in enumerate(columns.values()):
        points[:, j, v] = values[:, column]
    if in_millimetres(points[..., :3]):
        return millimetres_clip(points[None, ..., :3], path, wish)
    return _clip(points, path, wish)


def in_millimetres(points: np.ndarray) -> bool:
    """Whether 3D points (N, J, 3) have the size of a body in millimetres."""
    with np.errstate(invalid="ignore"):
        size = np.nanmax(points, 1, initial=-np.inf) - np.nanmin(points, 1, initial=np.inf)
    size = size[np.isfinite(size).all(-1)]
    return bool(len(size)) and float(np.median(size.max(-1))) > 100


def millimetres_clip(points: np.ndarray, path: Path, wish: Wish) -> PoseSequence:
    """freemocap's body (M, N, 33, 3), millimetres, z up -> space "world" (metres, y up)."""
    points = y_up(points.astype(np.float64) / 1000, "z")
    return named_clip(points, None, LAYOUTS[33].places, space="world", wish=wish, path=path)


def is_mediapipe_json(record: Any) -> bool:
    """Whether parsed JSON holds lists of 33 landmarks with x and y."""
    return any(landmarks is not None for kind in _find(record) for landmarks in kind)


def read_mediapipe_json(record: Any, path: Path, wish: Wish) -> PoseSequence:
    """One person from JSON: a list of frames, each a list of 33 {"x", "y", "z", "visibility"}, or below usual keys.

    Where a file holds landmarks of the image and of the world, those of the image are read if the image size is known.

    Raises:
        DataError: no landmarks, no image size for landmarks of the image, nobody in any frame.
    """
    frames, world = _find(record)
    if wish.image_size is None and any(w is not None for w in world):
        frames = world
    points = np.full((len(frames), len(JOINTS), 4), np.nan)
    for n, landmarks in enumerate(frames):
        if landmarks is None:
            continue
        for j, landmark in enumerate(landmarks[: len(JOINTS)]):
            if isinstance(landmark, dict):
                score = landmark.get("visibility", landmark.get("score", 1.0))
                values = [landmark.get("x"), landmark.get("y"), landmark.get("z", 0.0), score]
            else:
                values = list(landmark)[:4]
            points[n, j, : len(values)] = [np.nan if v is None else float(v) for v in values]
    return _clip(points, path, wish)


def _clip(points: np.ndarray, path: Path, wish: Wish) -> PoseSequence:
    """(N, 33, 4) of x, y, z, visibility -> pixels or metres, whichever the numbers are."""
    points[(points[..., :2] == 0).all(-1)] = np.nan
    scores = np.where(np.isnan(points[..., 3]), 1.0, points[..., 3])[None]
    seen = np.isfinite(points[..., :2]).all(-1)
    if not seen.any():
        raise DataError(f"{path}: nobody is seen in any of its {len(points)} frames")
    places = LAYOUTS[33].places
    hips = points[:, [places["left_hip"], places["right_hip"]], :3].mean(1)
    hips = hips[np.isfinite(hips).all(-1)]
    if len(hips) and np.abs(hips).max() < 0.02 and np.nanmin(points[..., 0]) < 0:
        xyz = points[None, ..., :3]
        return named_clip(xyz, scores, places, space="camera", wish=wish, path=path)
    xy = points[None, ..., :2].copy()
    if np.median(np.abs(xy[:, seen])) <= 2:
        if wish.image_size is None:
            raise DataError(
                f"{path}: MediaPipe's fractions of an image; give the image size, width and height in pixels"
            )
        xy *= wish.image_size
    return named_clip(xy, scores, places, space="image", wish=wish, path=path)


def _front(head: list[str]) -> str:
    return "body_" if any(c.lower() == "body_nose_x" for c in head) else ""


def _numbered(column: str) -> tuple[int, int] | None:
    """(number, axis) of a column in small letters: x12, x_12, 12_x, landmark_12_x, lm12.visibility."""
    match = _NUMBERED.fullmatch(column)
    if match is None or len(match["n"]) > 4 or bool(match["a"]) == bool(match["b"]):
        return None
    axis = _AXES.get(match["a"] or match["b"])
    return None if axis is None else (int(match["n"]), axis)


def _long(head: list[str], table: Table) -> np.ndarray:
    """(N, 33, 4) of a table with a row for each landmark of each frame; landmarks by number or by name."""
    path = table.path
    place = next(i for i, c in enumerate(head) if c in _PLACE)
    frame = next((i for i, c in enumerate(head) if c in _FRAME), None)
    if frame is None:
        raise DataError(f"{path}: a column frame is needed beside {head[place]}")
    marks = list(dict.fromkeys(row[place] for row in table.rows))
    if all(mark.isdecimal() for mark in marks):
        first = min(map(int, marks))
        joints = {mark: int(mark) - first for mark in marks if int(mark) - first < len(JOINTS)}
    else:
        slots = slots_of(marks).places
        joints = {marks[i]: JOINTS.index(slot) for slot, i in slots.items() if slot in JOINTS}
    table = replace(table, rows=[row for row in table.rows if row[place] in joints])
    if not table.rows:
        raise DataError(f"{path}: none of its landmarks is one of MediaPipe's; the first are {quoted(marks)}")
    columns = {axis: i for i, c in enumerate(head) if (axis := _AXES.get(c)) is not None}
    at, *values = table.numbers([frame, *columns.values()]).T
    if not np.isfinite(at).all() or np.any(at != np.round(at)):
        raise DataError(f"{path}: column {head[frame]}: a whole number in every row is needed")
    frames, which = np.unique(at.astype(np.int64), return_inverse=True)
    time = placed(frames, FPS, str(path))
    points = np.full((time.frames, len(JOINTS), 4), np.nan)
    landmark = np.array([joints[row[place]] for row in table.rows])
    for axis, column in zip(columns, values, strict=True):
        points[time.places[which], landmark, axis] = column
    return points


def _find(record: Any) -> tuple[list[Any], list[Any]]:
    """(landmarks of the image, of the world) of every frame, None where there are none."""
    frames = record
    if isinstance(record, dict):
        frames = next((record[key] for key in _FRAMES if isinstance(record.get(key), list)), [record])
    if not isinstance(frames, list):
        return [], []
    if _is_body(frames):
        frames = [frames]
    return [_body(frame, _KEYS) for frame in frames], [_body(frame, _WORLD_KEYS) for frame in frames]


def _body(frame: Any, keys: Iterable[str]) -> Any:
    """The first body of a frame: a list of landmarks, such lists in a list, or either below a key."""
    if isinstance(frame, dict):
        frame = next((frame[key] for key in keys if frame.get(key) is not None), None)
        if isinstance(frame, dict):
            frame = frame.get("landmark", frame.get("landmarks"))
    elif keys is _WORLD_KEYS:
        return None
    if isinstance(frame, list) and len(frame) and not _is_body(frame) and isinstance(frame[0], list | dict):
        return _body(frame[0], keys)
    return frame if _is_body(frame) else None


def _is_body(value: Any) -> bool:
    """Whether this is a list of 33 landmarks."""
    if not isinstance(value, list) or len(value) != len(JOINTS):
        return False
    return all(
        ("x" in v and "y" in v)
        if isinstance(v, dict)
        else isinstance(v, list) and 2 <= len(v) <= 5 and not isinstance(v[0], list)
        for v in value
    )
