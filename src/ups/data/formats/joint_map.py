"""A TOML file in which the user says which joint of a file is which of ours: names, or numbers from 0, and slots."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from ups.data.formats.joint_names import quoted
from ups.errors import DataError
from ups.skeleton import SLOT_INDEX
from ups.skeletons import check_joints, load_toml

FOLDER_MAP = "joint_map.toml"
"""A map of this name beside a clips.csv is used for all of its recordings."""


@dataclass(frozen=True)
class JointMap:
    """Which joint is which.

    Attributes:
        where: the file that says so, for messages.
        joints: name of a joint in the recording, or its number from 0, as text -> slot. What isn't named is left out.
    """

    where: str
    joints: dict[str, str]

    def places(self, names: Sequence[str] | None, count: int, where: str) -> dict[str, int]:
        """Slot -> index of the joint in a recording of `count` joints, which may have names.

        Raises:
            DataError: the recording has no such joint; it names a near one.
        """
        found = {name.strip(): i for i, name in reversed(list(enumerate(names or ())))}
        found = {str(i): i for i in range(count)} | found
        missing = [key for key in self.joints if key not in found]
        if missing:
            near = get_close_matches(missing[0], list(names or ()), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            kind = (
                f"{count} joints, the first {quoted(names)}"
                if names
                else f"{count} joints without names, 0 to {count - 1}"
            )
            raise DataError(f"{where}: {self.where} names {quoted(missing)}{hint}; the recording has {kind}")
        return {slot: found[key] for key, slot in self.joints.items()}


def read_joint_map(path: Path | str) -> JointMap:
    """A map from a TOML file: lines like `"L_Sho" = "left_shoulder"` or `5 = "left_shoulder"`; "" leaves a joint out.

    Raises:
        DataError: no such file, a slot that is not known (near ones are suggested) or is given twice.
        OSError: the file can't be read.
    """
    path = Path(path)
    values = load_toml(path)
    if isinstance(values.get("joints"), dict):
        values = values["joints"]
    wrong = [key for key, value in values.items() if not isinstance(value, str)]
    if wrong or not values:
        raise DataError(f'{path}: {quoted(wrong) or "nothing in it"}; lines like "L_Sho" = "left_shoulder" are needed')
    joints = {key.strip(): slot for key, slot in values.items() if slot}
    check_joints(joints.values(), str(path))
    twice = {slot: [k for k, s in joints.items() if s == slot] for slot in joints.values()}
    for slot, keys in twice.items():
        if len(keys) > 1:
            raise DataError(f"{path}: {slot} is given to {quoted(keys)}; keep one")
    return JointMap(str(path), joints)


def joint_map_text(names: Sequence[str], places: dict[str, int], notes: Sequence[str] = ()) -> str:
    """The TOML of a map that gives joint `names[i]` the slot whose place is i, and leaves the others out, in the file's
    order; `read_joint_map` reads it back.
    """
    slots = {i: slot for slot, i in places.items() if slot in SLOT_INDEX}
    lines = [f"# {note}" for note in notes]
    for i, name in enumerate(names):
        key = name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=True)
        lines.append(f'{key} = "{slots.get(i, "")}"')
    return "\n".join(lines) + "\n"
