"""What 2D pose estimators write: OpenPose's folder of one JSON file a frame, and keypoints in COCO's JSON format."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ups.data.formats.classes import only_persons
from ups.data.formats.detections import Detection, recording
from ups.data.formats.joint_map import JointMap
from ups.data.formats.moments import moments_of, role_of
from ups.data.formats.named import other_size, places_of, skeleton_for
from ups.data.formats.own_keys import stated_rate
from ups.data.formats.repair import OWN_UP
from ups.data.formats.timing import numbers_of, slots_of_times
from ups.errors import DataError
from ups.notices import Notice
from ups.pose import PoseSequence
from ups.skeletons import OPENPOSE_18

_BODY_25 = (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)
"""OpenPose's BODY_25 -> `OPENPOSE_18`; the mid hip and the feet are left out."""
_FRAME_KEYS = ("frame_id", "frame_index", "frame_number")
"""Of an image: its number in the video."""
_ID_KEYS = ("track_id", "tracking_id", "person_id", "instance_id", "idx", "id")
"""Of a person in a frame: who it is."""
_ENDING = "_keypoints.json"


def openpose_files(folder: Path) -> list[Path]:
    """The files of OpenPose in a folder: `*_keypoints.json`, or where there is none, all of JSON; by name."""
    files = sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() == ".json" and file.is_file() and not file.name.startswith(".")
    )
    return [file for file in files if file.name.lower().endswith(_ENDING)] or files


def read_openpose(folder: Path, fps: float | None, image_size: tuple[int, int]) -> PoseSequence:
    """A folder of `*_keypoints.json`, one a frame, as OpenPose's --write_json leaves it; BODY_25 or COCO's 18.

    Frames stand where the numbers in the files' names say. An id that the files give (person_id of 0 or more) is
    believed.

    Raises:
        DataError: no such file, a file of another kind, files of several cameras, or nobody in any frame.
    """
    files = openpose_files(folder)
    if not files:
        raise DataError(f"{folder}: no *_keypoints.json file; give the folder that OpenPose's --write_json wrote")
    numbers = numbers_of([file.name for file in files], str(folder))
    detections = []
    for file, number in zip(files, numbers, strict=True):
        try:
            people = json.loads(file.read_bytes())["people"]
            detections += [openpose_person(person, number, str(file)) for person in people]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            if isinstance(error, DataError):
                raise
            what = "an empty file" if not file.stat().st_size else f"not a file of OpenPose ({error!r:.200})"
            raise DataError(
                f"{file}: {what}; write it again, or take it out: frames left out count as not seen"
            ) from error
    where = str(folder)
    return recording(detections, numbers, OPENPOSE_18, fps=fps, image_size=image_size, name=folder.name, where=where)


def openpose_person(person: dict[str, Any], frame: int, where: str) -> Detection:
    """One of the "people" in a file of OpenPose, with the joints of `OPENPOSE_18`.

    Raises:
        DataError: not the keypoints of BODY_25 or COCO.
        KeyError, TypeError, ValueError: other content.
    """
    given = person["pose_keypoints_2d"] if "pose_keypoints_2d" in person else person["pose_keypoints"]  # before 1.2
    if len(given) % 3:
        raise DataError(f"{where}: {len(given)} numbers of a person; x, y and score of every keypoint are needed")
    points = np.array(given, np.float64).reshape(-1, 3)
    if len(points) == 25:
        points = points[list(_BODY_25)]
    if len(points) != len(OPENPOSE_18):
        raise DataError(f"{where}: {len(points)} keypoints; OpenPose's BODY_25 (25) or COCO (18) model is needed")
    return Detection(frame, points, _id(person, "person_id", where))


