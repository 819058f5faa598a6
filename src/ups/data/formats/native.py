"""The project's own files of one recording: .npz, .json and .csv, simple enough to be made in ten lines by hand."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, get_args

import numpy as np

from ups.batch import PERSONS
from ups.data.formats.arrangement import check_arrangement
from ups.data.formats.joint_map import JointMap
from ups.data.formats.joint_names import Naming, is_body, near, quoted, slots_of
from ups.data.formats.moments import Moments, in_time, moments_of, role_of
from ups.data.formats.named import Wish, left_out_notice, skeleton_for
from ups.data.formats.own_keys import KEYS, by_our_keys, rate_of, sides_of
from ups.data.formats.own_table import MOMENTS, OTHERS, TOLD, table_fields
from ups.data.formats.repair import OWN_UP, check_wish, repaired
from ups.data.formats.safe_pickle import load_npz
from ups.errors import DataError
from ups.files import write_whole
from ups.notices import Notice
from ups.pose import PoseSequence, Space
from ups.seen import not_seen, numbers
from ups.skeleton import Skeleton
from ups.skeletons import SKELETONS, check_joints, find_skeleton, skeleton_of

_TWICE = 5
"""Joints that have two names, from which these may be two sets of joints."""
_FEW = 3
"""Frames of more than PERSONS persons that are rather persons of as many frames."""


def read_own(
    path: Path,
    skeleton: Skeleton | None = None,
    fps: float | None = None,
    image_size: tuple[int, int] | None = None,
    joint_map: JointMap | None = None,
    wish: Wish | None = None,
) -> PoseSequence:
    """One recording from a .npz, .json or .csv file.

    joints is (J, V) for each of N frames, or M persons of N frames each, in the unit and frame that `space` names: by
    default "image" where V is 2; with V = 3 the file has to say. NaN (null, an empty cell) stands for a joint that was
    not seen, and so does a 2D joint at (0, 0). A .csv has a row a frame, columns such as left_wrist_x, left_wrist_y,
    left_wrist_z, left_wrist_v (visibility), perhaps frame and person, and `# key = value` lines on top for the rest.

    Args:
        path: the file; its name without the ending is the clip's id if it holds none.
        skeleton: of the joints, where the file does not name it. If the file names its joints, those of the skeleton
            are picked out.
        fps, image_size: where the file does not say; FPS if nobody does.
        joint_map: which joint of the file is which, by its name there or its number.
        wish: its up, unit, coordinates, rotate and fixes, which count more than the file's.

    Raises:
        DataError: anything that is not as described.
        OSError: the file can't be read.
    """
    fields = {key: value for key, value in read_fields(path).items() if value is not None}
    fields, guessed = by_our_keys(fields)
    others, moments, said = fields.pop(OTHERS, []), fields.pop(MOMENTS, None), fields.pop(TOLD, ())
    guessed = (*guessed, *said) if path.suffix.lower() not in _ARRAYS else guessed
    when = sorted(
        (key for key in fields if role_of(key)[0] in ("time", "frame")), key=lambda key: role_of(key)[0] != "time"
    )
    unknown = sorted(set(fields) - set(KEYS) - set(when))
    if "joints" not in fields or unknown:
        wrong = f"{', '.join(unknown[:3])} unknown" if unknown else "no joints"
        raise DataError(f"{path}: {wrong}; a recording may hold {', '.join(KEYS)}, and must hold joints")
    joints = _numbers(fields, "joints", path)
    joints = joints[None] if joints.ndim == 3 else joints
    if joints.ndim != 4:
        raise DataError(
            f"{path}: joints have shape {joints.shape}; (frames, joints, coordinates) is needed, or persons before it"
        )
    if joints.shape[-1] not in (2, 3):
        turned = ": exchange the last two axes" if joints.shape[-2] in (2, 3) else ""
        raise DataError(
            f"{path}: joints have shape {joints.shape}; 2 or 3 coordinates of a joint stand in the last axis{turned}"
        )
    check_axes(joints.shape, str(path))
    wish = _own_wish(fields, wish or Wish(), path)
    if "score-z" in wish.fixes and joints.shape[-1] == 3:
        fields = {"space": "image"} | fields | {"visibility": joints[..., 2]}
        joints = joints[..., :2]
    space = _space(fields, joints, wish, path)
    shape = joints.shape[:3]
    found, order, named = _skeleton(fields, skeleton, joints.shape[2], path, joint_map)
    if others and isinstance(others, list):
        what = "columns that are no joint's are left out"
        named = (*named, Notice("note", what, "nothing, if they hold something else", quoted(others)))
    if path.suffix.lower() in _ARRAYS:
        known = {shape[2]: dict(zip(found.joints, order, strict=True))}
        guessed = (*guessed, *check_arrangement(joints[0] if len(joints) == 1 else joints, joints, known, str(path)))
    root = [order[i] for i in found.root_indices]
    scores = _like(fields, "visibility", shape, path) if "visibility" in fields else None
    joints, visibility, told = not_seen(joints, scores, str(path), root, [order[i] for i in found.sided])
    pose_3d = _like(fields, "pose_3d", (*shape, 3), path) if "pose_3d" in fields else None
    pose_3d = None if pose_3d is None else np.nan_to_num(pose_3d)
    if moments is None and when:
        moments = _per_frame(fields, when[0], joints.shape[1], path)
    stated = stated_fps(fields, path)
    joints, visibility, pose_3d, rate, more = in_time(moments, joints, visibility, pose_3d, stated, fps, str(path))
    size = fields.get("image_size", image_size)
    clip = PoseSequence(
        joints=joints[:, :, order],
        visibility=visibility[:, :, order],
        skeleton=found,
        space=space,
        fps=rate,
        id=str(fields.get("id", path.stem)),
        label=_scalar(fields, "label", -1, int, path),
        subject=_scalar(fields, "subject", -1, int, path),
        view=_scalar(fields, "view", -1, int, path),
        image_size=None if size is None else _pair(size, path),
        focal=_scalar(fields, "focal", 0, float, path) if "focal" in fields else None,
        centre=_point(fields["centre"], path) if "centre" in fields else None,
        pose_3d=None if pose_3d is None else pose_3d[:, :, order],
        notices=(*guessed, *named, *told, *more),
    )
    return repaired(clip, wish, str(path))


def check_axes(shape: tuple[int, ...], where: str) -> None:
    """Raises DataError for (M, N, J, V) of many persons in a few frames: the two axes are exchanged."""
    if shape[1] <= _FEW and shape[0] > PERSONS:
        raise DataError(
            f"{where}: shape {shape} would be {shape[0]} persons in {shape[1]} frames; persons come before frames: "
            "exchange the first two axes"
        )


def _own_wish(fields: dict[str, Any], wish: Wish, path: Path) -> Wish:
    """What the user says, else the file, of up, unit and coordinates."""
    said = {key: str(fields[key]).strip().lower() for key in ("up", "unit", "coordinates") if key in fields}
    wish = replace(wish, **{key: getattr(wish, key) or value for key, value in said.items()})
    check_wish(wish, str(path))
    return wish


def _per_frame(fields: dict[str, Any], key: str, frames: int, path: Path) -> Moments:
    """One finite number, or clock time, for every frame."""
    role, unit = role_of(key)
    assert role is not None
    given = fields[key]
    if isinstance(given, list) and any(isinstance(value, str) for value in given):
        moments = moments_of([str(value) for value in given], role, unit, str(path), key)
    else:
        moments = Moments(_numbers(fields, key, path), role == "time", unit)
    values = moments.values
    values = values.reshape(-1) if values.size == frames else values  # a column is as good as a row
    if values.shape != (frames,) or not np.isfinite(values).all() or np.abs(values).max() >= 2**62:
        found = f"shape {values.shape}" if values.shape != (frames,) else "values that are no numbers"
        raise DataError(f"{path}: {key} has {found}; one number for each of {frames} frames is needed")
    return replace(moments, values=values)


def write_file(clip: PoseSequence, path: Path | str) -> None:
    """Writes a recording as .npz; `read_own` reads the same back, every value exact. An old file is replaced whole.

    Raises:
        DataError: `path` does not end in .npz.
        OSError: it can't be written; nothing half-written is left behind.
    """
    path = Path(path)
    if path.suffix.lower() != ".npz":
        raise DataError(f"{path}: a recording is written as .npz")
    s = clip.skeleton
    values: dict[str, Any] = {"joints": clip.joints, "visibility": clip.visibility, "fps": np.float64(clip.fps)}
    values |= {"space": clip.space, "skeleton": s.name, "label": clip.label, "subject": clip.subject, "view": clip.view}
    values |= {"id": clip.id} if clip.id else {}
    if SKELETONS.get(s.name) != s:
        values |= {"joint_names": list(s.joints), "parents": list(s.parents), "root": list(s.root)}
    if clip.image_size is not None:
        values["image_size"] = list(clip.image_size)
    values |= {key: np.array(v) for key, v in (("focal", clip.focal), ("centre", clip.centre)) if v is not None}
    if clip.up_known:
        values["up"] = OWN_UP[clip.space]
    if clip.pose_3d is not None:
        values["pose_3d"] = clip.pose_3d
    arrays = {key: np.asarray(value) for key, value in values.items()}
    write_whole(path, lambda file: write_npz(file, arrays))


def write_npz(file: IO[bytes], arrays: dict[str, np.ndarray], allow_pickle: bool = False) -> None:
    """A compressed .npz, the same bytes for the same arrays; with `allow_pickle` arrays may hold objects."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, array in arrays.items():
            with archive.open(f"{key}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=allow_pickle)


def read_fields(path: Path) -> dict[str, Any]:
    """What a .npz, .json or .csv file holds, by key, unchecked; a .csv is brought into the form of the others.

    Raises:
        DataError: another ending, or a file that can't be read as what its ending says.
        OSError: the file can't be opened.
    """
    if path.suffix.lower() not in _FIELDS:
        raise DataError(f"{path}: one recording is a {', '.join(_FIELDS)} file")
    return _FIELDS[path.suffix.lower()](path)


def _npz_fields(path: Path) -> dict[str, Any]:
    return {
        key: value.tolist() if value.ndim == 0 or value.dtype.kind == "U" else value
        for key, value in load_npz(path).items()
    }


def _json_fields(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not a readable JSON file ({error})") from error
    if not isinstance(record, dict):
        raise DataError(f"{path}: an object with joints is needed, found a {type(record).__name__}")
    return record


_FIELDS: dict[str, Callable[[Path], dict[str, Any]]] = {
    ".npz": _npz_fields,
    ".json": _json_fields,
    ".csv": table_fields,
    ".tsv": table_fields,
    ".txt": table_fields,
}
"""Ending -> reader. A .tsv or .txt of a table is a .csv with another separator."""
_ARRAYS = (".npz", ".json")


def _skeleton(
    fields: dict[str, Any], given: Skeleton | None, joints: int, path: Path, joint_map: JointMap | None
) -> tuple[Skeleton, Sequence[int], tuple[Notice, ...]]:
    """The skeleton, for each of its joints the place of that joint in the file, and what to tell."""
    names = fields.get("joint_names")
    if names is not None and not isinstance(names, list | tuple | np.ndarray):
        raise DataError(f"{path}: joint_names is {names!r:.40}; a list of names is needed")
    names = None if names is None else [str(name) for name in names]
    if names is not None and (len(names) != joints or len(set(names)) != joints):
        raise DataError(f"{path}: {len(set(names))} different joint_names for {joints} joints")
    if joint_map is not None:
        mapped = joint_map.places(names, joints, str(path))
        found = skeleton_for(mapped, str(path))
        return found, [mapped[joint] for joint in found.joints], ()
    if names is None:
        if given is None and "skeleton" not in fields:
            raise DataError(
                f"{path}: {joints} joints, but not which; name the skeleton, one of {', '.join(SKELETONS)}, "
                "or list joint_names"
            )
        found = _named(fields, path) if given is None or "skeleton" in fields else given
        if len(found) != joints:
            raise DataError(
                f"{path}: {joints} joints, and skeleton {found.name!r} has {len(found)}; (frames, joints, coordinates) is needed"
            )
        return found, range(joints), ()
    if given is None and "parents" in fields:
        check_joints(names, str(path))
        return _described(fields, names, path), range(joints), ()
    if (ranks := _ranks(names)) is not None:
        if given is None and "skeleton" not in fields:
            fitting = [s.name for s in SKELETONS.values() if len(s) == joints]
            remedy = f"--skeleton, one of {', '.join(fitting)}, or --joint-map" if fitting else "--joint-map"
            raise DataError(f"{path}: {joints} joints called {quoted(names)}, but not which; give {remedy}")
        found = given if given is not None else _named(fields, path)
        if len(found) != joints:
            raise DataError(f"{path}: {joints} numbered joints, and skeleton {found.name!r} has {len(found)}")
        return found, ranks, ()
    naming = slots_of(names)
    _check_once(naming, names, path)
    if naming.left_out and not is_body(naming.places):
        raise DataError(
            f"{path}: {naming.left_out[0][:40]!r} is no known joint{near(naming.left_out)}; call the joints as docs/own_data.md "
            "does, or say which is which with --joint-map (`ups data joints` writes one to edit)"
        )
    order = dict(sorted(naming.places.items(), key=lambda place: place[1]))
    found = given or (_named(fields, path) if "skeleton" in fields else skeleton_of(list(order), str(path)))
    missing = [joint for joint in found.joints if joint not in order]
    if missing:
        unknown = f"; its {quoted(naming.left_out)} is unknown{near(naming.left_out)}" if naming.left_out else ""
        raise DataError(f"{path}: skeleton {found.name!r} has {', '.join(missing[:3])}, which the file lacks{unknown}")
    return found, [order[joint] for joint in found.joints], left_out_notice(naming.left_out, joints, found.joints)


def _ranks(names: Sequence[str]) -> list[int] | None:
    """Places of names that only count, kp0, kp1, ..., by their numbers, which begin at 0 or 1; None for other names."""
    found = [
        re.fullmatch(r"(?i)(kp|kpt|keypoint|joint|point|pt|p|j|lm|landmark|marker|pose)[\s_.\-]*(\d{1,4})", n)
        for n in names
    ]
    numbers = [int(match[2]) if match else -1 for match in found]
    first = min(numbers)
    if first not in (0, 1) or sorted(numbers) != list(range(first, first + len(names))):
        return None
    return sorted(range(len(names)), key=numbers.__getitem__)


def _check_once(naming: Naming, names: Sequence[str], path: Path) -> None:
    """Raises DataError where most joints have two names, as of two cameras, or of raw and filtered coordinates."""
    again = slots_of(naming.left_out).places if naming.left_out else {}
    twice = [slot for slot in naming.places if slot in again]
    if len(twice) >= max(_TWICE, len(naming.places) / 2):
        first, second = names[naming.places[twice[0]]], naming.left_out[again[twice[0]]]
        raise DataError(
            f"{path}: {len(twice)} of {len(naming.places)} joints are there twice, such as {first!r:.60} and {second!r:.60}; "
            "write a file for each camera or kind of coordinates, call two people person1_... and person2_..., or say "
            "which to read with --joint-map"
        )


def _described(fields: dict[str, Any], names: list[str], path: Path) -> Skeleton:
    try:
        parents, root = (int(p) for p in fields["parents"]), (str(r) for r in fields["root"])
        return Skeleton(str(fields["skeleton"]), tuple(names), tuple(parents), tuple(root))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: skeleton, joint_names, parents and root do not fit together ({error})") from error


def _named(fields: dict[str, Any], path: Path) -> Skeleton:
    try:
        return find_skeleton(str(fields["skeleton"]))
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _space(fields: dict[str, Any], joints: np.ndarray, wish: Wish, path: Path) -> Space:
    channels = joints.shape[-1]
    if "space" not in fields and channels == 3 and wish.space is not None:
        return wish.space
    if "space" not in fields and channels == 3 and wish.up is not None:
        return "world"
    if "space" not in fields and channels == 3 and _is_score(joints[..., 2], joints[..., :2]):
        raise DataError(
            f"{path}: the third coordinate of each joint looks like a score, 0 to 1, not like a depth; add --fix score-z"
        )
    if "space" not in fields and channels != 2:
        raise DataError(
            f"{path}: {channels} coordinates a joint, but not in which frame; say space = camera (metres, x "
            "right, y down, z forward), kinect (metres, y up, z away from the sensor) or world (metres, y up)"
        )
    space = str(fields.get("space", "image"))
    for known in get_args(Space):
        if space == known:
            return known
    raise DataError(f"{path}: space {space!r} is not one of {', '.join(get_args(Space))}")


def _is_score(third: np.ndarray, plane: np.ndarray) -> bool:
    """Whether a third coordinate lies in 0..1 while the other two are pixels."""
    if not np.isfinite(third).any() or not np.isfinite(plane).any():
        return False
    return float(np.nanmin(third)) >= 0 and float(np.nanmax(third)) <= 1.05 and float(np.nanmax(plane)) > 20


def _numbers(fields: dict[str, Any], key: str, path: Path) -> np.ndarray:
    values = fields[key]
    if isinstance(values, list) and key in ("joints", "visibility", "pose_3d"):
        values = _filled(values, _shape(values))
    return numbers(values, str(path), key)


def _shape(values: Any) -> tuple[int, ...]:
    """Shape of nested lists by the first that is not empty at each depth."""
    if not isinstance(values, list):
        return ()
    return (len(values), *max((_shape(value) for value in values), key=len, default=()))


def _filled(values: Any, shape: tuple[int, ...]) -> Any:
    """Nested lists with NaN for every null or empty list in the place of a list: a frame with nobody, a joint not seen."""
    if len(shape) < 2 or not isinstance(values, list):
        return values
    return [np.full(shape[1:], np.nan).tolist() if v is None or v == [] else _filled(v, shape[1:]) for v in values]


def _like(fields: dict[str, Any], key: str, shape: tuple[int, ...], path: Path) -> np.ndarray:
    values = _numbers(fields, key, path)
    if key == "visibility" and values.shape in ((*shape, 1), (*shape[1:], 1)):
        values = values[..., 0]
    if values.shape not in (shape, shape[1:]) or (values.shape == shape[1:] and shape[0] != 1):
        raise DataError(f"{path}: {key} has shape {values.shape}; {shape} is needed")
    return values.reshape(shape)


def _scalar(fields: dict[str, Any], key: str, default: float, kind: type, path: Path) -> Any:
    given = fields.get(key, default)
    try:
        value = float(np.asarray(given).reshape(()) if np.size(given) == 1 else given)
        if kind is int and value != int(value):
            raise DataError(f"{value} is not whole")
        return kind(value)
    except (ValueError, TypeError, OverflowError, ZeroDivisionError) as error:
        hint = "; class names belong in clips.csv" if key == "label" else ""
        raise DataError(f"{path}: {key}: {given!r:.60} is no number ({str(error)[:80]}){hint}") from error


def stated_fps(fields: dict[str, Any], path: Path) -> float | None:
    """Frames per second that a file says, None where it doesn't; DataError where that is no number."""
    if "fps" not in fields:
        return None
    given = fields["fps"]
    one = given.item() if isinstance(given, np.ndarray | np.generic) and given.size == 1 else given
    one = one[0] if isinstance(one, list) and len(one) == 1 else one
    return rate_of(one, f"{path}: fps")


def stated_size(fields: dict[str, Any], path: Path) -> tuple[int, int] | None:
    """Width and height that a file says, None where it doesn't; DataError where those are no numbers."""
    return _pair(fields["image_size"], path) if "image_size" in fields else None


def _point(given: Any, path: Path) -> tuple[float, float]:
    try:
        x, y = (float(value) for value in given)
        if not np.isfinite([x, y]).all():
            raise ValueError("not finite")
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(f"{path}: centre {given!r:.60}; x and y of the principal point in pixels are needed") from error
    return x, y


def _pair(size: Any, path: Path) -> tuple[int, int]:
    try:
        width, height = (int(float(value)) for value in sides_of(size))
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(f"{path}: image_size {size!r:.60}; width and height in pixels are needed") from error
    if min(width, height) < 1:
        raise DataError(f"{path}: image_size {width} x {height}; width and height in pixels are needed")
    return width, height
