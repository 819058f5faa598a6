"""When the frames of a file were taken, as its columns and keys say in anybody's spelling, and the joints put there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Any, Literal, get_args

import numpy as np

from ups.data.formats.columns import is_coordinate
from ups.data.formats.joint_names import quoted
from ups.data.formats.table import Table
from ups.data.formats.timecode import seconds_of_codes
from ups.data.formats.timing import (
    check_step,
    even,
    frame_rate,
    milliseconds_apart,
    natural,
    numbers_of,
    placed,
    seconds,
)
from ups.errors import DataError
from ups.notices import Notice

_UNITS = {
    "minutes": "min mins minute minutes",
    "seconds": "s sec secs second seconds",
    "milliseconds": "ms msec msecs millis millisecond milliseconds",
    "microseconds": "us usec usecs µs μs micros microsecond microseconds",
    "nanoseconds": "ns nsec nsecs nanos nanosecond nanoseconds",
}
_UNIT = {word: unit for unit, words in _UNITS.items() for word in words.split()}
_TIME = {
    "time", "times", "timestamp", "timestamps", "t", "ts", "elapsed", "elapsedtime", "videotime", "datetime", "relativetime",
    "capturetime", "recordtime", "recordingtime", "systemtime", "unixtime", "epoch", "epochtime", "unixtimestamp", "clock",
    "timecode", "smpte", "smptetimecode", "tc", "ltc",
    "videotimestamp", "frametimestamp", "starttime", "datetimestamp", "zeit", "zeitstempel", "temps", "tiempo", "tempo",
}  # fmt: skip
_FRAME = {
    "frame", "frames", "frameid", "frameidx", "frameindex", "framenumber", "frameno", "framenum", "framenr", "framecount",
    "framecounter", "fnum", "fno", "frm", "imageid", "imageidx", "imageindex", "imagenumber", "imgid", "imgidx", "framei",
    "frameids", "frameindices", "framenumbers", "imageids", "videoframe", "currentframe", "fr", "f", "numframe", "noframe",
    "nframe", "posframes", "framenummer", "bild", "bildnr", "bildnummer", "cadre", "fotograma", "fotogramma", "quadro",
    "kader",
}  # fmt: skip
_IMAGE = {
    "image", "images", "img", "imagename", "imgname", "imagefile", "imagepath", "imgpath", "framename", "framefile",
    "framepath", "filename", "file", "filepath", "path", "fname", "imagefilename",
}  # fmt: skip
_PERSON = {
    "person", "persons", "personid", "personidx", "personindex", "personnumber", "personno", "personnr", "pid", "trackid",
    "track", "trackingid", "tid", "id", "idx", "bodyid", "body", "bodyindex", "bodyidx", "playerid", "player", "humanid",
    "human", "instanceid", "instance", "skeletonid", "individual", "individuals", "poseid", "poseindex", "personname",
    "objectid", "detectionid", "actorid", "actor", "playername", "skeletonname", "who", "agent", "agentid", "dancer",
    "subject", "subjectid", "subjectname", "subj", "participant", "participantid", "probandid", "proband",
}  # fmt: skip
_SUBJECT = {"subject", "subjectid", "subjectname", "subj", "participant", "participantid", "probandid", "proband"}
"""Of these, what also tells recordings apart."""
_SOURCE = {
    "video", "videoname", "videoid", "videopath", "videofile", "clip", "clipname", "clipid", "sequence", "sequenceid",
    "sequencename", "seq", "recording", "recordingid", "trial", "trialid", "session", "sessionid", "take", "camera", "cam",
    "cameraid", "camid", "cameraname", "view", "viewid",
}  # fmt: skip
_NO_ID = {"nan", "none", "null", "na", "n/a", "<na>", "-1.0", "?", "unknown"}
"""What tools write of somebody whom they did not follow, besides -1."""
_ROW = {"id", "idx", "index", "n", "no", "nr", "number", "i", "row", "sample"}
"""Columns that count rows, if their whole numbers differ from row to row."""
_CELLS = 10_000_000
"""Numbers of a recording whose frames are put in their places, at most; or four times as many as it has."""
_NAME = 100
"""Characters of a column's name, at most."""
_MS = 5
"""Frame numbers that are further apart than this, in uneven steps, are milliseconds."""
_RISING = 5
"""Rows from which a column that rises is asked whether it says when."""
_TOGETHER = 8
"""Rows of one frame, at most, that are taken for persons."""

