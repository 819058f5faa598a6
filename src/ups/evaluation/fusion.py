"""Scores of every clip in a file, and several models' scores fused to one answer, as multi-stream figures are."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ups import __version__
from ups.data.formats.safe_pickle import load_npz
from ups.errors import DataError, SettingError
from ups.files import write_whole
from ups.tasks.action import recognition_metrics

_FIELDS = ("ids", "labels", "classes", "scores", "learned")


@dataclass(frozen=True, eq=False)
class ClipScores:
    """What a model answered to the clips of a test part.

    Attributes:
        ids: names of the clips.
        labels: (clips,) their classes.
        classes: names.
        scores: (clips, classes) log-probabilities.
        learned: how many of the clips the model has learned.
    """

    ids: tuple[str, ...]
    labels: np.ndarray
    classes: tuple[str, ...]
    scores: np.ndarray
    learned: int = 0


def write_scores(path: Path, scores: dict[str, ClipScores]) -> None:
    """Write a .npz file, whole or not at all: of "task/data set:protocol" the arrays KEY|ids, |labels and so on."""
    arrays = {f"{key}|{field}": np.asarray(getattr(of, field)) for key, of in scores.items() for field in _FIELDS}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_whole(path, buffer.getvalue())


def read_scores(path: Path) -> dict[str, ClipScores]:
    """What `write_scores` wrote; raises OSError, or DataError for another file."""
    try:
        arrays = load_npz(path)
    except DataError as error:
        raise DataError(f"{path}: holds no scores ({error}); `ups evaluate --scores` writes such files") from error
    keys = dict.fromkeys(name.rpartition("|")[0] for name in arrays)
    kinds = dict(zip(_FIELDS, ("U", "i", "U", "f", "i"), strict=True))
    scores = {}
    for key in keys:
        found = [arrays.get(f"{key}|{field}") for field in _FIELDS]
        if any(a is None or a.dtype.kind != kind for a, kind in zip(found, kinds.values(), strict=True)):
            raise DataError(f"{path}: {key}: holds no scores; `ups evaluate --scores` writes such files")
        ids, labels, classes, values, learned = (array for array in found if array is not None)
        if (ids.ndim, classes.ndim, learned.ndim) != (1, 1, 0) or values.shape != (len(ids), len(classes)):
            raise DataError(f"{path}: {key}: {values.shape} scores for {ids.shape} clips and {classes.shape} classes")
        right = labels.shape == ids.shape and ((labels >= 0) & (labels < len(classes))).all()
        if not right or not np.isfinite(values).all():
            raise DataError(
                f"{path}: {key}: a label that is none of {len(classes)} classes, or a score that is no number"
            )
        scores[key] = ClipScores(tuple(ids.tolist()), labels, tuple(classes.tolist()), values, int(learned))
    return scores


def fuse(files: Sequence[Path], weights: Sequence[float] = ()) -> dict[str, Any]:
    """The record of the weighted mean of several models' probabilities.

    Raises:
        SettingError: fewer than two files, another number of weights, or nothing that all were measured on.
        DataError: files of other clips or classes, or no files of scores.
    """
    if len(files) < 2 or (weights and (len(weights) != len(files) or not all(w > 0 for w in weights))):
        raise SettingError(f"{len(files)} files and {len(weights)} weights; two files and a positive weight for each")
    streams = [read_scores(Path(path)) for path in files]
    share = np.array(weights or [1.0] * len(files)) / (sum(weights) or len(files))
    results, names = {}, [str(path) for path in files]
    for key in (key for key in streams[0] if all(key in other for other in streams)):
        first = streams[0][key]
        for path, other in zip(files, streams, strict=True):
            of = other[key]
            if of.ids != first.ids or of.classes != first.classes or not np.array_equal(of.labels, first.labels):
                raise DataError(f"{path}: {key}: other clips or classes than in {files[0]}; evaluate both on one store")
        mean = sum(w * np.exp(other[key].scores) for w, other in zip(share, streams, strict=True))
        results[key] = recognition_metrics(np.log(np.maximum(mean, 1e-30)), first.labels, first.classes)
        if learned := max(other[key].learned for other in streams):
            results[key]["leak"] = {"clips": learned, "of": len(first.ids), "learned_in": names}
    if not results:
        raise SettingError(f"{files[0]}: nothing in it was measured in all of the {len(files)} files")
    facts = {"checkpoint": " + ".join(names), "recipe": f"fused of {len(files)}", "steps": 0, "ups": __version__}
    return {**facts, "fused": names, "weights": share.tolist(), "split": "test", "results": results}
