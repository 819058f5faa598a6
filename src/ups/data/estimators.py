"""What 2D pose estimators write: OpenPose's folder of one JSON file a frame, and keypoints in COCO's JSON format.

Both list the persons of every frame without saying who is who; `link` follows them through time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ups.pose import PoseError, PoseSequence
from ups.skeleton import COCO_17, OPENPOSE_18, Skeleton

MOST_PERSONS = 2
"""Persons kept of a recording: those seen best, over all frames."""
_BODY_25 = (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)
"""OpenPose's BODY_25 -> `OPENPOSE_18`; the mid hip and the feet are left out."""


def read_openpose(folder: Path, fps: float, image_size: tuple[int, int]) -> PoseSequence:
    """A folder of `*_keypoints.json`, one a frame, as OpenPose's --write_json leaves it; BODY_25 or COCO's 18.

    Raises:
        PoseError: no such file, a file of another kind, or nobody in any frame.
    """
    files = sorted(folder.glob("*.json"), key=_frame_key)
    if not files:
        raise PoseError(f"{folder}: no *_keypoints.json file; give the folder that OpenPose's --write_json wrote")
    frames = []
    for file in files:
        try:
            people = json.loads(file.read_bytes())["people"]
            frames.append([_openpose_person(person, file) for person in people])
        except (ValueError, KeyError, TypeError) as error:
            if isinstance(error, PoseError):
                raise
            raise PoseError(f"{file}: not a file of OpenPose ({error!r})") from error
    return _sequence(frames, OPENPOSE_18, fps, image_size, folder.name, str(folder))


def read_coco(record: Any, name: str, where: str, fps: float, image_size: tuple[int, int] | None) -> PoseSequence:
    """Person keypoints in COCO's format, as one recording whose images are its frames, in the order of their numbers.

    Args:
        record: parsed JSON: {"images", "annotations"}, or a list of results {"image_id", "keypoints", "score"}. Each
            annotation's keypoints are 17 times x, y, v; v is 0, 1, 2 in annotations, the confidence in results.
        name: of the clip; where: the file, for errors.
        image_size: needed for a list of results, which does not tell it.

    Raises:
        PoseError: other values, nobody in any frame, or no image size.
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
            points = np.array(annotation["keypoints"], np.float64).reshape(-1, 3)
            if len(points) != len(COCO_17):
                raise PoseError(f"{where}: {len(points)} keypoints; COCO's {len(COCO_17)} are needed")
            frames[place[annotation["image_id"]]].append(points)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        if isinstance(error, PoseError):
            raise
        raise PoseError(f"{where}: not keypoints in COCO's format ({error!r})") from error
    if image_size is None:
        raise PoseError(f"{where}: it does not say how large the images are; give the image size, width and height")
    return _sequence(frames, COCO_17, fps, image_size, name, where)


def link(frames: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """Follows persons through time: each goes to the nearest person of an earlier frame, nearest pairs first.

    A person further from everyone than his own height counts as new. The `MOST_PERSONS` with the highest summed
    confidence are kept, in the order in which they appear.

    Args:
        frames: for each of N frames its persons, (J, 3) each: x, y, confidence (0 = not seen).

    Returns:
        (M, N, J, 3); zero where a person is absent. M is 0 if nobody is ever seen.
    """
    last: list[np.ndarray] = []
    tracks: list[dict[int, np.ndarray]] = []
    for n, persons in enumerate(frames):
        pairs = [(_distance(old, new), i, k) for i, old in enumerate(last) for k, new in enumerate(persons)]
        taken, placed = set(), {}
        for distance, i, k in sorted(pairs):
            if distance <= 1 and i not in taken and k not in placed:
                taken.add(i)
                placed[k] = i
        for k, person in enumerate(persons):
            if k not in placed and (person[:, 2] > 0).any():
                placed[k] = len(tracks)
                tracks.append({})
                last.append(person)
            if k in placed:
                tracks[placed[k]][n] = last[placed[k]] = person
    best = sorted(range(len(tracks)), key=lambda i: -sum(p[:, 2].sum() for p in tracks[i].values()))[:MOST_PERSONS]
    joints = len(last[0]) if last else 0
    result = np.zeros((len(best), len(frames), joints, 3))
    for m, i in enumerate(sorted(best)):
        for n, person in tracks[i].items():
            result[m, n] = person
    return result


def _distance(old: np.ndarray, new: np.ndarray) -> float:
    """Mean distance of the joints seen in both, in heights of the old person; infinite if there are none."""
    seen = old[:, 2] > 0
    both = seen & (new[:, 2] > 0)
    if not both.any():
        return np.inf
    extent = np.ptp(old[seen, :2], axis=0).max()
    return float(np.linalg.norm(old[both, :2] - new[both, :2], axis=-1).mean() / max(extent, 1.0))


def _sequence(
    frames: Sequence[Sequence[np.ndarray]],
    skeleton: Skeleton,
    fps: float,
    image_size: tuple[int, int],
    name: str,
    where: str,
) -> PoseSequence:
    tracks = link(frames)
    if not len(tracks):
        raise PoseError(f"{where}: nobody is seen in any of its {len(frames)} frames")
    visibility = np.clip(tracks[..., 2], 0, 1)
    joints = np.where(visibility[..., None] > 0, tracks[..., :2], 0)
    return PoseSequence(joints, visibility, skeleton, "image", fps, name, image_size=image_size)


def _openpose_person(person: dict[str, Any], file: Path) -> np.ndarray:
    points = np.array(person["pose_keypoints_2d"], np.float64).reshape(-1, 3)
    if len(points) == 25:
        return points[list(_BODY_25)]
    if len(points) != len(OPENPOSE_18):
        raise PoseError(f"{file}: {len(points)} keypoints; OpenPose's BODY_25 (25) or COCO (18) model is needed")
    return points


def _frame_key(file: Path) -> tuple[float, str]:
    return _number(file.name.removesuffix("_keypoints.json").removesuffix(".json")), file.name


def _number(image: int | str) -> float:
    """The last number in a frame's name or id; frames without one keep their order by name."""
    digits = re.findall(r"\d+", str(image))
    return float(digits[-1]) if digits else -1.0