_CLOCK = re.compile(r"\d{1,2}:\d{2}:\d{2}[:;.,]\d{1,9}")
"""Cells that are a time of day finer than seconds, or a time code."""

Role = Literal["time", "frame", "image", "person", "source"]
"""What a column says: when, which frame by number, by the name of its image, who, or which recording or camera."""
_ROLES: dict[Role, set[str]] = {"time": _TIME, "frame": _FRAME, "image": _IMAGE, "person": _PERSON, "source": _SOURCE}


def role_of(name: str) -> tuple[Role | None, str | None]:
    """What a column or key is by its name, and the unit that it names: "Time (ms)", "frameIdx", "PersonID", "t_s"."""
    if len(name) > _NAME:
        return None, None
    words = [w.lower() for w in re.findall(r"[A-Z]{2,}(?![a-z])|[A-Z]?[a-zµμ]+|[A-Z]", name)]
    if not words or len(words) > 6 or any(c.isdigit() for c in name):
        return None, None
    unit = _UNIT.get(words[-1])
    joined = "".join(words)
    if unit and len(words) > 1 and "".join(words[:-1]).removesuffix("in") in {*_TIME, "pos", "position"}:
        return "time", unit
    if unit and unit != "minutes" and len(words) == 1 and len(words[0]) > 1:
        return "time", unit
    for role, known in _ROLES.items():
        if joined in known:
            return role, None
    return None, None


@dataclass(frozen=True)
class Moments:
    """When the frames were taken, as a file says it.

    Attributes:
        values: (N,) whole numbers of frames, or times.
        times: whether they are times.
        unit: of times, of `timing.seconds`; None where the file does not say.
    """

    values: np.ndarray
    times: bool = False
    unit: str | None = None


def moments_of(cells: Sequence[str], role: Role, unit: str | None, where: str, column: str) -> Moments:
    """The moments that the cells of a column say: numbers, clock times, times with a unit behind them, or names of images.

    Raises:
        DataError: a cell that says nothing, or names of images without an order.
    """
    cells = [cell.strip() for cell in cells]
    named = role == "image" or (role == "frame" and all(re.fullmatch(r"[A-Za-z].*\d.*", cell) for cell in cells))
    if named and not all(re.fullmatch(r"-?\d+([.,]0*)?", cell) for cell in cells):
        names = list(dict.fromkeys(cells))
        number = dict(zip(names, numbers_of(names, where), strict=True))
        return Moments(np.array([number[cell] for cell in cells], float))
    if role in ("time", "frame") and any(":" in cell for cell in cells):
        if (codes := seconds_of_codes(cells, where, column)) is not None:
            return Moments(codes, True, "seconds")
        return Moments(np.array([_clock(cell, where) for cell in cells]), True, "seconds")
    behind = [re.fullmatch(r"([-+.,\deE]+)\s*([a-zµμ]+)", cell) for cell in cells] if role == "time" else [None]
    if all(match and match[2] in _UNIT for match in behind) and len({match[2] for match in behind if match}) == 1:
        unit = _UNIT[next(match[2] for match in behind if match)]
        cells = [match[1] for match in behind if match]
    values = []
    for row, cell in enumerate(cells, start=1):
        try:
            values.append(float(cell.replace(",", ".", 1)))
        except ValueError:
            values.append(np.nan)
        if not np.isfinite(values[-1]):
            raise DataError(
                f"{where}: data row {row}, column {column}: {cell[:40]!r}; every row needs a number there"
            ) from None
    return Moments(np.array(values), role == "time", unit)


