"""Names of a table's columns that hold coordinates of joints: left_wrist_x, x_left_wrist, LWrist.X, nose (y), x12, ..."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ups.data.formats.table import Table

AXES = {
    "x": "x", "y": "y", "z": "z", "v": "v", "visibility": "v", "vis": "v", "visible": "v", "c": "v", "conf": "v",
    "confidence": "v", "score": "v", "likelihood": "v", "prob": "v", "probability": "v", "p": "v", "accuracy": "v",
    "presence": "v", "certainty": "v", "confidence_score": "v", "conf_score": "v", "visibility_score": "v",
    "inframelikelihood": "v", "inframe_likelihood": "v", "in_frame_likelihood": "v", "is_visible": "v", "isvisible": "v",
    "tracked": "v", "valid": "v", "detected": "v", "trackingstate": "v", "tracking_state": "v",
    "occluded": "h", "occlusion": "h", "occ": "h", "hidden": "h", "missing": "h", "invisible": "h", "lost": "h", "outlier": "h",
    "invalid": "h", "bad": "h", "is_invalid": "h", "absent": "h", "unseen": "h", "not_visible": "h", "notvisible": "h",
    "outside": "h", "is_outside": "h", "out_of_frame": "h", "deleted": "h", "obscured": "h", "found": "v", "present": "v",
    "in_frame": "v", "inframe": "v",
    "is_occluded": "h", "isoccluded": "h", "is_hidden": "h", "is_missing": "h", "is_outlier": "h",
}  # fmt: skip
"""What people call coordinates, scores and flags of what was hidden -> x, y, z, v, h."""
NAME = 100
"""Characters of a column's name, at most: longer ones are damage, and slow to take apart."""
_AXIS = "|".join(sorted(AXES, key=len, reverse=True))
_UNIT = (
    r"(?:[\s_.:/\-]*[\[(]?(?:px|pixels?|mm|cm|m|meters?|metres?|in|inch|inches|ft|feet|"
    r"norm(?:ali[sz]ed)?|coords?|coordinates?|pos|position)[\])]?)?"
)
_LENGTH = re.compile(r"(?i)[xyz][)\]]?[\s_.:/\-\[(]+(mm|cm|m|meters?|metres?|in|inch|inches|ft|feet)[\])]?\s*$")
_BEHIND = re.compile(rf"(?i)(?P<name>.+?)[\s_.:/\-\[(]+(?P<axis>{_AXIS})[\])]?{_UNIT}")
_BEFORE = re.compile(rf"(?i)(?P<axis>{_AXIS})(?:[\s_.:/\-]+(?P<name>.+)|[(\[](?P<name_>.+)[)\]])")
_PAIR = re.compile(rf"(?i)[(\[]\s*['\"](?P<name>.+)['\"]\s*,\s*['\"](?P<axis>{_AXIS})['\"]\s*[)\]]")
_GLUED = re.compile(r"(?P<name>.*[a-z])(?P<axis>[XYZ])")
_NUMBERED = re.compile(rf"(?i)(?P<axis>{_AXIS})(?P<name>\d+)|(?P<name_>\d+)(?P<axis_>[xyzv])")


def joint_columns(head: Sequence[str]) -> dict[str, dict[str, int]]:
    """Name of a joint as written -> its axes of "xyzvh" -> number of the column, in the order of the table."""
    found: dict[str, dict[str, int]] = {}
    for i, column in enumerate(head):
        read = _read(column.strip())
        if read is not None:
            found.setdefault(read[0], {}).setdefault(read[1], i)
    return {name: axes for name, axes in found.items() if set(axes) & set("xyz")}


def unit_in(columns: Sequence[str]) -> str | None:
    """The unit of length that all of these columns of coordinates name, as "X (mm)" and "nose_x_cm" do; None without one."""
    found = {match[1].lower() if (match := _LENGTH.search(column[-NAME:])) else None for column in columns}
    return found.pop() if len(found) == 1 else None


def is_coordinate(column: str) -> bool:
    """Whether a column holds a coordinate, score or flag of a joint, by its name."""
    return _read(column.strip()) is not None


def two_headed(rows: Sequence[Sequence[str]]) -> bool:
    """Whether a table's first row has joints, each several times, and its second the axes, as pandas writes two levels."""
    if len(rows) < 2 or len(rows[0]) != len(rows[1]):
        return False
    pairs = [(name, axis.lower()) for name, axis in zip(rows[0], rows[1], strict=True) if name]
    axes = [axis for _, axis in pairs if axis in AXES]
    return len(axes) >= len(pairs) - 2 and len({name for name, _ in pairs}) < len(pairs)


def with_axes(table: Table) -> Table:
    """A table of two rows of headings with one: nose above x is nose_x. A column without a name in front is "frame"."""
    axes = table.rows[0]
    head = [f"{name}_{axis}" if axis.lower() in AXES else name for name, axis in zip(table.head, axes, strict=True)]
    rows = table.rows[1:]
    if rows and len([cell for cell in rows[0] if cell]) <= 1:
        first = rows[0][0]  # the name of the rows' numbers
        head[0], rows = head[0] or first, rows[1:]
    head[0] = head[0] or "frame"
    return replace(table, head=tuple(head), rows=rows)


def _read(column: str) -> tuple[str, str] | None:
    """(joint, axis) of one column."""
    if len(column) > NAME:
        return None
    for form in (_PAIR, _NUMBERED, _BEHIND, _BEFORE, _GLUED):
        if match := form.fullmatch(column):
            groups = match.groupdict()
            name, axis = groups.get("name") or groups.get("name_"), groups.get("axis") or groups.get("axis_")
            if name and axis:
                return name.strip(" _.-"), AXES[axis.lower()]
    return None
