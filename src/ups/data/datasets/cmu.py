"""CMU motion capture: 41 markers, 12 cameras, people who walk, climb, box, dance, mop and do acrobatics.

Source: the CMU Graphics Lab Motion Capture Database. Terms: free for research and products; it may be copied, changed
and passed on, not sold as such. Read from its own folders (`NN/NN.asf` with `NN/NN_MM.amc`, 120 frames per second in most
trials, which the files do not say; every fourth frame is kept), or from `cmu_mocap_30fps.npz` and
`cmu_dance_30fps.npz`, the same after forward kinematics.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ups.data.datasets.base import Clip, DataSet, attempt
from ups.data.formats.asf_amc import Acclaim, read_amc, read_asf
from ups.data.formats.motion_npz import read_motion_npz
from ups.errors import DataError
from ups.pose import PoseSequence
from ups.skeletons import BANDAI_21, skeleton_of

ARCHIVE = "cmu_mocap_30fps.npz"
DANCE_ARCHIVE = "cmu_dance_30fps.npz"
FPS, STEP = 30.0, 4
_ID = re.compile(r"(\d{1,4})_(\d{1,4})")

_ENDS = {
    "pelvis": "root", "spine": "upperback", "chest": "thorax", "neck": "lowerneck", "head": "head",
    **{
        f"{side}_{part}": side[0] + bone
        for side in ("left", "right")
        for part, bone in {
            "shoulder": "clavicle", "elbow": "humerus", "wrist": "wrist", "hand": "fingers",
            "hip": "hipjoint", "knee": "femur", "ankle": "tibia", "foot": "foot",
        }.items()
    },
}  # fmt: skip
"""Slot -> the bone that ends there."""
CMU_21 = skeleton_of(tuple(_ENDS), "cmu-21", "cmu-21")
"""Hands are the fingers' ends, feet the balls of the feet; no collar bone, which begins where the chest ends."""

_DANCE_SIDED = {
    "clavicle": "Collar", "shoulder": "Shldr", "elbow": "ForeArm", "wrist": "Hand",
    "hip": "Thigh", "knee": "Shin", "ankle": "Foot", "foot": "Foot_end",
}  # fmt: skip
_DANCE = {
    "pelvis": "hip", "spine": "abdomen", "chest": "chest", "neck": "neck", "head": "head",
    **{f"{side}_{part}": side[0] + name for part, name in _DANCE_SIDED.items() for side in ("left", "right")},
}  # fmt: skip
"""Slot -> the joint of the dance files that lies there: where the bone of that name begins."""


def last_fifth(numbers: Collection[int]) -> list[int]:
    """The last fifth of the different numbers, rounded."""
    known = sorted(set(numbers))
    return known[len(known) - round(len(known) / 5) :]


def splits(subject: int, subjects: Collection[int]) -> dict[str, str]:
    """Part of a subject's trials in both protocols, among the `subjects` that the source holds.

    "held_out_subjects": the last fifth of the subject numbers is for testing. "validation_subjects": among the others,
    every fifth is for testing; what the first protocol tests is left out.
    """
    test = last_fifth(subjects)
    if subject in test:
        return {"held_out_subjects": "test"}
    training = sorted(set(subjects) - set(test))
    part = "test" if subject in training[4::5] else "train"
    return {"held_out_subjects": "train", "validation_subjects": part}


