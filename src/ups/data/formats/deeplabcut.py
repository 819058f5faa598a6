"""DeepLabCut's predictions: a csv with three or four rows of headings, or the same table as HDF5."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ups.data.formats.hdf5 import H5, pandas_rows, pandas_table
from ups.data.formats.markers import bodies_clip
from ups.data.formats.moments import Moments
from ups.data.formats.named import Wish, named_clip
from ups.data.formats.table import read_table
from ups.data.formats.timing import frames_at, numbers_of
from ups.data.formats.trc import UNITS
from ups.errors import DataError
from ups.pose import PoseSequence

_LEVELS = ("scorer", "individuals", "bodyparts", "coords")
_AXES = {"x": 0, "y": 1, "likelihood": 2}
_Column = tuple[str, str, str]
"""Individual ("" where there is one alone), body part, coordinate."""


def is_deeplabcut(rows: list[list[str]]) -> bool:
    """Whether a table begins as DeepLabCut's do."""
    heads = [row[0].lower() for row in rows[:4] if row]
    return "bodyparts" in heads and "coords" in heads


def read_deeplabcut(path: Path, wish: Wish) -> PoseSequence:
    """One recording of one or several individuals, each a person; pixels, y down. Whoever was labelled by hand, and so has
    no likelihood in a frame, counts as seen there.

    Raises:
        DataError: headings or cells that are not DeepLabCut's, too little of a body in the names, or no image size.
        OSError: the file can't be read.
    """
    table = read_table(path, nameless=True)
    heads: dict[str, list[str]] = {}
    for row in [list(table.head), *table.rows[:3]]:
        if row[0].lower() not in _LEVELS:
            break
        heads[row[0].lower()] = row
    if "bodyparts" not in heads or "coords" not in heads:
        raise DataError(f"{path}: rows called bodyparts and coords are needed on top, as DeepLabCut writes them")
    width = len(table.head)
    individuals, parts, coords = (heads.get(level, [""] * width) for level in _LEVELS[1:])
    columns = [i for i in range(1, width) if coords[i]]  # names of images stand in up to three columns in front
    body = table.below(len(heads) - 1)
    if body.rows and not any(body.rows[0][1:]) and not any(c.isdigit() for c in body.rows[0][0]):
        body = body.below(1)  # pandas' row for the name of the frames' column
    frames = _frames(
        ["/".join(cell for cell in row[: columns[0]] if cell) for row in body.rows] if columns else [], path
    )
    kinds: list[_Column] = [(individuals[i], parts[i], coords[i]) for i in columns]
    return _clip(body.numbers(columns), kinds, frames, path, wish)


def _frames(first: list[str], path: Path) -> list[int]:
    """Numbers of the frames by the cells in front: numbers, or paths of images."""
    if all(cell.isdecimal() and len(cell) < 16 for cell in first):
        return [int(cell) for cell in first]
    if all(any(c.isdigit() for c in cell) for cell in first):
        return numbers_of(first, str(path))
    return list(range(len(first)))


def read_deeplabcut_h5(path: Path, file: H5, wish: Wish) -> PoseSequence:
    """The same from an HDF5 file in which pandas keeps the table.

    Raises:
        DataError: as `read_deeplabcut`.
    """
    group = next(name for name in file.top if "pandas_type" in file.attrs(name))
    found, values = pandas_table(file, group)
    columns: list[_Column] = [(c[1] if len(c) == 4 else "", c[-2], c[-1]) for c in found if len(c) in (3, 4)]
    if len(columns) < len(found):
        raise DataError(f"{path}: headings scorer, (individuals,) bodyparts, coords are needed; found {found[:1]}")
    return _clip(values, columns, _frames(pandas_rows(file, group, len(values)), path), path, wish)


def _clip(values: np.ndarray, columns: list[_Column], frames: list[int], path: Path, wish: Wish) -> PoseSequence:
    """(N, columns) -> a clip. The individual "single" holds what belongs to nobody, where there are others."""
    people = list(dict.fromkeys(column[0] for column in columns))
    people = [person for person in people if person != "single" or len(people) == 1]
    names = list(dict.fromkeys(part for person, part, _ in columns if person in people))
    place = {column: i for i, column in enumerate(columns)}
    odd = [column for column in columns if column[2] not in (*_AXES, "z")]
    if odd or len(place) < len(columns) or not frames:
        what = f"found {odd[0][2]!r}" if odd else "each once, and a row a frame"
        raise DataError(f"{path}: coordinates x, y and likelihood of every body part are needed, {what}")
    if any(column[2] == "z" for column in columns):
        return _solid(values, place, people, names, frames, path, wish)
    time = frames_at(frames, None, wish.fps, str(path))
    points = np.full((len(people), time.frames, len(names), 3), np.nan)
    points[..., 2] = 1
    for (person, name, axis), i in place.items():
        if person in people and axis in _AXES:
            points[people.index(person), time.places, names.index(name), _AXES[axis]] = values[:, i]
    by_hand = np.isnan(points[..., 2]).all(-1) & np.isfinite(points[..., 0]).any(-1)  # labelled, so without likelihood
    points[by_hand, :, 2] = 1
    return named_clip(
        points[..., :2], points[..., 2], names, space="image", wish=wish, path=path, stated_fps=time.fps,
        told=time.notices,
    )  # fmt: skip


def _solid(
    values: np.ndarray, place: dict[_Column, int], people: list[str], names: list[str], frames: list[int], path: Path,
    wish: Wish,
) -> PoseSequence:  # fmt: skip
    """Triangulated points: x, y, z of every body part, in a unit and axes that the cameras' calibration chose."""
    if wish.unit is None or (wish.up is None and wish.space is None):
        raise DataError(
            f"{path}: triangulated points, x, y and z, of which the file says neither unit nor axes; give --unit (mm, often) "
            "and --up, such as --up z"
        )
    points = np.full((len(people), len(frames), len(names), 3), np.nan)
    scores = np.ones(points.shape[:3])
    for (person, name, axis), i in place.items():
        if person in people and axis in "xyz":
            points[people.index(person), :, names.index(name), "xyz".index(axis)] = values[:, i]
        elif person in people:
            scores[people.index(person), :, names.index(name)] = values[:, i]
    points *= UNITS[wish.unit]
    moments = Moments(np.array(frames, float))
    return bodies_clip(points, names, path, wish, None, usual_up="y", moments=moments, scores=scores)
