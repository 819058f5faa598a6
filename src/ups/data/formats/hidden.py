"""Columns of a table that say which joints, or whole rows, were hidden, missing or wrong: those count as not seen. Columns
that may say so are told of.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ups.data.formats.columns import AXES
from ups.data.formats.joint_names import quoted
from ups.data.formats.table import Table
from ups.errors import DataError
from ups.notices import Notice

_FLAGS = {"valid", "isvalid", "detected", "isdetected", "tracked", "istracked", "visible", "isvisible", "found", "present",
          "success", "persondetected", "hasperson"}  # fmt: skip
"""Columns of a row that are 0 where nobody was found in it."""
_KNOWN_KEYS = ("name", "part", "label", "joint", "keypoint", "joint_name", "keypoint_name", "bodypart", "type", "id", "index",
               "idx", "keypoint_id", "joint_id", "frame", "time")  # fmt: skip
_MANY = 12
"""Different values of a key, from which words are rather names."""
_HALF = 0.5
"""Of the joints: so many columns that are called after them belong together."""


def without_hidden(table: Table, joints: Iterable[Mapping[str, int]]) -> tuple[Table, tuple[Notice, ...]]:
    """The table with empty cells for the coordinates of joints that it marks as hidden, and what to tell.

    Args:
        table: as read.
        joints: of each joint, axis of "xyzvh" -> number of the column; those without h are left as they are.

    Raises:
        DataError: a mark that is no number.
    """
    marked = [axes for axes in joints if "h" in axes]
    if not marked:
        return table, ()
    columns = [axes["h"] for axes in marked]
    marks, names = table.numbers(columns), quoted([table.head[i] for i in columns])
    if not np.isin(marks[np.isfinite(marks)], (0, 1)).all():
        what = "columns of how far joints were hidden are not read"
        return table, (Notice("warning", what, "write 0 or 1 there, or empty the x and y of hidden joints", names),)
    if not (marks == 1).any():
        return table, ()
    rows = [list(row) for row in table.rows]
    for r, k in np.argwhere(marks == 1).tolist():
        for axis, column in marked[k].items():
            if axis in "xyz":
                rows[r][column] = ""
    what = "joints that are marked as hidden count as not seen"
    remedy = "nothing, if their places are guesses; else leave those columns out"
    detail = f"{int((marks == 1).sum())} of {int(np.isfinite(marks).sum())} marks, columns {names}"
    return replace(table, rows=rows), (Notice("warning", what, remedy, detail),)


def without_empty_rows(
    table: Table, others: Sequence[int], coordinates: Sequence[int]
) -> tuple[Table, frozenset[int], tuple[Notice, ...]]:
    """The table with empty cells for `coordinates` in rows that a column says are of nobody, such columns, and what to tell.

    Args:
        table: as read.
        others: columns that are no joint's.
        coordinates: columns of all joints.
    """
    flags: dict[int, bool] = {}  # column -> the value that says that nobody is there
    for i in others:
        word = re.sub(r"[\W_\d]", "", table.head[i].lower())
        if word in _FLAGS or AXES.get(word) == "h":
            flags[i] = word not in _FLAGS
    hidden, used = np.zeros(len(table.rows), bool), set()
    for i, value in flags.items():
        try:
            marks = table.numbers([i])[:, 0]
        except DataError:
            continue
        if np.isin(marks, (0, 1)).all():
            hidden |= marks == value
            used.add(i)
    if not hidden.any():
        return table, frozenset(used), ()
    rows = [list(row) for row in table.rows]
    for r in np.flatnonzero(hidden).tolist():
        for column in coordinates:
            rows[r][column] = ""
    what = "rows that are marked as of nobody count as not seen"
    remedy = "nothing, if so; else leave those columns out"
    detail = f"{int(hidden.sum())} of {len(rows)} rows, columns {quoted([table.head[i] for i in used])}"
    return replace(table, rows=rows), frozenset(used), (Notice("warning", what, remedy, detail),)


def told_of_unread(table: Table, others: Sequence[int], joints: Sequence[str]) -> tuple[Notice, ...]:
    """What to tell of columns that are called after joints and not read: a second set of coordinates, or what may be scores.

    Args:
        table: as read.
        others: columns that are not read.
        joints: as the table calls them.
    """
    groups: dict[str, list[int]] = {}
    for i in others:
        name = table.head[i].strip()
        for joint in sorted(joints, key=len, reverse=True):
            if name.startswith(joint) and len(name) > len(joint):
                groups.setdefault(name[len(joint) :].lower(), []).append(i)
                break
            if name.endswith(joint) and len(name) > len(joint):
                groups.setdefault(name[: -len(joint)].lower(), []).append(i)
                break
    told: dict[str, Notice] = {}
    for rest, columns in groups.items():
        if len(columns) < _HALF * len(joints):
            continue
        names = quoted([table.head[i] for i in columns])
        if re.match(r"[\W_]*[xyz](?![a-z])", rest):
            what = "columns look like a second set of coordinates, and are not read"
            remedy = "write a file for each camera; begin the names of two people's columns with person1_ and person2_"
            told.setdefault(what, Notice("warning", what, f"{remedy}; nothing, if they hold something else", names))
        elif _may_be_scores(table, columns):
            what = "columns are called after joints and are not read, though they may say which were seen"
            remedy = "call them like left_wrist_v if they are scores, left_wrist_occluded if they mark hidden joints"
            told.setdefault(what, Notice("warning", what, f"{remedy}; else nothing", names))
    return tuple(told.values())


def told_of_keys(points: Iterable[Mapping[str, Any]]) -> tuple[Notice, ...]:
    """What to tell of keys of JSON's keypoints that are not read: what may say which were seen, by words, booleans or 0 to 1
    that are not the same everywhere.
    """
    found: dict[str, set[Any]] = {}
    for point in points:
        for key, value in point.items():
            if key.lower() not in (*AXES, *_KNOWN_KEYS) and isinstance(value, str | bool | int | float):
                values = found.setdefault(key, set())
                if len(values) < _MANY:
                    values.add(value)
    odd = [
        key
        for key, values in found.items()
        if 1 < len(values)
        and (
            all(isinstance(v, bool) or (not isinstance(v, str) and 0 <= v <= 1) for v in values)
            or (len(values) < _MANY and all(isinstance(v, str) for v in values))
        )
    ]
    if not odd:
        return ()
    what = "keys of keypoints are not read, though they may say which were seen"
    return (Notice("warning", what, "call them score if they are scores, occluded if they mark hidden joints; else nothing",
                   quoted(odd)),)  # fmt: skip


def told_of_columns(table: Table, others: Sequence[int]) -> tuple[Notice, ...]:
    """What to tell of columns that are not read in a table with a row a joint: what may be scores."""
    names = []
    for i in others:
        try:
            values = table.numbers([i])
        except DataError:
            continue
        if _may_be_scores(table, [i]) and len(np.unique(values[np.isfinite(values)])) > 1:
            names.append(table.head[i])
    if not names:
        return ()
    what = "columns are not read, though they may say which joints were seen"
    return (Notice("warning", what, "call them score if they are scores, occluded if they mark hidden joints; else nothing",
                   quoted(names)),)  # fmt: skip


def _may_be_scores(table: Table, columns: list[int]) -> bool:
    """Whether cells are words, or numbers from 0 to 1."""
    try:
        values = table.numbers(columns)
    except DataError:
        return True
    known = values[np.isfinite(values)]
    return bool(len(known)) and float(known.min()) >= 0 and float(known.max()) <= 1
