"""The keys of our own files of one recording, and what else people call them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from ups.data.formats.moments import role_of
from ups.errors import DataError
from ups.notices import Notice

KEYS = (
    "joints", "visibility", "fps", "skeleton", "joint_names", "parents", "root", "space", "image_size", "label", "id",
    "subject", "view", "pose_3d", "frame", "up", "unit", "coordinates",
    "focal", "centre",
)  # fmt: skip
"""What a file may hold, besides times by any name that `role_of` knows; only `joints` is needed, and the skeleton: its
name, or the names of its joints."""
ALIASES = {
    name: key
    for key, names in {
        "joints": "keypoints poses kpts kps kp landmarks points positions coords xy xyz keypoints_2d keypoints_3d keypoints2d "
        "keypoints3d kpts_2d kpts_3d kpts2d kpts3d pose_2d poses_2d poses_3d pose2d pose3d joints_2d joints_3d joints2d "
        "joints3d positions_2d positions_3d joint_positions pose_keypoints keypoint",
        "visibility": "confidence confidences conf scores score keypoint_scores keypoints_score keypoints_scores "
        "joint_scores visibilities likelihood kpts_conf keypoint_score keypoint_conf keypoint_confidence kp_scores kpt_scores "
        "joint_conf joint_confidence vis visible",
        "fps": "frame_rate framerate video_fps frames_per_second sample_rate sampling_rate sampling_frequency sample_frequency",
        "image_size": "img_size frame_size video_size resolution video_resolution",
        "unit": "units length_unit length_units",
        "joint_names": "keypoint_names keypoints_names joints_names landmark_names node_names bodyparts",
    }.items()
    for name in names.split()
}
"""Other names of `KEYS`, in small letters."""
_RATE = re.compile(
    r"(-?\d+(?:[.,]\d+)?(?:e[-+]?\d+)?|nan|inf)(?:\s*/\s*(\d+(?:[.,]\d+)?))?\s*(?:fps|hz|p|frames?\s*(?:/|per)\s*s(?:ec(?:ond)?)?)?"
)
_HEIGHT_FIRST = ("img_shape", "image_shape", "frame_shape", "original_shape")
"""Keys of an image's size as arrays have it: height, width, perhaps colours."""
_SIDES = tuple((f"{of}{width}", f"{of}{height}") for of in ("", "image_", "img_", "frame_", "video_")
               for width, height in (("width", "height"), ("w", "h")))  # fmt: skip
"""Keys of width and height apart."""


def by_our_keys(fields: dict[str, Any]) -> tuple[dict[str, Any], tuple[Notice, ...]]:
    """The fields by our own keys; the only array that may be joints is taken for them, which is told."""
    ours: dict[str, Any] = {}
    for key, value in fields.items():
        low = key.lower()
        known = low if low in KEYS else ALIASES.get(low, key)
        ours[known if known == key or not {known} & (set(fields) | set(ours)) else key] = value
    ours = _with_size(ours)
    told: tuple[Notice, ...] = ()
    if "joints" not in ours:
        others = {key: value for key, value in ours.items() if key not in KEYS and role_of(key)[0] is None}
        key, value = next(iter(others.items()), ("", None))
        if len(others) == 1 and isinstance(value, np.ndarray) and value.ndim in (3, 4) and value.shape[-1] in (2, 3):
            ours["joints"] = ours.pop(key)
            told = (
                Notice("note", "an array of another name is taken for the joints", "call it joints", f"{key!r:.40}"),
            )
    points = ours.get("joints")
    if isinstance(points, dict) and points and "joint_names" not in ours:  # name -> its places, frame after frame
        ours |= {"joint_names": list(points), "joints": _stacked(list(points.values()))}
    return ours, told


