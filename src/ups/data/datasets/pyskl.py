"""PYSKL's and MMAction2's pickle of skeletons: {"split": {name: [frame_dir]}, "annotations": [...]}, read and written.

An annotation holds frame_dir, label, total_frames, keypoint (M, N, J, C), mostly keypoint_score (M, N, J), and in 2D
img_shape (height, width). The format has no class names and no skeleton; files that `export_pyskl` writes do, in
entries of their own that other readers pass over.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ups.batch import PERSONS
from ups.data.datasets.base import Clip, DataSet
from ups.data.formats.safe_pickle import restricted_loads
from ups.data.formats.timing import frame_rate
from ups.errors import DataError, SettingError
from ups.labels import canonical_text
from ups.pose import PoseSequence, Space
from ups.seen import not_seen
from ups.skeleton import Skeleton
from ups.skeletons import COCO_17, KINECT_20, NTU_25, OPENPOSE_18

LABELS = 100_000
"""Classes of a file that doesn't name them, at most."""
_SKELETONS = {(25, 3): NTU_25, (20, 3): KINECT_20, (17, 2): COCO_17, (18, 2): OPENPOSE_18}
"""(J, C) -> the skeleton that files of this shape have."""
_SPLIT = re.compile(r"(?:(?P<name>.+?)_?)??(?P<part>train|val|test)(?P<number>\d*)")
_PARTS = {"train": "train", "val": "test", "test": "test"}


def pyskl_data_set(
    path: Path | str, name: str, classes: tuple[str, ...] | None = None, skeleton: Skeleton | None = None
) -> DataSet:
    """The recordings of a pickle as a data set, for `ups.data.store.prepare.write_store`; the whole file is read into memory.

    Splits xsub_train and xsub_val become protocol "xsub" with train and test; a split without a name before or a number
    behind it becomes "official". Where a protocol has both val and test, val is left out.

    Args:
        path: the .pkl file.
        name: of the data set.
        classes: names of labels 0, 1, ...; "action 0" and so on if neither they nor the file are given.
        skeleton: of the joints; recognised by their number and that of the coordinates for NTU's 25 and NW-UCLA's 20 joints
            in 3D, COCO's 17 and OpenPose's 18 in 2D.

    Raises:
        DataError: damaged, a pickle of anything but plain data (nothing in it is run), or not one usable recording.
        OSError: the file can't be read.
    """
    path = Path(path)
    record = restricted_loads(path.read_bytes(), str(path))
    if not isinstance(record, dict) or not isinstance(record.get("annotations"), list):
        raise DataError(f"{path}: not a file of PYSKL; a dict of 'split' and 'annotations' is needed")
    annotations: list[Any] = record["annotations"]
    protocols, splits = _splits(record.get("split"), path)
    found = skeleton or (_described(record["skeleton"], path) if "skeleton" in record else None)
    first, reasons = None, []
    for i, annotation in enumerate(annotations):
        item = read_clip(annotation, f"{path}: annotation {i}", found)
        if not isinstance(item, DataError):
            first = item
            break
        reasons.append(str(item))
    if first is None:
        raise DataError(
            f"{path}: none of {len(annotations)} annotations has poses that can be used; {_several(reasons)}"
        )
    return DataSet(
        name=name,
        skeleton=first.skeleton,
        space=first.space,
        classes=_classes(classes or record.get("classes"), annotations, path),
        protocols=protocols,
        terms=str(record.get("terms", "As of the data set that the file was made from.")),
        read=partial(_read, annotations, splits, first.skeleton, str(path)),
        summary=f"{len(annotations)} annotations of {path.name}",
        paired=first.pose_3d is not None,
    )


def _several(reasons: list[str]) -> str:
    """The first few different reasons, without the places where they are alike."""
    groups: dict[str, list[str]] = defaultdict(list)
    for reason in reasons:
        place, _, what = reason.partition("): ")
        groups[what or place].append(f"{place})".rpartition("annotation ")[2] if what else place)
    shown = [
        f"{what[:250]} (annotation {places[0]}{f' and {len(places) - 1} more' if len(places) > 1 else ''})"
        for what, places in list(groups.items())[:3]
    ]
    return "; ".join(shown) or "there is none"


