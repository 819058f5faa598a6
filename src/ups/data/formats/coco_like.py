"""JSON and text of other 2D pose estimators, brought into COCO's form, which `keypoints.read_coco` reads: MMPose,
AlphaPose, Ultralytics YOLO, TensorFlow.js. A frame a file, these are folders.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ups.data.formats.joint_names import quoted
from ups.data.formats.layouts import LAYOUTS
from ups.data.formats.moments import role_of
from ups.errors import DataError

Record = dict[str, Any]
_PEOPLE = ("persons", "people", "instances", "detections", "poses", "annotations", "objects", "bodies", "predictions")
"""Keys of the persons of a frame."""


def as_coco(record: Any, where: str, image_size: tuple[int, int] | None) -> Record | None:
    """Parsed JSON of one recording as {"images", "annotations", "categories"} of COCO; None if it is no such file.

    MMPose: {"meta_info", "instance_info"} of a video, or its list of {"frame_id", "instances"}. AlphaPose: a dict of images
    with "bodies" or "people". YOLO: a list of frames, each a list of {"keypoints": {"x", "y", "visible"}}.

    Raises:
        DataError: one frame of such a recording, or values that do not fit together.
    """
    if isinstance(record, dict) and isinstance(record.get("instance_info"), list):
        info = record["instance_info"]
        names = mmpose_names(record.get("meta_info"))
        if info and not all(isinstance(i, dict) and "instances" in i for i in info):
            raise DataError(
                f"{where}: one frame of MMPose; give the folder that holds them all, or the JSON of the video"
            )
        return _coco([(i.get("frame_id", n), i["instances"]) for n, i in enumerate(info)], where, image_size, names)
    if (
        isinstance(record, dict)
        and record
        and all(isinstance(v, dict) and _people(v) is not None for v in record.values())
    ):
        frames = [(image, _people(value) or []) for image, value in record.items()]
        return _coco(frames, where, image_size, None)
    if isinstance(record, dict) and record and all(map(_is_frame, *zip(*record.items(), strict=True))):
        return _coco(list(record.items()), where, image_size, _dict_names(list(record.values())))
    if isinstance(record, dict) and isinstance(record.get("frames"), list):
        return _own_frames(record, where, image_size)
    if not isinstance(record, list) or not record:
        return None
    if all(isinstance(i, str) for i in record):
        record = _parsed(record, where)  # Ultralytics' to_json() of every frame
    if all(isinstance(i, dict) and isinstance(i.get("instances"), list) for i in record):
        return _coco([(i.get("frame_id", n), i["instances"]) for n, i in enumerate(record)], where, image_size, None)
    if all(isinstance(i, list) and all(_is_instance(p) for p in i) for i in record) and any(record):
        return _coco(list(enumerate(record)), where, image_size, _dict_names(record))
    if (frames := _frames_of(record)) is not None:
        return _own_frames({"frames": frames}, where, image_size)
    if all(_is_instance(i) and not {"image_id", "frame_id"} & set(i) for i in record):
        raise DataError(
            f"{where}: persons of one frame, with nothing that says which; give the folder that holds them all, or a list of "
            "such lists, one a frame"
        )
    return None


def _is_frame(key: str, people: Any) -> bool:
    """Whether that is a frame's number, or its image, and the persons in it."""
    return (
        any(c.isdigit() for c in key)
        and isinstance(people, list)
        and all(isinstance(p, dict) and _points_of(p) is not None for p in people)
    )


def _frames_of(record: list[Any]) -> list[Record] | None:
    """Frames of a list of persons, each with the number of its frame; None where it is no such list."""
    if not all(isinstance(i, dict) and "image_id" not in i and _points_of(i) is not None for i in record):
        return None
    keys = [k for k in record[0] if role_of(k)[0] == "frame" and all(isinstance(i.get(k), int) for i in record)]
    if not keys:
        return None
    frames: dict[int, list[Record]] = {}
    for person in record:
        frames.setdefault(person[keys[0]], []).append({k: v for k, v in person.items() if k != keys[0]})
    return [{"frame": number, "persons": people} for number, people in frames.items()]


