"""One recording from one file, of any kind that the project reads; the kind is recognised by ending, name and content."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ups.batch import PERSONS
from ups.data.datasets import bandai_namco, kard, kinetics, ntu, nw_ucla, penn_action, sbu, utd_mhad
from ups.data.formats.arrays import read_array
from ups.data.formats.bvh import read_bvh
from ups.data.formats.bvh_clip import bvh_clip
from ups.data.formats.c3d import read_c3d
from ups.data.formats.coco_like import as_coco, folder_as_coco, is_yolo_folder
from ups.data.formats.deeplabcut import is_deeplabcut, read_deeplabcut, read_deeplabcut_h5
from ups.data.formats.elsewhere import HINTS, check_start
from ups.data.formats.hdf5 import read_h5
from ups.data.formats.joint_map import JointMap, read_joint_map
from ups.data.formats.joint_names import quoted
from ups.data.formats.keypoints import openpose_files, read_coco, read_openpose
from ups.data.formats.long_table import is_long
from ups.data.formats.marker_table import is_marker_table, read_marker_table
from ups.data.formats.matlab import load_mat
from ups.data.formats.mediapipe import (
    is_mediapipe_long,
    is_mediapipe_table,
    is_named_table,
    read_mediapipe_csv,
    read_mediapipe_long,
    read_named_table,
)
from ups.data.formats.mediapipe_json import is_mediapipe_json, read_mediapipe_json
from ups.data.formats.mmpose_3d import is_mmpose_3d, read_mmpose_3d
from ups.data.formats.named import Wish, other_size
from ups.data.formats.native import read_own, stated_fps, stated_size
from ups.data.formats.own_frames_3d import read_frames_3d
from ups.data.formats.repair import check_wish, repaired
from ups.data.formats.sleap import is_sleap, read_sleap, read_sleap_h5
from ups.data.formats.slp import is_slp, read_slp
from ups.data.formats.table import first_facts, first_rows, text_of
from ups.data.formats.timing import frame_rate
from ups.data.formats.trc import read_trc
from ups.data.formats.videopose3d import read_videopose3d_custom
from ups.data.formats.vitpose import is_vitpose, vitpose_frames
from ups.errors import DataError
from ups.pose import PoseSequence, Space
from ups.skeleton import Skeleton
from ups.skeletons import find_skeleton

READ = (
    ".npz, .json, .csv, .tsv, .npy, .bvh, .trc, .c3d, .h5, .slp, .mat, .skeleton, .txt, and folders of OpenPose, YOLO or MMPose "
    "(docs/formats.md)"
)
"""What `read_file` understands, in short."""


_ROW = 20
"""Numbers in one object of JSON, from which it is rather the row of a table."""


def read_file(
    path: Path | str,
    skeleton: Skeleton | str | None = None,
    fps: float | None = None,
    image_size: tuple[int, int] | None = None,
    joint_map: JointMap | Path | str | None = None,
    space: Space | None = None,
    *,
    up: str | None = None,
    unit: str | None = None,
    coordinates: str | None = None,
    rotate: int | None = None,
    fixes: Sequence[str] = (),
) -> PoseSequence:
    """One recording; `READ` lists what is understood.

    Args:
        path: a file, or a folder of OpenPose, YOLO or MMPose with a file a frame.
        skeleton: one, the name of one, or a .toml file that describes one: what the joints are, in a file that doesn't
            say; in one that does, the joints to pick, by name.
        fps: for a file that doesn't say; 30 if nobody does.
        image_size: (width, height) in pixels, for 2D files that don't say: OpenPose's above all.
        joint_map: which joint of the file is which, by its name or number; or the .toml file that says so.
        space: frame of reference of 3D joints, for files of our own forms that don't say.
        up: the axis of the file that points up, "x" to "-z"; 3D joints are turned so that y does. In 2D "y" or "-y".
        unit: of 3D joints, one of `ups.data.formats.trc.UNITS`: mm, cm, m, in, ft.
        coordinates: of 2D joints, one of `ups.data.formats.repair.COORDINATES`; pixels by default.
        rotate: degrees by which the picture behind 2D joints is to be turned clockwise: 90, 180 or 270.
        fixes: of `ups.data.formats.repair.FIXES`.

    Raises:
        DataError: nothing known, several recordings in one file, or a file that is not as its kind needs it.
        OSError: the file can't be read.
    """
    path = Path(path)
    if joint_map is not None and not isinstance(joint_map, JointMap):
        joint_map = read_joint_map(joint_map)
    wish = Wish(
        find_skeleton(skeleton) if isinstance(skeleton, str) else skeleton, fps, image_size, joint_map, up, unit,
        space=space, coordinates=coordinates, rotate=rotate, fixes=tuple(fixes),
    )  # fmt: skip
    check_wish(wish, str(path))
    frame_rate(fps, None, str(path))  # refuses one that can't be
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder")
    reader = _read_folder if path.is_dir() else _READERS.get(path.suffix.lower())
    if reader is None:
        if hint := HINTS.get(path.suffix.lower()):
            raise DataError(f"{path}: {hint}")
        raise _unknown(path, f"{path.suffix[:20] or 'no ending'} is no kind of recording")
    if path.is_file():
        check_start(path)
    if joint_map is not None and reader in _FIXED:
        raise DataError(f"{path}: the joints of this kind of file are known; read it without {joint_map.where}")
    try:
        clip = reader(path, wish)
        if reader not in (_read_npz, _read_json, _read_csv):  # of their kinds, the project's own say more themselves
            clip = repaired(clip, wish, str(path), done=reader in (_read_c3d, _read_npy, _read_bvh, _read_trc))
    except DataError as error:
        raise error if path.name in str(error) else DataError(f"{path}: {error}") from error
    except OSError:
        raise
    except Exception as error:  # whatever goes wrong in reading a file is that file's problem
        what = f"{type(error).__name__}: {str(error)[:200]}"
        raise DataError(f"{path}: can't be read ({what}); it is damaged, or not what its ending says") from error
    given = wish.image_size
    if given is not None and wish.rotate in (90, 270):
        given = given[1], given[0]
    clip = clip.tell(*other_size(given, clip.image_size, "stated"))
    clip = clip.keep_best(PERSONS) if reader not in _FIXED else replace(clip.keep_best(PERSONS), up_known=True)
    return clip if wish.skeleton is None else clip.pick_joints(wish.skeleton, str(path))


def _read_folder(path: Path, wish: Wish) -> PoseSequence:
    if (path / "store.json").is_file():
        raise DataError(f"{path}: a store of many recordings; give one file, or evaluate on the store")
    if is_yolo_folder(path):
        record = folder_as_coco(path, wish.image_size, raw=wish.coordinates is not None)
        return read_coco(record, path.name, str(path), wish.fps, wish.image_size, wish.joint_map)
    files = openpose_files(path)
    if not files:
        what = "a folder without OpenPose's *_keypoints.json, or a .txt or .json of YOLO or MMPose a frame"
        raise _unknown(path, what + _inside(path))
    with files[0].open("rb") as file:
        start = file.read(1 << 20)  # a picture may follow
    if b'"shapes"' in start[:4096] and b'"shape_type"' in start:
        raise DataError(f"{path}: files of LabelMe; convert them to COCO's keypoints JSON, one file for all frames")
    if not _is_openpose(files[0]):
        record = folder_as_coco(path, wish.image_size, raw=wish.coordinates is not None)
        return read_coco(record, path.name, str(path), wish.fps, wish.image_size, wish.joint_map)
    if wish.image_size is None:
        raise DataError(f"{path}: OpenPose's files don't say how large the image is; give image_size, width and height")
    if wish.joint_map is not None:
        raise DataError(f"{path}: the joints of OpenPose are known; read it without {wish.joint_map.where}")
    return read_openpose(path, wish.fps, wish.image_size)


def _is_openpose(file: Path) -> bool:
    try:
        record = json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        return True  # its reader says what is wrong
    return isinstance(record, dict) and not {"instance_info", "instances"} & set(record)


def _read_json(path: Path, wish: Wish) -> PoseSequence:
    content = path.read_bytes()
    record = parse_json(content, str(path))
    if not isinstance(record, dict | list):
        raise _unknown(path, f"JSON with nothing but {record!r:.40}")
    if (
        isinstance(record, dict)
        and not is_vitpose(record)
        and ("joints" in record or ("keypoints" in record and {"skeleton", "joint_names"} & set(record)))
    ):
        return read_own(path, wish.skeleton, wish.fps, wish.image_size, wish.joint_map, wish)
    solid = read_frames_3d(record, path, wish)
    if solid is not None:
        return repaired(solid, wish, str(path), done=True)
    return repaired(_read_other_json(path, content, record, wish), wish, str(path))


def parse_json(content: bytes, where: str) -> Any:
    """Parsed JSON, or a list of the values on the lines of a text with one a line; DataError for anything else."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        lines = [line for line in content.splitlines() if line.strip()]
        if len(lines) > 1 and str(error).startswith("Extra data"):
            try:
                return [json.loads(line) for line in lines]
            except (ValueError, RecursionError) as other:
                raise DataError(f"{where}: not a readable JSON file, nor one value a line ({other})") from other
        raise DataError(f"{where}: not a readable JSON file ({error})") from error


