"""MediaPipe's pose landmarks as people and freemocap write them: csv or npy of 33 points; JSON is in `mediapipe_json`.

Image landmarks are fractions of the image's width and height; multiplied, they are pixels, and the guessed z is dropped.
World landmarks are metres from the middle of the hips, x right, y down, z away from the camera: space "camera".
freemocap's triangulated joints are millimetres, z up: space "world".
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from ups.data.formats.axes import up_axis, y_up
from ups.data.formats.columns import AXES, NAME
from ups.data.formats.detections import Detection, recording
from ups.data.formats.hidden import without_empty_rows, without_hidden
from ups.data.formats.joint_names import slots_of
from ups.data.formats.layouts import LAYOUTS
from ups.data.formats.long_table import in_rows, is_long, spread_out
from ups.data.formats.moments import Moments, said_by
from ups.data.formats.named import Wish, named_clip
from ups.data.formats.table import Table, read_table
from ups.errors import DataError
from ups.pose import PoseSequence
from ups.skeletons import MEDIAPIPE_33

JOINTS = LAYOUTS[33].joints
_COLUMN = {"x": 0, "y": 1, "z": 2, "v": 3, "h": 4}
_NUMBERED = re.compile(
    r"(?:landmark|lm|point|p|kp|keypoint|joint|pose)?[_.]?(?P<a>[a-z]*)[_.]?(?P<n>\d+)[_.]?(?P<b>[a-z]*)"
)
_NAMED = re.compile(rf"(?P<name>[a-z_]+?)_(?P<axis>{'|'.join(AXES)})")
_FRONTS = ("", "body_", "world_", "pose_", "pose_world_", "landmark_", "pose_landmark_", "world_landmark_")
"""What may stand before MediaPipe's own names in a table."""
_THEIRS = {"left_mouth": "mouth_left", "right_mouth": "mouth_right", "left_foot": "left_foot_index",
           "right_foot": "right_foot_index"}  # fmt: skip
NAMES = tuple(_THEIRS.get(str(slot), str(slot)) for slot in JOINTS)
"""The joints by MediaPipe's own names."""


def is_mediapipe_table(head: list[str]) -> bool:
    """Whether a table has numbered landmarks: x0, y0, z0, v0, ..."""
    return len({n for c in head if (match := _numbered(c.lower())) for n in [match[0]]}) >= len(JOINTS)


def is_mediapipe_long(path: Path) -> bool:
    """Whether a table has a row for each of MediaPipe's landmarks: 33 numbers, or its own names."""
    table = _pose_rows(read_table(path))
    return is_long(table.head) and _whose(spread_out(table).marks) is not None


def _pose_rows(table: Table) -> Table:
    """Without the rows of hands and faces, where a column `type` tells them from those of the pose."""
    column = next((i for i, name in enumerate(table.head) if name.lower() in ("type", "landmark_type")), None)
    if column is None or not {"face", "left_hand", "right_hand"} & {row[column] for row in table.rows}:
        return table
    return replace(table, rows=[row for row in table.rows if row[column] == "pose"])


def _whose(marks: list[str]) -> list[int] | None:
    """Which of the 33 each of a long table's landmarks is, -1 for hands and faces; None if they are another tool's."""
    if all(mark.isdecimal() for mark in marks):
        first = int(marks[0])
        known = len(marks) == len(JOINTS) and int(marks[-1]) - first == len(JOINTS) - 1
        return list(range(len(JOINTS))) if known else None
    low = [re.sub(r"[\s.-]+", "_", mark.lower()) for mark in marks]
    if len(set(NAMES) & set(low)) >= len(JOINTS) - 3:
        return [NAMES.index(name) if name in NAMES else -1 for name in low]
    slots = slots_of(marks).places
    if len(marks) == len(JOINTS) == len(set(slots) & set(JOINTS)):
        place = {i: JOINTS.index(slot) for slot, i in slots.items()}
        return [place.get(i, -1) for i in range(len(marks))]
    return None


def read_mediapipe_long(path: Path, wish: Wish) -> PoseSequence:
    """Persons from a table with a row a landmark: frame or time, (person,) landmark, x, y, z, visibility.

    Raises:
        DataError: as `read_mediapipe_csv`.
        OSError: the file can't be read.
    """
    long = spread_out(_pose_rows(read_table(path)))
    which = _whose(long.marks)
    assert which is not None, "asked with is_mediapipe_long"
    points = np.full((*long.block.shape[:2], len(JOINTS), 4), np.nan)
    for place, j in enumerate(which):
        for axis, values in zip(long.axes, np.moveaxis(long.block[:, :, place], -1, 0), strict=True):
            if j >= 0:
                points[:, :, j, _COLUMN[axis]] = values
    return landmark_clip(points, path, wish, moments=long.moments).tell(*long.told)


