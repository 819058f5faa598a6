"""Clips of markers that motion capture names: one or several people, joints or markers on the skin around them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ups.data.formats.axes import UPRIGHT, up_axis, y_up
from ups.data.formats.joint_names import is_body, names_body, split_people
from ups.data.formats.moments import Moments
from ups.data.formats.named import Wish, named_clip, places_of
from ups.errors import DataError
from ups.notices import Notice
from ups.pose import PoseSequence

_SIDED = {
    "shoulder": "SJC SHO SHOULDER ACR",
    "elbow": "EJC ELB+ELBM ELB+MELB LELB+MELB LELBOW+MELBOW LEL+MEL ELB",
    "wrist": "WJC WRA+WRB LWRIST+MWRIST LWRI+MWRI",
    "hand": "FIN",
    "hip": "HJC",
    "knee": "KJC KNE+KNM KNE+KNEM KNE+MKNE LKNE+MKNE KNEE+MKNEE KNE",
    "ankle": "AJC ANK+ANM ANK+ANKM ANK+MANK LANK+MANK ANKLE+MANKLE ANK",
    "heel": "HEE CALC HEEL",
    "foot": "TOE",
}
"""Joint -> markers of one side, best first; a joint lies in the middle of several joined by +."""
_MIDDLE = {
    "head": "LFHD+RFHD+LBHD+RBHD",
    "neck": "C7+CLAV C7",
    "chest": "STRN+T10",
    "pelvis": "LASI+RASI+LPSI+RPSI LASIS+RASIS+LPSIS+RPSIS LASI+RASI+SACR",
}
_FLOOR = -0.05, 0.2
"""Metres between which the lowest joints are of somebody who stands, or lies, on a floor at zero."""
_LATERAL, _BACK, _DOWN = 0.36, 0.19, 0.30
"""Of the distance between the two anterior superior iliac spines: where a hip lies from their middle (Bell, Pedersen and
Brand, 1990)."""


def marker_clip(
    points: np.ndarray, names: Sequence[str], path: Path, wish: Wish, fps: float, *, up: str | None = None,
    usual_up: str | None = None, moments: Moments | None = None, told: tuple[Notice, ...] = (),
) -> PoseSequence:  # fmt: skip
    """Markers as a clip in space "world" (metres, y up).

    Up is what the user says, else what the file says, else how the bodies stand, which is told where it is not usual.

    Args:
        points: (N, J, 3) metres, NaN where not seen.
        names: of the J markers; a beginning such as "Anna:" says whose they are.
        fps: as the file says.
        up: axis, as the file says; None where it doesn't.
        usual_up: axis of such files; None where there is no usual one.
        moments, told: as in `named_clip`.

    Raises:
        DataError: too little of a body in the names, no telling which way is up, or as `named_clip` does.
    """
    people = points[None]
    if wish.joint_map is None and (split := split_people(names, _enough)):
        names, columns = split
        padded = np.concatenate([points, np.full_like(points[:, :1], np.nan)], 1)
        people = np.stack([padded[:, person] for person in columns])
    return bodies_clip(people, names, path, wish, fps, up=up, usual_up=usual_up, moments=moments, told=told)


def bodies_clip(
    people: np.ndarray, names: Sequence[str], path: Path, wish: Wish, fps: float | None, *, up: str | None = None,
    usual_up: str | None = None, moments: Moments | None = None, told: tuple[Notice, ...] = (), scores: np.ndarray | None = None,
) -> PoseSequence:  # fmt: skip
    """The same of people (M, N, J, 3) who are told apart, with scores (M, N, J) where there are any."""
    where = str(path)
    if wish.joint_map is None and not names_body(names) and (made := joints_of_markers(people, names)):
        people, names = made
        told = (*told, Notice("note", "joints are the middles of markers on the skin; hips lie where Bell's figures say",
                              "nothing, if that is near enough"))  # fmt: skip
    places, more = places_of(names, len(names), where, wish.joint_map)
    told = (*told, *more)
    up = wish.up or up
    known = up is not None
    if up is None:
        up, doubt = _up(people, places, usual_up)
        told = (*told, *doubt)
    if up not in UPRIGHT:
        axes = ", ".join(UPRIGHT)
        raise DataError(f"{where}: it does not say which axis points up, nor do the bodies; give --up, one of {axes}")
    clip = named_clip(
        y_up(people, up),
        scores,
        places,
        space="world",
        wish=wish,
        path=path,
        stated_fps=fps,
        moments=moments,
        told=told,
    )
    return replace(clip, up_known=known)


def _up(people: np.ndarray, places: dict[str, int], usual: str | None) -> tuple[str | None, tuple[Notice, ...]]:
    """The axis that points up by how bodies (M, N, J, 3) stand, and what to tell: another than the usual one only where
    their feet are on its zero, and not on that of the usual one.
    """
    found = up_axis(people, places)
    if found is None or found == usual:
        return found or usual, ()
    if usual is None or (_on_floor(people, found) and not _on_floor(people, usual)):
        what = f"{found} is taken for the axis that points up, for so the bodies stand"
        return found, (Notice("warning", what, f"say --up {usual or 'AXIS'} if they lie or hang instead"),)
    what = f"bodies lie along {found} throughout"
    return usual, (Notice("warning", what, f"if that is the axis that points up, add --up {found}; else nothing"),)


def _on_floor(people: np.ndarray, up: str) -> bool:
    """Whether the lowest joints (M, N, J, 3) along an axis are about at its zero, most of the time."""
    height = y_up(people, up)[..., 1]
    seen = np.isfinite(height).any(-1)
    lowest = np.where(np.isfinite(height), height, np.inf).min(-1)[seen]
    return bool(_FLOOR[0] < float(np.median(lowest)) < _FLOOR[1])


def _enough(names: list[str]) -> bool:
    return names_body(names) or joints_of_markers(np.zeros((1, 1, len(names), 3)), names) is not None


def joints_of_markers(points: np.ndarray, names: Sequence[str]) -> tuple[np.ndarray, list[str]] | None:
    """Joints (M, N, J, 3) in the middle of the markers (M, N, K, 3) of Plug-in Gait, OpenCap and their like, and their
    names; None if these markers make no body.
    """
    place = {
        re.sub(r"[^A-Z0-9]", "", re.sub(r"(?i)_study$", "", n.split(":")[-1]).upper()): i for i, n in enumerate(names)
    }
    recipes = {
        f"{side}_{joint}": (side[0].upper(), text) for joint, text in _SIDED.items() for side in ("left", "right")
    }
    recipes |= {joint: ("", text) for joint, text in _MIDDLE.items()}
    joints: dict[str, np.ndarray] = {}
    for joint, (side, text) in recipes.items():
        for choice in text.split():
            markers = [side + marker for marker in choice.split("+")]
            if set(markers) <= set(place):
                joints[joint] = points[:, :, [place[marker] for marker in markers]].mean(2)
                break
    if "left_hip" not in joints:
        joints |= _hips(points, place)
    if not is_body(list(joints)):
        return None
    return np.stack(list(joints.values()), 2), list(joints)


def _hips(points: np.ndarray, place: dict[str, int]) -> dict[str, np.ndarray]:
    """Both hips (M, N, 3) from the markers of the pelvis; {} without them."""
    for end in ("ASI", "ASIS"):
        front, back = [f"{side}{end}" for side in "LR"], [f"{side}{end.replace('A', 'P', 1)}" for side in "LR"]
        back = back if set(back) <= set(place) else ["SACR"]
        if set(front) | set(back) <= set(place):
            left, right = (points[:, :, place[marker]] for marker in front)
            rear = points[:, :, [place[marker] for marker in back]].mean(2)
            break
    else:
        return {}
    middle, across = (left + right) / 2, right - left
    width = np.linalg.norm(across, axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        across = across / width
        forward = middle - rear
        forward -= (forward * across).sum(-1, keepdims=True) * across
        forward /= np.linalg.norm(forward, axis=-1, keepdims=True)
    upward = np.cross(across, forward)
    centre = middle - width * (_BACK * forward + _DOWN * upward)
    return {"left_hip": centre - _LATERAL * width * across, "right_hip": centre + _LATERAL * width * across}