def read(source: Path) -> Iterator[Clip | DataError]:
    """Every trial at 30 frames per second, sorted by id, `SUBJECT_TRIAL`.

    Args:
        source: folder with `cmu_mocap_30fps.npz`, or else with .amc files at any depth, each beside the .asf file that is
            named after its subject.

    Yields:
        Clips; in place of one that can't be read, the DataError that names it.

    Raises:
        DataError: the .npz is damaged. FileNotFoundError: neither is there.
    """
    archive, clips = source / ARCHIVE, None
    if archive.is_file():
        clips = list(read_motion_npz(archive, CMU_21, _ENDS))
        names = [clip.id for clip in clips if not isinstance(clip, DataError)]
    else:
        files = sorted((path for path in source.rglob("*.amc") if path.is_file()), key=lambda path: path.stem)
        if not files:
            raise FileNotFoundError(f"{source} holds neither {ARCHIVE} nor .amc files")
        names = [path.stem for path in files]
        clips = _amc_clips(files)
    subjects = {int(match[1]) for match in map(_ID.fullmatch, names) if match}
    for clip in clips:
        if isinstance(clip, DataError):
            yield clip
        elif match := _ID.fullmatch(clip.id):
            subject = int(match[1])
            yield replace(clip, subject=subject), splits(subject, subjects)
        else:
            yield DataError(f"{source}: {clip.id[:80]}: not named SUBJECT_TRIAL, as 01_02; rename it")


def _amc_clips(files: list[Path]) -> Iterator[PoseSequence | DataError]:
    skeletons: dict[Path, Acclaim] = {}

    def clip(path: Path) -> PoseSequence:
        asf = path.parent / f"{path.stem.split('_')[0]}.asf"
        if asf not in skeletons:
            if not asf.is_file():
                raise DataError(f"{path}: no {asf.name} beside it; fetch the subject's skeleton too")
            skeletons.clear()  # files come by subject
            skeletons[asf] = read_asf(asf.read_text(encoding="utf-8", errors="replace"), str(asf))
        return trial(path.read_text(encoding="utf-8", errors="replace"), skeletons[asf], path.stem, str(path))

    for path in files:
        yield attempt(str(path), lambda path=path: clip(path))


def trial(amc: str, skeleton: Acclaim, id: str, name: str) -> PoseSequence:
    """Every fourth frame of the text of an .amc file, in `CMU_21`'s joints and metres.

    Raises:
        DataError: not such a file, or its skeleton lacks a joint; `name` is what messages call it.
    """
    known = skeleton.joint_names
    missing = [bone for bone in _ENDS.values() if bone not in known]
    if missing:
        raise DataError(f"{name}: its skeleton has no bone {', '.join(missing[:3])}; CMU's own .asf has them")
    ends = read_amc(amc, skeleton, name, STEP)
    joints = ends[:, [known.index(_ENDS[slot]) for slot in CMU_21.joints]][None]
    return PoseSequence(joints, np.ones(joints.shape[:3], np.float32), CMU_21, "world", FPS, id)


def read_dance(source: Path) -> Iterator[Clip | DataError]:
    """Every clip of `cmu_dance_30fps.npz` in `source`, sorted by id, `STYLE_NUMBER`.

    Protocol "held_out_styles": the martial arts are for testing, salsa and Indian dance for training. Raises as `read`.
    """
    path = source / DANCE_ARCHIVE
    if not path.is_file():
        raise FileNotFoundError(f"{source} holds no {DANCE_ARCHIVE}")
    for clip in read_motion_npz(path, BANDAI_21, _DANCE):
        if isinstance(clip, DataError):
            yield clip
        else:
            yield clip, {"held_out_styles": "test" if clip.id.startswith("martial") else "train"}


_TERMS = (
    "Free to use, copy, change and pass on, not to be sold as such; the data was obtained from mocap.cs.cmu.edu, created "
    "with funding from NSF EIA-0196217."
)
CMU_MOCAP = DataSet(
    name="cmu_mocap",
    skeleton=CMU_21,
    space="world",
    classes=(),
    protocols=("held_out_subjects", "validation_subjects"),
    terms=_TERMS,
    read=read,
    files=(f"*/{ARCHIVE}", "*.amc", "*.asf"),
    summary="CMU motion capture: people walk, climb, box, clean, dance; 21 joints, for lifting",
)
CMU_DANCE = DataSet(
    name="cmu_dance",
    skeleton=BANDAI_21,
    space="world",
    classes=(),
    protocols=("held_out_styles",),
    terms=_TERMS,
    read=read_dance,
    files=(f"*/{DANCE_ARCHIVE}",),
    summary="CMU motion capture: 44 clips of salsa, Indian dance, martial arts; 21 joints, for lifting",
)