def read_mediapipe_csv(path: Path, wish: Wish) -> PoseSequence:
    """Persons from a table of numbered landmarks, counted from 0 or 1.

    Raises:
        DataError: columns or cells that are no landmarks, no image size for landmarks of the image, nobody in any frame.
        OSError: the file can't be read.
    """
    table = read_table(path)
    found = {i: match for i, c in enumerate(table.head) if (match := _numbered(c.lower()))}
    first = min(n for n, _ in found.values())
    return _wide(table, {i: (n - first, v) for i, (n, v) in found.items() if n - first < len(JOINTS)}, wish)


def is_named_table(head: list[str]) -> bool:
    """Whether a table has MediaPipe's joints by MediaPipe's names, and says nothing of a space."""
    low = {c.lower() for c in head}
    return any(all(f"{front}{name}_{axis}" in low for name in NAMES for axis in "xy") for front in _FRONTS)


def read_named_table(path: Path, wish: Wish) -> PoseSequence:
    """Persons from a table of nose_x, nose_y, nose_z, nose_visibility, ...: freemocap's in millimetres, z up, or
    MediaPipe's own landmarks. Other columns are left out.

    Raises:
        DataError: as `read_mediapipe_csv`.
        OSError: the file can't be read.
    """
    table = read_table(path)
    low = [column.lower() for column in table.head]
    front = next(f for f in _FRONTS if all(f"{f}{name}_{axis}" in low for name in NAMES for axis in "xy"))
    columns: dict[int, tuple[int, int]] = {}
    for i, column in enumerate(low):
        match = _NAMED.fullmatch(column.removeprefix(front)) if column.startswith(front) else None
        if match and match["name"] in NAMES:
            columns[i] = NAMES.index(match["name"]), _COLUMN[AXES[match["axis"]]]
    return _wide(table, columns, wish)


def _wide(table: Table, columns: dict[int, tuple[int, int]], wish: Wish) -> PoseSequence:
    """Persons from a table with a row a frame: number of the column -> (landmark, of x, y, z, visibility)."""
    table, said = said_by(table)
    marks: dict[int, dict[str, int]] = {}
    for i, (j, v) in columns.items():
        marks.setdefault(j, {}).setdefault("xyzvh"[v], i)
    table, told = without_hidden(table, marks.values())
    others = [i for i in range(len(table.head)) if i not in said.used and i not in columns]
    table, _, more = without_empty_rows(table, others, list(columns))
    columns = {i: (j, "xyzv".index(axis)) for j, axes in marks.items() for axis, i in axes.items() if axis != "h"}
    values = table.numbers(list(columns))
    person, frame, moments = in_rows(said, len(table.rows))
    shape = int(person.max()) + 1, int(frame.max()) + 1
    one = person * shape[1] + frame
    if len(np.unique(one)) < len(one):
        row = int(np.flatnonzero(np.bincount(one)[one] > 1)[1])
        raise DataError(
            f"{table.path}: data row {row + 1}: its {said.when} occurs twice; several persons need a column person"
        )
    if shape[0] * shape[1] > 100 * len(one):
        raise DataError(
            f"{table.path}: {len(one)} rows for {shape[0]} persons and {shape[1]} frames; cut it into recordings"
        )
    points = np.full((*shape, len(JOINTS), 4), np.nan)
    for column, (j, v) in enumerate(columns.values()):
        points[person, frame, j, v] = values[:, column]
    return landmark_clip(points, table.path, wish, moments=moments).tell(*said.told, *told, *more)


def in_millimetres(points: np.ndarray) -> bool:
    """Whether 3D points (N, J, 3) have the size of a body in millimetres."""
    with np.errstate(invalid="ignore"):
        size = np.nanmax(points, 1, initial=-np.inf) - np.nanmin(points, 1, initial=np.inf)
    size = size[np.isfinite(size).all(-1)]
    return bool(len(size)) and float(np.median(size.max(-1))) > 100


