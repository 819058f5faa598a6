"""What 2D bodies tell of the picture that they were found in: its shape, crops of persons, sides named as the camera's."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ups.pose import PoseSequence

_ENOUGH = 15
_WIDE, _WIDER = 1.1, 1.35
"""Shoulders so much wider than the longest limb allows are no human's, where the trunk is seen at length and where not: 2 of
3,097 public clips have them."""
_LENGTHS = (
    ("shoulder", "elbow", 0.28),
    ("elbow", "wrist", 0.25),
    ("elbow", "hand", 0.28),
    ("hip", "knee", 0.42),
    ("knee", "ankle", 0.40),
    ("knee", "foot", 0.42),
)
_UPRIGHT = 0.7
"""Share of the longest limb's length, as an adult has them, that the trunk's is at least."""
_NEARER = {"hand": "wrist", "foot": "ankle"}
"""Ends of limbs that count where there is no other."""
_SHOULDERS, _TRUNK = 0.36, 0.47
"""Metres in an adult, as detectors put these joints."""
_CORNER, _SMALL, _STAYS = 0.5, 0.6, 0.2
"""Of a body's size: how near the corner of the image it begins in each frame, and how little that place
changes along one axis; of the image's: how far it reaches at most."""
_OUT, _IN = 0.02, 0.001
"""Shares of joints outside the image as it is and as it is turned, where its sides are exchanged."""
_FACE, _FACE_SURE = ("nose", "left_eye", "right_eye"), 0.8
_TOES = 0.03
"""Of a body's size: toes that far below heels point at the camera."""

Finding = tuple[str, str, str]
"""what, remedy, detail."""


def check_picture(clip: PoseSequence, seen: np.ndarray) -> Iterator[Finding]:
    """What is wrong with the picture of a 2D clip whose joints are `seen` (M, N, J)."""
    person = int(seen.sum((1, 2)).argmax())
    points = np.where(seen[person][..., None], clip.joints[person].astype(np.float64), np.nan)
    joints = {name: points[:, j] for j, name in enumerate(clip.skeleton.joints)}
    width, height = clip.image_size or (1, 1)
    if width != height and (share := _outside(clip, seen)) is not None:
        what = "joints lie outside the image, and none would if its width and height were exchanged"
        remedy = f"add --image-size {height} {width}, or correct image_size in the file"
        yield what, remedy, f"{share:.0%} of them, image {width} x {height}"
    wide = _too_wide(joints)
    if wide is not None:
        what = "bodies are too wide for their height"
        remedy = (
            "give the image's own --image-size; for x and y that were divided by the longer side --coordinates longer"
        )
        yield what, remedy, f"shoulders {wide:.1f} times as wide as a human's; image {width} x {height}"
    if _in_corner(points, (width, height)):
        what = "all bodies stand in the upper left corner: keypoints seem to be measured in crops of persons"
        yield what, "add the corner of each crop to its keypoints, and undo its scaling; else nothing", ""
    if wide is None and _faces_with_other_sides(joints, clip, person):
        what = "faces are seen as surely as bodies, and the left shoulder is on the left: sides are the camera's, or mirrored"
        yield what, "add --fix swap-sides; nothing, if they are seen from behind", ""
    elif wide is None and _camera_sides(joints):
        what = "toes point at the camera, and the left shoulder is on the left: sides are the camera's, or mirrored"
        yield what, "add --fix swap-sides", ""


def _outside(clip: PoseSequence, seen: np.ndarray) -> float | None:
    """Share of joints outside the image, where that is much and none is outside the image turned by 90 degrees."""
    points, (width, height) = clip.joints[seen], clip.image_size or (1, 1)
    out = float((points >= (width, height)).any(-1).mean())
    turned = float((points >= (height, width)).any(-1).mean())
    return out if out > _OUT and turned < _IN and not (points < 0).any() else None


def _too_wide(joints: dict[str, np.ndarray]) -> float | None:
    """How many times wider than a human's the shoulders are, beside the longest of limbs and trunk; None where they aren't, or
    too little is seen.
    """
    shoulders = _percentile(_lengths(joints, "left_shoulder", "right_shoulder"), 50)
    lengths = [_trunk(joints) / _TRUNK]
    for start, end, length in _LENGTHS:
        if f"left_{_NEARER.get(end)}" in joints:
            continue
        both = [_lengths(joints, f"{side}_{start}", f"{side}_{end}") for side in ("left", "right")]
        lengths.append(_percentile(np.concatenate(both), 80) / length)
    known = [length for length in lengths if np.isfinite(length)]
    if np.isnan(shoulders) or np.isnan(lengths[0]) or len(known) < 4:
        return None
    ratio = shoulders / _SHOULDERS / max(max(known), 1e-9)
    upright = lengths[0] > _UPRIGHT * max(known)  # else the trunk points at the camera, as in push-ups
    return ratio if ratio > (_WIDE if upright else _WIDER) else None


