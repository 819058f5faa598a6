"""One recording from one file, of any kind that the project reads; the kind is recognised by ending, name and content."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ups.batch import PERSONS
from ups.data.datasets import bandai_namco, kard, kinetics, ntu, nw_ucla, penn_action, sbu, utd_mhad
from ups.data.formats.bvh import read_bvh
from ups.data.formats.keypoints import openpose_files, read_coco, read_openpose
from ups.data.formats.matlab import load_mat
from ups.data.formats.native import read_own
from ups.data.formats.timing import frame_rate
from ups.errors import DataError
from ups.pose import PoseSequence
from ups.skeleton import Skeleton
from ups.skeletons import BANDAI_21, find_skeleton, skeleton_of

KINDS = (
    ".npz, .json, .csv: the project's own files, see docs/own_data.md",
    "a folder of *_keypoints.json: OpenPose",
    ".json: keypoints in COCO's format; NW-UCLA; Kinetics-skeleton",
    ".skeleton: NTU RGB+D",
    ".mat: UTD-MHAD; Penn Action",
    ".txt: KARD (aAA_sSS_eEE_realworld.txt, _screen.txt); SBU (sXXsYY/CC/NNN/skeleton_pos.txt)",
    ".bvh: motion capture, y up",
)
"""What `read_file` understands, a line each."""


@dataclass(frozen=True)
class _Wish:
    """What the user says where a file does not."""

    skeleton: Skeleton | None
    fps: float | None
    image_size: tuple[int, int] | None


def read_file(
    path: Path | str,
    skeleton: Skeleton | str | None = None,
    fps: float | None = None,
    image_size: tuple[int, int] | None = None,
) -> PoseSequence:
    """One recording; `KINDS` lists what is understood.

    Args:
        path: a file, or a folder of OpenPose.
        skeleton: one, the name of one, or a .toml file that describes one: what the joints are, in a file that doesn't
            say; in one that does, the joints to pick, by name.
        fps: for a file that doesn't say; 30 if nobody does.
        image_size: (width, height) in pixels, for 2D files that don't say: OpenPose's above all.

    Raises:
        DataError: nothing known, several recordings in one file, or a file that is not as its kind needs it.
        OSError: the file can't be read.
    """
    path = Path(path)
    wish = _Wish(find_skeleton(skeleton) if isinstance(skeleton, str) else skeleton, fps, image_size)
    frame_rate(fps, None, str(path))  # refuses one that can't be
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder")
    reader = _read_folder if path.is_dir() else _READERS.get(path.suffix.lower())
    if reader is None:
        raise _unknown(path, f"{path.suffix or 'no ending'} is no kind of recording")
    try:
        clip = reader(path, wish)
    except DataError as error:
        raise error if path.name in str(error) else DataError(f"{path}: {error}") from error
    except OSError:
        raise
    except Exception as error:  # whatever goes wrong in reading a file is that file's problem
        what = f"{type(error).__name__}: {str(error)[:200]}"
        raise DataError(f"{path}: can't be read ({what}); it is damaged, or not what its ending says") from error
    clip = clip.keep_best(PERSONS)
    return clip if wish.skeleton is None else clip.pick_joints(wish.skeleton, str(path))


def _read_folder(path: Path, wish: _Wish) -> PoseSequence:
    if (path / "store.json").is_file():
        raise DataError(f"{path}: a store of many recordings; give one file, or evaluate on the store")
    if not openpose_files(path):
        raise _unknown(path, "a folder without OpenPose's *_keypoints.json")
    if wish.image_size is None:
        raise DataError(f"{path}: OpenPose's files don't say how large the image is; give image_size, width and height")
    return read_openpose(path, wish.fps, wish.image_size)


def _read_json(path: Path, wish: _Wish) -> PoseSequence:
    content = path.read_bytes()
    try:
        record: Any = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not a readable JSON file ({error})") from error
    if not isinstance(record, dict | list):
        raise _unknown(path, f"JSON with nothing but {record!r:.40}")
    if isinstance(record, list) or "annotations" in record:
        return read_coco(record, path.stem, str(path), wish.fps, wish.image_size)
    if "skeletons" in record:
        return nw_ucla.read_clip(path.name, content)
    if "joints" in record:
        return read_own(path, wish.skeleton, wish.fps, wish.image_size)
    if {"data", "label_index"} <= set(record):
        return kinetics.read_clip(f"{path.resolve().parent.name}/{path.name}", content)
    if "people" in record:
        raise DataError(f"{path}: one frame of OpenPose; give the folder that holds them all")
    raise _unknown(path, f"JSON with {', '.join(map(str, list(record)[:8])) or 'nothing'} in it")


def _read_npz(path: Path, wish: _Wish) -> PoseSequence:
    if path.name == bandai_namco.ARCHIVE or re.match(r"data_[23]d_", path.name):
        raise DataError(f"{path}: many recordings in one file; make a store of them with `ups data prepare`")
    return read_own(path, wish.skeleton, wish.fps, wish.image_size)


def _read_mat(path: Path, _: _Wish) -> PoseSequence:
    content = path.read_bytes()
    found = set(load_mat(str(path), content))
    if "d_skel" in found:
        return utd_mhad.read_clip(path.name, content)
    if {"x", "y", "visibility"} <= found:
        return penn_action.read_clip(path.name, content)[0]
    raise _unknown(path, f"a MATLAB file of {', '.join(sorted(found)) or 'nothing'}")


def _read_txt(path: Path, _: _Wish) -> PoseSequence:
    if path.name == "skeleton_pos.txt":
        return sbu.read_clip("/".join(path.resolve().parts[-4:]), path.read_bytes())
    if path.name.endswith("_realworld.txt"):
        return kard.read_clip_3d(path.name, path.read_bytes())
    if path.name.endswith("_screen.txt"):
        name = path.name.replace("_screen.txt", "_realworld.txt")
        places = [path.with_name(name), path.resolve().parent.parent / "kard_realworld" / name]
        for place in places:
            if place.is_file():
                return kard.read_clip_2d(path.name, path.read_bytes(), place.read_bytes())
        raise DataError(
            f"{path}: {name}, which lists the joints that were seen, is neither beside it nor at {places[1]}"
        )
    raise _unknown(path, "a .txt file with another name")


def _read_ntu(path: Path, _: _Wish) -> PoseSequence:
    return ntu.read_clip(path.stem, path.read_bytes())


def _read_csv(path: Path, wish: _Wish) -> PoseSequence:
    return read_own(path, wish.skeleton, wish.fps, wish.image_size)


def _read_pickle(path: Path, _: _Wish) -> PoseSequence:
    raise DataError(f"{path}: a pickle of PYSKL holds many recordings; make a store of them with `ups data prepare`")


def _read_bvh(path: Path, _: _Wish) -> PoseSequence:
    """Bandai-Namco's own file, or any whose joints have usual names; in metres, y up, as the file says."""
    bvh = read_bvh(path.read_text(encoding="utf-8", errors="replace"), str(path))
    if re.fullmatch(r"dataset-\d_[^_]+_[^_]+_[^_]+", path.stem):
        return bandai_namco.bandai_sequence(bvh, path.stem)
    places = _bvh_slots(bvh.joint_names)
    if not {"left_hip", "right_hip", "left_knee", "right_knee"} <= set(places):
        raise DataError(
            f"{path}: hips and knees are not among its {len(bvh.joint_names)} joints by any known name; the first are "
            f"{', '.join(name[:40] for name in bvh.joint_names[:3])}"
        )
    slots = [slot for slot in BANDAI_21.joints if slot in places]
    skeleton = BANDAI_21 if len(slots) == len(BANDAI_21) else skeleton_of(slots, str(path))
    joints = bvh.positions[:, [places[slot] for slot in slots]] * _bvh_scale(bvh.positions, places, path)
    return PoseSequence(joints[None], np.ones((1, *joints.shape[:2])), skeleton, "world", round(bvh.fps, 3), path.stem)


