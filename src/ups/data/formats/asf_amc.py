"""Acclaim motion capture: a skeleton in an .asf file, its motion in .amc files, and forward kinematics of every frame.

A bone of that format begins where its parent ends; it is named here after the joint at its end.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from ups.errors import DataError

INCH = 0.0254
BONES, NUMBERS = 200, 30_000_000
"""Bones of a skeleton, and numbers of a motion file, at most."""
_TURNS, _MOVES = ("rx", "ry", "rz"), ("tx", "ty", "tz")


@dataclass(frozen=True)
class Bone:
    """One bone: it leads from the end of its parent to `offset` beyond it.

    Attributes:
        name: as the file has it; "root" is the first and has no parent.
        parent: index of a bone listed before, -1 for the root.
        offset: (3,) metres in the world's axes, the skeleton at rest.
        axes: (3, 3) the bone's own axes -> the world's, the skeleton at rest.
        channels: what the motion gives of it, in order: of tx ty tz (the root alone), rx ry rz.
    """

    name: str
    parent: int
    offset: np.ndarray
    axes: np.ndarray
    channels: tuple[str, ...]


@dataclass(frozen=True)
class Acclaim:
    """A skeleton: parents stand before children. `unit` is the metres of one unit of length."""

    bones: tuple[Bone, ...]
    unit: float

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Of the bones' ends."""
        return tuple(bone.name for bone in self.bones)


def read_asf(text: str, name: str) -> Acclaim:
    """The skeleton in the text of an .asf file; `name` is what messages call it.

    Lengths are inches divided by the file's unit "length" (0.45 in CMU's files), angles degrees.

    Raises:
        DataError: not such a file, a bone described twice or outside the hierarchy, angles that are not degrees.
    """
    sections: dict[str, list[tuple[int, list[str]]]] = {}
    rows: list[tuple[int, list[str]]] = []
    for line, words in _lines(text):
        if words[0].startswith(":"):
            sections[words[0]] = rows = []
            if words[1:]:
                rows.append((line, words[1:]))
        else:
            rows.append((line, words))
    missing = [s for s in (":units", ":root", ":bonedata", ":hierarchy") if s not in sections]
    if missing:
        raise DataError(f"{name}: no section {missing[0]}; it is not an .asf skeleton or was cut off: fetch it again")
    units = {words[0]: words[1:] for _, words in sections[":units"]}
    if units.get("angle") != ["deg"]:
        raise DataError(
            f"{name}: the unit of angles is {' '.join(units.get('angle', ['missing']))[:40]}; deg is needed"
        )
    length = _numbers(units.get("length", []), 1, f"{name}: length in :units")[0]
    if not 1e-6 < length < 1e6:
        raise DataError(f"{name}: length {length:g} in :units; a number above 0, as 0.45, is needed")
    unit = INCH / length
    bones = _bones(sections[":bonedata"], unit, name)
    bones["root"] = _root(sections[":root"], unit, name)
    return Acclaim(_in_order(bones, sections[":hierarchy"], name), unit)


def read_amc(text: str, skeleton: Acclaim, name: str, step: int = 1) -> np.ndarray:
    """Where the bones end in every `step`-th frame of an .amc file: (N, bones, 3) float64 metres, y up.

    Raises:
        DataError: not such a file, angles that are not degrees, a frame that lacks a bone of the skeleton, more than
            `NUMBERS` numbers; the message names the line.
    """
    moving = {bone.name: i for i, bone in enumerate(skeleton.bones) if bone.channels}
    frames: list[dict[int, np.ndarray]] = []
    count, last, degrees = 0, 0, False
    for line, words in _lines(text):
        where, last = f"{name}: line {line}", line
        if words[0].startswith(":"):
            degrees = degrees or words[0].upper() == ":DEGREES"
        elif len(words) == 1 and words[0].isascii() and words[0].isdigit():
            _whole(frames, moving, f"{name}: line {line - 1}")
            frames.append({})
        elif not frames or words[0] not in moving:
            raise DataError(
                f"{where}: {words[0][:40]!r} is no moving bone of the skeleton; give the subject's own .asf"
            )
        else:
            bone = moving[words[0]]
            if bone in frames[-1]:
                raise DataError(f"{where}: {words[0]} stands twice in frame {len(frames)}; fetch the file again")
            frames[-1][bone] = _numbers(words[1:], len(skeleton.bones[bone].channels), where)
            count += len(words) - 1
            if count > NUMBERS:
                raise DataError(f"{where}: more than {NUMBERS:,} numbers are not read: cut the file into parts")
    if not frames or not degrees:
        wrong = "no line :DEGREES" if frames else "no frame"
        raise DataError(f"{name}: {wrong}; it is not an .amc motion or was cut off: fetch it again")
    _whole(frames, moving, f"{name}: line {last}")
    kept = frames[::step]
    return _forward(skeleton, {i: np.stack([frame[i] for frame in kept]) for i in moving.values()}, len(kept))