def _parsed(texts: list[str], where: str) -> list[Any]:
    try:
        return [json.loads(text) for text in texts]
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: a list of texts that are no JSON ({error})") from error


def _own_frames(record: Record, where: str, image_size: tuple[int, int] | None) -> Record | None:
    """{"fps", "width", "height", "frames": [{"frame", "persons": [{"id", "keypoints"}]}]}, as people write it by themselves."""
    frames = record["frames"]
    key = next(
        (k for k in _PEOPLE if frames and all(isinstance(f, dict) and isinstance(f.get(k), list) for f in frames)), None
    )
    if key is None or not all(isinstance(p, dict) and _points_of(p) is not None for f in frames for p in f[key]):
        return None
    if image_size is None and {"width", "height"} <= set(record):
        image_size = int(record["width"]), int(record["height"])
    number = next(
        (k for k in frames[0] if role_of(k)[0] == "frame" and all(isinstance(f.get(k), int) for f in frames)), None
    )
    people = _alike([[{**p, "keypoints": _points_of(p)} for p in f[key]] for f in frames])
    listed = [(f[number] if number else n, each) for n, (f, each) in enumerate(zip(frames, people, strict=True))]
    names = record.get("joint_names", record.get("keypoint_names")) or _dict_names(people)
    coco = _coco(listed, where, image_size, [str(n) for n in names] if isinstance(names, list) else None)
    return coco | ({"info": {"fps": record["fps"]}} if "fps" in record else {})


def _points_of(person: Record) -> Any:
    """A person's keypoints, whatever they are called; None without any."""
    pose = person.get("pose")
    found = person.get("keypoints", person.get("joints", pose.get("keypoints") if isinstance(pose, dict) else pose))
    if isinstance(found, dict) and found and not {"x", "y"} <= set(found):  # name -> its place
        points = [_named_point(name, place) for name, place in found.items()]
        return None if None in points else points
    return found if isinstance(found, list | dict) and found else None


def _named_point(name: str, place: Any) -> Record | None:
    """{"name", "x", "y", "score"} of a keypoint that stands under its name; None for anything else."""
    if place is None:
        return {"name": name, "x": 0.0, "y": 0.0, "score": 0.0}
    if isinstance(place, dict) and {"x", "y"} <= set(place):
        return {**place, "name": name}
    if isinstance(place, list) and len(place) in (2, 3) and all(isinstance(v, int | float) for v in place):
        return {"name": name, "x": place[0], "y": place[1], "score": place[2] if len(place) > 2 else 1.0}
    return None


def _alike(people: list[list[Record]]) -> list[list[Record]]:
    """Persons whose named keypoints are all there, in one order: those that some lack count as not seen."""
    points = [_points_of(person) for frame in people for person in frame]
    if not all(isinstance(p, list) and all(isinstance(k, dict) and "name" in k for k in p) for p in points):
        return people
    names = list(dict.fromkeys(str(k["name"]) for p in points for k in p))
    gone = {name: {"name": name, "x": 0.0, "y": 0.0, "score": 0.0} for name in names}
    return [
        [
            {**person, "keypoints": list((gone | {str(k["name"]): k for k in _points_of(person)}).values())}
            for person in frame
        ]
        for frame in people
    ]