def _clock(text: str, where: str) -> float:
    """Seconds of 00:00:01.033, or of a date and time."""
    try:
        if half := re.fullmatch(r"(.*\d)\s*([AaPp])\.?[Mm]\.?", text):
            return _half_day(half[1], half[2].lower() == "p")
        if "-" in text or "/" in text:
            return datetime.fromisoformat(text.replace("/", "-").replace(",", ".").replace("Z", "+00:00")).timestamp()
        parts = text.split(":")
        if len(parts) > 3:
            raise ValueError("it has more than hours, minutes and seconds")
        hours, minutes, second = ([0.0, 0.0] + [float(part.replace(",", ".")) for part in parts])[-3:]
        return 3600 * hours + 60 * minutes + second
    except ValueError as error:
        raise DataError(
            f"{where}: time {text[:40]!r}; seconds, milliseconds, 00:00:01.033 or 00:00:01:24 are needed"
        ) from error


def _half_day(text: str, after_noon: bool) -> float:
    """Seconds of 1:02:03.5, perhaps with a date in front, before or after noon; ValueError for anything else."""
    date, _, clock = text.rpartition(" ")
    hours, minutes, second = ([float(part.replace(",", ".")) for part in clock.split(":")] + [0.0])[:3]
    if not 1 <= hours <= 12:
        raise ValueError(f"{hours:g} of 12 hours")
    day = 0
    if numbers := [int(number) for number in re.findall(r"\d+", date)[:3]]:
        year, month, of_month = numbers if numbers[0] > 31 else (numbers[2], *numbers[:2])
        day = datetime(year, *((of_month, month) if month > 12 else (month, of_month))).toordinal()
    return 86400.0 * day + 3600 * (hours % 12 + 12 * after_noon) + 60 * minutes + second


@dataclass(frozen=True)
class Said:
    """What the columns of a table say besides joints.

    Attributes:
        moments: of the rows, None where no column says when.
        when: name of that column, "" where there is none.
        persons: who it is, of every row; None where no column says.
        who: name of that column, "" where there is none.
        used: numbers of all columns of a known role.
        told: what is to be said of columns that may say when.
    """

    moments: Moments | None
    when: str
    persons: list[str] | None
    who: str
    used: frozenset[int]
    told: tuple[Notice, ...] = ()


def said_by(table: Table) -> tuple[Table, Said]:
    """When and who the rows of a table are, and the table without the empty rows that say neither.

    Raises:
        DataError: rows of several videos or cameras, a row that doesn't say when or who, names of images without an order.
    """
    where, roles = str(table.path), {i: role_of(name) for i, name in enumerate(table.head)}
    of = {role: [i for i, (found, _) in roles.items() if found == role] for role in get_args(Role)}
    filled = [row for row in table.rows if any(row)]
    for i in of["source"]:
        found = list(dict.fromkeys(row[i] for row in filled if row[i]))
        if len(found) > 1:
            raise DataError(
                f"{where}: column {table.head[i]}: rows of {len(found)} recordings or cameras ({quoted(found)}); write a file "
                "for each"
            )
    when = [i for role in ("time", "frame") for i in of[role]]
    when += [i for i in of["image"] if len({row[i] for row in filled}) > 1]
    when = when or [i for i, name in enumerate(table.head) if name.strip().lower() in _ROW and _each_once(filled, i)]
    who = next((i for i in of["person"] if i not in when), None)
    if when:
        table = replace(table, rows=filled)
    persons = None if who is None else [re.sub(r"(?<=\d)\.0+$", "", row[who]) for row in table.rows]
    persons = None if persons is None else ["-1" if p.lower() in _NO_ID else p for p in persons]
    subject = who is not None and _joined(table.head[who]) in _SUBJECT
    if persons is not None and subject and not any(persons):
        persons, who = None, None  # nobody filled it in
    if persons is not None and not all(persons):
        raise DataError(f"{where}: data row {persons.index('') + 1}: no {table.head[who or 0]}; every row needs one")
    if persons is not None and subject and _one_after_another(persons):
        raise DataError(
            f"{where}: column {table.head[who or 0]}: rows of {len(set(persons))} people one after another "
            f"({quoted(list(dict.fromkeys(persons)))}); write a file for each recording, or call the column person if they "
            "were there together"
        )
    told: tuple[Notice, ...] = ()
    if persons is not None and len(set(persons)) > 1 and (lost := persons.count("-1")):
        what = "rows of person -1, whom nobody followed, are read as one person more"
        remedy = "give these rows the number of the person who they are, or leave them out"
        told = (Notice("warning", what, remedy, f"{lost} of {len(persons)} rows"),)
    used = frozenset(when) | {i for i, (role, _) in roles.items() if role}
    name = "" if who is None else table.head[who]
    if not when:
        beside = [i for i, (role, _) in roles.items() if role is None and not is_coordinate(table.head[i])]
        moments, at, more = _rising(table, beside, persons)
        used |= set() if at is None else {at}
        return table, Said(moments, "" if at is None else table.head[at], persons, name, used, (*told, *more))
    role, unit = roles[when[0]]
    column = table.head[when[0]]
    cells = [row[when[0]] for row in table.rows]
    moments = moments_of(cells, "frame" if role in (None, "person") else role, unit, where, column)
    return table, Said(moments, column, persons, name, used, told)


