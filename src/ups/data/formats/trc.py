"""TRC marker files, as OpenSim, OpenCap and Pose2Sim write them: y up, unit and rate in the header, markers by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ups.data.formats.axes import y_up
from ups.data.formats.named import Wish, named_clip
from ups.errors import DataError
from ups.pose import PoseSequence

UNITS = {"m": 1.0, "meters": 1.0, "metres": 1.0, "mm": 0.001, "millimeters": 0.001, "cm": 0.01, "centimeters": 0.01,
         "in": 0.0254, "inches": 0.0254, "ft": 0.3048, "feet": 0.3048}  # fmt: skip
"""Metres of the units that headers name."""
_MOST = 30_000_000


def read_trc(path: Path, wish: Wish) -> PoseSequence:
    """One person's markers; space is "world" (metres, y up).

    The file's five lines on top give DataRate, Units and the names; an empty cell is a marker not seen.

    Raises:
        DataError: another header, an unknown unit, rows of another length, too little of a body in the names.
        OSError: the file can't be read.
    """
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    if len(lines) < 6 or not lines[0].startswith("PathFileType"):
        raise DataError(f"{path}: a TRC file has PathFileType on top, then four lines of headings, then the frames")
    header = dict(zip((k.strip().lower() for k in lines[1].split("\t")), lines[2].split("\t"), strict=False))
    unit = wish.unit or header.get("units", "").strip().lower()
    if unit not in UNITS:
        raise DataError(f"{path}: line 3: Units {unit[:20]!r}; one of {', '.join(UNITS)} is needed")
    try:
        fps = float(header["datarate"])
    except (KeyError, ValueError) as error:
        raise DataError(f"{path}: line 3: DataRate, the frames per second, is no number") from error
    names = [name.strip() for name in lines[3].rstrip().split("\t")[2:] if name.strip()]
    width = 2 + 3 * len(names)
    rows = [(n, line.rstrip("\r\n").split("\t")) for n, line in enumerate(lines[5:], start=6) if line.strip()]
    if not names or not rows or len(rows) * width > _MOST:
        raise DataError(f"{path}: {len(rows)} frames of {len(names)} markers; one at least, {_MOST:,} numbers at most")
    values = np.full((len(rows), width), np.nan)
    for r, (number, row) in enumerate(rows):
        if len(row) > width and any(cell.strip() for cell in row[width:]):
            raise DataError(f"{path}: line {number}: {len(row)} cells; {len(names)} markers need {width}")
        try:
            cells = [float(cell) if cell.strip() else np.nan for cell in row[:width]]
        except ValueError as error:
            raise DataError(f"{path}: line {number}: {error}") from error
        values[r, : len(cells)] = cells
    points = values[None, :, 2:].reshape(1, len(rows), len(names), 3) * UNITS[unit]
    points = y_up(points, wish.up or "y")
    return named_clip(points, None, names, space="world", wish=wish, path=path, stated_fps=fps)