def folder_as_coco(folder: Path, image_size: tuple[int, int] | None) -> Record:
    """A folder with a JSON (MMPose, YOLO) or a label .txt (YOLO) of every frame, in COCO's form.

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
    frames = []
    for file in texts or files:
        frames.append((file.stem, _yolo_labels(file) if texts else _frame_json(file)))
    if texts and image_size is None:
        raise DataError(f"{folder}: YOLO's labels are fractions; give the image size, width and height in pixels")
    return _coco(frames, str(folder), image_size, None)


def is_yolo_folder(folder: Path) -> bool:
    """Whether a folder holds label files of YOLO-pose."""
    first = next(
        (
            f
            for f in sorted(folder.iterdir())
            if f.suffix.lower() == ".txt" and not f.name.startswith(".") and f.stem.lower() not in ("classes", "readme")
        ),
        None,
    )
    try:
        return first is not None and all(len(line.split()) >= 5 + 2 * 17 for line in first.read_text().splitlines()[:1])
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
    points = _points_of(value)
    if isinstance(points, dict):
        return "x" in points and "y" in points
    named = isinstance(points, list) and bool(points) and isinstance(points[0], dict)
    named = named and ("x" in points[0] or "position" in points[0])
    return named or (isinstance(points, list) and "keypoint_scores" in value)


def _dict_names(frames: list[list[Record]]) -> list[str] | None:
    """Names of keypoints that are dicts of their own."""
    points = next((_points_of(person) for people in frames for person in people), None)
    names = [p.get("name", p.get("part")) for p in points if isinstance(p, dict)] if isinstance(points, list) else []
    return [str(name) for name in names] if names and all(names) else None


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
) -> Record:
    """Persons of every frame -> COCO's record; one kind of coordinates in all of them."""
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
            annotations.append(annotation if track is None else annotation | {"track_id": track})
    if image_size is not None:
        xy = [abs(v) for a in annotations for i, v in enumerate(a["keypoints"]) if i % 3 < 2]
        if xy and max(xy) <= 1.5:  # fractions of the image
            for a in annotations:
                a["keypoints"] = [v * (*image_size, 1)[i % 3] for i, v in enumerate(a["keypoints"])]
        for image in images:
            image |= {"width": image_size[0], "height": image_size[1]}
    category: Record = {"id": 1, "name": "person"}
    return {
        "images": images,
        "annotations": annotations,
        "categories": [category | ({"keypoints": names} if names else {})],
    }


def _flat(person: Record, where: str) -> list[float]:
    """x, y, score of one keypoint after another, in one list."""
    points: Any = _points_of(person) or person["keypoints"]
    scores: Any = person.get("keypoint_scores")
    if isinstance(points, dict):
        count = len(points["x"])
        if len(points["y"]) != count:
            raise DataError(f"{where}: {count} x and {len(points['y'])} y of one person's keypoints")
        scores = points.get("visible") or points.get("confidence") or [1.0] * count
        points = [list(pair) for pair in zip(points["x"], points["y"], strict=True)]
    if points and isinstance(points[0], dict):
        places = [p.get("position", p) for p in points]  # PoseNet's, or its successors'
        given = [
            next((p[k] for k in ("score", "visibility", "confidence") if p.get(k) is not None), 1.0) for p in points
        ]
        return [float(v) for p, s in zip(places, given, strict=True) for v in (p["x"], p["y"], s)]
    while (
        isinstance(points, list) and len(points) == 1 and isinstance(points[0], list) and isinstance(points[0][0], list)
    ):
        points = points[0]  # MMPose's instances of one person in a batch
    while isinstance(scores, list) and len(scores) == 1 and isinstance(scores[0], list):
        scores = scores[0]
    if points and not isinstance(points[0], list | tuple):
        return [float(v) for v in points]
    if scores is None:
        scores = [p[2] if len(p) > 2 else 1.0 for p in points]
    if len(scores) != len(points):
        raise DataError(f"{where}: {len(scores)} scores for {len(points)} keypoints")
    return [float(v) for p, s in zip(points, scores, strict=True) for v in (p[0], p[1], s)]


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
        person: Record = {"keypoints": [v for p in points for v in (*p, *[float(any(p))] * (3 - size))]}
        if rest and (len(rest) == 2 or (rest[0] == int(rest[0]) and rest[0] >= 1)):
            person["track_id"] = int(rest[-1])
        people.append(person)
    return people
