"""JSON and text of other 2D pose estimators, brought into COCO's form, which `keypoints.read_coco` reads: MMPose,
AlphaPose, Ultralytics YOLO, TensorFlow.js. A frame a file, these are folders.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ups.data.formats.classes import only_persons
from ups.data.formats.columns import AXES
from ups.data.formats.hidden import told_of_keys
from ups.data.formats.joint_names import quoted
from ups.data.formats.layouts import LAYOUTS
from ups.data.formats.named import other_size
from ups.data.formats.own_frames import Record, dict_names, own_frames, points_of
from ups.data.formats.table import number_of
from ups.data.formats.timing import slots_of_times
from ups.errors import DataError
from ups.notices import Notice
from ups.skeletons import COCO_17

_SCORES = ("keypoint_scores", "keypoints_scores", "scores", "confidences", "confidence", "visibility", "keypoint_score",
           "keypoints_confidence", "keypoint_confidence", "conf", "visible", "vis")  # fmt: skip
"""Keys of a person's list of scores."""
_FRACTION_LEAST = -0.2
"""Fractions lower than that, all but a few, are rather -1 to 1 across the image."""
_POINT_SCORES = ("score", "visibility", "confidence")
"""Keys of a keypoint's score that come first."""


def as_coco(record: Any, where: str, image_size: tuple[int, int] | None, raw: bool = False) -> Record | None:
    """Parsed JSON of one recording as {"images", "annotations", "categories"} of COCO; None if it is no such file.
    Fractions of the image become pixels, unless `raw`.

    MMPose: {"meta_info", "instance_info"} of a video, or its list of {"frame_id", "instances"}. AlphaPose: a dict of images
    with "bodies" or "people". YOLO: a list of frames, each a list of {"keypoints": {"x", "y", "visible"}}.

    Raises:
        DataError: one frame of such a recording, or values that do not fit together.
    """
    found = _as_coco(record, where, image_size)
    return found if found is None or raw else _in_pixels(found)


def _as_coco(record: Any, where: str, image_size: tuple[int, int] | None) -> Record | None:
    if isinstance(record, dict) and isinstance(record.get("instance_info"), list):
        info = record["instance_info"]
        names = mmpose_names(record.get("meta_info"))
        if info and not all(isinstance(i, dict) and "instances" in i for i in info):
            raise DataError(
                f"{where}: one frame of MMPose; give the folder that holds them all, or the JSON of the video"
            )
        return _coco([(i.get("frame_id", n), i["instances"]) for n, i in enumerate(info)], where, image_size, names)
    if isinstance(record, dict) and isinstance(record.get("predictions"), list):
        found = record["predictions"]  # MMPose's inferencer: a list of persons a frame; in "batches", one deeper
        while len(found) == 1 and isinstance(found[0], list) and found[0] and isinstance(found[0][0], list):
            found = found[0]
        if found and all(isinstance(i, list) and all(_is_instance(p) for p in i) for i in found):
            if len(found) == 1:
                raise DataError(
                    f"{where}: one frame of MMPose; give all frames in one list, or a folder with a file each"
                )
            return _coco(list(enumerate(found)), where, image_size, mmpose_names(record.get("meta_info")))
    if (
        isinstance(record, dict)
        and record
        and all(isinstance(v, dict) and _people(v) is not None for v in record.values())
    ):
        frames = [(image, _people(value) or []) for image, value in record.items()]
        return _coco(frames, where, image_size, None)
    if isinstance(record, dict) and record and all(map(_is_frame, *zip(*record.items(), strict=True))):
        people = list(record.values())
        if len(record) > 1 and all(re.fullmatch(r"\d+\.\d+", key) for key in record):  # seconds
            numbers, fps, _ = slots_of_times(np.array([float(key) for key in record]), None, where)
            coco = _coco(list(zip(numbers, people, strict=True)), where, image_size, dict_names(people))
            return coco | {"info": {"fps": fps}}
        return _coco(list(record.items()), where, image_size, dict_names(people))
    if (
        isinstance(record, dict)
        and len(record) > 1
        and all(isinstance(v, dict) and any(c.isdigit() for c in k) for k, v in record.items())
    ):  # the keypoints of one person under their frame's number
        frames = [{**v, "frame": k} if points_of(v) else {"frame": k, "keypoints": v} for k, v in record.items()]
        return _own({"frames": frames}, where, image_size)
    frames = record.get("frames") if isinstance(record, dict) else record
    if isinstance(frames, list) and frames and all(isinstance(f, dict) and _of_openpose(f) for f in frames):
        return _coco([(n, _people(frame) or []) for n, frame in enumerate(frames)], where, image_size, None)
    if isinstance(record, dict) and isinstance(record.get("frames"), list):
        return _own(record, where, image_size)
    if not isinstance(record, list) or not record:
        return None
    if all(isinstance(i, str) for i in record):
        record = _parsed(record, where)  # Ultralytics' to_json() of every frame
    if all(isinstance(i, dict) and isinstance(i.get("instances"), list) for i in record):
        return _coco([(i.get("frame_id", n), i["instances"]) for n, i in enumerate(record)], where, image_size, None)
    if all(isinstance(i, list) and all(_is_instance(p) for p in i) for i in record) and any(record):
        return _coco(list(enumerate(record)), where, image_size, dict_names(record))
    if (found := _own(record, where, image_size)) is not None:
        return found
    if all(_is_instance(i) and not {"image_id", "frame_id"} & set(i) for i in record):
        raise DataError(
            f"{where}: persons of one frame, with nothing that says which; give the folder that holds them all, or a list of "
            "such lists, one a frame"
        )
    return None


