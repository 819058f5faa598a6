"""Our own .csv of one recording: a row a frame, or a row a joint; its columns brought into the form of .npz and .json."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ups.data.formats.columns import NAME, is_coordinate, joint_columns, two_headed, unit_in, with_axes
from ups.data.formats.hidden import told_of_unread, without_empty_rows, without_hidden
from ups.data.formats.joint_names import quoted, split_people
from ups.data.formats.long_table import in_rows, is_axis, is_long, spread_out
from ups.data.formats.moments import Moments, Said, said_by
from ups.data.formats.own_keys import ALIASES, KEYS, stated_sides
from ups.data.formats.pair_cells import apart
from ups.data.formats.table import Table, facts_of, first_rows, read_table
from ups.errors import DataError

CELLS = 10_000_000
"""Numbers of a .csv whose rows are put in their places, at most; or four times as many as it has cells."""
_LEAST_SIDE = 100
"""Pixels of an image's width and height in columns, at least: less is a box."""
MOMENTS = "moments"
"""Key under which `read_fields` has the moments of a .csv."""
OTHERS = "other columns"
"""Key under which `read_fields` lists columns of a .csv that are no joint's."""
TOLD = "notices"
"""Key under which `read_fields` has what is to be said of a .csv."""
_CAMERA = re.compile(
    r"(?i)(?:^|(?<=[\W_]))((?:cam|camera|kamera|camara|view|kinect|gopro|webcam|device|sensor)[ _.-]?(?:\d{1,3}|[a-h]))"
    r"(?=$|[\W_])"
)
"""What says in a column's name which camera saw the joint."""


def table_fields(path: Path) -> dict[str, Any]:
    """What a .csv says, by `KEYS`, `MOMENTS`, `OTHERS` and `TOLD`.

    Raises:
        DataError: columns, cells or rows that are no recording's.
        OSError: the file can't be read.
    """
    first = first_rows(path)
    if first and is_long(first[0]):
        return _long_fields(path)
    two = two_headed(first)
    table, said = said_by(with_axes(read_table(path, nameless=True)) if two else apart(read_table(path)))
    _check_one_camera(table.head, path)
    axes, joints, columns, by_axis = _csv_columns(list(table.head), said, path)
    table, told = without_hidden(table, by_axis)
    used = {column for axes in by_axis for column in axes.values()}
    others = [i for i in range(len(table.head)) if i not in used | said.used]
    table, flags, more = without_empty_rows(table, others, [column for joint in columns for column in joint])
    told = (*said.told, *told, *more, *told_of_unread(table, others, joints))
    block, moments = _csv_place(table, said, columns, path)
    if len(block) == 1 and (split := split_people(joints)):
        joints, places = split
        padded = np.concatenate([block[0], np.full_like(block[0, :, :1], np.nan)], 1)
        block = np.stack([padded[:, person] for person in places])
    fields: dict[str, Any] = {"joints": block[..., : len(axes.removesuffix("v"))], MOMENTS: moments}
    if "z" in axes:
        fields["unit"] = unit_in([table.head[column] for each in by_axis for a, column in each.items() if a in "xyz"])
    if not all(name.isdecimal() for name in joints):
        fields["joint_names"] = joints
    if left := [table.head[i] for i in others if i not in flags]:
        fields[OTHERS] = left
    fields[TOLD] = told
    if axes.endswith("v"):
        fields["visibility"] = block[..., -1]
    return fields | _constant(table, others) | _noted(table)


def _long_fields(path: Path) -> dict[str, Any]:
    """The same of a table with a row a joint."""
    table = read_table(path)
    long = spread_out(table)
    fields: dict[str, Any] = {"joints": long.block[..., : len(long.axes.removesuffix("v"))], MOMENTS: long.moments}
    if "z" in long.axes:
        fields["unit"] = unit_in([name for name in table.head if is_axis(name, "xyz")])
    if not all(mark.isdecimal() for mark in long.marks):
        fields["joint_names"] = long.marks
    fields[TOLD] = long.told
    if long.axes.endswith("v"):
        fields["visibility"] = long.block[..., -1]
    return fields | _noted(table)


def _constant(table: Table, columns: Sequence[int]) -> dict[str, Any]:
    """Rate and image size, where columns hold them, the same number in every row."""
    found: dict[str, str] = {}
    for i in columns:
        cells = {row[i] for row in table.rows}
        key = _key(table.head[i])
        if len(cells) == 1 and re.fullmatch(r"\d+([.,]\d+)?", cell := cells.pop()):
            found[ALIASES.get(key, key)] = cell.replace(",", ".")
    fields: dict[str, Any] = {"fps": found["fps"]} if "fps" in found else {}
    size = stated_sides({key: float(value) for key, value in found.items()})
    return fields | ({} if size is None or min(size) < _LEAST_SIDE else {"image_size": list(size)})