def read_coco(
    record: Any,
    name: str,
    where: str,
    fps: float | None,
    image_size: tuple[int, int] | None,
    joint_map: JointMap | None = None,
) -> PoseSequence:
    """Person keypoints in COCO's format, as one recording whose images are its frames.

    Frames stand where the images' frame_id, else the number in their file names, else their id says. Ids of persons
    (track_id, person_id, idx; id, where it comes back in several images) are believed.

    Args:
        record: parsed JSON: {"images", "annotations"}, or a list of results {"image_id", "keypoints", "score"}. Each
            annotation's keypoints are x, y, v of joint after joint; v is 0, 1, 2 in annotations, the confidence in results.
            Which joint is which say the names in "categories", else their number (`layouts.LAYOUTS`).
        name: of the clip; where: the file, for errors.
        fps: None where the user does not say.
        image_size: needed for a list of results, which does not have it.
        joint_map: what the user says that the joints are.

    Raises:
        DataError: other values, too little of a body in the names, an unknown number of keypoints without names, nobody
            in any frame, no image size, or images whose order can't be told.
    """
    try:
        annotations = record if isinstance(record, list) else record["annotations"]
        if not annotations:
            raise DataError(f"{where}: nobody is seen, for there is no person in it; look at what wrote it")
        images = [] if isinstance(record, list) else record.get("images") or []
        told: list[Notice] = [] if isinstance(record, list) else list(record.get("notices", ()))
        if images and {"width", "height"} <= set(images[0]):
            stated_size = int(images[0]["width"]), int(images[0]["height"])
            told += other_size(image_size, stated_size, "given")
            image_size = image_size or stated_size
        rate = None
        sizes = {(image["width"], image["height"]) for image in images if {"width", "height"} <= set(image)}
        if len(sizes) > 1:
            first, other = (f"{width} x {height}" for width, height in sorted(sizes)[:2])
            raise DataError(f"{where}: images of different sizes ({first}, {other}); write one file for each recording")
        annotations = [_unnested(a) for a in annotations]
        if images:
            keys = [image["id"] for image in images]
            if (timed := _image_times(images, where)) is not None:
                numbers, rate, more = timed
                told += more
            else:
                numbers = _image_numbers(images, keys, where, told)
        else:
            keys = list(dict.fromkeys(a["image_id"] for a in annotations))
            numbers = _whole(keys) or numbers_of([str(key) for key in keys], where)
        number = dict(zip(keys, numbers, strict=True))
        if set(number) != {a["image_id"] for a in annotations}:  # 7 and "7" are one image
            texts = {str(key): key for key in keys}
            annotations = [
                a if a["image_id"] in number else {**a, "image_id": texts.get(str(a["image_id"]), a["image_id"])}
                for a in annotations
            ]
        lost = [a["image_id"] for a in annotations if a["image_id"] not in number]
        if lost:
            raise DataError(
                f"{where}: image_id {lost[0]!r} of a person is the id of no image; list it among the images"
            )
        annotations, places, more = _coco_joints(record, annotations, where, joint_map)
        more = (*more, *_boxes_apart(annotations))
        skeleton = skeleton_for(places, where)
        picked = [places[joint] for joint in skeleton.joints]
        key = _id_key(annotations)
        detections = []
        for a in annotations:
            points = np.array(a["keypoints"], np.float64).reshape(-1, 3)[picked]
            detections.append(Detection(number[a["image_id"]], points, _id(a, key, where)))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"{where}: not keypoints in COCO's format ({error!r:.200}); docs/formats.md says what is read"
        ) from error
    if image_size is None:
        raise DataError(
            f"{where}: it does not say how large the images are; give the image size, width and height; or --unit and --up, if "
            "these are 3D joints"
        )
    stated = rate or (None if isinstance(record, list) else _stated_fps(record, where))
    clip = recording(
        detections, numbers, skeleton, fps=fps, image_size=image_size, name=name, where=where, stated_fps=stated
    )
    info = record.get("info") if isinstance(record, dict) else None
    known = isinstance(info, dict) and info.get("up") == OWN_UP["image"]
    return replace(clip.tell(*told, *more), up_known=known)


