"""Names of a table's columns that hold coordinates of joints: left_wrist_x, x_left_wrist, LWrist.X, nose (y), x12, ..."""

from __future__ import annotations

import re
from collections.abc import Sequence

_AXES = {
    "x": "x", "y": "y", "z": "z", "v": "v", "visibility": "v", "vis": "v", "visible": "v", "c": "v", "conf": "v",
    "confidence": "v", "score": "v", "likelihood": "v", "prob": "v", "probability": "v", "p": "v",
}  # fmt: skip
_BEHIND = re.compile(rf"(?i)(?P<name>.+?)[\s_.:/\-\[(]+(?P<axis>{'|'.join(_AXES)})[\])]?")
_BEFORE = re.compile(rf"(?i)(?P<axis>{'|'.join(_AXES)})[\s_.:/\-]+(?P<name>.+)")
_GLUED = re.compile(r"(?P<name>.*[a-z])(?P<axis>[XYZ])")
_NUMBERED = re.compile(rf"(?i)(?P<axis>{'|'.join(_AXES)})(?P<name>\d+)|(?P<name_>\d+)(?P<axis_>[xyzv])")


def joint_columns(head: Sequence[str]) -> dict[str, dict[str, int]]:
    """Name of a joint as written -> its axes of "xyzv" -> number of the column, in the order of the table."""
    found: dict[str, dict[str, int]] = {}
    for i, column in enumerate(head):
        read = _read(column.strip())
        if read is not None:
            found.setdefault(read[0], {}).setdefault(read[1], i)
    return {name: axes for name, axes in found.items() if set(axes) & set("xyz")}


def _read(column: str) -> tuple[str, str] | None:
    """(joint, axis) of one column."""
    for form in (_NUMBERED, _BEHIND, _BEFORE, _GLUED):
        if match := form.fullmatch(column):
            groups = match.groupdict()
            name, axis = groups.get("name") or groups.get("name_"), groups.get("axis") or groups.get("axis_")
            if name and axis:
                return name.strip(" _.-"), _AXES[axis.lower()]
    return None
