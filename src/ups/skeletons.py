"""The listed skeletons, and those that users bring: by name, in a TOML file, or from the names of their joints alone."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path

from ups.errors import DataError
from ups.skeleton import SLOT_INDEX, SLOTS, Skeleton

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pyright: ignore[reportMissingImports]  (checked in an environment of 3.11)

_TOML = 20_000
"""Bytes of a file that describes a skeleton, at most: parsers need time and memory that grow faster than it does."""
_TORSO = ("neck", "chest", "spine", "pelvis")
_ABOVE: dict[str, tuple[str, ...]] = {
    "pelvis": (),
    "spine": ("pelvis",),
    "chest": ("spine", "pelvis"),
    "neck": ("chest", "spine", "pelvis"),
    "head": _TORSO,
    "head_top": ("head", *_TORSO),
    "nose": ("head", *_TORSO),
    "eye_inner": ("nose", "head", *_TORSO),
    "eye": ("*eye_inner", "nose", "head", *_TORSO),
    "eye_outer": ("*eye", "nose", "head", *_TORSO),
    "ear": ("*eye_outer", "*eye", "nose", "head", *_TORSO),
    "mouth": ("nose", "head", *_TORSO),
    "clavicle": ("chest", "neck", "spine", "pelvis"),
    "shoulder": ("*clavicle", "chest", "neck", "spine", "pelvis", "head", "nose"),
    "elbow": ("*shoulder",),
    "wrist": ("*elbow", "*shoulder"),
    "hand": ("*wrist", "*elbow"),
    "hand_tip": ("*hand", "*wrist"),
    "thumb": ("*hand", "*wrist"),
    "index": ("*hand", "*wrist"),
    "pinky": ("*hand", "*wrist"),
    "hip": ("pelvis", "spine", "chest", "neck", "*shoulder"),
    "knee": ("*hip",),
    "ankle": ("*knee",),
    "heel": ("*ankle", "*knee"),
    "foot": ("*ankle", "*knee"),
}
"""Where a joint's bone may lead, best first; * stands for the joint's own side."""


def find_skeleton(name: str) -> Skeleton:
    """The skeleton called `name`, or the one that the TOML file `name` describes.

    Raises:
        DataError: unknown name (close ones are suggested), or the file is not as `read_skeleton` needs it.
        OSError: the file can't be read.
    """
    if name.lower().endswith(".toml"):
        return read_skeleton(Path(name))
    if name not in SKELETONS:
        near = _similar(name, SKELETONS)
        raise DataError(f"unknown skeleton {name!r}{near}; known: {', '.join(SKELETONS)}, or a .toml file")
    return SKELETONS[name]


def read_skeleton(path: Path) -> Skeleton:
    """A skeleton from a TOML file; it is called what the file is called.

        joints = ["pelvis", "left_hip", ...]       # in the order of the data
        bones = [["left_hip", "pelvis"], ...]      # child, parent; may be left out
        root = ["pelvis"]                          # may be left out where there is a pelvis, or both hips

    Raises:
        DataError: not such a file, a joint that is not known (close ones are suggested), a joint with two parents, a
            cycle; or Python 3.10, which has no TOML reader.
        OSError: the file can't be read.
    """
    values = load_toml(path)
    unknown = sorted(set(values) - {"joints", "bones", "root"})
    if unknown or "joints" not in values:
        wrong = f"unknown {', '.join(unknown)}" if unknown else "joints are missing"
        raise DataError(
            f"{path}: {wrong}; joints = [...] is needed, bones = [[child, parent], ...] and root may follow"
        )
    joints = _names(values["joints"], f"{path}: joints")
    root = _names(values["root"], f"{path}: root") if "root" in values else None
    check_joints(joints, str(path))
    if "bones" not in values:
        return skeleton_of(joints, str(path), path.stem, root)
    parents = [-1] * len(joints)
    for item in values["bones"] if isinstance(values["bones"], list) else [values["bones"]]:
        bone = _names(item, f"{path}: a bone")
        if len(bone) != 2 or not set(bone) <= set(joints):
            raise DataError(f"{path}: bone {bone}; two of the skeleton's own joints, child and parent, are needed")
        child, parent = (joints.index(joint) for joint in bone)
        if parents[child] >= 0:
            raise DataError(f"{path}: {bone[0]} has two parents, {joints[parents[child]]} and {bone[1]}; keep one")
        parents[child] = parent
    return _build(path.stem, joints, parents, root, str(path))


def skeleton_of(
    joints: Sequence[str], where: str, name: str | None = None, root: Sequence[str] | None = None
) -> Skeleton:
    """The listed skeleton with just these joints in this order; else a new one whose bones join each to the nearest.

    Args:
        joints: slot names.
        where: what to name in errors.
        name: of a new skeleton; "custom-J" by default. A name given is kept even if a listed skeleton fits.
        root: of a new skeleton; by default the pelvis, or else both hips.

    Raises:
        DataError: unknown or repeated joints, or neither a pelvis nor both hips.
    """
    check_joints(joints, where)
    for skeleton in SKELETONS.values():
        if skeleton.joints == tuple(joints) and name is None and root is None:
            return skeleton
    parents = [next((joints.index(above) for above in _above(joint) if above in joints), -1) for joint in joints]
    return _build(name or f"custom-{len(joints)}", joints, parents, root, where)


def check_joints(joints: Iterable[str], where: str) -> None:
    """Raises DataError for a name that is no slot, with the nearest names."""
    for joint in joints:
        if joint not in SLOT_INDEX:
            raise DataError(f"{where}: {joint!r} is no known joint{_similar(joint, SLOTS)}; known: {', '.join(SLOTS)}")


def _build(name: str, joints: Sequence[str], parents: list[int], root: Sequence[str] | None, where: str) -> Skeleton:
    if root is None:
        root = ("pelvis",) if "pelvis" in joints else ("left_hip", "right_hip")
        if not set(root) <= set(joints):
            raise DataError(
                f"{where}: neither a pelvis nor both hips; say with root = [...] where the body's origin is"
            )
    try:
        return Skeleton(name, tuple(joints), tuple(parents), tuple(root))
    except ValueError as error:
        raise DataError(f"{where}: {error}") from error


def _above(joint: str) -> list[str]:
    side, _, part = joint.partition("_")
    if side not in ("left", "right"):
        return list(_ABOVE[joint])
    return [above.replace("*", f"{side}_") for above in _ABOVE[part]]


def _similar(name: str, known: Iterable[str]) -> str:
    words = name.lower().replace(" ", "_").replace("-", "_")
    near = get_close_matches(words, list(known), n=3) or get_close_matches(name.lower(), list(known), n=3)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _names(value: object, where: str) -> list[str]:
    if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
        raise DataError(f"{where}: {value!r}; a list of joint names is needed")
    return [str(v) for v in value]


def load_toml(path: Path) -> dict:
    """What a small TOML file says; DataError where it is large or no TOML, OSError where it can't be read."""
    if (size := path.stat().st_size) > _TOML:
        raise DataError(f"{path}: {size:,} bytes; a TOML file of joints has at most {_TOML:,}")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # not TOML, not UTF-8, or a number of 5,000 digits
        raise DataError(f"{path}: not a TOML file ({error})") from error


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