def _boxes_apart(annotations: Sequence[dict[str, Any]]) -> tuple[Notice, ...]:
    """What to tell of keypoints that lie outside the boxes beside them, but fit those moved to the corner."""
    apart = known = 0
    for a in annotations:
        box, points = a.get("bbox"), np.array(a["keypoints"], float).reshape(-1, 3)
        points = points[(points[:, :2] != 0).any(-1), :2]
        if not isinstance(box, list) or len(box) != 4 or not len(points):
            continue
        corner, size = np.array(box[:2], float), np.array(box[2:], float)
        margin = 0.2 * size
        inside = ((points >= corner - margin) & (points <= corner + size + margin)).all(-1).mean()
        moved = ((points >= -margin) & (points <= size + margin)).all(-1).mean()
        known, apart = known + 1, apart + bool(inside < 0.5 < 0.9 < moved)
    if known < 5 or apart < 0.8 * known:
        return ()
    what = "keypoints lie outside the boxes beside them, and seem to be measured from the corners of these"
    return (
        Notice("warning", what, "add each box's x and y to its keypoints, if so; else nothing", f"{apart} of {known}"),
    )


def _unnested(annotation: dict[str, Any]) -> dict[str, Any]:
    """The same with its keypoints one number after another, where they stand in a list of [x, y, v]."""
    points = annotation.get("keypoints")
    if isinstance(points, list) and points and all(isinstance(p, list) and len(p) == 3 for p in points):
        return {**annotation, "keypoints": [value for point in points for value in point]}
    return annotation


def _image_times(images: list[dict[str, Any]], where: str) -> tuple[list[int], float, tuple[Notice, ...]] | None:
    """Numbers of frames, rate and notices by the times of images that have neither a frame's number nor a name."""
    if len(images) < 2 or any(key in images[0] for key in (*_FRAME_KEYS, "file_name", "video_id", "vid_id")):
        return None
    for key in images[0]:
        role, unit = role_of(str(key))
        if role == "time" and all(image.get(key) is not None for image in images):
            moments = moments_of([str(image[key]) for image in images], "time", unit, where, str(key))
            return slots_of_times(moments.values, moments.unit, where)
    return None


def _stated_fps(record: dict[str, Any], where: str) -> float | None:
    """Frames per second in "info", where this project writes them, or of the one video; None where nobody says."""
    videos = record.get("videos") or [{}]
    for place in (record.get("info"), videos[0] if isinstance(videos, list) else None):
        if isinstance(place, dict) and (fps := stated_rate(place, where)) is not None:
            return fps
    return None


