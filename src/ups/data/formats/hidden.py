"""Columns of a table that say which joints were hidden, missing or wrong: those count as not seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from ups.data.formats.joint_names import quoted
from ups.data.formats.table import Table
from ups.notices import Notice


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
