"""Maps of joints that are proposed: from names, from a number of joints, from positions."""

import json
from pathlib import Path

import numpy as np
import pytest

from ups.data.datasets.synthetic import synthesize
from ups.data.formats.joint_map import read_joint_map
from ups.data.open_file import read_file
from ups.data.propose_joints import propose_joints
from ups.errors import DataError
from ups.skeletons import COCO_17, H36M_17, KINECT_20

SIZE = (640, 480)


def seen_from_the_front(joints: np.ndarray) -> np.ndarray:
    """(N, J, 2) pixels of (N, J, 3) metres, y up."""
    return joints[..., :2] * (150, -150) + (320, 400)


def results(points: np.ndarray) -> str:
    marks = np.concatenate([points, np.ones((*points.shape[:2], 1))], -1)
    return json.dumps([{"image_id": n, "keypoints": frame.ravel().tolist()} for n, frame in enumerate(marks)])


def test_from_names(tmp_path: Path) -> None:
    names = ["RKnee", "LKnee", "LHip", "RHip", "MidHip", "hat"]
    np.savez(tmp_path / "a.npz", joints=np.ones((2, 6, 3)), joint_names=names, space="world", fps=30)
    proposal = propose_joints(tmp_path / "a.npz")
    assert proposal.places == {"right_knee": 0, "left_knee": 1, "left_hip": 2, "right_hip": 3, "pelvis": 4}
    assert proposal.notes[-1] == "left out: 'hat'"
    (tmp_path / "map.toml").write_text(proposal.toml)
    clip = read_file(tmp_path / "a.npz", joint_map=read_joint_map(tmp_path / "map.toml"))
    assert set(clip.skeleton.joints) == set(proposal.places)


def test_from_a_number_that_is_known(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(results(np.ones((3, 17, 2)) * 50 + np.arange(17)[:, None]))
    proposal = propose_joints(tmp_path / "a.json")
    assert proposal.places == {joint: i for i, joint in enumerate(COCO_17.joints)} and "COCO" in proposal.notes[0]


@pytest.mark.parametrize("index", range(6))
def test_from_positions_in_a_known_order(tmp_path: Path, index: int) -> None:
    """Generated motion has H36M_17's joints: in its own order they are recognised."""
    joints, _, _ = synthesize(0, index)
    np.save(tmp_path / "a.npy", seen_from_the_front(joints))
    proposal = propose_joints(tmp_path / "a.npy", SIZE)
    assert proposal.places == {joint: i for i, joint in enumerate(H36M_17.joints)}
    assert "h36m-17" in proposal.notes[0] and "left from right" in proposal.notes[1]


def test_positions_in_an_unknown_order_are_a_rough_guess(tmp_path: Path) -> None:
    joints, _, _ = synthesize(0, 0)
    order = np.random.default_rng(0).permutation(17)
    np.save(tmp_path / "a.npy", seen_from_the_front(joints)[:, order])
    proposal = propose_joints(tmp_path / "a.npy", SIZE)
    assert "roughly" in proposal.notes[0] and len(set(proposal.places.values())) == len(proposal.places) > 12
    guessed = {H36M_17.joints[order[i]]: slot for slot, i in proposal.places.items()}
    assert {guessed["head"], guessed["nose"]} <= {"head", "neck", "nose", "head_top", "left_ear", "right_ear", "left_eye",
                                                  "right_eye"}  # fmt: skip
    assert {guessed[f"{side}_knee"] for side in ("left", "right")} == {"left_knee", "right_knee"}


def test_what_needs_no_map(tmp_path: Path) -> None:
    (tmp_path / "a02_s01_e01_v01.json").write_text(json.dumps({"label": 2, "skeletons": np.ones((4, 20, 3)).tolist()}))
    with pytest.raises(DataError, match="joints are known"):
        propose_joints(tmp_path / "a02_s01_e01_v01.json")
    np.save(tmp_path / "few.npy", np.ones((3, 4, 2)))
    with pytest.raises(DataError, match="4 joints are seen; at least 5"):
        propose_joints(tmp_path / "few.npy", SIZE)
    assert len(KINECT_20) == 20
