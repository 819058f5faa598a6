"""SMPTE time codes, 01:00:03:24 or 01:00:03;24: hours, minutes, seconds, and frames, of which a rate has so many a second.

Source: SMPTE ST 12-1. At 29.97 and 59.94 frames a second, codes with ; leave out numbers 0 and 1 (0 to 3) of each minute
but every tenth, so that they go with the clock.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from ups.errors import DataError

_CODE = re.compile(r"(\d{1,2}):(\d{2}):(\d{2})([:;.,])(\d{2,3})")
_RATES = (24, 25, 30, 48, 50, 60, 72, 90, 100, 120, 200, 240)
"""Frames a second of which one is the smallest that fits."""


def seconds_of_codes(cells: Sequence[str], where: str, column: str) -> np.ndarray | None:
    """Seconds (n,) of time codes in any order; None where they are none. The rate is the smallest usual one that has all
    their numbers of frames, and steps that go on from second to second.

    Two digits behind a point are a frame's number if they are below 60 over more than two seconds, else hundredths.

    Raises:
        DataError: they all lie within one second, so that no rate can be told, or none fits.
    """
    found = [_CODE.fullmatch(cell.strip()) for cell in cells]
    codes = [match.groups() for match in found if match]
    if not codes or len(codes) < len(found):
        return None
    clock = np.array([3600 * int(h) + 60 * int(m) + int(s) for h, m, s, _, _ in codes])
    frame = np.array([int(code[4]) for code in codes])
    if codes[0][3] in ".,":
        if any(len(code[4]) > 2 for code in codes) or frame.max() >= 60 or np.ptp(clock) < 2 or not frame.any():
            return None
    order = np.unique(np.stack([clock, frame]), axis=1)
    if len(np.unique(order[0])) < 2:
        raise DataError(
            f"{where}: column {column}: time codes from {cells[0]} to {cells[-1]} lie within one second, so nobody can tell "
            "how many frames it has; call the column otherwise and give --fps, or write times in seconds"
        )
    inside = np.diff(order[1])[np.diff(order[0]) == 0]
    step = max(int(np.gcd.reduce(inside)), 1) if len(inside) else 1
    for rate in _RATES:
        if rate > frame.max() and (np.diff(order[0] * rate + order[1]) % step == 0).all():
            return _seconds(clock, frame, rate, drops=codes[0][3] == ";")
    raise DataError(
        f"{where}: column {column}: time codes with frame {frame.max()} of a second; at most {_RATES[-1] - 1}, in even steps, "
        "can be read: write times in seconds"
    )


def _seconds(clock: np.ndarray, frame: np.ndarray, rate: int, drops: bool) -> np.ndarray:
    if not drops or rate not in (30, 60):
        return clock + frame / rate
    minutes = clock // 60
    left_out = rate // 15 * (minutes - minutes // 10)
    return (clock * rate + frame - left_out) * 1001 / (1000 * rate)