def landmark_clip(
    points: np.ndarray, path: Path, wish: Wish, *, moments: Moments | None = None, fps: float | None = None,
    image_size: tuple[int, int] | None = None,
) -> PoseSequence:  # fmt: skip
    """(M, N, 33, 4) of x, y, z, visibility -> pixels or metres, whichever the numbers are; fps and image size as the file
    says them.

    Raises:
        DataError: nobody is seen, no image size for fractions, or as `named_clip` does.
    """
    scores = np.where(np.isnan(points[..., 3]), 1.0, points[..., 3])
    places, everything = LAYOUTS[33].places, points.reshape(-1, *points.shape[2:])
    with np.errstate(invalid="ignore"):
        solid = np.isfinite(points[..., 2]).any() and in_millimetres(everything[..., :3]) and _deep(everything)
    if solid:
        xyz = y_up(points[..., :3].astype(np.float64) / 1000, "z")
        clip = named_clip(xyz, None, places, space="world", wish=wish, path=path, moments=moments, stated_fps=fps)
        return replace(clip, up_known=True)
    points[(points[..., :2] == 0).all(-1) | (points[..., :2] == -1).all(-1)] = np.nan
    scores = np.where(np.isnan(points[..., 0]), 0.0, scores)
    seen = np.isfinite(points[..., :2]).all(-1)
    if not seen.any():
        raise DataError(f"{path}: nobody is seen in any of its {points.shape[1]} frames; cut it to where somebody is")
    hips = points[:, :, [places["left_hip"], places["right_hip"]], :3].mean(2)
    hips = hips[np.isfinite(hips).all(-1)]
    if len(hips) and np.abs(hips).max() < 0.02 and np.nanmin(points[..., 0]) < 0:
        xyz = points[..., :3]
        clip = named_clip(xyz, scores, places, space="camera", wish=wish, path=path, moments=moments, stated_fps=fps)
        return replace(clip, up_known=up_axis(np.where(np.asarray(seen)[..., None], xyz, np.nan), places) != "y")
    xy, size = points[..., :2].copy(), image_size or wish.image_size
    if wish.coordinates is None and np.median(np.abs(xy[seen])) <= 2:
        if size is None:
            raise DataError(
                f"{path}: MediaPipe's fractions of an image; give the image size, width and height in pixels"
            )
        with np.errstate(over="ignore"):  # what is too large is refused as infinite
            xy *= size
    return named_clip(
        xy, scores, places, space="image", wish=wish, path=path, moments=moments, stated_fps=fps, image_size=image_size
    )


def _deep(points: np.ndarray) -> bool:
    """Whether z (N, 33, 4) extends like a body's height, which MediaPipe's guess beside pixels does not."""
    height = np.nanmax(points[..., 2], 1, initial=-np.inf) - np.nanmin(points[..., 2], 1, initial=np.inf)
    height = height[np.isfinite(height)]
    return bool(len(height)) and float(np.median(height)) > 100


def follow(
    people: list[list[np.ndarray]], numbers: list[int], path: Path, wish: Wish, fps: float | None,
    image_size: tuple[int, int] | None,
) -> PoseSequence:  # fmt: skip
    """Several persons, in whatever order MediaPipe lists them in a frame: image landmarks (33, 4) of each, followed
    through time.

    Raises:
        DataError: no image size for fractions, or as `detections.recording` does.
    """
    size = image_size or wish.image_size
    if size is None:
        raise DataError(f"{path}: MediaPipe's fractions of an image; give the image size, width and height in pixels")
    everyone = np.concatenate([np.stack(found) for found in people if found])
    fractions = wish.coordinates is None and np.nanmedian(np.abs(everyone[..., :2])) <= 2
    factor = np.array(size, float) if fractions else np.ones(2)
    order = [JOINTS.index(joint) for joint in MEDIAPIPE_33.joints]
    found = []
    for number, bodies in zip(numbers, people, strict=True):
        for body in bodies:
            score = np.where(np.isnan(body[:, 3:]), 1.0, body[:, 3:])
            found.append(Detection(number, np.concatenate([body[:, :2] * factor, score], -1)[order]))
    return recording(
        found, numbers, MEDIAPIPE_33, fps=wish.fps, image_size=size, name=path.stem, where=str(path), stated_fps=fps
    )


def _numbered(column: str) -> tuple[int, int] | None:
    """(number, axis) of a column in small letters: x12, x_12, 12_x, landmark_12_x, lm12.visibility."""
    match = _NUMBERED.fullmatch(column) if len(column) <= NAME else None
    if match is None or len(match["n"]) > 4 or bool(match["a"]) == bool(match["b"]):
        return None
    axis = AXES.get(match["a"] or match["b"])
    return None if axis is None else (int(match["n"]), _COLUMN[axis])
