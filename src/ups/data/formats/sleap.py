"""SLEAP's analysis files, csv and HDF5: nodes by name, and tracks, each of which is a person."""

from __future__ import annotations

import re
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
    """The same from an analysis HDF5 file: tracks (M, 2, J, N), point_scores (M, J, N), node_names; axes in another order
    are named in the attribute dims.

    Raises:
        DataError: other arrays, too little of a body in the names of the nodes, or no image size.
    """
    names = file.texts("node_names")
    tracks = _by_axes(file, "tracks", ("track", "frame", "node", "xy"), ("track", "xy", "node", "frame"))
    if tracks.shape[2:] != (len(names), 2):
        raise DataError(
            f"{path}: tracks have shape {file.array('tracks').shape}; (tracks, 2, {len(names)} nodes, frames) is needed"
        )
    scores = None
    if file.has("point_scores"):
        scores = _by_axes(file, "point_scores", ("track", "frame", "node"), ("track", "node", "frame"))
        if scores.shape != tracks.shape[:3]:
            raise DataError(
                f"{path}: point_scores have shape {file.array('point_scores').shape}, tracks {file.array('tracks').shape}"
            )
    video = str(file.attrs("").get("video_backend_metadata", ""))
    size = image_size_of(video)
    return named_clip(tracks, scores, names, space="image", wish=wish, path=path, image_size=size)


def image_size_of(video: str) -> tuple[int, int] | None:
    """(width, height) by the shape of a video in JSON: frames, height, width, channels; None where there is none."""
    shape = re.search(r'"shape":\s*\[\s*\d+\s*,\s*(\d+)\s*,\s*(\d+)', video)
    return (int(shape[2]), int(shape[1])) if shape and int(shape[1]) and int(shape[2]) else None


def _by_axes(file: H5, name: str, wanted: tuple[str, ...], usual: tuple[str, ...]) -> np.ndarray:
    """An array with its axes in another order than the file has them: that of its dims, or the usual one."""
    values = file.array(name)
    axes = re.findall(r"\w+", str(file.attrs(name).get("dims", ""))) or list(usual)
    if values.ndim != len(wanted) or sorted(axes) != sorted(wanted):
        raise DataError(
            f"{file.path}: {name} has shape {values.shape} and axes {axes[:4]}; {', '.join(usual)} are needed"
        )
    return values.transpose([axes.index(axis) for axis in wanted])
