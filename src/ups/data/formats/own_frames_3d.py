"""Frames of people's own JSON whose keypoints are 3D joints: read as such where the user or the file says unit and up,
or the user the space.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ups.data.formats.axes import UPRIGHT
from ups.data.formats.layouts import layout_of
from ups.data.formats.markers import bodies_clip
from ups.data.formats.moments import Moments
from ups.data.formats.named import Wish, named_clip
from ups.data.formats.own_frames import Frames, own_frames
from ups.data.formats.repair import upright
from ups.data.formats.trc import UNITS
from ups.errors import DataError
from ups.pose import PoseSequence

_IDS = ("track_id", "tracking_id", "person_id", "body_id", "id", "idx")
_SCORES = ("score", "confidence", "visibility")
_MOST = 30_000_000


def read_frames_3d(record: Any, path: Path, wish: Wish) -> PoseSequence | None:
    """A recording in metres of parsed JSON whose keypoints have three coordinates; None for anything else, or where neither
    the user nor the file says anything of 3D.

    Raises:
        DataError: several persons in a frame without ids, keypoints of uneven numbers, or unit or up is not said.
    """
    facts = record if isinstance(record, dict) else {}
    unit, up = (str(facts.get(key, "")).lower() for key in ("unit", "up"))
    unit = str(facts.get("units", "")).lower() if unit not in UNITS else unit
    wish = replace(
        wish, unit=wish.unit or (unit if unit in UNITS else None), up=wish.up or (up if up in UPRIGHT else None)
    )
    if wish.space is None and wish.unit is None and wish.up in (None, "y", "-y"):
        return None
    frames = own_frames(record, str(path))
    points = None if frames is None else _points(frames, path)
    if frames is None or points is None:
        return None
    joints, scores = points
    told = tuple(notice for notice in frames.told if "--up and --unit" not in notice.remedy)
    names = frames.names or [
        slot or f"keypoint {i}" for i, slot in enumerate(layout_of(joints.shape[2], str(path)).joints)
    ]
    moments = Moments(np.array(frames.numbers, float))
    if wish.space is not None:
        clip = named_clip(
            joints, scores, names, space=wish.space, wish=wish, path=path, stated_fps=frames.fps, moments=moments,
            told=told,
        )  # fmt: skip
        return replace(upright(clip, wish.up, wish.unit), up_known=wish.up is not None)
    if wish.unit is None:
        raise DataError(f"{path}: 3D joints whose unit it does not say; give --unit, one of {', '.join(UNITS)}, too")
    joints = joints * UNITS[wish.unit]
    return bodies_clip(joints, names, path, wish, frames.fps, moments=moments, scores=scores, told=told)


def _points(frames: Frames, path: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """(M, N, J, 3) and scores (M, N, J) of all persons; None where keypoints have no third coordinate."""
    persons: dict[Any, int] = {}
    rows: list[tuple[int, int, list[list[float]]]] = []
    for n, people in enumerate(frames.people):
        ids = [next((str(person[key]) for key in _IDS if person.get(key) is not None), None) for person in people]
        if len(people) > 1 and (None in ids or len(set(ids)) < len(ids)):
            raise DataError(f"{path}: frame {n + 1}: {len(people)} persons without ids of their own; give each an id")
        for person, who in zip(people, ids, strict=True):
            given = [_solid(point) for point in person["keypoints"]]
            if None in given:
                return None
            m = persons.setdefault(who, len(persons))
            rows.append((m, n, [point for point in given if point is not None]))
    counts = {len(points) for _, _, points in rows}
    if len(counts) != 1:
        raise DataError(f"{path}: persons of {sorted(counts)[:3]} keypoints; always the same are needed")
    shape = (len(persons), len(frames.people), counts.pop())
    if np.prod(shape) * 4 > _MOST:
        raise DataError(f"{path}: {shape[0]} persons over {shape[1]} frames; cut it into recordings")
    block = np.full((*shape, 4), np.nan)
    for m, n, points in rows:
        block[m, n] = points
    return block[..., :3], np.nan_to_num(block[..., 3])


def _solid(point: Any) -> list[float] | None:
    """x, y, z, score of a keypoint; None where it has no z."""
    if isinstance(point, dict) and {"x", "y", "z"} <= set(point):
        values = [point["x"], point["y"], point["z"]]
        score = next((point[key] for key in _SCORES if point.get(key) is not None), 1.0)
    elif isinstance(point, dict) and point.get("score") == 0 and point.get("x") == 0:  # one that others have
        values, score = [0.0, 0.0, 0.0], 0.0
    elif isinstance(point, dict) and set(point) == {"name", "x", "y", "score"}:  # {"nose": [x, y, z]}
        values, score = [point["x"], point["y"], point["score"]], 1.0
    elif isinstance(point, list) and len(point) in (3, 4):
        values, score = point[:3], point[3] if len(point) == 4 else 1.0
    else:
        return None
    if any(v is None for v in values):
        return [float("nan")] * 3 + [0.0]
    return [float(v) for v in (*values, score)]