def _noted(table: Table) -> dict[str, Any]:
    """What the lines on top of a table say; those with a colon only if they are of `KEYS` or `ALIASES`."""
    return {
        key: value for key, value in facts_of(table.notes).items() if key in KEYS or key in ALIASES or _says(table, key)
    }


def _says(table: Table, key: str) -> bool:
    return any(
        note.partition("=")[1] and note.partition("=")[0].strip().lower().replace(" ", "_") == key
        for note in table.notes
    )


def _check_one_camera(head: Sequence[str], path: Path) -> None:
    """Raises DataError where columns of coordinates name different cameras."""
    seen: dict[str, str] = {}
    for name in head:
        match = _CAMERA.search(name) if len(name) <= NAME else None
        if match and is_coordinate(name[: match.start()].rstrip(" _.-:|/") + name[match.end() :]):
            seen.setdefault(re.sub(r"[\W_]", "", match[1].lower()), name)
    if len(seen) > 1:
        raise DataError(
            f"{path}: columns of {len(seen)} cameras ({quoted(list(seen.values()))}); write a file for each, with the columns of "
            "one"
        )


_Columns = tuple[str, list[str], list[list[int]], list[dict[str, int]]]


def _csv_columns(head: list[str], said: Said, path: Path) -> _Columns:
    """Which of "xyzv" there are, the joints as the file calls them in its order, the columns of each, and the same by axis."""
    low = [_key(name) for name in head]
    if all(re.fullmatch(r"[-+]?[\d.,]*\d[\d.,]*(e[-+]?\d+)?|nan|", name) for name in low):
        raise DataError(
            f"{path}: its first line holds numbers ({quoted(head)}); a line of column names is needed above them: frame, and "
            "like left_wrist_x, left_wrist_y"
        )
    if len(set(low)) < len(low):
        twice = sorted({h for h in low if low.count(h) > 1})
        raise DataError(f"{path}: columns named twice: {', '.join(twice[:3])}")
    kept = {i: name for i, name in enumerate(head) if i not in said.used}
    found = joint_columns(list(kept.values()))
    places = list(kept)
    joints = {name: {axis: places[i] for axis, i in axes.items()} for name, axes in found.items()}
    if not joints:
        raise DataError(
            f"{path}: columns {quoted(list(kept.values()) or head)}; they are called frame, person, time and like left_wrist_x, "
            "left_wrist_y, left_wrist_z, left_wrist_v"
        )
    axes = {name: "".join(axis for axis in "xyzv" if axis in columns) for name, columns in joints.items()}
    odd = [name for name in joints if axes[name] != axes[next(iter(joints))] or not axes[name].startswith("xy")]
    if odd:
        raise DataError(f"{path}: every joint needs _x and _y, and all or none _z and _v; look at {odd[0][:40]}")
    names = sorted(joints, key=int) if all(name.isdecimal() for name in joints) else list(joints)
    columns = [[joints[name][axis] for axis in axes[name]] for name in names]
    return axes[names[0]], names, columns, list(joints.values())


def _key(name: str) -> str:
    """A column's name in small letters, _ for spaces and hyphens."""
    return re.sub(r"[\s-]+", "_", name.strip().lower())


def _csv_place(table: Table, said: Said, columns: list[list[int]], path: Path) -> tuple[np.ndarray, Moments | None]:
    """Cells (M, N, J, columns of a joint), NaN where a person lacks a frame; and the frames' numbers or times."""
    values = table.numbers([column for joint in columns for column in joint])
    rows = len(values)
    if said.persons and not said.when and len(set(said.persons)) > 1:
        raise DataError(f"{path}: a column {said.who} needs a column frame or time beside it")
    person, place, moments = in_rows(said, rows)
    persons, frames = int(person.max()) + 1, int(place.max()) + 1
    both = person * frames + place
    if len(np.unique(both)) < rows:
        row = int(np.flatnonzero(np.bincount(both)[both] > 1)[1])
        moment = said.moments.values[row] if said.moments else row
        twice, each = ("occurs twice for one person", "person and frame") if said.persons else ("occurs twice", "frame")
        raise DataError(
            f"{path}: data row {row + 1}: {said.when} {moment:g} {twice}; one row for each {each}"
            f"{'' if said.persons else ', or a column person'} is needed"
        )
    cells = persons * frames * len(table.head)
    if persons * frames > 100 * rows or cells > max(CELLS, 4 * values.size):
        raise DataError(
            f"{path}: {rows} rows for {persons} persons and {frames} frames; give a person a row for every frame, or write one "
            "file for each person"
        )
    block = np.full((persons, frames, len(columns), len(columns[0])), np.nan)
    block[person, place] = values.reshape(rows, len(columns), len(columns[0]))
    return block, moments
