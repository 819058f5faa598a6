"""The grammar of a task's output: which decoder position each step has, and which tokens may stand there (paper 3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ups.skeleton import SLOT_INDEX, SLOTS, Skeleton

if TYPE_CHECKING:  # who prepares poses for another runtime needs no PyTorch
    pass

CLASS_POSITION = 3 * len(SLOTS)
"""Decoder position of an action token; positions below are slot * 3 + axis."""


END_POSITION = CLASS_POSITION + 1
"""Decoder position of an end-of-task token."""


POSITIONS = END_POSITION + 1


@dataclass(frozen=True)
class Layout:
    """What the decoder is to produce at each of K steps: the grammar of a task's output.

    Attributes:
        positions: K decoder positions: slot * 3 + axis, CLASS_POSITION or END_POSITION.
        allowed: K tuples of the token ids that may stand there, ascending.
        anchors: K indices of the joint (slot order) whose coordinate stands there, -1 where it is none's.
        parents: K indices of the earlier token that a token continues: the same axis of the parent joint, the last
            coordinate for an end-of-task token, -1 = none. Tokens are sorted by their depth in this tree.
        per_frame: True = one sequence for each person and target frame, reading that frame's joints;
            False = one sequence for the clip.
    """

    positions: tuple[int, ...]
    allowed: tuple[tuple[int, ...], ...]
    anchors: tuple[int, ...]
    parents: tuple[int, ...]
    per_frame: bool

    @cached_property
    def choices(self) -> dict[tuple[int, ...], list[int]]:
        """Which steps choose among the same tokens: allowed tokens -> step numbers."""
        steps: dict[tuple[int, ...], list[int]] = {}
        for k, ids in enumerate(self.allowed):
            steps.setdefault(ids, []).append(k)
        return steps


def class_layout(class_tokens: tuple[int, ...], eot: int) -> Layout:
    """An action token, then the end-of-task token (paper 3.2)."""
    allowed = (tuple(sorted(class_tokens)), (eot,))
    return Layout((CLASS_POSITION, END_POSITION), allowed, (-1, -1), (-1, 0), per_frame=False)


def pose_layout(skeleton: Skeleton, joints: tuple[str, ...], axes: tuple[range, range, range], eot: int) -> Layout:
    """x, y, z of every joint given, then the end-of-task token (paper 3.2).

    `joints` are those of `skeleton` (slot order) that are written, parents before children (see `Skeleton.top_down`);
    `axes` the token ranges of X, Y and Z.
    """
    positions = tuple(SLOT_INDEX[j] * 3 + axis for j in joints for axis in range(3))
    anchors = tuple(skeleton.joints.index(j) for j in joints for _ in range(3))
    ids = tuple(tuple(r) for r in axes)
    allowed = tuple(ids[axis] for _ in joints for axis in range(3))
    above = [_written_parent(skeleton, j, joints) for j in joints]
    parents = tuple(3 * p + axis if p >= 0 else -1 for p in above for axis in range(3))
    last = len(positions) - 1
    return Layout((*positions, END_POSITION), (*allowed, (eot,)), (*anchors, -1), (*parents, last), per_frame=True)


def _written_parent(skeleton: Skeleton, joint: str, joints: tuple[str, ...]) -> int:
    """Place among `joints` of the nearest joint above `joint`, -1 where there is none."""
    up = skeleton.parents[skeleton.joints.index(joint)]
    while up >= 0 and skeleton.joints[up] not in joints:
        up = skeleton.parents[up]
    return joints.index(skeleton.joints[up]) if up >= 0 else -1
