"""Motion capture after forward kinematics, many clips in one .npz of plain arrays.

`rel` (R, J, 3) m relative to the root, `root` (R, 3) m, y up, so that a joint lies at root + rel; `start` (clips + 1)
first rows; `clip`, `label`, `fps` of each clip; `joints` (J) names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from ups.data.formats.safe_pickle import load_npz
from ups.errors import DataError
from ups.pose import PoseSequence
from ups.skeleton import Skeleton

_KEYS = ("rel", "root", "start", "clip", "fps", "joints")


def read_motion_npz(path: Path, skeleton: Skeleton, sources: Mapping[str, str]) -> Iterator[PoseSequence | DataError]:
    """Every clip, sorted by id (a "/" in its name becomes "_"), in space "world".

    Args:
        path: the .npz file.
        skeleton: of the clips.
        sources: slot -> the file's joint that lies there, for every joint of `skeleton`.

    Yields:
        Clips; in place of one that can't be used, the DataError that names it.

    Raises:
        DataError: the file is damaged, its arrays do not agree, or a joint is missing. OSError: it can't be opened.
    """
    arrays = load_npz(path)
    missing = [key for key in _KEYS if key not in arrays]
    if missing:
        raise DataError(f"{path}: no member {', '.join(missing[:3])}; {', '.join(_KEYS)} are needed")
    rel, root, start, clips, fps, joints = (arrays[key] for key in _KEYS)
    names = [str(name) for name in joints.ravel()]
    lost = [sources[slot] for slot in skeleton.joints if sources[slot] not in names]
    if lost:
        raise DataError(f"{path}: no joint {', '.join(lost[:3])} among its {len(names)}; fetch the file again")
    rows = len(root) if root.ndim == 2 else -1
    agree = (
        rel.shape == (rows, len(names), 3)
        and root.shape == (rows, 3)
        and start.shape == (clips.size + 1,)
        and fps.shape == (clips.size,)
        and rel.dtype.kind == root.dtype.kind == fps.dtype.kind == "f"
        and start.dtype.kind in "iu"
        and bool((start[:-1] < start[1:]).all())
        and start[0] == 0
        and start[-1] == rows
    )
    if not agree:
        raise DataError(
            f"{path}: rel {rel.shape}, root {root.shape}, start {start.shape}, clip {clips.shape} and fps {fps.shape} do "
            "not agree, or start does not rise from 0 to the number of rows; fetch the file again"
        )
    order = [names.index(sources[slot]) for slot in skeleton.joints]
    ids = {str(clip).replace("/", "_"): i for i, clip in enumerate(clips.ravel())}
    if len(ids) < clips.size:
        raise DataError(f"{path}: {clips.size} clips, but {len(ids)} names; fetch the file again")
    for name, i in sorted(ids.items()):
        part = slice(int(start[i]), int(start[i + 1]))
        values = root[part, None].astype(np.float32) + rel[part][:, order].astype(np.float32)
        try:
            yield PoseSequence(
                values[None], np.ones((1, *values.shape[:2]), np.float32), skeleton, "world", float(fps[i]), name
            )
        except DataError as error:
            yield DataError(f"{path}: {error}")
