"""BVH as a clip: whatever its joints are called, its unit and the axis that points up."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ups.data.formats.axes import THIGH, doubtful_unit, unit_by_thighs, up_axis, y_up
from ups.data.formats.bvh import Bvh
from ups.data.formats.joint_names import body_of
from ups.data.formats.named import Wish, named_clip
from ups.data.formats.trc import UNITS
from ups.errors import DataError
from ups.notices import Notice
from ups.pose import PoseSequence
from ups.skeleton import SLOT_INDEX
from ups.skeletons import BANDAI_21

_STEPS, _RISE = 5, 0.5
"""Frames from which, and metres of rising above which, it is asked whether the root's places were turned."""


def bvh_clip(bvh: Bvh, path: Path, wish: Wish) -> PoseSequence:
    """Joints of any usual names, in metres, turned to y up where bodies stand along another axis throughout, which is told.

    Raises:
        DataError: too little of a body in the names, or thighs of no human's length in any usual unit.
    """
    if wish.joint_map is not None:
        places = wish.joint_map.places(bvh.joint_names, len(bvh.joint_names), str(path))
    else:
        found = body_of(bvh.joint_names, str(path)).places
        ours = all(name in SLOT_INDEX or name.endswith("_end") for name in bvh.joint_names)
        places = {slot: place for slot, place in found.items() if ours or slot in BANDAI_21.joints}
    if not {"left_hip", "right_hip", "left_knee", "right_knee"} <= set(places):
        raise DataError(
            f"{path}: both hips and knees are needed, for the unit is inferred from the thighs; see --joint-map"
        )
    scale = UNITS[wish.unit] if wish.unit else unit_by_thighs(bvh.positions, places, str(path))
    up, told = _bvh_up(bvh, places, wish)
    told = told if wish.unit else (*told, *doubtful_unit(bvh.positions, places))
    positions, moved = _upright(bvh.positions * scale, up, places)
    told = (*told, *moved)
    if "pelvis" in places and wish.joint_map is None:  # a root on the floor is no pelvis
        hips = positions[:, [places["left_hip"], places["right_hip"]]].mean(1)
        if np.median(np.linalg.norm(positions[:, places["pelvis"]] - hips, axis=-1)) > THIGH:
            del places["pelvis"]
    return named_clip(
        positions[None], None, places, space="world", wish=wish, path=path, stated_fps=round(bvh.fps, 3), told=told
    )


def _upright(positions: np.ndarray, up: str, places: dict[str, int]) -> tuple[np.ndarray, tuple[Notice, ...]]:
    """Joints (N, J, 3) turned to y up, and what to tell: in files of which only the root's rotations were turned, and not
    the places to which it goes, these are y up already. There the feet rise or sink with every step, else they stand.
    """
    turned = y_up(positions, up)
    ankles = [
        places[name] for side in ("left", "right") for name in (f"{side}_ankle", f"{side}_foot") if name in places
    ]
    if up == "y" or not ankles or len(positions) < _STEPS:
        return turned, ()
    root = positions[:, :1]
    other = y_up(positions - root, up) + root

    def rise(points: np.ndarray) -> float:
        return float(np.ptp(np.percentile(points[..., 1].min(-1), (5, 95))))

    def slide(points: np.ndarray) -> float:
        return float(np.median(np.linalg.norm(np.diff(points[:, ankles], axis=0), axis=-1).min(-1)))

    if rise(turned) < _RISE or rise(other) > rise(turned) / 2 or slide(other) > slide(turned) / 2:
        return turned, ()
    what = "the root goes where y is up, though its rotations have another axis up"
    return other, (Notice("warning", what, "turn the root's positions too when exporting, if the body floats"),)


def _bvh_up(bvh: Bvh, places: dict[str, int], wish: Wish) -> tuple[str, tuple[Notice, ...]]:
    """The axis that points up: what the user says, else how bodies stand, else how they stand at rest, else y."""
    if wish.up:
        return wish.up, ()
    moving, resting = (up_axis(points, places) for points in (bvh.positions[None], bvh.rest[None, None]))
    up = moving or resting or "y"
    if up == "y" or (moving is None and resting != "z"):
        return "y", ()
    what = f"{up} is taken for the axis that points up, for so the bodies stand"
    return up, (Notice("warning", what, "say --up y if they lie or hang instead"),)