def _of_openpose(frame: Record) -> bool:
    """Whether this is what OpenPose writes of one frame, without anything that says which."""
    people = frame.get("people")
    known = isinstance(people, list) and set(frame) <= {"people", "version", "part_candidates"}
    return known and all(isinstance(p, dict) and "pose_keypoints_2d" in p for p in people or [])


def _own(record: Any, where: str, image_size: tuple[int, int] | None) -> Record | None:
    """Frames of people's own JSON; None for anything else."""
    found = own_frames(record, where)
    if found is None:
        return None
    listed = list(zip(found.numbers, found.people, strict=True))
    coco = _coco(listed, where, image_size or found.image_size, found.names)
    rate = {} if found.fps is None else {"fps": found.fps}
    told = (*coco["notices"], *found.told, *other_size(image_size, found.image_size, "given"))
    return coco | {"info": rate, "notices": told}


def _is_frame(key: str, people: Any) -> bool:
    """Whether that is a frame's number, or its image, and the persons in it."""
    return (
        any(c.isdigit() for c in key)
        and isinstance(people, list)
        and all(isinstance(p, dict) and points_of(p) is not None for p in people)
    )


def _parsed(texts: list[str], where: str) -> list[Any]:
    try:
        return [json.loads(text) for text in texts]
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: a list of texts that are no JSON ({error})") from error


def folder_as_coco(folder: Path, image_size: tuple[int, int] | None, raw: bool = False) -> Record:
    """A folder with a JSON (MMPose, YOLO) or a label .txt (YOLO) of every frame, in COCO's form; `raw` as in `as_coco`.

    Raises:
        DataError: files of another kind, or no image size for YOLO's fractions.
        OSError: a file can't be read.
    """
    files = [
        f
        for f in sorted(folder.iterdir())
        if not f.name.startswith(".") and f.suffix.lower() in (".json", ".txt") and not f.name.startswith(".")
    ]
    texts = [f for f in files if f.suffix.lower() == ".txt" and f.stem.lower() not in ("classes", "readme")]
    classes = next((f.read_text("utf-8", "replace").split("\n") for f in files if f.name.lower() == "classes.txt"), [])
    frames = []
    texts = texts if is_yolo_folder(folder) else []
    for file in texts or [f for f in files if f.suffix.lower() == ".json"]:
        frames.append((file.stem, _yolo_labels(file) if texts else _frame_json(file)))
    if texts and image_size is None:
        raise DataError(f"{folder}: YOLO's labels are fractions; give the image size, width and height in pixels")
    found = _coco(frames, str(folder), image_size, None, [name.strip() for name in classes if name.strip()])
    return found if raw else _in_pixels(found)