_BVH_NAMES = (
    {  # joints are called by the bone that begins there: CMU, Mixamo, LaFAN1
        "pelvis": "hips", "spine": "spine", "chest": "spine2 spine1 chest", "neck": "neck", "head": "head",
        "*_clavicle": "*shoulder", "*_shoulder": "*arm", "*_elbow": "*forearm", "*_wrist": "*hand",
        "*_hip": "*upleg", "*_knee": "*leg", "*_ankle": "*foot", "*_foot": "*toebase *toe",
    },
    {  # Bandai-Namco, VRM and others with upper and lower limbs
        "pelvis": "hips pelvis", "spine": "spine", "chest": "chest", "neck": "neck", "head": "head",
        "*_clavicle": "*shoulder *collar", "*_shoulder": "*upperarm *uparm", "*_elbow": "*lowerarm *lowarm",
        "*_wrist": "*hand", "*_hip": "*upperleg *upleg", "*_knee": "*lowerleg *lowleg", "*_ankle": "*foot",
        "*_foot": "*toes *toe",
    },
    {  # joints are called by their own names
        "pelvis": "hips pelvis root", "spine": "spine", "chest": "chest", "neck": "neck", "head": "head",
        "*_clavicle": "*collar *clavicle", "*_shoulder": "*shoulder", "*_elbow": "*elbow", "*_wrist": "*wrist",
        "*_hip": "*hip", "*_knee": "*knee", "*_ankle": "*ankle", "*_foot": "*toe *toes",
    },
)  # fmt: skip
"""Naming habits: slot -> joint names in small letters, best first; * is the side."""


