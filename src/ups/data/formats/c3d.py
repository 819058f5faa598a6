"""C3D, through ezc3d, which the extra `[c3d]` installs: markers by their labels, in the unit that the file states."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ups.data.formats.axes import UPRIGHT, up_axis, y_up
from ups.data.formats.named import Wish, named_clip, places_of
from ups.data.formats.trc import UNITS
from ups.errors import DataError
from ups.notices import Notice
from ups.pose import PoseSequence


def read_c3d(path: Path, wish: Wish) -> PoseSequence:
    """One person's markers; space is "world" (metres, y up).

    Up is what the user says, else POINT:Y_SCREEN of the file, else how the bodies in it stand, which is told.

    Raises:
        DataError: ezc3d is not installed or can't read the file, no markers, an unknown unit, too little of a body in the
            labels, or no telling which way is up.
        OSError: the file can't be read.
    """
    try:
        import ezc3d
    except ImportError as error:
        raise DataError(f"{path}: C3D needs ezc3d; pip install 'unified-pose-sequence[c3d]'") from error
    head = path.read_bytes()[:512]
    if len(head) < 512 or head[1] != 0x50 or path.stat().st_size < 1024:
        raise DataError(
            f"{path}: not a C3D file, or cut off: its second byte is not 80, or it is shorter than two blocks"
        )
    try:
        file = ezc3d.c3d(str(path))
    except Exception as error:  # whatever the library says
        raise DataError(f"{path}: ezc3d can't read it ({str(error)[:200]})") from error
    point = file["parameters"]["POINT"]
    values = np.asarray(file["data"]["points"], np.float64)[:3]  # (3, J, N)
    names = [label for key in sorted(k for k in point if k.startswith("LABELS")) for label in _value(point, key)]
    if len(names) < values.shape[1] or values.shape[1] == 0 or values.shape[2] == 0:
        raise DataError(
            f"{path}: {values.shape[1]} markers in {values.shape[2]} frames with {len(names)} labels; no motion"
        )
    unit = wish.unit or str((_value(point, "UNITS") or [""])[0]).strip().lower()
    if unit not in UNITS:
        raise DataError(f"{path}: POINT:UNITS is {unit!r}; give the unit, one of {', '.join(UNITS)}")
    points = values.transpose(2, 1, 0)[None] * UNITS[unit]
    names = names[: values.shape[1]]
    places, told = places_of(names, len(names), str(path), wish.joint_map)
    stated = str((_value(point, "Y_SCREEN") or [""])[0]).strip().lower().removeprefix("+")
    up = wish.up or (stated if stated in UPRIGHT else None)
    if up is None:
        up = up_axis(points, places)
        what = f"{up} is taken for the axis that points up, for so the bodies stand"
        told = (*told, Notice("warning", what, "say which it is, if that is wrong: --up"))
    if up not in UPRIGHT:
        known = ", ".join(UPRIGHT)
        raise DataError(f"{path}: C3D does not say which axis points up, nor do the bodies; give up, one of {known}")
    rate = float((_value(point, "RATE") or [0])[0])
    return named_clip(y_up(points, up), None, places, space="world", wish=wish, path=path, stated_fps=rate, told=told)


def _value(group: Any, key: str) -> list:
    return list(group[key]["value"]) if key in group else []
