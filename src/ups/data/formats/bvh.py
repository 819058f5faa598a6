"""BVH motion capture files: the hierarchy, and forward kinematics of every frame at once."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from ups.errors import DataError

_CHANNELS = tuple(f"{axis}{kind}" for kind in ("position", "rotation") for axis in "XYZ")


@dataclass(frozen=True)
class Bvh:
    """Joints in the file's order.

    Attributes:
        joint_names: J names; an end site is called `<its parent>_end`.
        parents: J indices, -1 for a root.
        positions: (N, J, 3) float64 in the file's own unit (centimetres in Bandai-Namco's files) and axes.
        fps: frames per second.
        rest: (J, 3) positions with all rotations at zero.
    """

    joint_names: tuple[str, ...]
    parents: tuple[int, ...]
    positions: np.ndarray
    fps: float
    rest: np.ndarray


@dataclass
class _Joint:
    name: str
    parent: int
    offset: np.ndarray | None = None
    channels: tuple[str, ...] = ()


_NAME = 5
"""Words of a joint's name, at most."""
JOINTS, POSITIONS = 1000, 3_000_000
"""Joints of a skeleton, and positions (joints x frames) of a file, at most; or as many positions as it has numbers."""


def read_bvh(text: str, name: str) -> Bvh:
    """Joint positions of a BVH file.

    A joint's position channels replace its offset; its rotations multiply in the order in which they are listed.

    Args:
        text: the file's contents.
        name: what to call the file in errors.

    Raises:
        DataError: not a BVH file, truncated, malformed, or with values that are not finite; names the line.
    """
    lines = text.splitlines()
    start = next((i for i, line in enumerate(lines) if line.strip() == "MOTION"), None)
    if start is None:
        raise DataError(f"{name}: line {len(lines)}: the file ends without a line MOTION; it is not BVH or truncated")
    joints = _hierarchy(lines[:start], name)
    frame_time, values = _motion(lines, start + 1, sum(len(j.channels) for j in joints), name)
    if len(joints) > JOINTS or len(joints) * len(values) > max(POSITIONS, values.size):
        raise DataError(
            f"{name}: {len(joints)} joints in {len(values)} frames of {values.shape[1]} numbers; at most {JOINTS} joints, "
            f"and {POSITIONS:,} positions in all, are read: cut it into shorter files"
        )
    names, parents = tuple(j.name for j in joints), tuple(j.parent for j in joints)
    rest = np.zeros((len(joints), 3))
    for j, joint in enumerate(joints):
        rest[j] = np.asarray(joint.offset) + (rest[joint.parent] if joint.parent >= 0 else 0)
    return Bvh(names, parents, _forward(joints, values), 1 / frame_time, rest)


class _Words:
    """The words of the hierarchy, one after another, with the line of the last one taken."""

    def __init__(self, lines: list[str], name: str) -> None:
        self._left = deque((word, number) for number, line in enumerate(lines, start=1) for word in line.split())
        self._name, self._line = name, 1

    def __bool__(self) -> bool:
        return bool(self._left)

    @property
    def where(self) -> str:
        return f"{self._name}: line {self._line}"

    def take(self) -> str:
        if not self._left:
            raise DataError(f"{self.where}: the hierarchy ends too early")
        word, self._line = self._left.popleft()
        return word


def _hierarchy(lines: list[str], name: str) -> list[_Joint]:
    """Joints in the order of the file, parents first."""
    words = _Words(lines, name)
    joints: list[_Joint] = []
    unclosed: list[int] = []
    if words.take() != "HIERARCHY":
        raise DataError(f"{words.where}: a BVH file begins with HIERARCHY")
    while words:
        word = words.take()
        if word in ("ROOT", "JOINT", "End"):
            parent = unclosed[-1] if unclosed else -1
            if (word == "ROOT") != (parent == -1):
                raise DataError(f"{words.where}: {word} is out of place")
            label = [words.take()]
            while (next_word := words.take()) != "{":  # names of 3ds Max's Biped hold spaces
                if len(label) == _NAME or next_word == "}":
                    raise DataError(f"{words.where}: '{{' is needed after {word} {label[0]}")
                label.append(next_word)
            joints.append(_Joint(" ".join(label) if word != "End" else f"{joints[parent].name}_end", parent))
            unclosed.append(len(joints) - 1)
        elif word == "}" and unclosed:
            if joints[unclosed.pop()].offset is None:
                raise DataError(f"{words.where}: a joint without OFFSET ends here")
        elif word == "OFFSET" and unclosed:
            joints[unclosed[-1]].offset = _numbers([words.take() for _ in range(3)], words.where)
        elif word == "CHANNELS" and unclosed:
            joints[unclosed[-1]].channels = _channels(words)
        else:
            raise DataError(f"{words.where}: unexpected {word!r}")
    if unclosed or not joints:
        raise DataError(
            f"{words.where}: the hierarchy ends with {len(joints)} joints, {len(unclosed)} of them not closed"
        )
    return joints