def _bvh_slots(names: tuple[str, ...]) -> dict[str, int]:
    """Slot -> joint index, by the naming habit that finds most."""
    place = {_plain(name): i for i, name in reversed(list(enumerate(names)))}  # the first of a name counts
    found: list[dict[str, int]] = []
    for habit in _BVH_NAMES:
        slots: dict[str, int] = {}
        for side in ("left", "right"):
            for slot, words in habit.items():
                known = [word for word in words.replace("*", side).split() if word in place]
                if known:
                    slots[slot.replace("*", side)] = place[known[0]]
        found.append(slots)
    return max(found, key=len)


def _plain(name: str) -> str:
    """A joint's name in small letters, its side in front: mixamorig:LeftArm -> leftarm, UpperArm_L -> leftupperarm."""
    word = name.split(":")[-1].lower()
    end = re.fullmatch(r"(?P<a>[lr])[_. ](?P<b>.+)|(?P<c>.+)[_. ](?P<d>[lr])", word)
    if end:
        word = {"l": "left", "r": "right"}[end["a"] or end["d"]] + (end["b"] or end["c"])
    return re.sub(r"[^a-z0-9]", "", word)


_BVH_UNITS = {"metres": 1.0, "centimetres": 0.01, "millimetres": 0.001, "inches": 0.0254, "CMU": 0.0254 / 0.45}
_THIGH = 0.42


def _bvh_scale(positions: np.ndarray, places: dict[str, int], path: Path) -> float:
    """Metres in a file's unit, which BVH does not state: that which brings the thighs closest to an adult's 0.42 m."""
    pairs = [(places[f"{side}_hip"], places[f"{side}_knee"]) for side in ("left", "right")]
    thigh = float(np.median([np.linalg.norm(positions[:, a] - positions[:, b], axis=-1) for a, b in pairs]))
    lengths = {factor: thigh * factor for factor in _BVH_UNITS.values()}
    factor = min(lengths, key=lambda f: abs(np.log(max(lengths[f], 1e-9) / _THIGH)))
    if not 0.2 <= lengths[factor] <= 0.8:
        raise DataError(f"{path}: thighs {thigh:g} long; in none of {', '.join(_BVH_UNITS)} is that a human's")
    return factor


_READERS: dict[str, Callable[[Path, _Wish], PoseSequence]] = {
    ".json": _read_json,
    ".npz": _read_npz,
    ".csv": _read_csv,
    ".mat": _read_mat,
    ".txt": _read_txt,
    ".bvh": _read_bvh,
    ".skeleton": _read_ntu,
    ".pkl": _read_pickle,
    ".pickle": _read_pickle,
}


def _unknown(path: Path, found: str) -> DataError:
    return DataError(f"{path}: {found}; understood are:\n  " + "\n  ".join(KINDS))
