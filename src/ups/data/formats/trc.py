"""TRC marker files, as OpenSim, OpenCap and Pose2Sim write them: y up, unit and rate in the header, markers by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ups.data.formats.markers import marker_clip
from ups.data.formats.moments import Moments
from ups.data.formats.named import Wish
from ups.data.formats.table import text_of
from ups.errors import DataError
from ups.notices import Notice
from ups.pose import PoseSequence

UNITS = {
    word: factor
    for words, factor in (
        ("m meter meters metre metres", 1.0), ("mm millimeter millimeters millimetre millimetres", 0.001),
        ("cm centimeter centimeters centimetre centimetres", 0.01), ("in inch inches", 0.0254), ("ft foot feet", 0.3048),
    )
    for word in words.split()
}  # fmt: skip
"""Metres of the units that headers name."""
_MOST = 30_000_000


def read_trc(path: Path, wish: Wish) -> PoseSequence:
    """The markers of one or several persons; space is "world" (metres, y up).

    The file's five lines on top give DataRate, Units and the names; an empty cell is a marker not seen. Frames stand where
    Frame# says.

    Raises:
        DataError: another header, an unknown unit, rows of another length, too little of a body in the names.
        OSError: the file can't be read.
    """
    lines = text_of(path).splitlines()
    if len(lines) < 6 or not lines[0].lower().startswith("pathfiletype"):
        raise DataError(f"{path}: a TRC file has PathFileType on top, then four lines of headings, then the frames")
    sign = "\t" if "\t" in lines[2] else None  # else spaces, which can't say that a marker was not seen
    header = dict(zip((k.strip().lower() for k in lines[1].split(sign)), lines[2].split(sign), strict=False))
    unit = wish.unit or header.get("units", "").strip().lower()
    if unit not in UNITS:
        raise DataError(
            f"{path}: line 3: Units {unit[:20]!r}; one of m, cm, mm, in, ft is needed: write it there, or give --unit"
        )
    try:
        fps = float(header["datarate"])
    except (KeyError, ValueError) as error:
        raise DataError(f"{path}: line 3: DataRate, the frames per second, is no number") from error
    names = [name.strip() for name in lines[3].rstrip().split(sign)[2:] if name.strip()]
    width = 2 + 3 * len(names)
    rows = [(n, line.rstrip("\r\n").split(sign)) for n, line in enumerate(lines[5:], start=6) if line.strip()]
    if not names or not rows or len(rows) * width > _MOST:
        raise DataError(f"{path}: {len(rows)} frames of {len(names)} markers; one at least, {_MOST:,} numbers at most")
    values = np.full((len(rows), width), np.nan)
    for r, (number, row) in enumerate(rows):
        if sign is None and len(row) != width:
            raise DataError(
                f"{path}: line {number}: {len(row)} numbers, {len(names)} markers need {width}; separate cells by tabs, and "
                "leave those of markers not seen empty"
            )
        if len(row) > width and any(cell.strip() for cell in row[width:]):
            raise DataError(f"{path}: line {number}: {len(row)} cells; {len(names)} markers need {width}")
        try:
            cells = [float(cell.replace(",", ".", 1)) if cell.strip() else np.nan for cell in row[:width]]
        except ValueError as error:
            raise DataError(f"{path}: line {number}: {error}") from error
        values[r, : len(cells)] = cells
    points = values[:, 2:].reshape(len(rows), len(names), 3) * UNITS[unit]
    moments, told = _moments(values[:, 0], values[:, 1], fps), ()
    stated = header.get("numframes", "").strip()
    if stated.isdecimal() and int(stated) > len(rows):
        what = f"line 3 announces {stated} frames, and there are {len(rows)}; it may be cut off"
        told = (*told, Notice("warning", what, "export it again, if the end is missing"))
    return marker_clip(points, names, path, wish, fps, usual_up="y", moments=moments, told=told)


def _moments(numbers: np.ndarray, times: np.ndarray, fps: float) -> Moments | None:
    """When the rows were taken: by Frame#, or by Time where that says otherwise than DataRate; None if they say nothing."""
    steps = np.diff(times)
    if len(steps) and np.isfinite(times).all() and (steps > 0).all():
        rate = 1 / float(np.median(steps))
        whole = np.isfinite(numbers).all() and (np.diff(numbers) == 1).all()
        if whole and abs(rate - fps) > 0.02 * fps and rate < 1000:
            return Moments(times, True, "seconds")
    if not np.isfinite(numbers).all() or (numbers != np.round(numbers)).any():
        return None
    return Moments(numbers)