def read_clip(annotation: Any, where: str, skeleton: Skeleton | None = None) -> PoseSequence | DataError:
    """One annotation as a clip; if it has no poses or can't be used, the DataError that says why.

    2D joints are pixels in space "image"; 3D joints metres in space "kinect" unless the annotation says otherwise. What is
    not seen is said in `ups.seen.not_seen`.
    """
    if not isinstance(annotation, dict) or annotation.get("keypoint") is None:
        name = annotation.get("frame_dir", "") if isinstance(annotation, dict) else annotation
        return DataError(f"{where} ({_shown(name)}): no keypoints in it")
    where = f"{where} ({_shown(annotation.get('frame_dir', 'no frame_dir'))})"
    try:
        joints = np.asanyarray(annotation["keypoint"], dtype=np.float32)
        scores = annotation.get("keypoint_score")
        _check_layout(joints, scores, annotation)
        found = skeleton or _SKELETONS.get(joints.shape[2:])
        if found is None:
            raise DataError(f"{joints.shape[2]} joints of {joints.shape[3]} coordinates; name their skeleton")
        joints, visibility, told = not_seen(joints, scores, "keypoint", found.root_indices, found.sided)
        rate, untold = frame_rate(annotation.get("fps"), None, "fps")
        flat = joints.shape[3] == 2
        space: Space = "image" if flat else annotation.get("space", "kinect")
        height, width = annotation.get("img_shape", annotation.get("original_shape", (0, 0))) if flat else (0, 0)
        if flat and not (height and width):
            raise DataError("2D keypoints, but no img_shape (height, width)")
        if flat and (visibility > 0).any() and float(np.abs(joints[visibility > 0]).max()) <= 2:
            signed = float(joints[visibility > 0].min()) < -0.2
            remedy = (
                f"(x + 1) / 2 * {width}, (y + 1) / 2 * {height}"
                if signed
                else f"multiply x by {width} and y by {height}"
            )
            what = "-1 to 1 across the image" if signed else "fractions of the image"
            raise DataError(f"keypoint holds no pixels: these are {what}; {remedy}")
        return PoseSequence(
            joints=joints,
            visibility=visibility,
            skeleton=found,
            space=space,
            fps=rate,
            id=str(annotation["frame_dir"]),
            label=-1 if annotation.get("label") is None else int(annotation["label"]),
            subject=int(annotation.get("subject", -1)),
            view=int(annotation.get("view", -1)),
            image_size=(int(width), int(height)) if flat else None,
            pose_3d=annotation.get("pose_3d"),
            notices=(*told, *untold),
        ).keep_best(PERSONS)
    except DataError as error:
        return DataError(f"{where}: {error}")
    except Exception as error:  # whatever is wrong with an annotation is that annotation's problem
        return DataError(f"{where}: {type(error).__name__}: {str(error)[:200]}")


def _check_layout(joints: np.ndarray, scores: Any, annotation: dict[str, Any]) -> None:
    """Raises DataError for arrays whose axes are not PYSKL's, and says which way they are."""
    shape, length = joints.shape, annotation.get("total_frames")
    needed = "(persons, frames, joints, coordinates) is needed"
    if joints.ndim == 3:
        raise DataError(f"keypoint has shape {shape}, without an axis of persons; {needed}: keypoint[None]")
    if joints.ndim != 4:
        raise DataError(f"keypoint has shape {shape}; {needed}")
    few, many = shape[1], shape[0]
    if many > few and few <= PERSONS and (many == length if isinstance(length, int) else many > 2 * PERSONS):
        raise DataError(
            f"keypoint has shape {shape}, frames before persons; {needed}: keypoint.transpose(1, 0, 2, 3), and "
            "keypoint_score.transpose(1, 0, 2)"
        )
    if shape[3] == 3 and _holds_scores(joints, annotation):
        raise DataError(
            f"keypoint has shape {shape}, x, y and score in one array; put the score into keypoint_score: "
            "keypoint[..., :2] and keypoint[..., 2]"
        )
    if scores is not None and np.shape(scores) != shape[:3]:
        raise DataError(f"keypoint_score has shape {np.shape(scores)}, keypoint {shape}; {shape[:3]} is needed")
    if isinstance(length, int | np.integer) and length != shape[1]:
        raise DataError(f"total_frames {length}, but keypoint has {shape[1]} frames; one of them is wrong")