def _read_other_json(path: Path, content: bytes, record: Any, wish: Wish) -> PoseSequence:
    if (
        isinstance(record, list)
        and record
        and all(isinstance(i, dict) and {"data", "annotations"} <= set(i) for i in record)
    ):
        raise DataError(f"{path}: tasks of Label Studio; export them as COCO, which has keypoints in pixels by name")
    if isinstance(record, dict) and isinstance(record.get("shapes"), list):
        raise DataError(f"{path}: one frame of LabelMe; give the folder that holds them all")
    if isinstance(record, dict) and record.get("frames") == []:
        raise DataError(f"{path}: frames: none in it; look at what wrote it")
    if is_vitpose(record):
        record = vitpose_frames(record, str(path))
    if is_mmpose_3d(record):
        return read_mmpose_3d(record, path, wish)
    raw = wish.coordinates is not None
    known = isinstance(record, dict) and "annotations" in record
    coco = record if known else as_coco(record, str(path), wish.image_size, raw)
    if coco is None and is_mediapipe_json(record):
        return read_mediapipe_json(record, path, wish)
    if coco is None and isinstance(record, list) and not all(isinstance(i, dict) and "image_id" in i for i in record):
        raise _unknown(
            path, f"a list {_of(record)}: neither frames of persons with keypoints, nor results with image_id"
        )
    if coco is not None or isinstance(record, list):
        return read_coco(coco or record, path.stem, str(path), wish.fps, wish.image_size, wish.joint_map)
    if "skeletons" in record:
        return nw_ucla.read_clip(path.name, content, official=False)
    if isinstance(record.get("data"), list):
        part = path.resolve().parent.name
        name = f"{part}/{path.name}" if part in kinetics.PARTS else path.name
        return kinetics.read_clip(
            name,
            content,
            official=False,
            fps=wish.fps or kinetics.FPS,
            image_size=wish.image_size or kinetics.IMAGE_SIZE,
        )
    if "people" in record:
        raise DataError(f"{path}: one frame of OpenPose; give the folder that holds them all")
    raise _unknown(path, f"JSON with {quoted(list(record)) or 'nothing'} in it")