def _channels(words: _Words) -> tuple[str, ...]:
    count = words.take()
    channels = tuple(words.take() for _ in range(int(count))) if count in tuple("0123456") else (count,)
    if not set(channels) <= set(_CHANNELS) or len(set(channels)) < len(channels):
        raise DataError(
            f"{words.where}: CHANNELS {' '.join(channels)}; a count and names of {', '.join(_CHANNELS)} needed"
        )
    return channels


def _motion(lines: list[str], start: int, channels: int, name: str) -> tuple[float, np.ndarray]:
    """Seconds a frame, and the channel values (N, C) of the lines from index `start` on."""
    head = [lines[i].strip() if i < len(lines) else "" for i in (start, start + 1)]
    frames, time = (
        re.fullmatch(r"Frames:\s*(\d{1,9})", head[0]),
        re.fullmatch(r"Frame\s+Time:\s*([-+.,\deE]+)", head[1]),
    )
    if frames is None or int(frames[1]) < 1:
        raise DataError(f"{name}: line {start + 1}: {head[0]!r}; 'Frames: N' with N > 0 is needed")
    seconds = _numbers([time[1]], f"{name}: line {start + 2}")[0] if time else 0.0
    if seconds <= 0:
        raise DataError(f"{name}: line {start + 2}: {head[1]!r}; 'Frame Time: seconds' above 0 is needed")
    rows = []
    for number, line in enumerate(lines[start + 2 :], start=start + 3):
        if line.strip():
            rows.append(_numbers(line.split(), f"{name}: line {number}"))
            if len(rows[-1]) != channels:
                raise DataError(f"{name}: line {number}: {len(rows[-1])} values; the hierarchy has {channels} channels")
    if len(rows) != int(frames[1]):
        raise DataError(f"{name}: line {len(lines)}: the file ends after {len(rows)} frames; it announces {frames[1]}")
    return float(seconds), np.stack(rows)


def _numbers(words: list[str], where: str) -> np.ndarray:
    try:
        values = np.array(words, dtype=np.float64)
    except ValueError:
        try:  # decimals as some locales write them
            values = np.array([word.replace(",", ".", 1) for word in words], dtype=np.float64)
        except ValueError as error:
            raise DataError(f"{where}: {error}") from error
    if not np.isfinite(values).all():
        raise DataError(f"{where}: a value is not finite: {words[int(np.argmin(np.isfinite(values)))]}")
    return values


def _forward(joints: list[_Joint], values: np.ndarray) -> np.ndarray:
    """Positions (N, J, 3) from channel values (N, C)."""
    frames = len(values)
    positions = np.empty((frames, len(joints), 3))
    rotations: list[np.ndarray] = []  # (N, 3, 3) each, joint axes -> world axes
    column = 0
    for j, joint in enumerate(joints):
        place = np.tile(np.asarray(joint.offset), (frames, 1))  # (N, 3)
        own = values[:, column : column + len(joint.channels)]
        column += len(joint.channels)
        for channel, value in zip(joint.channels, own.T, strict=True):
            if channel.endswith("position"):
                place[:, "XYZ".index(channel[0])] = value
        turns = [i for i, channel in enumerate(joint.channels) if channel.endswith("rotation")]
        if turns:
            axes = "".join(joint.channels[i][0] for i in turns)  # upper case: each about the axes turned so far
            turn = Rotation.from_euler(axes, own[:, turns], degrees=True).as_matrix()
        else:
            turn = np.tile(np.eye(3), (frames, 1, 1))
        if joint.parent >= 0:
            above = rotations[joint.parent]
            place = positions[:, joint.parent] + np.einsum("nij,nj->ni", above, place)
            turn = above @ turn
        positions[:, j] = place
        rotations.append(turn)
    return positions