def _coco_joints(
    record: Any, annotations: list[dict[str, Any]], where: str, joint_map: JointMap | None
) -> tuple[list[dict[str, Any]], dict[str, int], tuple[Notice, ...]]:
    """The annotations of persons, slot -> number of the keypoint in them, and what to tell."""
    categories = [] if isinstance(record, list) else record.get("categories") or []
    known = {c["id"]: c for c in categories if c.get("keypoints")}
    used = [i for i in dict.fromkeys(a.get("category_id") for a in annotations) if i in known] or list(known)
    called = {c["id"]: str(c.get("name", c["id"])) for c in categories}
    with_points = [a for a in annotations if a.get("keypoints")]
    of = [called.get(a.get("category_id"), a.get("category_id")) for a in with_points]
    keep, told = only_persons(of, where, first=1)
    annotations = [a for a, wanted in zip(with_points, keep, strict=True) if wanted] or annotations
    used = [i for i in dict.fromkeys(a.get("category_id") for a in annotations) if i in known] or used
    if annotations and not any("keypoints" in a for a in annotations):
        raise KeyError("keypoints")
    annotations = [a for a in annotations if a.get("keypoints")]
    counts = {len(a["keypoints"]) // 3: len(a["keypoints"]) % 3 for a in annotations}
    if len(counts) > 1 or any(counts.values()):
        found = ", ".join(str(n) for n in sorted({len(a["keypoints"]) for a in annotations})[:3])
        raise DataError(f"{where}: keypoints of {found} numbers; three for each of always the same joints are needed")
    count = next(iter(counts), 0)
    if not count:
        raise DataError(f"{where}: nobody is seen in any of its frames: no annotation has keypoints")
    names = [str(name) for name in known[used[0]]["keypoints"]] if used else None
    if names and len(names) != count:
        raise DataError(
            f"{where}: {count} keypoints, but its category {known[used[0]].get('name')!r} names {len(names)}"
        )
    if names and all(name.isdecimal() for name in names):
        names = None
    places, more = places_of(names, count, where, joint_map)
    return annotations, places, (*told, *more)


def _image_numbers(images: list[dict[str, Any]], ids: list[Any], where: str, told: list[Notice]) -> list[int]:
    """The frame number of every image; appends what is to be told."""
    told_videos = (image.get("video_id", image.get("vid_id")) for image in images)
    videos = list(dict.fromkeys(video for video in told_videos if video is not None))
    if len(videos) > 1:
        raise DataError(
            f"{where}: images of {len(videos)} videos (video_id {videos[0]}, {videos[1]}); write one file each"
        )
    twice = [id for id, count in Counter(map(str, ids)).items() if count > 1]
    if twice:
        named = " and ".join(str(image.get("file_name")) for image in images if str(image["id"]) == twice[0])
        raise DataError(f"{where}: two images with id {twice[0]} ({named:.100}); give each its own")
    for key in _FRAME_KEYS:
        if numbers := _whole([image.get(key) for image in images]):
            return numbers
    names = [str(image["file_name"]) for image in images if image.get("file_name")]
    whole = _whole(ids)
    if whole and (len(names) < len(images) or _say_nothing(names)):
        rank = {id: n for n, id in enumerate(sorted(whole))}
        return [rank[id] for id in whole]  # ids say the order, and nothing of time
    if len(names) < len(images):
        return numbers_of([str(id) for id in ids], where)
    numbers = numbers_of(names, where)
    if whole is None:
        return numbers
    order = np.argsort(numbers)
    rising = np.array(whole)[order]
    if (np.diff(rising) > 0).all():
        return numbers
    if [whole[i] for i in sorted(range(len(names)), key=names.__getitem__)] == sorted(whole):
        told.append(Notice("note", "images are ordered by the numbers in their names, not by id", "nothing"))
        return numbers
    at = int(np.argmax(np.diff(rising) <= 0))
    first, second = (f"{names[order[i]]} has id {ids[order[i]]}" for i in (at, at + 1))
    raise DataError(
        f"{where}: ids and names of images disagree about their order ({first}, {second}); give every image its frame_id, "
        "or ids that rise with the names"
    )


def _say_nothing(names: Sequence[str]) -> bool:
    """Whether names of files can't give an order: none has a digit, or they are random hexadecimal digits."""
    stems = [name.replace("\\", "/").rsplit("/", 1)[-1].split(".")[0].replace("-", "").lower() for name in names]
    random = all(re.fullmatch(r"[0-9a-f]{16,}", stem) for stem in stems) and any(re.search("[a-f]", s) for s in stems)
    return random or not any(re.search(r"\d", name) for name in names)


def _whole(values: Sequence[Any]) -> list[int] | None:
    """The values as whole numbers >= 0; None where one isn't."""
    numbers = [_number(value) for value in values]
    return None if None in numbers else [n for n in numbers if n is not None]


def _number(value: Any) -> int | None:
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None
    whole = isinstance(value, int | float) and not isinstance(value, bool) and value == value and abs(value) < 1e18
    return int(value) if whole and value == int(value) and value >= 0 else None


def _id_key(persons: Sequence[dict[str, Any]]) -> str:
    """The key that says who a person is; that of COCO's annotations, different for each, does not."""
    for key in _ID_KEYS:
        given = [str(a[key]) for a in persons if a.get(key) not in (None, [])]
        if given and (key != "id" or len(set(given)) < len(given)):
            return key
    return _ID_KEYS[0]


def _id(person: dict[str, Any], key: str, where: str) -> int | str | None:
    """Who it is; None where the file does not say."""
    value = person.get(key)
    while isinstance(value, list) and value:
        value = value[0]
    if value is None or value == [] or value == "" or value != value:
        return None
    if isinstance(value, str):
        return int(value) if value.removeprefix("-").isdecimal() and len(value) < 19 else value
    if not isinstance(value, int | float) or abs(value) > 1e15 or value != int(value):
        raise DataError(f"{where}: {key} {value!r:.40} of a person; a whole number is needed, -1 where unknown")
    return int(value)
