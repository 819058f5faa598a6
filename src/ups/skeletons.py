"""Skeletons that users bring: by name, described in a TOML file, or from nothing but the names of their joints."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path

from ups.errors import DataError
from ups.skeleton import SKELETONS, SLOT_INDEX, SLOTS, Skeleton

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pyright: ignore[reportMissingImports]  (checked in an environment of 3.11)

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
    if name.endswith(".toml"):
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
    values = _load_toml(path)
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


def _load_toml(path: Path) -> dict:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a TOML file ({error})") from error