def is_yolo_folder(folder: Path) -> bool:
    """Whether a folder holds label files of YOLO-pose: its first that is not empty tells."""
    files = [file for file in sorted(folder.iterdir()) if not file.name.startswith(".")]
    texts = [f for f in files if f.suffix.lower() == ".txt" and f.stem.lower() not in ("classes", "readme")]
    first = next((file for file in texts if file.stat().st_size), None)
    if first is None:
        return bool(texts) and not any(file.suffix.lower() == ".json" for file in files)
    try:
        return all(len(line.split()) >= 5 + 2 * 17 for line in first.read_text().splitlines()[:1])
    except (OSError, UnicodeDecodeError):
        return False


def is_frames_folder(folder: Path) -> bool:
    """Whether a folder holds a file a frame, of YOLO-pose, OpenPose or MMPose: its first one tells."""
    if is_yolo_folder(folder):
        return True
    first = next((f for f in sorted(folder.iterdir()) if f.suffix.lower() == ".json" and f.name[0] != "."), None)
    try:
        record = json.loads(first.read_bytes()) if first else None
    except (OSError, ValueError, RecursionError):
        return False
    if isinstance(record, dict) and isinstance(record.get("people"), list):
        return True
    people = record.get("instance_info", record.get("instances")) if isinstance(record, dict) else record
    return (
        isinstance(people, list)
        and bool(people)
        and all(_is_instance(person) and not {"image_id", "frame_id"} & set(person) for person in people)
    )


def _frame_json(file: Path) -> list[Record]:
    try:
        record = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file}: not a readable JSON file ({error})") from error
    people = record.get("instance_info", record.get("instances")) if isinstance(record, dict) else record
    if not isinstance(people, list) or not all(_is_instance(person) for person in people):
        raise DataError(f"{file}: not a frame of OpenPose, MMPose or YOLO; a folder of one of them is needed")
    return people