def _with_size(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields with image_size, where they say it as height and width, or in two keys."""
    if "image_size" in fields:
        return fields
    for key, value in fields.items():
        if key.lower() in _HEIGHT_FIRST and np.shape(value) in ((2,), (3,)):
            return {k: v for k, v in fields.items() if k != key} | {"image_size": [fields[key][1], fields[key][0]]}
    low = {key.lower(): key for key in fields}
    for pair in _SIDES:
        if set(pair) <= set(low):
            used = [low[name] for name in pair]
            return {k: v for k, v in fields.items() if k not in used} | {"image_size": [fields[k] for k in used]}
    return fields


def stated_rate(facts: dict[str, Any], where: str) -> float | None:
    """Frames per second that a dict of JSON says under a usual name; None where it says none.

    Raises:
        DataError: something else than a rate stands there.
    """
    for key, value in facts.items():
        if key.lower() == "fps" or ALIASES.get(key.lower()) == "fps":
            return None if value is None or value == "" else rate_of(value, f"{where}: {key}")
    return None


def rate_of(value: Any, where: str) -> float:
    """Frames per second as people write them: 30, "29,97", "30/1", "60000/1001", "30 fps", "25 Hz".

    Raises:
        DataError: anything else; it begins with `where`.
    """
    text = str(value).strip().lower() if isinstance(value, int | float | str) and not isinstance(value, bool) else ""
    if match := _RATE.fullmatch(text):
        above, below = (float(part.replace(",", ".")) for part in (match[1], match[2] or "1"))
        if below:
            return above / below
    raise DataError(f"{where}: {value!r:.40} is no rate; frames per second are needed, like 30 or 30000/1001")


def stated_sides(facts: dict[str, Any]) -> tuple[int, int] | None:
    """Width and height of the image that a dict of JSON says under a usual name; None where it says none."""
    known = {ALIASES.get(key.lower(), key.lower()): value for key, value in facts.items()}
    size: Any = sides_of(_with_size(known).get("image_size"))
    fits = (
        isinstance(size, list | tuple) and len(size) == 2 and all(isinstance(v, int | float) and v >= 1 for v in size)
    )
    return (int(size[0]), int(size[1])) if fits else None


def sides_of(size: Any) -> Any:
    """Width and height of an image that stand in a text, 640x480, or under their names; anything else as it is."""
    if isinstance(size, str) and (
        match := re.fullmatch(r"[(\[]?(\d{1,6})\s*[x\u00d7*,; ]\s*(\d{1,6})[)\]]?", size.strip().lower())
    ):
        return int(match[1]), int(match[2])
    if isinstance(size, dict):
        low = {str(key).lower(): value for key, value in size.items()}
        return next(([low[w], low[h]] for w, h in _SIDES if {w, h} <= set(low)), size)
    return size


def _stacked(joints: list[Any]) -> Any:
    """(J, N, V) as (N, J, V), where that can be done."""
    lengths = {len(joint) if isinstance(joint, list) else -1 for joint in joints}
    return [list(frame) for frame in zip(*joints, strict=True)] if len(lengths) == 1 and -1 not in lengths else joints


_MEANING = {
    "--fps": "stride step frame_step frame_stride frame_skip skip skip_frames every every_nth nth subsample subsampling "
    "downsample downsampling temporal_stride sample_every",
    "--coordinates, or by changing the numbers": "scale scale_factor scaling resize resize_factor offset crop crop_box roi "
    "padding pad letterbox normalized normalised normalization coordinates coordinate_system is_normalized",
    "--rotate": "rotation rotate rotate_code video_rotation orientation",
    "--fix swap-sides, or by changing x": "mirror mirrored is_mirrored flip flipped is_flipped hflip horizontal_flip",
    "--up and --unit": "up up_axis axis_up unit units length_unit length_units space",
}
"""Option -> keys of what a file says of its numbers, which is not read in every form."""
_NOTHING = (None, False, 0, 1, "", "0", "1", "none", "false", "pixel", "pixels", "px", "image")


def told_of_facts(facts: dict[str, Any], used: Sequence[str] = ()) -> tuple[Notice, ...]:
    """What to tell of keys of JSON that say how its numbers are meant and are not read, but for those that are `used`."""
    told = []
    for option, words in _MEANING.items():
        found = {key: value for key, value in facts.items() if str(key).lower() in words.split() and key not in used}
        for key, value in found.items():
            plain = value.lower() if isinstance(value, str) else value
            nothing = value is not True and (plain in _NOTHING or value in ([0, 0], [1, 1]))
            if nothing or not isinstance(value, str | bool | int | float | list):
                continue
            what = f"the file says {key} = {value!r:.40}, which is not read here"
            told.append(Notice("warning", what, f"say it with {option}; nothing, if the numbers are so already"))
    return tuple(told)