def _lengths(joints: dict[str, np.ndarray], first: str, second: str) -> np.ndarray:
    """(N,) from one joint to another; (0,) where the skeleton lacks one."""
    there = first in joints and second in joints
    return np.linalg.norm(joints[first] - joints[second], axis=-1) if there else np.zeros(0)


def _trunk(joints: dict[str, np.ndarray]) -> float:
    names = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
    if not set(names) <= set(joints):
        return float("nan")
    a, b, c, d = (joints[name] for name in names)
    return _percentile(np.linalg.norm((a + b - c - d) / 2, axis=-1), 80)


def _percentile(values: np.ndarray, percentile: int) -> float:
    known = values[np.isfinite(values)]
    return float(np.percentile(known, percentile)) if len(known) >= 5 else float("nan")


def _in_corner(points: np.ndarray, size: tuple[int, int]) -> bool:
    """Whether the body begins near the upper left corner in every frame, and never reaches far into the image."""
    there = np.isfinite(points).all(-1).sum(-1) >= max(5, points.shape[1] // 2)
    if there.sum() < _ENOUGH:
        return False
    low, high = np.nanmin(points[there], axis=1), np.nanmax(points[there], axis=1)
    body = float(np.median((high - low).max(-1)))
    start = np.percentile(low, 95, axis=0)
    change = start - np.percentile(low, 5, axis=0)
    far = np.percentile(high, 95, axis=0) / size
    return bool((start < _CORNER * body).all() and change.min() < _STAYS * body and (far < _SMALL).all())


def _camera_sides(joints: dict[str, np.ndarray]) -> bool:
    """Whether toes lie below heels, as seen from the front, while the left shoulder is on the left, as seen from behind; or
    both the other way round.
    """
    needed = [f"{side}_{part}" for part in ("heel", "foot", "shoulder", "hip") for side in ("left", "right")]
    if not set(needed) <= set(joints):
        return False
    feet, heels = (_height(joints, part) for part in ("foot", "heel"))
    toes, body = feet - heels, heels - _height(joints, "shoulder")
    across = joints["left_shoulder"][:, 0] - joints["right_shoulder"][:, 0]
    known = np.isfinite(toes) & np.isfinite(across) & np.isfinite(body)
    if known.sum() < _ENOUGH or np.median(body[known]) <= 0:
        return False
    size = float(np.median(body[known]))
    clear = known & (np.abs(toes) > _TOES * size) & (np.abs(across) > 0.1 * size)
    against = clear & (np.sign(toes) != np.sign(across))
    return bool(clear.sum() > known.sum() / 2 and against.sum() > 0.9 * clear.sum())


def _faces_with_other_sides(joints: dict[str, np.ndarray], clip: PoseSequence, person: int) -> bool:
    """Whether nose and eyes are seen as surely as the body, as from the front, with the left shoulder on the left. Only where
    the detector is not always as sure.
    """
    names = clip.skeleton.joints
    if not {*_FACE, "left_shoulder", "right_shoulder", "left_hip", "right_hip"} <= set(names):
        return False
    sure = clip.visibility[person]
    if len(np.unique(sure[sure > 0])) < _ENOUGH:
        return False
    face = sure[:, [names.index(name) for name in _FACE]].min(-1)
    across = joints["left_shoulder"][:, 0] - joints["right_shoulder"][:, 0]
    hips = joints["left_hip"][:, 0] - joints["right_hip"][:, 0]
    trunk = _trunk(joints)
    known = np.isfinite(across) & np.isfinite(hips) & (np.abs(across) > 0.25 * trunk)
    front = known & (face > _FACE_SURE) & (face > 0.9 * np.median(sure, axis=-1))
    against = front & (across < 0) & (hips < 0)
    return bool(front.sum() >= max(_ENOUGH, 0.5 * len(known)) and against.sum() > 0.9 * front.sum())


def _height(joints: dict[str, np.ndarray], part: str) -> np.ndarray:
    """(N,) y of the middle of a pair."""
    return (joints[f"left_{part}"][:, 1] + joints[f"right_{part}"][:, 1]) / 2
