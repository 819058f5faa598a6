"""The project's own files of one recording: .npz, .json and .csv, simple enough to be made in ten lines by hand."""

from __future__ import annotations

import csv
import json
import re
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, get_args

import numpy as np

from ups.data.formats.safe_pickle import load_npz
from ups.errors import DataError
from ups.files import write_whole
from ups.pose import PoseSequence, Space
from ups.skeleton import Skeleton
from ups.skeletons import SKELETONS, check_joints, find_skeleton, skeleton_of

FPS = 30.0
"""Assumed where a file does not give its frames per second."""
KEYS = (
    "joints", "visibility", "fps", "skeleton", "joint_names", "parents", "root", "space", "image_size", "label", "id",
    "subject", "view", "pose_3d",
)  # fmt: skip
"""What a file may hold; only `joints` is needed, and the skeleton: its name, or the names of its joints."""
CELLS = 10_000_000
"""Numbers of a .csv whose rows are put in their places, at most; or four times as many as it has cells."""
_COLUMN = re.compile(r"(.+)_([xyzv])")


def read_own(
    path: Path,
    skeleton: Skeleton | None = None,
    fps: float | None = None,
    image_size: tuple[int, int] | None = None,
    space: Space | None = None,
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
        space: of 3D joints, where the file does not say.

    Raises:
        DataError: anything that is not as described.
        OSError: the file can't be read.
    """
    fields = read_fields(path)
    unknown = sorted(set(fields) - set(KEYS))
    if "joints" not in fields or unknown:
        wrong = f"{', '.join(unknown)} unknown" if unknown else "no joints"
        raise DataError(f"{path}: {wrong}; a recording may hold {', '.join(KEYS)}, and must hold joints")
    joints = _numbers(fields, "joints", path)
    joints = joints[None] if joints.ndim == 3 else joints
    if joints.ndim != 4:
        raise DataError(
            f"{path}: joints have shape {joints.shape}; (frames, joints, coordinates) is needed, or persons before it"
        )
    space = _space(fields, joints.shape[-1], path, space)
    seen = np.isfinite(joints).all(-1) & ((joints != 0).any(-1) | (space != "image"))
    visibility = _like(fields, "visibility", joints.shape[:3], path) if "visibility" in fields else seen
    found, order = _skeleton(fields, skeleton, joints.shape[2], path)
    size = fields.get("image_size", image_size)
    pose_3d = _like(fields, "pose_3d", (*joints.shape[:3], 3), path) if "pose_3d" in fields else None
    return PoseSequence(
        joints=np.where(np.isfinite(joints), joints, 0)[:, :, order],
        visibility=np.where(np.isfinite(joints).all(-1), visibility, 0)[:, :, order],
        skeleton=found,
        space=space,
        fps=_scalar(fields, "fps", fps or FPS, float, path),
        id=str(fields.get("id", path.stem)),
        label=_scalar(fields, "label", -1, int, path),
        subject=_scalar(fields, "subject", -1, int, path),
        view=_scalar(fields, "view", -1, int, path),
        image_size=None if size is None else _pair(size, path),
        pose_3d=None if pose_3d is None else np.nan_to_num(pose_3d)[:, :, order],
    )


def write_file(clip: PoseSequence, path: Path | str) -> None:
    """Writes a recording as .npz; `read_own` reads the same back, every value exact. An old file is replaced whole.

    Raises:
        DataError: `path` does not end in .npz.
        OSError: it can't be written; nothing half-written is left behind.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise DataError(f"{path}: a recording is written as .npz")
    s = clip.skeleton
    values: dict[str, Any] = {"joints": clip.joints, "visibility": clip.visibility, "fps": np.float64(clip.fps)}
    values |= {"space": clip.space, "skeleton": s.name, "label": clip.label, "subject": clip.subject, "view": clip.view}
    values |= {"id": clip.id} if clip.id else {}
    if SKELETONS.get(s.name) != s:
        values |= {"joint_names": list(s.joints), "parents": list(s.parents), "root": list(s.root)}
    if clip.image_size is not None:
        values["image_size"] = list(clip.image_size)
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
    if path.suffix not in _FIELDS:
        raise DataError(f"{path}: one recording is a {', '.join(_FIELDS)} file")
    return _FIELDS[path.suffix](path)


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


def _csv_fields(path: Path) -> dict[str, Any]:
    try:
        lines = [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text file ({error}); save it as CSV in UTF-8") from error
    notes = [line.lstrip("# ") for line in lines if line.startswith("#")]
    table = list(csv.reader(line for line in lines if not line.startswith("#")))
    if len(table) < 2:
        raise DataError(f"{path}: a line of column names and a row a frame are needed")
    head, rows = [name.strip() for name in table[0]], table[1:]
    axes, joints, columns = _csv_columns(head, path)
    values = np.full((len(rows), len(head)), np.nan)
    for r, row in enumerate(rows):
        if len(row) != len(head):
            raise DataError(f"{path}: data row {r + 1} has {len(row)} cells, the column names {len(head)}")
        for c, cell in enumerate(row):
            if cell.strip():
                try:
                    values[r, c] = float(cell)
                except ValueError as error:
                    raise DataError(f"{path}: data row {r + 1}, column {head[c]}: {cell!r} is no number") from error
    block = _csv_place(values, head, columns, path)
    fields: dict[str, Any] = {"joints": block[..., : len(axes.removesuffix("v"))], "joint_names": joints}
    if axes.endswith("v"):
        fields["visibility"] = np.nan_to_num(block[..., -1])
    for note in notes:
        key, equals, value = (part.strip() for part in note.partition("="))
        if equals:
            fields[key] = re.split(r"[x,\s]+", value) if key == "image_size" else value
    return fields


def _csv_columns(head: list[str], path: Path) -> tuple[str, list[str], list[list[int]]]:
    """Which of "xyzv" there are, the joints in the order of the file, and the columns of each."""
    if len(set(head)) < len(head):
        raise DataError(f"{path}: columns named twice: {', '.join(sorted({h for h in head if head.count(h) > 1}))}")
    matches = {name: _COLUMN.fullmatch(name) for name in head if name not in ("frame", "person")}
    strange = [name for name, match in matches.items() if match is None]
    if strange or not matches:
        raise DataError(
            f"{path}: columns {', '.join(strange) or head}; they are called frame, person and like "
            "left_wrist_x, left_wrist_y, left_wrist_z, left_wrist_v"
        )
    joints = list(dict.fromkeys(match[1] for match in matches.values() if match))
    check_joints(joints, str(path))
    axes = {joint: "".join(axis for axis in "xyzv" if f"{joint}_{axis}" in head) for joint in joints}
    odd = [joint for joint in joints if axes[joint] != axes[joints[0]] or not axes[joint].startswith("xy")]
    if odd:
        raise DataError(f"{path}: every joint needs _x and _y, and all or none _z and _v; look at {odd[0]}")
    return axes[joints[0]], joints, [[head.index(f"{joint}_{axis}") for axis in axes[joint]] for joint in joints]


def _csv_place(values: np.ndarray, head: list[str], columns: list[list[int]], path: Path) -> np.ndarray:
    """(M, N, J, columns of a joint) from rows of cells; NaN where a person has no row for a frame."""
    persons, person = np.zeros(1), np.zeros(len(values), int)
    if "person" in head:
        if "frame" not in head:
            raise DataError(f"{path}: a column person needs a column frame beside it")
        persons, person = np.unique(values[:, head.index("person")], return_inverse=True)
    frame = values[:, head.index("frame")] if "frame" in head else np.arange(len(values), dtype=float)
    whole = np.isfinite(frame).all() and np.isfinite(persons).all() and np.all(frame == np.round(frame))
    if not whole or np.abs(frame).max() > 1e9:
        raise DataError(f"{path}: frame and person need a number in every row, and frames count 0, 1, 2, ...")
    place = (frame - frame.min()).astype(np.int64)
    if len({*zip(person.tolist(), place.tolist(), strict=True)}) < len(values):
        raise DataError(f"{path}: a frame occurs twice{' for one person' if 'person' in head else ''}")
    if place.max() >= 100 * len(values):
        raise DataError(
            f"{path}: {len(values)} rows, but frames up to {frame.max():.0f}; number the frames in steps of 1"
        )
    cells = len(persons) * (int(place.max()) + 1) * len(head)
    if len(persons) * (int(place.max()) + 1) > 100 * len(values) or cells > max(CELLS, 4 * values.size):
        raise DataError(
            f"{path}: {len(values)} rows for {len(persons)} persons and {int(place.max()) + 1} frames; give a person a row "
            "for every frame, or write one file for each person"
        )
    block = np.full((len(persons), int(place.max()) + 1, len(columns), len(columns[0])), np.nan)
    block[person, place] = values[:, columns]
    return block


_FIELDS: dict[str, Callable[[Path], dict[str, Any]]] = {
    ".npz": _npz_fields,
    ".json": _json_fields,
    ".csv": _csv_fields,
}


def _skeleton(
    fields: dict[str, Any], given: Skeleton | None, joints: int, path: Path
) -> tuple[Skeleton, Sequence[int]]:
    """The skeleton, and for each of its joints the place of that joint in the file."""
    names = fields.get("joint_names")
    if names is None:
        if given is None and "skeleton" not in fields:
            raise DataError(
                f"{path}: {joints} joints, but not which; name the skeleton, one of {', '.join(SKELETONS)}, "
                "or list joint_names"
            )
        return _named(fields, path) if given is None or "skeleton" in fields else given, range(joints)
    names = [str(name) for name in names]
    check_joints(names, str(path))
    if len(names) != joints or len(set(names)) != joints:
        raise DataError(f"{path}: {len(set(names))} different joint_names for {joints} joints")
    if given is None and "parents" in fields:
        return _described(fields, names, path), range(joints)
    found = given or (_named(fields, path) if "skeleton" in fields else skeleton_of(names, str(path)))
    missing = [joint for joint in found.joints if joint not in names]
    if missing:
        raise DataError(f"{path}: skeleton {found.name!r} has {', '.join(missing)}, which the file lacks")
    return found, [names.index(joint) for joint in found.joints]


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


def _space(fields: dict[str, Any], channels: int, path: Path, given: Space | None) -> Space:
    if "space" not in fields and given is not None and channels == 3:
        return given
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


def _numbers(fields: dict[str, Any], key: str, path: Path) -> np.ndarray:
    try:
        return np.array(fields[key], dtype=np.float64)  # None becomes NaN
    except (ValueError, TypeError) as error:
        raise DataError(f"{path}: {key}: not numbers in a regular array ({error})") from error


def _like(fields: dict[str, Any], key: str, shape: tuple[int, ...], path: Path) -> np.ndarray:
    values = _numbers(fields, key, path)
    if values.shape not in (shape, shape[1:]) or (values.shape == shape[1:] and shape[0] != 1):
        raise DataError(f"{path}: {key} has shape {values.shape}; {shape} is needed")
    return values.reshape(shape)


def _scalar(fields: dict[str, Any], key: str, default: float, kind: type, path: Path) -> Any:
    try:
        value = float(fields.get(key, default))
        if kind is int and value != int(value):
            raise DataError(f"{value} is not whole")
        return kind(value)
    except (ValueError, TypeError, OverflowError) as error:
        hint = "; class names belong in clips.csv" if key == "label" else ""
        raise DataError(f"{path}: {key}: {fields[key]!r} is no number ({error}){hint}") from error


def _pair(size: Any, path: Path) -> tuple[int, int]:
    try:
        width, height = (int(value) for value in size)
    except (ValueError, TypeError) as error:
        raise DataError(f"{path}: image_size {size!r}; width and height in pixels are needed") from error
    if min(width, height) < 1:
        raise DataError(f"{path}: image_size {width} x {height}; width and height in pixels are needed")
    return width, height