def _of(values: list[Any]) -> str:
    """What a list of JSON consists of, and what to do about it."""
    first = values[0] if values else None
    if isinstance(first, dict) and sum(isinstance(value, int | float) for value in first.values()) > _ROW:
        return f"of rows of a table ({quoted(list(first))}), which is read as .csv"
    if isinstance(first, dict):
        return f"of objects with {quoted(list(first)) or 'nothing'} in them"
    if isinstance(first, list):
        return 'of lists, as an array is: write {"joints": ..., "skeleton": ..., "fps": ...}, or .npy'
    return f"of {type(first).__name__}" if values else "of nothing"


def _read_npz(path: Path, wish: Wish) -> PoseSequence:
    if path.name.lower().startswith("data_2d_custom"):
        return repaired(read_videopose3d_custom(path, wish), wish, str(path))
    if path.name == bandai_namco.ARCHIVE or re.match(r"data_[23]d_", path.name):
        raise DataError(f"{path}: many recordings in one file; make a store of them with `ups data prepare`")
    return read_own(path, wish.skeleton, wish.fps, wish.image_size, wish.joint_map, wish)


def _read_mat(path: Path, _: Wish) -> PoseSequence:
    content = path.read_bytes()
    found = set(load_mat(str(path), content))
    if "d_skel" in found:
        return utd_mhad.read_clip(path.name, content, official=False)
    if {"x", "y", "visibility"} <= found:
        return penn_action.read_clip(path.name, content, official=False)[0]
    raise _unknown(path, f"a MATLAB file of {', '.join(sorted(found)) or 'nothing'}")


def _read_txt(path: Path, wish: Wish) -> PoseSequence:
    """SBU and KARD, told apart by the numbers in a line; KARD's pixels from its millimetres by name or range."""
    content = path.read_bytes()
    first = content.lstrip().split(b"\n", 1)[0]
    if first.rstrip(b",\r ").count(b",") == 90:
        name = "/".join(path.resolve().parts[-4:]) if path.name == "skeleton_pos.txt" else path.name
        return sbu.read_clip(name, content, official=False)
    if re.search(rb"[A-Za-z]{2}.*[,;\t|].*[A-Za-z]", first) or first.startswith(b"#"):
        return _read_csv(path, wish)
    if len(first.split()) != 3:
        hint = "; a frame of YOLO-pose: give the folder that holds them all" if len(first.split()) >= 5 + 2 * 17 else ""
        raise _unknown(path, f"a .txt of neither KARD's numbers, three in a line, nor SBU's 91{hint}")
    screen = path.name.endswith("_screen.txt")
    if not screen and (path.name.endswith("_realworld.txt") or not kard.is_screen(kard.read_rows(str(path), content))):
        return kard.read_clip_3d(path.name, content, official=False)
    name = path.name.replace("_screen.txt", "_realworld.txt")
    places = [path.with_name(name), path.resolve().parent.parent / "kard_realworld" / name] if screen else []
    partner = next((place for place in places if place.is_file()), None)
    return kard.read_clip_2d(path.name, content, partner.read_bytes() if partner else None, official=False)


