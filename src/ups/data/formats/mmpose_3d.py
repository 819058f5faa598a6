"""3D results of MMPose: the JSON of its instances, whose keypoints have three coordinates; z up, unit by the body."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ups.data.formats.axes import doubtful_unit, unit_by_thighs
from ups.data.formats.coco_like import mmpose_names
from ups.data.formats.layouts import layout_of
from ups.data.formats.markers import bodies_clip
from ups.data.formats.moments import Moments
from ups.data.formats.named import Wish, places_of
from ups.data.formats.trc import UNITS
from ups.errors import DataError
from ups.pose import PoseSequence
from ups.skeletons import H36M_17

_MOST = 30_000_000


def is_mmpose_3d(record: Any) -> bool:
    """Whether parsed JSON has instances whose keypoints have three coordinates and scores beside them."""
    for _, people in _frames(record):
        for person in people:
            if isinstance(person, dict) and "keypoints" in person:
                points, scores = _inner(person["keypoints"]), _inner(person.get("keypoint_scores"))
                if not (isinstance(points, list) and isinstance(scores, list) and len(points) == len(scores) > 0):
                    return False
                three = all(isinstance(point, list) and len(point) == 3 for point in points)
                return three and [point[2] for point in points] != scores
    return False


def read_mmpose_3d(record: Any, path: Path, wish: Wish) -> PoseSequence:
    """One recording, space "world" (metres, y up). Persons are told apart by track_id.

    Args:
        record: {"meta_info", "instance_info"} or its list of {"frame_id", "instances"}.
        path: of the file; wish: what the user says.

    Raises:
        DataError: several persons without track_id, keypoints of uneven numbers, thighs of no human's length.
    """
    frames = _frames(record)
    info = record["instance_info"] if isinstance(record, dict) else record
    if all("keypoints" in i for i in info):
        raise DataError(f"{path}: one frame of MMPose's 3D poses; give the JSON of the video")
    tracks: dict[Any, int] = {}
    rows: list[tuple[int, int, list[Any], Any]] = []
    for n, (_, people) in enumerate(frames):
        if len(people) > 1 and any(person.get("track_id") is None for person in people):
            raise DataError(
                f"{path}: {len(people)} persons in a frame without track_id; 3D poses of MMPose don't say where people are, "
                "so write one person a file, or add track_id"
            )
        for person in people:
            m = tracks.setdefault(person.get("track_id"), len(tracks))
            rows.append((m, n, _inner(person["keypoints"]), _inner(person["keypoint_scores"])))
    counts = {len(points) for _, _, points, _ in rows}
    if len(counts) != 1 or any(len(p) != 3 for _, _, points, _ in rows for p in points):
        raise DataError(
            f"{path}: keypoints of {sorted(counts)[:3]} joints; three numbers for each of always the same are needed"
        )
    count = counts.pop()
    if len(tracks) * len(frames) * count > _MOST:
        raise DataError(f"{path}: {len(tracks)} persons over {len(frames)} frames; cut it into recordings")
    points = np.full((len(tracks), len(frames), count, 3), np.nan)
    scores = np.zeros(points.shape[:3])
    for m, n, joints, sure in rows:
        points[m, n], scores[m, n] = np.array(joints, float), np.array(sure, float)
    names = mmpose_names(record.get("meta_info") if isinstance(record, dict) else None)
    if not names or len(names) != count:
        known = H36M_17.joints if count == len(H36M_17) else layout_of(count, str(path)).joints
        names = [joint or f"keypoint {i}" for i, joint in enumerate(known)]
    places, _ = places_of(names, count, str(path), wish.joint_map)
    points[scores <= 0] = np.nan
    told = () if wish.unit else doubtful_unit(points, places)
    points *= UNITS[wish.unit] if wish.unit else unit_by_thighs(points, places, str(path))
    moments = Moments(np.array([number for number, _ in frames], float)) if frames else None
    clip = bodies_clip(points, names, path, wish, None, usual_up="z", moments=moments, scores=scores)
    return clip.tell(*told)


def _frames(record: Any) -> list[tuple[int, list[Any]]]:
    """(number, persons) of every frame; [] if this is not MMPose's."""
    info = record.get("instance_info") if isinstance(record, dict) else record
    if not isinstance(info, list) or not all(isinstance(i, dict) for i in info):
        return []
    if info and all("keypoints" in i for i in info):
        return [(0, info)]
    if not all(isinstance(i.get("instances"), list) and all(isinstance(p, dict) for p in i["instances"]) for i in info):
        return []
    numbers = [i.get("frame_id", n) for n, i in enumerate(info)]
    numbers = numbers if all(isinstance(n, int) and abs(n) < 1e15 for n in numbers) else list(range(len(info)))
    return [(number, i["instances"]) for number, i in zip(numbers, info, strict=True)]


def _inner(value: Any) -> Any:
    """The keypoints, or scores, of one person whom a batch of one may hold."""
    while isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
        value = value[0]
    return value
