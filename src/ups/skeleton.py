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
            values["name"], tuple(values["joints"]), tuple(int(p) for p in values["parents"]), tuple(values["root"])
        )


def _skeleton(name: str, joints: str, bones: str, root: tuple[str, ...] = ("pelvis",)) -> Skeleton:
    """Joints as words ("L" and "R" for sides), bones as "child-parent" words."""

    def full(word: str) -> str:
        return {"L": "left", "R": "right"}.get(word[0], word[0]) + word[1:] if word[:2] in ("L_", "R_") else word

    names = tuple(full(w) for w in joints.split())
    parents = [-1] * len(names)
    for bone in bones.split():
        child, parent = bone.split("-")
        sides = ("L_", "R_") if child.startswith("*") else ("",)
        for side in sides:
            c, p = (full(w.replace("*", side)) for w in (child, parent))
            parents[names.index(c)] = names.index(p)
    return Skeleton(name, names, tuple(parents), root)


_ARM4_L = "L_shoulder L_elbow L_wrist L_hand"
_ARM4_R = "R_shoulder R_elbow R_wrist R_hand"
_LEGS4 = "L_hip L_knee L_ankle L_foot R_hip R_knee R_ankle R_foot"
_KINECT_BONES = (
    "spine-pelvis chest-spine head-chest *shoulder-chest *elbow-*shoulder *wrist-*elbow *hand-*wrist "
    "*hip-pelvis *knee-*hip *ankle-*knee *foot-*ankle"
)
_LIMBS = "*elbow-*shoulder *wrist-*elbow *knee-*hip *ankle-*knee"

KINECT_20 = _skeleton("kinect-20", f"pelvis spine chest head {_ARM4_L} {_ARM4_R} {_LEGS4}", _KINECT_BONES)
"""Kinect v1: NW-UCLA's order."""
UTD_20 = _skeleton("utd-20", f"head chest spine pelvis {_ARM4_L} {_ARM4_R} {_LEGS4}", _KINECT_BONES)
"""Kinect v1: the same joints as `KINECT_20` in UTD-MHAD's order."""
NTU_25 = _skeleton(
    "ntu-25",
    f"pelvis spine neck head {_ARM4_L} {_ARM4_R} {_LEGS4} chest L_hand_tip L_thumb R_hand_tip R_thumb",
    "spine-pelvis chest-spine neck-chest head-neck *shoulder-chest *elbow-*shoulder *wrist-*elbow *hand-*wrist "
    "*hand_tip-*thumb *thumb-*hand *hip-pelvis *knee-*hip *ankle-*knee *foot-*ankle",
)
"""Kinect v2: NTU RGB+D. The data's "spine shoulder" is `chest`."""
_NITE_BONES = "neck-spine head-neck *shoulder-neck *elbow-*shoulder *hand-*elbow *hip-spine *knee-*hip *foot-*knee"
KARD_15 = _skeleton(
    "kard-15",
    "head neck R_shoulder R_elbow R_hand L_shoulder L_elbow L_hand spine R_hip R_knee R_foot L_hip L_knee L_foot",
    _NITE_BONES,
    ("left_hip", "right_hip"),
)
"""NiTE tracker, KARD's order; the data's "torso" is `spine`."""
SBU_15 = _skeleton(
    "sbu-15",
    "head neck spine L_shoulder L_elbow L_hand R_shoulder R_elbow R_hand L_hip L_knee L_foot R_hip R_knee R_foot",
    _NITE_BONES,
    ("left_hip", "right_hip"),
)
"""NiTE tracker, SBU's order; the data's "torso" is `spine`."""
HUMANEVA_15 = _skeleton(
    "humaneva-15",
    "pelvis chest L_shoulder L_elbow L_wrist R_shoulder R_elbow R_wrist L_hip L_knee L_ankle R_hip R_knee R_ankle head",
    f"chest-pelvis *shoulder-chest *hip-pelvis head-chest {_LIMBS}",
)
BANDAI_21 = _skeleton(
    "bandai-21",
    "pelvis spine chest neck head L_clavicle L_shoulder L_elbow L_wrist R_clavicle R_shoulder R_elbow R_wrist "
    "L_hip L_knee L_ankle L_foot R_hip R_knee R_ankle R_foot",
    f"spine-pelvis chest-spine neck-chest head-neck *clavicle-chest *shoulder-*clavicle *hip-pelvis *foot-*ankle "
    f"{_LIMBS}",
)
"""Bandai-Namco motion capture without its ground point and its zero-length end sites."""
PENN_13 = _skeleton(
    "penn-13",
    "head L_shoulder R_shoulder L_elbow R_elbow L_wrist R_wrist L_hip R_hip L_knee R_knee L_ankle R_ankle",
    f"L_shoulder-head R_shoulder-head *hip-*shoulder {_LIMBS}",
    ("left_hip", "right_hip"),
)
OPENPOSE_18 = _skeleton(
    "openpose-18",
    "nose neck R_shoulder R_elbow R_wrist L_shoulder L_elbow L_wrist R_hip R_knee R_ankle L_hip L_knee L_ankle "
    "R_eye L_eye R_ear L_ear",
    f"nose-neck *shoulder-neck *hip-neck *eye-nose *ear-*eye {_LIMBS}",
    ("left_hip", "right_hip"),
)
COCO_17 = _skeleton(
    "coco-17",
    "nose L_eye R_eye L_ear R_ear L_shoulder R_shoulder L_elbow R_elbow L_wrist R_wrist "
    "L_hip R_hip L_knee R_knee L_ankle R_ankle",
    f"*eye-nose *ear-*eye *shoulder-*ear *hip-*shoulder {_LIMBS}",
    ("left_hip", "right_hip"),
)
H36M_17 = _skeleton(
    "h36m-17",
    "pelvis R_hip R_knee R_ankle L_hip L_knee L_ankle spine chest nose head "
    "L_shoulder L_elbow L_wrist R_shoulder R_elbow R_wrist",
    f"spine-pelvis chest-spine nose-chest head-nose *shoulder-chest *hip-pelvis {_LIMBS}",
)
"""Human3.6M's 17-joint subset; its "neck/nose" joint lies at the face and is `nose`."""
MEDIAPIPE_33 = _skeleton(
    "mediapipe-33",
    "nose L_eye_inner L_eye L_eye_outer R_eye_inner R_eye R_eye_outer L_ear R_ear L_mouth R_mouth "
    "L_shoulder R_shoulder L_elbow R_elbow L_wrist R_wrist L_pinky R_pinky L_index R_index L_thumb R_thumb "
    "L_hip R_hip L_knee R_knee L_ankle R_ankle L_heel R_heel L_foot R_foot",
    "*eye_inner-nose *eye-*eye_inner *eye_outer-*eye *ear-*eye_outer *mouth-nose *shoulder-*ear *hip-*shoulder "
    f"*pinky-*wrist *index-*wrist *thumb-*wrist *heel-*ankle *foot-*heel {_LIMBS}",
    ("left_hip", "right_hip"),
)

SKELETONS: dict[str, Skeleton] = {
    s.name: s
    for s in (
        KINECT_20, UTD_20, NTU_25, KARD_15, SBU_15, HUMANEVA_15, BANDAI_21, PENN_13, OPENPOSE_18, COCO_17, H36M_17,
        MEDIAPIPE_33,
    )
}  # fmt: skip


def get_skeleton(name: str) -> Skeleton:
    """The skeleton called `name`; raises DataError with the known names."""
    if name not in SKELETONS:
        raise DataError(f"unknown skeleton {name!r}; known: {', '.join(SKELETONS)}")
    return SKELETONS[name]