def _forward(skeleton: Acclaim, values: dict[int, np.ndarray], frames: int) -> np.ndarray:
    """Ends of bones (N, bones, 3) from the channels (N, C) of each moving bone."""
    ends = np.empty((frames, len(skeleton.bones), 3))
    turned: list[np.ndarray] = []  # (N, 3, 3): the bone at rest -> the bone in the frame, in the world's axes
    for i, bone in enumerate(skeleton.bones):
        own = dict(zip(bone.channels, values[i].T, strict=True)) if i in values else {}
        turn = np.tile(np.eye(3), (frames, 1, 1))
        turns = [c for c in bone.channels if c in _TURNS]
        if turns:
            angles = np.stack([own[c] for c in turns], -1)
            # lower case: each about a fixed axis, the first one first
            inner = Rotation.from_euler("".join(c[1] for c in turns), angles, degrees=True).as_matrix()
            turn = bone.axes @ inner.reshape(frames, 3, 3) @ bone.axes.T
        offset = bone.offset
        if bone.parent < 0:
            moved = [own.get(c, np.zeros(frames)) for c in _MOVES]
            ends[:, i] = offset + skeleton.unit * np.stack(moved, -1)
        else:
            turn = turned[bone.parent] @ turn
            ends[:, i] = ends[:, bone.parent] + turn @ offset
        turned.append(turn)
    return ends


def _bones(rows: list[tuple[int, list[str]]], unit: float, name: str) -> dict[str, Bone]:
    bones: dict[str, Bone] = {}
    facts: dict[str, list[str]] | None = None
    for line, words in rows:
        where = f"{name}: line {line}"
        if words[0] == "begin":
            facts = {}
        elif words[0] == "end" and facts is not None:
            label = " ".join(facts.get("name", []))
            if not label or label in bones or label == "root" or len(bones) == BONES:
                raise DataError(f"{where}: bone {label[:40]!r} is nameless, described twice or more than {BONES}")
            direction = _numbers(facts.get("direction", []), 3, f"{where}: direction")
            length = _numbers(facts.get("length", []), 1, f"{where}: length")[0]
            channels = tuple(facts.get("dof", []))
            if not set(channels) <= set(_TURNS) or len(set(channels)) < len(channels):
                raise DataError(
                    f"{where}: dof {' '.join(channels)[:40]} of {label[:40]}; of rx ry rz, each once, is read"
                )
            axis = facts.get("axis", [])
            axes = _axes(_numbers(axis[:3], 3, f"{where}: axis"), axis[3:], where)
            bones[label] = Bone(label, -1, direction * length * unit, axes, channels)
            facts = None
        elif facts is not None and words[0] not in facts:
            facts[words[0]] = words[1:]
    if facts is not None or not bones:
        raise DataError(f"{name}: :bonedata ends within a bone, or has none; fetch the file again")
    return bones


def _root(rows: list[tuple[int, list[str]]], unit: float, name: str) -> Bone:
    facts = {words[0]: (f"{name}: line {line}", words[1:]) for line, words in rows}
    where, order = facts.get("order", (f"{name}: :root", []))
    channels = tuple(word.lower() for word in order)
    if not channels or not set(channels) <= {*_TURNS, *_MOVES} or len(set(channels)) < len(channels):
        raise DataError(f"{where}: order {' '.join(order)[:40]}; of TX TY TZ RX RY RZ, each once, is needed")
    place = _numbers(facts.get("position", ("", ["0"] * 3))[1], 3, f"{name}: position of the root")
    angles = _numbers(facts.get("orientation", ("", ["0"] * 3))[1], 3, f"{name}: orientation of the root")
    axes = _axes(angles, facts.get("axis", ("", ["XYZ"]))[1], f"{name}: axis of the root")
    return Bone("root", -1, place * unit, axes, channels)


def _axes(angles: np.ndarray, order: list[str], where: str) -> np.ndarray:
    if len(order) != 1 or sorted(order[0].upper()) != ["X", "Y", "Z"]:
        raise DataError(f"{where}: order of axes {' '.join(order)[:40]!r}; XYZ, in any order, is needed")
    return Rotation.from_euler(order[0].lower(), angles, degrees=True).as_matrix()


def _in_order(bones: dict[str, Bone], rows: list[tuple[int, list[str]]], name: str) -> tuple[Bone, ...]:
    """Bones as the hierarchy has them; each of its lines is a parent and its children."""
    root = bones["root"]
    ordered, place = [root], {"root": 0}
    for line, words in rows:
        if words[0] in ("begin", "end"):
            continue
        where = f"{name}: line {line}"
        if words[0] not in place:
            raise DataError(f"{where}: {words[0][:40]!r} stands in the hierarchy before it has a parent")
        for child in words[1:]:
            if child not in bones or child in place:
                raise DataError(f"{where}: {child[:40]!r} is not described in :bonedata, or has two parents")
            bone = bones[child]
            place[child] = len(ordered)
            ordered.append(Bone(child, place[words[0]], bone.offset, bone.axes, bone.channels))
    left = [bone for bone in bones if bone not in place]
    if left:
        raise DataError(f"{name}: {', '.join(left[:3])} of :bonedata not in the hierarchy; fetch the file again")
    return tuple(ordered)


def _whole(frames: list[dict[int, np.ndarray]], moving: dict[str, int], where: str) -> None:
    """Raises DataError where the last frame lacks a bone."""
    if frames and len(frames[-1]) < len(moving):
        left = [bone for bone, i in moving.items() if i not in frames[-1]]
        raise DataError(f"{where}: frame {len(frames)} ends without {', '.join(left[:3])}; fetch the file again")


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Number and words of every line that is neither blank nor a comment."""
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split("#", 1)[0].split()
        if words:
            yield number, words


def _numbers(words: list[str], count: int, where: str) -> np.ndarray:
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = [math.nan]
    if len(values) != count or not all(math.isfinite(v) for v in values):
        raise DataError(f"{where}: {' '.join(words)[:60]!r}; {count} numbers are needed")
    return np.array(values)
