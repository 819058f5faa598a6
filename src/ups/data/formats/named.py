"""A clip from joints that have names, or a known number of them: what all readers of such files end with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ups.data.formats.joint_map import JointMap
from ups.data.formats.joint_names import body_of, near, quoted
from ups.data.formats.layouts import layout_of
from ups.data.formats.moments import Moments, in_time
from ups.errors import DataError
from ups.notices import Notice
from ups.pose import PoseSequence, Space
from ups.seen import not_seen
from ups.skeleton import SLOTS, Skeleton
from ups.skeletons import SKELETONS, skeleton_of


@dataclass(frozen=True)
class Wish:
    """What the user says where a file does not; None = nothing.

    Attributes:
        skeleton: what the joints are, or which of them to pick.
        fps: frames per second.
        image_size: (width, height) in pixels.
        joint_map: which joint of the file is which.
        up: the axis of 3D joints that points up, of `axes.UPRIGHT`.
        unit: of 3D joints, of `trc.UNITS`.
        space: frame of reference of 3D joints in our own forms.
        coordinates: of 2D joints, of `repair.COORDINATES`.
        rotate: degrees by which a 2D picture is to be turned clockwise.
        fixes: of `repair.FIXES`.
    """

    skeleton: Skeleton | None = None
    fps: float | None = None
    image_size: tuple[int, int] | None = None
    joint_map: JointMap | None = None
    up: str | None = None
    unit: str | None = None
    space: Space | None = None
    coordinates: str | None = None
    rotate: int | None = None
    fixes: tuple[str, ...] = ()


Places = tuple[dict[str, int], tuple[Notice, ...]]
"""Slot -> index of the joint, and what to tell."""


def places_of(names: Sequence[str] | None, count: int, where: str, joint_map: JointMap | None = None) -> Places:
    """Slot -> index of the joint: by the user's map, else by the names, else by the number of joints.

    Raises:
        DataError: too little of a body is known by these names, or nothing has that number of joints.
    """
    if joint_map is not None:
        return joint_map.places(names, count, where), ()
    if not names:
        return layout_of(count, where).places, ()
    naming = body_of(names, where)
    return naming.places, left_out_notice(naming.left_out, count, naming.places)


def left_out_notice(names: Sequence[str], count: int, have: Iterable[str]) -> tuple[Notice, ...]:
    """What to tell of names, out of `count`, that are no joint; a warning where the joints that a body has (`have`) lack one
    in between, which may be among them.
    """
    if not names:
        return ()
    slots = set(have)
    lacks = [
        f"{side}_{part}"
        for side, other in (("left", "right"), ("right", "left"))
        for part, further in _BEFORE.items()
        if f"{side}_{part}" not in slots and slots & {f"{other}_{part}", *(f"{side}_{name}" for name in further)}
    ]
    what = "names that are no known joint are left out"
    remedy = "nothing, if they are no joints of a body; else say which is which with --joint-map"
    detail = f"{len(names)} of {count}: {quoted(names)}{near(names)}"
    if not lacks:
        return (Notice("note", what, remedy, detail),)
    return (Notice("warning", f"{what}, and {', '.join(sorted(lacks)[:3])} is not there", remedy, detail),)


_BEFORE = {
    "shoulder": ("elbow", "wrist", "hand"), "elbow": ("wrist", "hand"), "hip": ("knee", "ankle", "foot"),
    "knee": ("ankle", "foot"),
}  # fmt: skip
"""Joints of each side, and those further out that nobody has without them."""


def other_size(
    given: tuple[int, int] | None, stated: tuple[int, int] | None, counts: Literal["given", "stated"]
) -> tuple[Notice, ...]:
    """What to tell of an image size that the user gives and one that the file states, where they differ."""
    if given is None or stated is None or tuple(given) == tuple(stated):
        return ()
    ours, theirs = (f"{size[0]} x {size[1]}" for size in (given, stated))
    which = ours if counts == "given" else theirs
    what = f"an image size of {ours} is given, and the file says {theirs}; {which} counts"
    return (Notice("warning", what, "correct the one that is wrong"),)


def skeleton_for(slots: Iterable[str], where: str) -> Skeleton:
    """The listed skeleton that has just these joints, in its own order; else a new one in the order of the slots."""
    have = set(slots)
    for skeleton in SKELETONS.values():
        if set(skeleton.joints) == have:
            return skeleton
    return skeleton_of([slot for slot in SLOTS if slot in have], where)


def named_clip(
    points: np.ndarray,
    scores: np.ndarray | None,
    joints: Sequence[str] | dict[str, int] | None,
    *,
    space: Space,
    wish: Wish,
    path: Path,
    stated_fps: float | None = None,
    moments: Moments | None = None,
    image_size: tuple[int, int] | None = None,
    told: tuple[Notice, ...] = (),
) -> PoseSequence:
    """A clip of the joints that are known; persons of whom nothing is seen are left out.

    Args:
        points: (M, N, J, V) as the file has them, NaN where not seen.
        scores: (M, N, J) confidences, None where there are none.
        joints: names of the J joints, None where their number says what they are; or slot -> index.
        space: as in `PoseSequence`.
        wish: what the user says.
        path: of the file; the clip is called after it.
        stated_fps, image_size: what the file says.
        moments: when the N frames were taken, where the file says that.
        told: notices that the clip is to have besides its own.

    Raises:
        DataError: as `places_of`; nobody is seen, 2D without an image size, or as `PoseSequence` does.
    """
    where, size = str(path), image_size or wish.image_size
    if space == "image" and size is None:
        raise DataError(f"{where}: it does not say how large the image is; give the image size, width and height")
    places, more = (
        (joints, ()) if isinstance(joints, dict) else places_of(joints, points.shape[2], where, wish.joint_map)
    )
    skeleton = skeleton_for(places, where)
    order = [places[slot] for slot in skeleton.joints]
    values, seen, scaled = not_seen(
        points[:, :, order],
        None if scores is None else scores[:, :, order],
        where,
        skeleton.root_indices,
        skeleton.sided,
    )
    there = seen.any((1, 2))
    if not there.any():
        raise DataError(f"{where}: nobody is seen in any of its {points.shape[1]} frames; cut it to where somebody is")
    values, seen, _, rate, timed = in_time(moments, values[there], seen[there], None, stated_fps, wish.fps, where)
    notices = (*told, *timed, *more, *scaled)
    return PoseSequence(
        values, seen, skeleton, space, rate, path.stem, image_size=size if space == "image" else None,
        notices=notices,
    )  # fmt: skip
