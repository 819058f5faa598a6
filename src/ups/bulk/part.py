"""A part of the recordings is answered as a whole, and kept as a whole: one Parquet file.

What a part holds depends on its recordings and the settings alone, not on who computes it, when, or beside whom.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ups.bulk.workshop import first_line, lifted_together, read_at, workshop
from ups.data.apart import Read, Readers
from ups.errors import UpsError
from ups.files import write_whole
from ups.inference.predictor import Predictor
from ups.pose import PoseSequence
from ups.seen import bodies
from ups.tasks import get_task
from ups.tasks.action import ActionTask, recognize_2d, recognize_3d
from ups.tasks.predictions import Lifted, rank
from ups.tasks.task import check_space

_NESTED = pa.list_(pa.list_(pa.list_(pa.float32())))
SCHEMA = pa.schema(
    [
        ("recording", pa.string()),  # its path
        ("person", pa.int32()),  # from 0
        ("window", pa.int32()),  # from 0
        ("first_frame", pa.int32()),
        ("frames", pa.int32()),
        ("start_s", pa.float32()),
        ("fps", pa.float32()),
        ("seen", pa.float32()),  # share of the joints
        ("action", pa.string()),  # null where nobody is seen
        ("probability", pa.float32()),
        ("unknown", pa.float32()),  # probability that none of the candidates is shown; null where the model can't tell
        ("classes", pa.list_(pa.string())),  # the most probable ones
        ("probabilities", pa.list_(pa.float32())),
        ("joint_names", pa.list_(pa.string())),
        ("joints", _NESTED),  # frames, joints, 3: metres, relative to the root, camera frame; NaN = unknown
        ("spread", pa.list_(pa.list_(pa.float32()))),  # frames, joints: metres
        ("warnings", pa.list_(pa.string())),  # of the check of the recording
    ]
)
_FAILURES = b"ups.failures"
_AT_ONCE = 16
"""Recordings that are in memory together."""


@dataclass(frozen=True)
class Asked:
    """What is asked about every recording.

    Attributes:
        model: folder or name of the model.
        task: of actions; recognition in the recording's own space where None.
        poses: whether to tell the 3D poses behind 2D joints.
        classes: candidates; all that the model knows where None.
        top: how many actions are told.
        window_s: seconds of a window; the whole recording where None.
        options: of `read_file`.
        force: take recordings even where the check finds an error.
        read_seconds: what reading one may take.
        root: folder from which relative paths count; the current one by default.
    """

    model: str
    task: str | None = None
    poses: bool = False
    classes: tuple[str, ...] | None = None
    top: int = 5
    window_s: float | None = None
    options: dict[str, Any] = field(default_factory=dict)
    force: bool = False
    read_seconds: float = 60.0
    root: str = ""


def write_part(asked: Asked, paths: list[str], target: str) -> tuple[int, int]:
    """Answer about recordings and write the file, unless it is there; (recordings answered, recordings that failed)."""
    if not os.path.exists(target):
        rows: list[dict[str, Any]] = []
        failures: list[tuple[str, str]] = []
        predictor, readers = workshop(asked.model, asked.read_seconds)
        for start in range(0, len(paths), _AT_ONCE):
            rows += _answered(predictor, readers, asked, paths[start : start + _AT_ONCE], failures)
        facts = {_FAILURES: json.dumps(failures).encode(), b"ups.recordings": str(len(paths)).encode()}
        table = pa.Table.from_pylist(rows, SCHEMA.with_metadata(facts))
        write_whole(target, lambda file: pq.write_table(table, file, compression="zstd"))
    failed = len(failures_of(Path(target)))
    return len(paths) - failed, failed


def failures_of(path: Path) -> list[tuple[str, str]]:
    """(recording, why) of those of a part that could not be used."""
    metadata = pq.read_schema(path).metadata or {}
    return [(name, why) for name, why in json.loads(metadata[_FAILURES])]


def _answered(
    predictor: Predictor, readers: Readers, asked: Asked, paths: list[str], failures: list[tuple[str, str]]
) -> list[dict[str, Any]]:
    """Rows of recordings, in their order; one that fails has none, and stands among the failures."""
    rows: dict[str, list[dict[str, Any]]] = {}
    waiting: dict[Any, list[tuple[dict[str, Any], PoseSequence]]] = defaultdict(list)
    found: dict[str, Read] = {}
    for path in paths:
        try:
            found[path] = read_at(readers, asked.root, path, asked.options, asked.force)
        except (UpsError, OSError) as error:
            failures.append((path, first_line(error)))
    flat = {path: read.clip for path, read in found.items() if asked.poses and read.clip.space == "image"}
    poses = lifted_together(predictor, flat, failures)
    for path, read in found.items():
        if path in flat and path not in poses:
            continue
        try:
            rows[path] = _rows_of(predictor, asked, path, read, poses.get(path), waiting)
        except UpsError as error:
            failures.append((path, first_line(error)))
    for (task, _, classes), pairs in waiting.items():
        scores, unknown = predictor.judged(task, [clip for _, clip in pairs], classes, predictor.clips_at_once)
        doubts = [None] * len(pairs) if unknown is None else unknown.tolist()
        for (row, _), score, doubt in zip(pairs, scores, doubts, strict=True):
            answer = rank(classes, score, doubt)
            row["unknown"] = answer.unknown
            row |= {"action": answer.best, "probability": answer.probabilities[0]}
            row |= {"classes": answer.classes[: asked.top], "probabilities": answer.probabilities[: asked.top]}
    return [row for path in paths for row in rows.get(path, ())]


def _rows_of(
    predictor: Predictor, asked: Asked, path: str, read: Read, lifted: Lifted | None, waiting: dict[Any, list]
) -> list[dict[str, Any]]:
    """A row for each person and window; the clips that are to be named go to `waiting`."""
    clip = read.clip
    task = get_task(asked.task) if asked.task else recognize_2d if clip.space == "image" else recognize_3d
    check_space(task, clip.space, path)
    assert isinstance(task, ActionTask)
    predictor.frames_of(task.name)
    classes = predictor.candidates(asked.classes)
    known = predictor.drop_untrained_joints(task.name, clip)
    length = clip.frames if asked.window_s is None else max(1, round(asked.window_s * clip.fps))
    rows, found = [], []
    for m in range(clip.persons):
        for number, start in enumerate(range(0, clip.frames, length)):
            part = slice(start, min(start + length, clip.frames))
            seen = clip.visibility[m, part] > 0
            row: dict[str, Any] = {
                "recording": path, "person": m, "window": number, "first_frame": start, "frames": part.stop - start,
                "start_s": start / clip.fps, "fps": clip.fps, "seen": float(seen.mean()), "warnings": read.told,
            }  # fmt: skip
            if lifted is not None:
                row["joint_names"] = lifted.skeleton.joints
                row["joints"] = _nested(lifted.joints[m, part])
                row["spread"] = _nested(lifted.spread[m, part])
            rows.append(row)
            window = _cut(known, m, part)
            if bodies(window.visibility).any():
                found.append(((task.name, window.skeleton, classes), (row, window)))
    for key, pair in found:
        waiting[key].append(pair)
    return rows


def _cut(clip: PoseSequence, m: int, part: slice) -> PoseSequence:
    """One person in one window."""
    one = clip.person(m)
    return PoseSequence(
        one.joints[:, part], one.visibility[:, part], clip.skeleton, clip.space, clip.fps, clip.id,
        image_size=clip.image_size, focal=clip.focal, centre=clip.centre,
    )  # fmt: skip


def _nested(values: np.ndarray) -> list[Any]:
    return values.astype(np.float32).tolist()
