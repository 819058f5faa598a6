"""What a written recording says to whoever reads it: the same, or the same with options, which its user is to know."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from ups.data.formats.write import y_up
from ups.data.open_file import read_file
from ups.errors import DataError
from ups.pose import PoseSequence

_NEAR = 0.002
"""Metres between joints that were written and joints that are read back, at most."""
_UNITS = {"trc": "m", "bvh": "cm"}
"""Format -> the unit in which it is written."""


def told_of_reading(clip: PoseSequence, path: Path, kind: str) -> str | None:
    """What to tell of a TRC or BVH file that was just written: the options without which it is read as something else.
    None where it is read as it was.
    """
    if kind not in _UNITS:
        return None
    for unit, up in product((None, _UNITS[kind]), (None, "y")):
        options: dict[str, Any] = {name: value for name, value in (("up", up), ("unit", unit)) if value}
        try:
            back = read_file(path, **options)
        except DataError:
            continue
        if not _same(clip, back):
            continue
        if not options:
            return None
        words = " ".join(f"--{name} {value}" for name, value in options.items())
        return f"read it with {words}: without, its bodies seem to be of another size or to lie"
    return "it is not read back as it was; write csv or npz to keep it"


def _same(clip: PoseSequence, back: PoseSequence) -> bool:
    """Whether the joints that both have are in the same places."""
    if back.frames != clip.frames or back.persons != clip.persons:
        return False
    names = [name for name in clip.skeleton.joints if name in back.skeleton.joints]
    if not names:
        return False
    ours, theirs = ([each.skeleton.joints.index(name) for name in names] for each in (clip, back))
    seen = (clip.visibility[:, :, ours] > 0) & (back.visibility[:, :, theirs] > 0)
    apart = np.linalg.norm(y_up(clip)[:, :, ours] - y_up(back)[:, :, theirs], axis=-1)
    return bool((apart[seen] <= _NEAR).all())