def _joined(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


def _one_after_another(persons: Sequence[str]) -> bool:
    """Whether all rows of one person stand before all of the next, several of each."""
    changes = 1 + sum(a != b for a, b in pairwise(persons))
    return 1 < changes == len(set(persons)) < len(persons)


def _rising(
    table: Table, columns: Sequence[int], persons: Sequence[str] | None
) -> tuple[Moments | None, int | None, tuple[Notice, ...]]:
    """Whether one of these columns says when, by its cells: whole numbers that rise from row to row are read as frames, or
    as times where their steps are large; of what else rises, or counts without order, it is only told.
    """
    rows = len(table.rows)
    groups: dict[str, list[int]] = {}
    for row, person in enumerate(persons or [""] * rows):
        groups.setdefault(person, []).append(row)
    if rows < _RISING or min(map(len, groups.values())) < 2:
        return None, None, ()
    told: list[Notice] = []
    remedy = "call it frame, time_s or time_ms if it says when; else nothing"
    for i in columns:
        cells, what = [row[i] for row in table.rows], f"column {table.head[i][:40]!r}"
        whole = np.array([int(c) for c in cells]) if all(re.fullmatch(r"-?\d{1,17}", c) for c in cells) else None
        keys = _keys(cells)
        if keys and all(keys[a] < keys[b] for group in groups.values() for a, b in pairwise(group)):
            if all(_CLOCK.fullmatch(cell) for cell in cells):
                found = moments_of(cells, "time", None, str(table.path), table.head[i])
                again = Notice(
                    "warning", f"{what} is read as clock times", "call it time, or leave it out if it is none"
                )
                return found, i, (*told, again)
            if whole is None:
                told.append(Notice("warning", f"{what} rises from row to row as times do, but is not read", remedy))
                continue
            steps = np.diff(np.unique(whole))
            if persons is None and steps.max() == 1:
                return None, None, tuple(told)  # as the rows do
            found = Moments(whole.astype(float), float(np.median(steps)) > _MS)
            if found.times:
                try:
                    seconds(found.values, None, str(table.path))
                except DataError:
                    told.append(Notice("warning", f"{what} rises from row to row, but is not read", remedy))
                    continue
            what = f"{what} is read as {'times' if found.times else 'numbers of frames'}, for it rises from row to row"
            again = Notice(
                "warning", what, "call it frame, time_s or time_ms, or leave it out if it says something else"
            )
            return found, i, (*told, again)
        if whole is None or persons is not None:
            continue
        values, counts = np.unique(whole, return_counts=True)
        if len(values) == rows and np.ptp(values) < 2 * rows:
            told.append(Notice("warning", f"{what} numbers the rows in another order, but is not read", remedy))
        elif (
            len(values) >= _RISING
            and 1 < counts[0] <= _TOGETHER
            and np.ptp(counts) == 0
            and (np.diff(whole) >= 0).all()
        ):
            what = f"{what} has each number {counts[0]} times, as frames of {counts[0]} persons do, but is not read"
            told.append(Notice("warning", what, "call it frame, with a column person beside it, if so; else nothing"))
    return None, None, tuple(told)


def _keys(cells: Sequence[str]) -> list[Any] | None:
    """What cells are compared by: their numbers, or texts with numbers in them; None where one has none."""
    try:
        return [float(cell.replace(",", ".", 1)) for cell in cells]
    except ValueError:
        return [natural(cell) for cell in cells] if all(re.search(r"\d", cell) for cell in cells) else None


def _each_once(rows: Sequence[list[str]], column: int) -> bool:
    """Whether the whole numbers of a column differ from row to row, as row numbers do."""
    cells = [row[column] for row in rows]
    return len(cells) > 1 and len(set(cells)) == len(cells) and all(cell.isdecimal() for cell in cells)


InTime = tuple[np.ndarray, np.ndarray, np.ndarray | None, float, tuple[Notice, ...]]


def in_time(
    moments: Moments | None, joints: np.ndarray, visibility: np.ndarray, pose_3d: np.ndarray | None,
    stated: float | None, wished: float | None, where: str,
) -> InTime:  # fmt: skip
    """Joints, visibility and 3D poses where the frames' numbers or times say, frames per second, and what to tell.

    Args:
        moments: of the frames; None = they follow one another.
        joints: (M, N, J, V), 0 where not seen; visibility: (M, N, J); pose_3d: (M, N, J, 3) or None.
        stated, wished: frames per second that the file and the user say.
        where: the item, for errors.

    Raises:
        DataError: numbers or times that can't be, or gaps that would make far more frames than there are.
    """
    told: tuple[Notice, ...] = ()
    if moments is None:
        rate, more = frame_rate(stated, wished, where)
        return joints, visibility, pose_3d, rate, more
    values, times, unit = moments.values, moments.times, moments.unit
    if np.abs(values).max(initial=0) >= 2**62:
        raise DataError(
            f"{where}: a frame has the number or time {np.abs(values).max():g}; numbers below 1e18 are needed"
        )
    if not times:
        steps = np.diff(np.unique(values))
        uneven = len(steps) > 3 and np.ptp(steps) > 0 and steps.min() > _MS
        known = wished if stated is None else stated
        if not np.all(values == np.round(values)):
            times, unit = True, None
        elif (uneven and np.gcd.reduce(steps.astype(np.int64)) == 1) or milliseconds_apart(values, known):
            times, unit = True, "milliseconds"
            why = "for their steps are uneven" if uneven else f"for so they go with {known:g} frames per second"
            remedy = "call the column time_ms, or number the frames in steps of 1"
            told = (Notice("warning", f"frame numbers are read as milliseconds, {why}", remedy),)
    if not times:
        rate, more = frame_rate(stated, wished, where)
        numbers = values.astype(np.int64)
        place = placed(numbers, rate, where)
        _check_room(place.frames, joints, where)
        check_step(numbers, rate, where)
        spread = [_spread(array, place.places, place.frames) for array in (joints, visibility, pose_3d)]
        return *spread, place.fps, (*more, *place.notices)  # type: ignore[return-value]
    given, read = seconds(values, unit, where)
    order = np.argsort(given, kind="stable")
    grid = even(given[order], stated if stated is not None else wished, where)
    _check_room(grid.frames, joints, where)
    target = None if pose_3d is None else grid.resampled(pose_3d[:, order], np.ones_like(visibility))[0]
    joints, visibility = grid.resampled(joints[:, order], visibility[:, order])
    return joints, visibility, target, grid.fps, (*told, *read, *grid.notices)


def _check_room(frames: int, joints: np.ndarray, where: str) -> None:
    if frames * joints[:, 0].size > max(_CELLS, 4 * joints.size):
        persons, rows = joints.shape[:2]
        raise DataError(f"{where}: {rows} rows for {persons} persons and {frames} frames; cut it at its gaps")


def _spread(array: np.ndarray | None, places: np.ndarray, frames: int) -> np.ndarray | None:
    """(M, n, ...) -> (M, frames, ...) with zeros where no frame was given."""
    if array is None or (len(places) == frames and (np.diff(places) > 0).all()):
        return array
    result = np.zeros((len(array), frames, *array.shape[2:]), array.dtype)
    result[:, places] = array
    return result
