"""SLEAP's analysis files, csv and HDF5: nodes by name, and tracks, each of which is a person."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ups.data.formats.hdf5 import H5
from ups.data.formats.named import Wish, named_clip
from ups.data.formats.table import read_table
from ups.data.formats.timing import frames_at
from ups.errors import DataError
from ups.pose import PoseSequence


def is_sleap(head: list[str]) -> bool:
    """Whether a table has the columns of SLEAP's analysis csv."""
    return {"track", "frame_idx", "instance.score"} <= set(head)


def read_sleap(path: Path, wish: Wish) -> PoseSequence:
    """One recording from an analysis csv: columns track, frame_idx, instance.score, NODE.x, NODE.y, NODE.score.

    Raises:
        DataError: other columns, a track twice in a frame, too little of a body in the names of the nodes, no image size.
        OSError: the file can't be read.
    """
    table = read_table(path)
    column = {name: i for i, name in enumerate(table.head)}
    names = list(dict.fromkeys(c.rpartition(".")[0] for c in table.head if c.endswith((".x", ".y"))))
    if not names or any(f"{name}.{axis}" not in column for name in names for axis in "xy"):
        raise DataError(f"{path}: NODE.x and NODE.y of every node are needed")
    marks = [row[column["track"]] for row in table.rows]
    tracks = {mark: m for m, mark in enumerate(dict.fromkeys(marks))}
    number = table.numbers([column["frame_idx"]])[:, 0]
    if not np.isfinite(number).all() or np.any(number != np.round(number)):
        raise DataError(f"{path}: frame_idx is a whole number in every row")
    frames, row_frame = np.unique(number.astype(np.int64), return_inverse=True)
    person = np.array([tracks[mark] for mark in marks])
    if len({*zip(person.tolist(), row_frame.tolist(), strict=True)}) < len(marks):
        raise DataError(f"{path}: a track occurs twice in a frame; track the instances in SLEAP before exporting them")
    time = frames_at(frames, None, wish.fps, str(path))
    points = np.full((len(tracks), time.frames, len(names), 3), np.nan)
    points[..., 2] = 1
    for v, axis in enumerate(("x", "y", "score")):
        for j, name in enumerate(names):
            if f"{name}.{axis}" in column:
                cells = table.numbers([column[f"{name}.{axis}"]])[:, 0]
                points[person, time.places[row_frame], j, v] = cells
    return named_clip(
        points[..., :2], points[..., 2], names, space="image", wish=wish, path=path, stated_fps=time.fps,
        told=time.notices,
    )  # fmt: skip


def read_sleap_h5(path: Path, file: H5, wish: Wish) -> PoseSequence:
    """The same from an analysis HDF5 file: tracks (M, 2, J, N), point_scores (M, J, N), node_names.

    Raises:
        DataError: other arrays, too little of a body in the names of the nodes, or no image size.
    """
    names, tracks = file.texts("node_names"), file.array("tracks")
    if tracks.ndim != 4 or tracks.shape[1:3] != (2, len(names)):
        raise DataError(f"{path}: tracks have shape {tracks.shape}; (tracks, 2, {len(names)} nodes, frames) is needed")
    scores = None
    if file.has("point_scores"):
        scores = file.array("point_scores")
        if scores.shape != (len(tracks), len(names), tracks.shape[3]):
            raise DataError(f"{path}: point_scores have shape {scores.shape}, tracks {tracks.shape}")
        scores = scores.transpose(0, 2, 1)
    return named_clip(tracks.transpose(0, 3, 2, 1), scores, names, space="image", wish=wish, path=path)
