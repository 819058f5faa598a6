"""Bandai-Namco Research Motion Dataset: everyday actions in acted styles, motion capture of one body.

Source: Bandai Namco Research Inc., the repository "Bandai-Namco-Research-Motiondataset" (sets 1 and 2), CC BY-NC 4.0.
Read from the official .bvh files (30 Hz, cm) or from `bandai_namco_15fps.npz`, the same joints after forward kinematics
with every second frame kept: `positions` (rows, 27, 3) float16 m, `offsets` (clips + 1,), `ids`, `joint_names`, `fps`.
All clips have the same bone lengths and no actor id; lifting on them says little unless camera and scale vary.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ups.data.datasets.base import Clip, DataSet, attempt
from ups.data.formats.bvh import Bvh, read_bvh
from ups.data.formats.safe_pickle import load_npz
from ups.errors import DataError
from ups.pose import PoseSequence
from ups.skeletons import BANDAI_21

ARCHIVE = "bandai_namco_15fps.npz"
CONTENTS = (
    "bow", "bye", "byebye", "call", "dance-short", "dash", "guide", "kick", "punch", "raise-up-both-hands",
    "raise-up-left-hand", "raise-up-right-hand", "respond", "run", "slash", "walk", "walk-back", "walk-left",
    "walk-right", "walk-turn-left", "walk-turn-right", "wave-both-hands", "wave-left-hand", "wave-right-hand",
)  # fmt: skip
CLASSES = tuple(content.replace("-", " ") for content in CONTENTS)
HELD_OUT_STYLES = {"dataset-1": ("giant", "old"), "dataset-2": ("elderly", "feminine")}

_SIDED = {
    "clavicle": "Shoulder", "shoulder": "UpperArm", "elbow": "LowerArm", "wrist": "Hand",
    "hip": "UpperLeg", "knee": "LowerLeg", "ankle": "Foot", "foot": "Toes",
}  # fmt: skip
_SOURCE_NAME = {
    "pelvis": "Hips", "spine": "Spine", "chest": "Chest", "neck": "Neck", "head": "Head",
    **{f"{side}_{part}": f"{name}_{side[0].upper()}" for part, name in _SIDED.items() for side in ("left", "right")},
}  # fmt: skip
"""Slot -> the joint in the data that lies there: a bone's name there is the joint where it begins."""


def read_clip(name: str, positions: np.ndarray, joint_names: tuple[str, ...], fps: float) -> PoseSequence:
    """One clip in `BANDAI_21`'s joints.

    Args:
        name: `dataset-N_CONTENT_STYLE_NUMBER`.
        positions: (N, joints, 3) metres, y up, in the order of `joint_names`; ground point and end sites are left out.

    Raises:
        DataError: another kind of name, an unknown content, or a joint missing.
    """
    parts = name.split("_")
    if len(parts) != 4 or parts[0] not in HELD_OUT_STYLES or parts[1] not in CONTENTS:
        raise DataError(f"{name}: not named dataset-N_CONTENT_STYLE_NUMBER with a content of {', '.join(CONTENTS)}")
    missing = [wanted for wanted in _SOURCE_NAME.values() if wanted not in joint_names]
    if missing:
        raise DataError(f"{name}: no joints {', '.join(missing)}; it has {', '.join(joint_names)}")
    joints = positions[:, [joint_names.index(_SOURCE_NAME[slot]) for slot in BANDAI_21.joints]]
    return PoseSequence(
        joints=joints[None],
        visibility=np.ones((1, *joints.shape[:2]), np.float32),
        skeleton=BANDAI_21,
        space="world",
        fps=fps,
        id=name,
        label=CONTENTS.index(parts[1]),
    )


def bandai_sequence(bvh: Bvh, name: str, step: int = 1) -> PoseSequence:
    """Every `step`-th frame of an official .bvh file, in metres; `name` as for `read_clip`."""
    return read_clip(name, bvh.positions[::step] / 100, bvh.joint_names, round(bvh.fps, 2) / step)


def split(name: str) -> dict[str, str]:
    """Protocol "held_out_styles": the clips in `HELD_OUT_STYLES` are for testing, all others for training."""
    data_set, _, style, _ = name.split("_")
    return {"held_out_styles": "test" if style in HELD_OUT_STYLES[data_set] else "train"}


def read(source: Path) -> Iterator[Clip | DataError]:
    """Every clip at 15 Hz, sorted by id.

    Args:
        source: folder with `bandai_namco_15fps.npz`, or else with `dataset-*.bvh` files at any depth.

    Yields:
        Clips; in place of one that can't be read, the DataError that names it.

    Raises:
        DataError: the .npz is damaged. FileNotFoundError: neither is there.
    """
    if (source / ARCHIVE).is_file():
        clips = _npz_clips(source / ARCHIVE)
    else:
        files = sorted(source.rglob("dataset-*.bvh"), key=lambda path: path.stem)
        if not files:
            raise FileNotFoundError(f"{source} holds neither {ARCHIVE} nor dataset-*.bvh files")
        clips = map(_bvh_clip, files)
    for clip in clips:
        yield clip if isinstance(clip, DataError) else (clip, split(clip.id))


def _bvh_clip(path: Path) -> PoseSequence | DataError:
    return attempt(
        str(path),
        lambda: bandai_sequence(read_bvh(path.read_text(encoding="utf-8", errors="replace"), str(path)), path.stem, 2),
    )


def _npz_clips(path: Path) -> Iterator[PoseSequence | DataError]:
    try:
        arrays = load_npz(path)
        positions, offsets, ids = arrays["positions"], arrays["offsets"].astype(np.int64), arrays["ids"].ravel()
        joint_names, fps = tuple(str(n) for n in arrays["joint_names"]), float(arrays["fps"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: not a readable .npz file of positions, offsets, ids, joint_names, fps ({error})"
        ) from error
    rows = (offsets[-1], len(joint_names), 3) if offsets.shape == (len(ids) + 1,) else ()
    if positions.shape != rows or positions.dtype.kind not in "fiu":
        raise DataError(f"{path}: {len(ids)} ids, offsets {offsets.shape} and positions {positions.shape} do not agree")
    for i in np.argsort(ids):
        clip = attempt(
            f"recording {i}",
            lambda i=i: read_clip(str(ids[i]), positions[offsets[i] : offsets[i + 1]], joint_names, fps),
        )
        yield DataError(f"{path}: {clip}") if isinstance(clip, DataError) else clip


DATA_SET = DataSet(
    name="bandai_namco",
    skeleton=BANDAI_21,
    space="world",
    classes=CLASSES,
    protocols=("held_out_styles",),
    terms="CC BY-NC 4.0, Bandai Namco Research Inc.",
    read=read,
    files=(f"*/{ARCHIVE}", "*.bvh"),
    summary="Bandai-Namco motion capture: 3,076 clips of 24 actions in acted styles, 21 joints, for lifting",
)