def _is_instance(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    points = points_of(value)
    if isinstance(points, dict):
        return "x" in points and "y" in points
    named = isinstance(points, list) and bool(points) and isinstance(points[0], dict)
    named = named and ("x" in points[0] or "position" in points[0])
    return named or (isinstance(points, list) and ("keypoint_scores" in value or _has_labels(value)))


def _has_labels(person: Record) -> bool:
    """Whether these are keypoints with their numbers and scores beside them, as Hugging Face's ViTPose gives them."""
    lists = [person.get(key) for key in ("keypoints", "scores", "labels")]
    return all(isinstance(each, list) and len(each) == len(lists[0] or ()) > 0 for each in lists)


def _by_label(person: Record) -> Record:
    """The same person with keypoints in the order of their numbers; those that are left out, for they were not sure, are not
    seen.
    """
    if not _has_labels(person) or not all(isinstance(label, int) and 0 <= label < 133 for label in person["labels"]):
        return person
    count = len(COCO_17) if max(person["labels"]) < len(COCO_17) else 133
    points = [[0.0, 0.0, 0.0] for _ in range(count)]
    for label, point, score in zip(person["labels"], person["keypoints"], person["scores"], strict=True):
        points[label] = [*point[:2], score]
    return {key: value for key, value in person.items() if key not in ("scores", "labels")} | {"keypoints": points}


def _people(value: Record) -> list[Record] | None:
    """The persons of one image in AlphaPose's other two forms."""
    people = value.get("bodies", value.get("people"))
    if not isinstance(people, list) or not all(isinstance(p, dict) for p in people):
        return None
    return [{**p, "keypoints": p.get("joints", p.get("pose_keypoints_2d"))} for p in people]


def mmpose_names(info: Any) -> list[str] | None:
    """The names of the keypoints that MMPose's meta_info gives, in order."""
    names = info.get("keypoint_id2name") if isinstance(info, dict) else None
    if isinstance(names, dict) and all(str(i) in names for i in range(len(names))):
        return [str(names[str(i)]) for i in range(len(names))]
    return [str(n) for n in names] if isinstance(names, list) else None


def _coco(
    frames: Sequence[tuple[Any, Iterable[Record]]],
    where: str,
    image_size: tuple[int, int] | None,
    names: list[str] | None,
    classes: Sequence[str] = (),
) -> Record:
    """Persons of every frame -> COCO's record; one kind of coordinates in all of them. What is of another class than persons
    is left out; `classes` are their names by number.
    """
    frames = [(frame, [_by_label(person) for person in people]) for frame, people in frames]
    of = [_class_of(person) for _, people in frames for person in people]
    keep, told = only_persons(of, where, classes)
    kept = iter(keep)
    frames = [(frame, [person for person in people if next(kept)]) for frame, people in frames]
    dicts = [k for _, people in frames for person in people for k in _dicts_of(person)]
    told = (*told, *told_of_keys(dicts), *_told_of_depth(dicts))
    images: list[Record] = []
    annotations: list[Record] = []
    for n, (frame, people) in enumerate(frames):
        name = n if isinstance(frame, int) else str(frame)
        images.append({"id": name} | ({"frame_id": frame} if isinstance(frame, int) else {"file_name": name}))
        for person in people:
            points = _flat(person, where)
            track = next(
                (person[key] for key in ("track_id", "idx", "id", "person_id") if person.get(key) is not None), None
            )
            annotation = {"image_id": name, "category_id": 1, "keypoints": points}
            box = person.get("bbox")
            if isinstance(box, list) and len(box) == 4 and all(isinstance(v, int | float) for v in box):
                annotation["bbox"] = box
            annotations.append(annotation if track is None else annotation | {"track_id": track})
    if image_size is not None:
        for image in images:
            image |= {"width": image_size[0], "height": image_size[1]}
    category: Record = {"id": 1, "name": "person"}
    return {
        "images": images,
        "annotations": annotations,
        "categories": [category | ({"keypoints": names} if names else {})],
        "notices": told,
    }


def _in_pixels(record: Record) -> Record:
    """The record in pixels, where its keypoints are fractions of images whose size is known."""
    size = (record["images"][0].get("width"), record["images"][0].get("height")) if record["images"] else (None, None)
    xy = [v for a in record["annotations"] for i, v in enumerate(a["keypoints"]) if i % 3 < 2]
    if None in size or not xy or max(xy) > 1.5 or not _FRACTION_LEAST < np.percentile(xy, 2):
        return record
    for a in record["annotations"]:
        a["keypoints"] = [v * (*size, 1)[i % 3] for i, v in enumerate(a["keypoints"])]
    return record


def _dicts_of(person: Record) -> list[Record]:
    """A person's keypoints, where they are dicts."""
    points = points_of(person)
    return [point for point in points if isinstance(point, dict)] if isinstance(points, list) else []


def _told_of_depth(points: Sequence[Record]) -> tuple[Notice, ...]:
    """What to tell of keypoints that have a z, which is not read."""
    depths = {point["z"] for point in points if isinstance(point.get("z"), int | float)}
    if len(depths) < 2:
        return ()
    guess = any(set(point) & set(_POINT_SCORES) for point in points)
    what = "z of keypoints is left out: they are read as 2D joints, pixels or fractions of an image"
    remedy = "nothing, if they are; give --unit and --up if they are 3D joints"
    return (Notice("note" if guess else "warning", what, remedy),)


def _class_of(person: Record) -> Any:
    """What a detector says that it is, where it does: beside a box."""
    if not {"box", "bbox"} & set(person):
        return None
    values = (person.get(key) for key in ("class_name", "class", "class_id", "cls"))
    return next((value for value in values if isinstance(value, int | str) and not isinstance(value, bool)), None)


def _flat(person: Record, where: str) -> list[float]:
    """x, y, score of one keypoint after another, in one list; 0 for what is null."""
    points: Any = points_of(person) or person["keypoints"]
    scores: Any = next((person[key] for key in _SCORES if isinstance(person.get(key), list)), None)
    if isinstance(points, dict):
        count = len(points["x"])
        if len(points["y"]) != count:
            raise DataError(f"{where}: {count} x and {len(points['y'])} y of one person's keypoints")
        scores = points.get("visible") or points.get("confidence") or scores or [1.0] * count
        points = [list(pair) for pair in zip(points["x"], points["y"], strict=True)]
    points = [[0.0, 0.0, 0.0] if point is None else point for point in points] if None in points else points
    if points and isinstance(points[0], dict):
        places = [p.get("position", p) for p in points]  # PoseNet's, or its successors'
        given = scores if isinstance(scores, list) and len(scores) == len(points) else [_score(p) for p in points]
        return [_float(v) for p, s in zip(places, given, strict=True) for v in (p["x"], p["y"], s)]
    while (
        isinstance(points, list) and len(points) == 1 and isinstance(points[0], list) and isinstance(points[0][0], list)
    ):
        points = points[0]  # MMPose's instances of one person in a batch
    while isinstance(scores, list) and len(scores) == 1 and isinstance(scores[0], list):
        scores = scores[0]
    if points and not isinstance(points[0], list | tuple):
        return _with_scores([_float(v) for v in points], scores)
    if scores is None:
        scores = [p[2] if len(p) > 2 else 1.0 for p in points]
    if len(scores) != len(points):
        raise DataError(f"{where}: {len(scores)} scores for {len(points)} keypoints")
    return [_float(v) for p, s in zip(points, scores, strict=True) for v in (p[0], p[1], s)]


def _with_scores(values: list[float], scores: Any) -> list[float]:
    """x, y of one keypoint after another with scores that stand apart; values that have scores already are left as they are."""
    if not isinstance(scores, list) or len(values) != 2 * len(scores):
        return values
    return [v for i, s in enumerate(scores) for v in (values[2 * i], values[2 * i + 1], _float(s))]


def _score(point: Record) -> Any:
    """How sure a keypoint is, by any usual key; 0 where it is marked as hidden."""
    low = {key.lower(): value for key, value in point.items()}
    if any(AXES.get(key) == "h" and value is not None and _float(value) == 1 for key, value in low.items()):
        return 0.0
    return next((low[key] for key in (*_POINT_SCORES, *AXES) if AXES[key] == "v" and low.get(key) is not None), 1.0)


def _float(value: Any) -> float:
    if isinstance(value, str):
        value = number_of(value.strip())
        return value if value == value else 0.0
    return 0.0 if value is None else float(value)


def _yolo_labels(file: Path) -> list[Record]:
    """Persons of a label file: class, box (4), keypoints of 2 or 3 numbers, perhaps a confidence and a track's id."""
    people = []
    for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        try:
            values = [float(word) for word in words]
        except ValueError as error:
            raise DataError(f"{file}: line {number}: {quoted(words)}; numbers are needed, class first") from error
        found = [(count, size) for size in (3, 2) for count in LAYOUTS if 0 <= len(values) - 5 - count * size <= 2]
        if not found:
            raise DataError(
                f"{file}: line {number}: {len(values)} numbers; class, box and the keypoints of YOLO-pose are needed, 56 with "
                "17 keypoints of 3 numbers"
            )
        count, size = found[0]
        rest = values[5 + count * size :]
        points = [values[5 + i * size : 5 + (i + 1) * size] for i in range(count)]
        person: Record = {
            "class": int(values[0]),
            "box": values[1:5],
            "keypoints": [v for p in points for v in (*p, *[float(any(p))] * (3 - size))],
        }
        if rest and (len(rest) == 2 or (rest[0] == int(rest[0]) and rest[0] >= 1)):
            person["track_id"] = int(rest[-1])
        people.append(person)
    return people
