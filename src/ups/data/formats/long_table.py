"""Tables with a row for each joint of each frame: frame, (person,) joint, x, y, (z,) (score)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ups.data.formats.columns import AXES, NAME
from ups.data.formats.hidden import told_of_columns, without_hidden
from ups.data.formats.moments import Moments, Said, role_of, said_by
from ups.data.formats.table import Table
from ups.errors import DataError
from ups.notices import Notice

_MARK = {
    "landmark", "landmarkid", "landmarkidx", "landmarkindex", "landmarkname", "joint", "jointid", "jointidx", "jointindex",
    "jointname", "keypoint", "keypointid", "keypointidx", "keypointindex", "keypointname", "kp", "kpid", "kpname", "part",
    "bodypart", "bodypartname", "marker", "markername", "markerid", "node", "nodename", "point", "pointid", "pointname",
    "trajectory",
}  # fmt: skip
_WEAK = {"name", "index", "id", "idx"}
"""Names of the column that says which joint, where no column says it better."""
_CELLS = 10_000_000
"""Numbers of the table when it is spread out, at most; or four times as many as it has."""


@dataclass(frozen=True)
class Long:
    """A table of this kind, spread out.

    Attributes:
        marks: what it calls the J joints, by number where those are numbers, else in order of appearance.
        axes: of "xyzv", those that there are.
        block: (M, N, J, axes), NaN where a row lacks.
        moments: when the N frames were.
        told: what is to be said of the table.
    """

    marks: list[str]
    axes: str
    block: np.ndarray
    moments: Moments | None
    told: tuple[Notice, ...] = ()


def is_long(head: Sequence[str]) -> bool:
    """Whether a table has columns for joint, x and y, and one for frame or time."""
    axes = {axis for name in head if (axis := _axis(name))}
    return (
        _mark(head) is not None
        and {"x", "y"} <= axes
        and any(role_of(n)[0] in ("frame", "time", "image") for n in head)
    )


def spread_out(table: Table) -> Long:
    """The table with all joints of a frame beside each other.

    Raises:
        DataError: a joint twice in a frame, or as `said_by` does.
    """
    mark = _mark(table.head)
    assert mark is not None, "asked with is_long"
    weak = role_of(table.head[mark])[0] is not None
    named = (
        replace(table, head=tuple("joint" if i == mark else name for i, name in enumerate(table.head)))
        if weak
        else table
    )
    named, said = said_by(named)
    rows = [row for row in named.rows if row[mark]]
    named = replace(named, rows=rows)
    if len(rows) < len(table.rows):
        named, said = said_by(named)
    marks = list(dict.fromkeys(row[mark] for row in rows))
    if all(text.isdecimal() and len(text) < 6 for text in marks):
        marks.sort(key=int)
    columns = {axis: i for i, name in reversed(list(enumerate(table.head))) if (axis := _axis(name))}
    axes = "".join(axis for axis in "xyzv" if axis in columns)
    named, hidden = without_hidden(named, [columns])
    values = named.numbers([columns[axis] for axis in axes])
    place = {text: j for j, text in enumerate(marks)}
    joint = np.array([place[row[mark]] for row in rows], np.int64)
    person, frame, moments = in_rows(said, len(rows))
    shape = (int(person.max(initial=0)) + 1, int(frame.max(initial=0)) + 1, len(marks))
    if not rows or np.prod(shape) * len(axes) > max(_CELLS, 4 * values.size):
        raise DataError(f"{table.path}: {len(rows)} rows for (persons, frames, joints) {shape}; cut it into recordings")
    one = np.ravel_multi_index((person, frame, joint), shape)
    if len(np.unique(one)) < len(rows):
        row = int(np.flatnonzero(np.bincount(one)[one] > 1)[1])
        raise DataError(
            f"{table.path}: data row {row + 1}: {rows[row][mark]!r:.40} occurs twice in a frame; several persons need a column "
            "person"
        )
    block = np.full((*shape, len(axes)), np.nan)
    block[person, frame, joint] = values
    others = [i for i in range(len(named.head)) if i not in said.used | {mark, *columns.values()}]
    return Long(marks, axes, block, moments, (*said.told, *hidden, *told_of_columns(named, others)))


def in_rows(said: Said, rows: int) -> tuple[np.ndarray, np.ndarray, Moments | None]:
    """Number of the person and of the frame for every row, and when those frames were."""
    person = np.unique(said.persons, return_inverse=True)[1] if said.persons else np.zeros(rows, np.int64)
    if said.moments is None:
        return person, np.arange(rows), None
    values, frame = np.unique(said.moments.values, return_inverse=True)
    return person, frame, replace(said.moments, values=values)


def _mark(head: Sequence[str]) -> int | None:
    """The column that says which joint."""
    low = [re.sub(r"[^a-z]", "", name.lower()) for name in head]
    for known in (_MARK, _WEAK):
        if found := [i for i, name in enumerate(low) if name in known]:
            return found[0]
    return None


def is_axis(name: str, axes: str) -> bool:
    """Whether a column holds one of these axes of all joints."""
    return (_axis(name) or "-") in axes


def _axis(name: str) -> str | None:
    """The axis of a column that holds one of all joints: x, Y, z (mm), visibility."""
    if len(name) > NAME:
        return None
    plain = re.sub(r"(?i)[\s_]*[\[(]?(px|pixels?|mm|cm|m|coord|pos|position)[\])]?$", "", name.strip()).strip(" _.")
    return AXES.get(plain.lower())
