"""Tables of markers with several lines of headings: Qualisys' .tsv, Vicon Nexus' and OptiTrack Motive's .csv."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ups.data.formats.markers import marker_clip
from ups.data.formats.moments import Moments
from ups.data.formats.named import Wish
from ups.data.formats.table import text_of
from ups.data.formats.trc import UNITS
from ups.errors import DataError
from ups.pose import PoseSequence

_HEADS = 20
"""Lines of headings, at most."""
_AXES = ("x", "y", "z")


def is_marker_table(rows: Sequence[Sequence[str]]) -> bool:
    """Whether a table begins as one of these do."""
    first = rows[0][0].lower() if rows and rows[0] else ""
    return first in ("no_of_frames", "trajectories", "format version")


def read_marker_table(path: Path, wish: Wish) -> PoseSequence:
    """The markers, or joints of a skeleton, of one or several persons; space is "world" (metres, y up).

    Up is what the user says, else how the bodies stand, which is told; Motive has y up if they don't tell. The unit is that
    of the headings, or the user's; Qualisys writes millimetres.

    Raises:
        DataError: other headings, cells that are no numbers, an unknown unit, too little of a body in the names.
        OSError: the file can't be read.
    """
    text = text_of(path)
    rows = [list(row) for row in csv.reader(text.splitlines(), delimiter="\t" if "\t" in text[:200] else ",")]
    kind = rows[0][0].lower()
    try:
        names, columns, head, fps, unit = _READ[kind](rows)
    except (IndexError, ValueError, KeyError) as error:
        raise DataError(
            f"{path}: its headings are not those of Qualisys, Vicon or Motive ({error}); export it again, or as TRC or C3D"
        ) from error
    unit = wish.unit or unit
    if unit not in UNITS:
        raise DataError(f"{path}: unit {unit[:20]!r}; give --unit, one of m, cm, mm, in, ft")
    body = []
    for row in rows[head:]:  # up to the next part of the file, such as Vicon's model outputs
        if not any(cell.strip() for cell in row):
            if body:
                break
            continue
        body.append([*row, *[""] * (max(columns) + 3 - len(row))])
    if not names or not body:
        raise DataError(f"{path}: {len(names)} markers, {len(body)} frames; one of each at least is needed")
    places = [column + axis for column in columns for axis in range(3)]
    try:
        values = np.array([[float(row[i]) if row[i].strip() else np.nan for i in places] for row in body])
        frames = np.array([float(row[0]) for row in body]) if min(columns) > 0 else None
    except ValueError as error:
        raise DataError(f"{path}: below its headings, {error}") from error
    points = values.reshape(len(body), len(names), 3)
    points[(points == 0).all(-1)] = np.nan  # what Qualisys writes of a marker not seen
    moments = None if frames is None or (frames != np.round(frames)).any() else Moments(frames)
    up = "y" if kind == "format version" else None
    return marker_clip(points * UNITS[unit], names, path, wish, fps, usual_up=up, moments=moments)


_Headings = tuple[list[str], list[int], int, float, str]
"""Names of the markers, their first columns, lines of headings, frames per second, unit."""


def _qualisys(rows: list[list[str]]) -> _Headings:
    """KEY, value ...; then perhaps names of the columns."""
    facts = {row[0].upper(): row[1:] for row in rows[:_HEADS] if row and re.fullmatch(r"[A-Z_]+", row[0])}
    names = [name.strip() for name in facts["MARKER_NAMES"] if name.strip()]
    head = max(i for i, row in enumerate(rows[:_HEADS]) if row and re.match(r"[A-Za-z]", row[0])) + 1
    first = 2 if rows[head - 1][0].lower() == "frame" else 0
    return names, [first + 3 * j for j in range(len(names))], head, float(facts["FREQUENCY"][0]), "mm"


def _vicon(rows: list[list[str]]) -> _Headings:
    """Trajectories; rate; names above the first of three columns each; Frame, Sub Frame, X, Y, Z, ...; units."""
    columns = [i for i, name in enumerate(rows[2]) if name.strip()]
    units = {unit.strip().lower() for unit in rows[4] if unit.strip()}
    if [rows[3][columns[0] + a].strip().lower() for a in range(3)] != list(_AXES) or len(units) != 1:
        raise ValueError("X, Y, Z of one unit are needed")
    return [rows[2][i].strip() for i in columns], columns, 5, float(rows[1][0]), units.pop()


def _motive(rows: list[list[str]]) -> _Headings:
    """Key, value, ... on top; then types, names, ids, Position or Rotation, and the axes."""
    facts = dict(zip((cell.lower() for cell in rows[0][::2]), rows[0][1::2], strict=False))
    axes = next(i for i, row in enumerate(rows[:_HEADS]) if row and row[0].lower() == "frame")
    names = next(row for row in rows[:axes] if "name" in [cell.lower() for cell in row[:2]])
    what = next(row for row in rows[:axes] if "position" in [cell.lower() for cell in row])
    columns = [
        i
        for i in range(2, len(what) - 2)
        if what[i].lower() == "position" and [cell.strip().lower() for cell in rows[axes][i : i + 3]] == list(_AXES)
    ]
    if facts.get("coordinate space", "").strip().lower() == "local":
        raise ValueError("its Coordinate Space is Local, places beside the parent: choose Global")
    unit = facts.get("length units", "").lower()
    return [names[i].strip() for i in columns], columns, axes + 1, float(facts["export frame rate"]), unit


_READ = {"no_of_frames": _qualisys, "trajectories": _vicon, "format version": _motive}
