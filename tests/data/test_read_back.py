"""TRC and BVH that are read as something else than what was written: the options that make it the same are told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ups.data.checks.clip import check_clip
from ups.data.datasets.synthetic import synthesize
from ups.data.formats.write import write
from ups.data.open_file import read_file
from ups.data.read_back import told_of_reading
from ups.pose import PoseSequence, pose_sequence
from ups.skeletons import H36M_17

DOWN = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]], np.float32)
"""From standing to lying along z."""


def walker() -> PoseSequence:
    return pose_sequence(synthesize(1, 0, (40, 40))[0], H36M_17, space="world", fps=30)


def lying() -> PoseSequence:
    return replace(walker(), joints=walker().joints @ DOWN, up_known=True)


def rising() -> PoseSequence:
    joints = walker().joints.copy()
    joints[:, :20] = joints[:, :20] @ DOWN
    return replace(walker(), joints=joints, up_known=True)


def child() -> PoseSequence:
    return replace(walker(), joints=walker().joints * np.float32(0.5))


@pytest.mark.parametrize("kind", ["trc", "bvh"])
@pytest.mark.parametrize(
    ("clip", "told"),
    [
        (walker(), {"trc": None, "bvh": None}),
        (replace(walker(), space="camera"), {"trc": None, "bvh": None}),
        (lying(), {"trc": "--up y:", "bvh": "--up y:"}),
        (rising(), {"trc": None, "bvh": "--up y:"}),
        (child(), {"trc": None, "bvh": "--unit cm:"}),
    ],
    ids=["stands", "camera", "lies", "rises", "child"],
)
def test_what_the_reader_would_take_for_something_else(
    tmp_path: Path, clip: PoseSequence, told: dict[str, str | None], kind: str
) -> None:
    if clip.space == "camera":
        clip = replace(clip, joints=clip.joints * np.array((1, -1, -1), np.float32))
    write(clip, tmp_path / f"a.{kind}", kind)
    found, expected = told_of_reading(clip, tmp_path / f"a.{kind}", kind), told[kind]
    assert found is None if expected is None else found is not None and expected in found


def test_a_thigh_of_a_child_or_in_another_unit_is_told(tmp_path: Path) -> None:
    write(child(), tmp_path / "a.bvh", "bvh")
    assert "inches are taken for the unit" in str(read_file(tmp_path / "a.bvh").notices)
    assert "for the unit" not in str(read_file(tmp_path / "a.bvh", unit="cm").notices)
    write(walker(), tmp_path / "b.bvh", "bvh")
    assert "for the unit" not in str(read_file(tmp_path / "b.bvh").notices)


def test_feet_of_who_lies_are_not_judged() -> None:
    assert not [what for _, what, *_ in check_clip(lying()) if "backwards" in what]