def _read_ntu(path: Path, _: Wish) -> PoseSequence:
    return ntu.read_clip(path.stem, path.read_bytes(), official=False)


def _read_csv(path: Path, wish: Wish) -> PoseSequence:
    rows, facts = first_rows(path), first_facts(path)
    head = rows[0] if rows else []
    own = wish.joint_map is not None or bool({"space", "skeleton"} & set(facts))
    if is_marker_table(rows):
        return repaired(read_marker_table(path, wish), wish, str(path), done=True)
    if is_deeplabcut(rows):
        reader = read_deeplabcut
    elif is_sleap(head):
        reader = read_sleap
    elif not own and is_named_table(head):
        reader = read_named_table
    elif not own and is_mediapipe_table(head):
        reader = read_mediapipe_csv
    elif not own and is_long(head) and is_mediapipe_long(path):
        reader = read_mediapipe_long
    else:
        return read_own(path, wish.skeleton, wish.fps, wish.image_size, wish.joint_map, wish)
    wish = replace(
        wish, fps=stated_fps(facts, path) or wish.fps, image_size=stated_size(facts, path) or wish.image_size
    )
    clip = reader(path, wish)
    return repaired(clip, wish, str(path), done=reader is read_deeplabcut)


def _read_h5(path: Path, wish: Wish) -> PoseSequence:
    file = read_h5(path)
    if {"node_names", "tracks"} <= set(file.top):
        return read_sleap_h5(path, file, wish)
    if is_slp(file):
        return read_slp(path, file, wish)
    if any("pandas_type" in file.attrs(name) for name in file.top):
        return read_deeplabcut_h5(path, file, wish)
    raise _unknown(path, f"HDF5 with {quoted(file.top) or 'nothing'} in it")


def _read_npy(path: Path, wish: Wish) -> PoseSequence:
    return read_array(path, wish)


def _read_trc(path: Path, wish: Wish) -> PoseSequence:
    return read_trc(path, wish)


def _read_c3d(path: Path, wish: Wish) -> PoseSequence:
    return read_c3d(path, wish)


def _read_pickle(path: Path, _: Wish) -> PoseSequence:
    raise DataError(f"{path}: a pickle of PYSKL holds many recordings; make a store of them with `ups data prepare`")


def _read_bvh(path: Path, wish: Wish) -> PoseSequence:
    """Bandai-Namco's own file, or any whose joints have usual names."""
    bvh = read_bvh(text_of(path), str(path))
    if re.fullmatch(r"dataset-\d_[^_]+_[^_]+_[^_]+", path.stem):
        return bandai_namco.bandai_sequence(bvh, path.stem)
    return bvh_clip(bvh, path, wish)


_READERS: dict[str, Callable[[Path, Wish], PoseSequence]] = {
    ".json": _read_json,
    ".jsonl": _read_json,
    ".ndjson": _read_json,
    ".npz": _read_npz,
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".mat": _read_mat,
    ".txt": _read_txt,
    ".bvh": _read_bvh,
    ".trc": _read_trc,
    ".c3d": _read_c3d,
    ".npy": _read_npy,
    ".h5": _read_h5,
    ".hdf5": _read_h5,
    ".slp": _read_h5,
    ".skeleton": _read_ntu,
    ".pkl": _read_pickle,
    ".pickle": _read_pickle,
}
ENDINGS = tuple(ending for ending, reader in _READERS.items() if reader is not _read_pickle)
"""Of files that may hold one recording, in small letters."""


_FIXED = (_read_mat, _read_txt, _read_ntu)
"""Readers of files whose joints need no map."""


def _unknown(path: Path, found: str) -> DataError:
    return DataError(f"{path}: {found}; read are {READ}")


def _inside(path: Path) -> str:
    """A hint at a folder below one that holds no recording itself."""
    below = [
        p
        for p in sorted(path.iterdir())
        if p.is_dir() and any(f.suffix.lower() in (".json", ".txt") for f in p.iterdir())
    ]
    return f", but {below[0].name} in it holds such files: give that" if len(below) == 1 else ""