def _holds_scores(joints: np.ndarray, annotation: dict[str, Any]) -> bool:
    """Whether third coordinates are scores: within 0..1, beside pixels or where an image is told of."""
    finite = joints[np.isfinite(joints).all(-1) & (joints != 0).any(-1)]
    if not len(finite) or finite[:, 2].min() < 0 or finite[:, 2].max() > 1.0001:
        return False
    pictured = "img_shape" in annotation or "original_shape" in annotation
    return pictured or float(np.abs(finite[:, :2]).max()) > 20


def _shown(name: object) -> str:
    """A name in a message: its beginning, in characters that can be printed."""
    return str(name)[:80].encode(errors="backslashreplace").decode()


def _read(
    annotations: list[Any], splits: dict[str, dict[str, str]], skeleton: Skeleton, name: str, _: Path
) -> Iterator[Clip | DataError]:
    keys = [str(a.get("frame_dir", "")) if isinstance(a, dict) else "" for a in annotations]
    for i in sorted(range(len(annotations)), key=keys.__getitem__):
        clip = read_clip(annotations[i], f"{name}: annotation {i}", skeleton)
        yield clip if isinstance(clip, DataError) else (clip, splits.get(clip.id, {}))


def _splits(split: Any, path: Path) -> tuple[tuple[str, ...], dict[str, dict[str, str]]]:
    """Protocols, and for each frame_dir its part in them."""
    if split is not None and not isinstance(split, dict):
        raise DataError(f"{path}: 'split' is a {type(split).__name__}; a dict of lists is needed")
    lists: dict[str, dict[str, list[Any]]] = defaultdict(dict)
    for key, names in (split or {}).items():
        match = _SPLIT.fullmatch(str(key))
        if match is None or not isinstance(names, list | tuple):
            raise DataError(f"{path}: split {key!r}; a list with a name such as xsub_train or xsub_val is needed")
        protocol = match["name"] or (f"split{match['number']}" if match["number"] else "official")
        lists[protocol][match["part"]] = list(names)
    splits: dict[str, dict[str, str]] = defaultdict(dict)
    for protocol, parts in lists.items():
        for part, names in parts.items():
            for name in names if part != "val" or "test" not in parts else ():
                splits[str(name)][protocol] = _PARTS[part]
    return tuple(lists), dict(splits)


def _described(values: Any, path: Path) -> Skeleton:
    try:
        return Skeleton.from_dict(values)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: its skeleton can't be used ({error!r})") from error


def read_class_names(path: Path) -> tuple[str, ...]:
    """The names of labels 0, 1, ... from a text file, one a line; empty lines at its end don't count.

    Raises:
        SettingError: no text, no name, or an empty line between names, behind which all labels would be others.
        OSError: the file can't be read.
    """
    try:
        names = path.read_text(encoding="utf-8-sig").rstrip().splitlines()
    except UnicodeDecodeError as error:
        raise SettingError(f"{path}: not a text file ({error}); save it in UTF-8") from error
    for number, name in enumerate(names):
        if not canonical_text(name):
            raise SettingError(f"{path}: line {number + 1} is empty; label {number} needs a name, one a line")
    if not names:
        raise SettingError(f"{path}: empty; the names of labels 0, 1, ... are needed, one a line")
    return tuple(name.strip() for name in names)


def _classes(names: Any, annotations: list[Any], path: Path) -> tuple[str, ...]:
    """Names of all labels that occur; numbers where there are no names."""
    labels = [a["label"] for a in annotations if isinstance(a, dict) and isinstance(a.get("label"), int | np.integer)]
    most = int(max(labels, default=-1))
    if names:
        if not isinstance(names, list | tuple) or not all(
            isinstance(name, str) and canonical_text(name) for name in names
        ):
            raise DataError(f"{path}: its 'classes' are no list of names; give the names of labels 0, 1, ... in a file")
        if most >= len(names):
            raise DataError(
                f"{path}: labels up to {most}, but {len(names)} names of classes; one for each label is needed"
            )
        return tuple(names)
    if most >= LABELS:
        raise DataError(
            f"{path}: a label of {most:,}; labels count from 0 to {LABELS - 1:,}, give the names of the classes"
        )
    return tuple(f"action {label}" for label in range(most + 1))
