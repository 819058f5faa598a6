"""Skeletons: joint names, bones, mirror pairs, and the mapping of every joint to one canonical set of named slots.

A model's weights belong to *slots* ("left_wrist"), not to joint indices, so that one model reads every skeleton below.
A `Skeleton` says which slot each of its joints is, by name; nothing else in the package depends on a joint order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ups.errors import DataError

_CENTRE = ("pelvis", "spine", "chest", "neck", "head", "head_top", "nose")
_PAIRED = (
    "eye_inner", "eye", "eye_outer", "ear", "mouth",
    "clavicle", "shoulder", "elbow", "wrist", "hand", "hand_tip", "thumb", "index", "pinky",
    "hip", "knee", "ankle", "heel", "foot",
)  # fmt: skip
SLOTS: tuple[str, ...] = _CENTRE + tuple(f"{side}_{part}" for part in _PAIRED for side in ("left", "right"))
"""Every joint name the model knows. Order matters to saved weights: append, never insert."""
SLOT_INDEX: dict[str, int] = {name: i for i, name in enumerate(SLOTS)}


def mirrored(slot: str) -> str:
    """The slot on the other side of the body; a centre slot is its own mirror image."""
    if slot.startswith("left_"):
        return "right_" + slot.removeprefix("left_")
    if slot.startswith("right_"):
        return "left_" + slot.removeprefix("right_")
    return slot


@dataclass(frozen=True)
class Skeleton:
    """J named joints in a fixed order.

    Attributes:
        name: the key under which `SKELETONS` holds it.
        joints: J slot names, in the order of the data's joint axis.
        parents: J indices, -1 for the joint that has no parent; bones are (child, parent) pairs.
        root: the slots whose mean is the body's origin (the pelvis, or both hips where no pelvis is recorded).

    Raises:
        DataError: unknown or repeated slot, a parent out of range, a cycle, or a root that is not a joint.
    """

    name: str
    joints: tuple[str, ...]
    parents: tuple[int, ...]
    root: tuple[str, ...]

    def __post_init__(self) -> None:
        unknown = [j for j in self.joints if j not in SLOT_INDEX]
        if unknown:
            raise DataError(f"skeleton {self.name!r}: unknown joints {unknown}; known names are {', '.join(SLOTS)}")
        if len(set(self.joints)) != len(self.joints):
            repeated = sorted({j for j in self.joints if self.joints.count(j) > 1})
            raise DataError(f"skeleton {self.name!r}: joints named twice: {repeated}")
        if len(self.parents) != len(self.joints):
            raise DataError(f"skeleton {self.name!r}: {len(self.parents)} parents for {len(self.joints)} joints")
        for child, parent in enumerate(self.parents):
            if not -1 <= parent < len(self.joints) or parent == child:
                raise DataError(f"skeleton {self.name!r}: parent {parent} of joint {child} is not another joint")
            seen, up = {child}, parent
            while up != -1:
                if up in seen:
                    raise DataError(f"skeleton {self.name!r}: the bones above joint {self.joints[child]} form a cycle")
                seen.add(up)
                up = self.parents[up]
        missing = [j for j in self.root if j not in self.joints]
        if missing or not self.root:
            raise DataError(f"skeleton {self.name!r}: root {self.root} must name joints of the skeleton")

    def __len__(self) -> int:
        return len(self.joints)

    @cached_property
    def slots(self) -> tuple[int, ...]:
        """Slot index of every joint (J)."""
        return tuple(SLOT_INDEX[j] for j in self.joints)

    @cached_property
    def bones(self) -> tuple[tuple[int, int], ...]:
        """(child, parent) joint indices."""
        return tuple((c, p) for c, p in enumerate(self.parents) if p >= 0)

    @cached_property
    def root_indices(self) -> tuple[int, ...]:
        """Joint indices whose mean is the body's origin."""
        return tuple(self.joints.index(j) for j in self.root)

    @cached_property
    def sided(self) -> tuple[int, ...]:
        """Indices of left and right joints."""
        return tuple(i for i, joint in enumerate(self.joints) if joint.startswith(("left_", "right_")))

    @cached_property
    def top_down(self) -> tuple[int, ...]:
        """Joint indices by depth in the tree of bones, then by slot: parents before children."""

        def depth(joint: int) -> int:
            return 0 if self.parents[joint] < 0 else 1 + depth(self.parents[joint])

        return tuple(sorted(range(len(self.joints)), key=lambda i: (depth(i), self.slots[i])))

    @cached_property
    def mirror(self) -> tuple[int, ...]:
        """Index of each joint's mirror image (J): `joints[..., mirror, :]` swaps left and right."""
        return tuple(
            self.joints.index(mirrored(j)) if mirrored(j) in self.joints else i for i, j in enumerate(self.joints)
        )

    @cached_property
    def mirror_pairs(self) -> tuple[tuple[int, int], ...]:
        """(left, right) joint indices."""
        return tuple((i, self.mirror[i]) for i, j in enumerate(self.joints) if j.startswith("left_"))

    @cached_property
    def slot_order(self) -> tuple[int, ...]:
        """Joint indices sorted by slot: two skeletons with the same joints in any order agree after this permutation."""
        return tuple(sorted(range(len(self.joints)), key=lambda i: self.slots[i]))

    def sorted_by_slot(self) -> Skeleton:
        """The same skeleton with its joints in slot order, the order in which the model sees them."""
        return self._sorted_by_slot

    @cached_property
    def _sorted_by_slot(self) -> Skeleton:
        place = {old: new for new, old in enumerate(self.slot_order)}
        return Skeleton(
            self.name,
            tuple(self.joints[i] for i in self.slot_order),
            tuple(place[self.parents[i]] if self.parents[i] >= 0 else -1 for i in self.slot_order),
            self.root,
        )

    def to_dict(self) -> dict[str, object]:
        """Plain JSON values; `from_dict` reads them back."""
        return {
            "name": self.name,
            "joints": list(self.joints),
            "parents": list(self.parents),
            "root": list(self.root),
        }

    @staticmethod
    def from_dict(values: dict) -> Skeleton:
        """The inverse of `to_dict`."""
        return Skeleton(
            str(values["name"]),
            tuple(values["joints"]),
            tuple(int(p) for p in values["parents"]),
            tuple(values["root"]),
        )
