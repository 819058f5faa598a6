"""What 2D pose estimators write: OpenPose's folder of one JSON file a frame, and keypoints in COCO's JSON format.

Both list the persons of every frame without saying who is who; they are followed through time: from one frame to the
next a person moves by less than half his size, and he may be hidden for a second.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ups.data.formats.tracking import into_slots, link
from ups.errors import DataError
from ups.pose import PoseSequence
from ups.skeleton import Skeleton
from ups.skeletons import COCO_17, OPENPOSE_18

MOST_PERSONS = 2
"""Persons kept of a recording: those seen best, over all frames."""
DETECTED = 200
"""Persons that one frame may show."""
FARTHEST = 100_000
"""Pixels; coordinates beyond, and those that are no numbers, are damage."""
_BODY_25 = (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)
"""OpenPose's BODY_25 -> `OPENPOSE_18`; the mid hip and the feet are left out."""


def read_openpose(folder: Path, fps: float, image_size: tuple[int, int]) -> PoseSequence:
    """A folder of `*_keypoints.json`, one a frame, as OpenPose's --write_json leaves it; BODY_25 or COCO's 18.

    Raises:
        DataError: no such file, a file of another kind, or nobody in any frame.
    """
    files = sorted(folder.glob("*.json"), key=_frame_key)
    if not files:
        raise DataError(f"{folder}: no *_keypoints.json file; give the folder that OpenPose's --write_json wrote")
    frames = []
    for file in files:
        try:
            people = json.loads(file.read_bytes())["people"]
            frames.append([_openpose_person(person, file) for person in people])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"{file}: not a file of OpenPose ({error!r})") from error
    return _sequence(frames, OPENPOSE_18, fps, image_size, folder.name, str(folder))


def read_coco(record: Any, name: str, where: str, fps: float, image_size: tuple[int, int] | None) -> PoseSequence:
    """Person keypoints in COCO's format, as one recording whose images are its frames, in the order of their numbers.

    Args:
        record: parsed JSON: {"images", "annotations"}, or a list of results {"image_id", "keypoints", "score"}. Each
            annotation's keypoints are 17 times x, y, v; v is 0, 1, 2 in annotations, the confidence in results.
        name: of the clip; where: the file, for errors.
        image_size: needed for a list of results, which does not have it.

    Raises:
        DataError: other values, nobody in any frame, or no image size.
    """
    try:
        annotations = record if isinstance(record, list) else record["annotations"]
        images = [] if isinstance(record, list) else record["images"]
        if image_size is None and images:
            image_size = int(images[0]["width"]), int(images[0]["height"])
        order = [i["id"] for i in sorted(images, key=lambda i: _number(i.get("frame_id", i["id"])))]
        order = order or sorted({a["image_id"] for a in annotations}, key=_number)
        frames: list[list[np.ndarray]] = [[] for _ in order]
        place = {image: n for n, image in enumerate(order)}
        for annotation in annotations:
            points = _points(annotation["keypoints"], where)
            if len(points) != len(COCO_17):
                raise DataError(f"{where}: {len(points)} keypoints; COCO's {len(COCO_17)} are needed")
            frames[place[annotation["image_id"]]].append(points)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{where}: not keypoints in COCO's format ({error!r})") from error
    if image_size is None:
        raise DataError(f"{where}: it does not say how large the images are; give the image size, width and height")
    return _sequence(frames, COCO_17, fps, image_size, name, where)


def _sequence(
    frames: Sequence[Sequence[np.ndarray]],
    skeleton: Skeleton,
    fps: float,
    image_size: tuple[int, int],
    name: str,
    where: str,
) -> PoseSequence:
    """Persons (J, 3) of every frame -> a clip of at most MOST_PERSONS, followed through time."""
    people = [np.stack(persons) if persons else np.zeros((0, len(skeleton), 3)) for persons in frames]
    people = [persons[(persons[..., 2] > 0).any(-1)] for persons in people]
    most = max(map(len, people), default=0)
    if most > DETECTED:
        raise DataError(f"{where}: {most} persons in one frame; at most {DETECTED} are followed: keep the surest ones")
    extents = [np.ptp(p[p[:, 2] > 0, :2], axis=0).max() for persons in people for p in persons]
    if not extents:
        raise DataError(f"{where}: nobody is seen in any of its {len(frames)} frames")
    gate = max(float(np.median(extents)) / 2, 1.0)
    tracks = link([p[..., :2] for p in people], [p[..., 2] for p in people], gate, round(fps))
    weights = [sum(people[n][p][:, 2].sum() for n, p in track) for track in tracks]
    slots = into_slots(tracks, weights, MOST_PERSONS)
    poses = np.zeros((len(slots), len(frames), len(skeleton), 3))
    for m, slot in enumerate(slots):
        for n, p in (place for track in slot for place in track):
            poses[m, n] = people[n][p]
    visibility = np.clip(poses[..., 2], 0, 1)
    joints = np.where(visibility[..., None] > 0, poses[..., :2], 0)
    return PoseSequence(joints, visibility, skeleton, "image", fps, name, image_size=image_size)


def _openpose_person(person: dict[str, Any], file: Path) -> np.ndarray:
    points = _points(person["pose_keypoints_2d"], str(file))
    if len(points) == 25:
        return points[list(_BODY_25)]
    if len(points) != len(OPENPOSE_18):
        raise DataError(f"{file}: {len(points)} keypoints; OpenPose's BODY_25 (25) or COCO (18) model is needed")
    return points


def _points(values: Any, where: str) -> np.ndarray:
    """(J, 3) from x, y and confidence of one joint after another."""
    points = np.array(values, np.float64).reshape(-1, 3)
    if not (np.abs(points) <= FARTHEST).all():
        raise DataError(
            f"{where}: keypoint {points[~(np.abs(points) <= FARTHEST)][0]}; pixels up to {FARTHEST} are needed"
        )
    return points


def _frame_key(file: Path) -> tuple[float, str]:
    return _number(file.name.removesuffix("_keypoints.json").removesuffix(".json")), file.name


def _number(image: int | str) -> float:
    """The last number in a frame's name or id; frames without one keep their order by name."""
    digits = re.findall(r"\d+", str(image))
    return float(digits[-1]) if digits else -1.0
