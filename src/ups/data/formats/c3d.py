"""C3D, through ezc3d, which the extra `[c3d]` installs: markers by their labels, in the unit that the file states.

ezc3d runs in a process of its own, for it crashes on damaged files.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from ups.data.formats.axes import UPRIGHT
from ups.data.formats.markers import marker_clip
from ups.data.formats.named import Wish
from ups.data.formats.trc import UNITS
from ups.errors import DataError
from ups.pose import PoseSequence

_SECONDS = 8
"""What a file may take, and one second more for every four megabytes."""
_CHILD = """
import json, sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]),) * 2)
except (ImportError, ValueError, OSError):
    pass
import ezc3d, numpy
file = ezc3d.c3d(sys.argv[1])
group, points = file["parameters"]["POINT"], numpy.ascontiguousarray(file["data"]["points"], numpy.float64)
kept = [key for key in group if key in ("UNITS", "RATE", "Y_SCREEN") or key.startswith("LABELS")]
values = {key: numpy.asarray(group[key]["value"]).ravel().tolist() for key in kept}
sys.stdout.buffer.write(json.dumps({"shape": points.shape, "point": values}).encode() + b"\\n" + points.tobytes())
"""
"""Reads a file and writes a line of JSON and the points (4, J, N) to standard output."""


def read_c3d(path: Path, wish: Wish) -> PoseSequence:
    """The markers of one or several persons; space is "world" (metres, y up).

    Up is what the user says, else POINT:Y_SCREEN of the file, else how the bodies in it stand, which is told.

    Raises:
        DataError: ezc3d is not installed or can't read the file, no markers, an unknown unit, too little of a body in the
            labels, or no telling which way is up.
        OSError: the file can't be read.
    """
    head = path.read_bytes()[:512]
    if len(head) < 512 or head[1] != 0x50 or path.stat().st_size < 1024:
        raise DataError(
            f"{path}: not a C3D file, or cut off: its second byte is not 80, or it is shorter than two blocks"
        )
    point, values = _run(path)
    names = [label for key in sorted(k for k in point if k.startswith("LABELS")) for label in _value(point, key)]
    if len(names) < values.shape[1] or values.shape[1] == 0 or values.shape[2] == 0:
        raise DataError(
            f"{path}: {values.shape[1]} markers in {values.shape[2]} frames with {len(names)} labels; no motion"
        )
    unit = wish.unit or str((_value(point, "UNITS") or [""])[0]).strip().lower()
    if unit not in UNITS:
        raise DataError(f"{path}: POINT:UNITS is {unit!r}; give --unit, one of m, cm, mm, in, ft")
    stated = str((_value(point, "Y_SCREEN") or [""])[0]).strip().lower().removeprefix("+")
    rate = float((_value(point, "RATE") or [0])[0])
    points = values.transpose(2, 1, 0) * UNITS[unit]
    return marker_clip(points, names[: values.shape[1]], path, wish, rate, up=stated if stated in UPRIGHT else None)


def _run(path: Path) -> tuple[dict[str, list], np.ndarray]:
    """The parameters of the group POINT that are lists, and the points (3, J, N), NaN where not seen."""
    if importlib.util.find_spec("ezc3d") is None:
        raise DataError(f"{path}: C3D needs ezc3d; pip install 'unified-pose-sequence[c3d]'")
    size = path.stat().st_size
    room, seconds = (4 << 30) + 60 * size, _SECONDS + size / (4 << 20)
    command = [sys.executable, "-c", _CHILD, str(path.resolve()), str(room)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise DataError(f"{path}: ezc3d does not come to an end within {seconds:.0f} s; the file is damaged") from error
    head, _, content = done.stdout.partition(b"\n")
    if done.returncode or not head:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or [f"it ended with {done.returncode}"]
        raise DataError(f"{path}: ezc3d can't read it ({said[0][:200]}); it is damaged")
    facts = json.loads(head)
    return facts["point"], np.frombuffer(content, np.float64).reshape(facts["shape"])[:3]


def _value(group: dict[str, Any], key: str) -> list:
    return group.get(key, [])
