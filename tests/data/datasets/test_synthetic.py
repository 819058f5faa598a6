"""The generated data: a human of constant bones, on the ground, with its left side on the left, the same every time."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ups.data.datasets.base import DataSet
from ups.data.datasets.synthetic import (
    CLASSES,
    CLIPS,
    FRAMES,
    SUBJECTS,
    SYNTHETIC_2D,
    SYNTHETIC_3D,
    generate_2d,
    generate_3d,
    read_2d,
    read_3d,
    synthesize,
)
from ups.data.datasets.synthetic_motion import Motion, forward_kinematics, make_body, rotation
from ups.skeletons import H36M_17

JOINT = {name: i for i, name in enumerate(H36M_17.joints)}
ROUND = 320  # clips after which every class was performed by every subject


@pytest.fixture(scope="module")
def clips() -> list[tuple[np.ndarray, int, int]]:
    return [synthesize(3, index) for index in range(ROUND)]


def facing(points: np.ndarray) -> np.ndarray:
    """Horizontal unit vectors (N, 3) from the middle of the face towards where it looks."""
    forward = (points[:, JOINT["nose"]] - points[:, JOINT["chest"]]) * (1, 0, 1)
    return forward / np.linalg.norm(forward, axis=-1, keepdims=True)


def at_rest(frames: int) -> Motion:
    zero = np.zeros(frames)
    arm, leg, trunk = np.zeros((frames, 2, 4)), np.zeros((frames, 2, 4)), np.zeros((frames, 5))
    return Motion(zero, zero, 1.0, arm, leg, trunk, zero, zero, zero)


def test_same_arguments_give_the_same_clip_in_any_order() -> None:
    first, again, other = synthesize(0, 41), synthesize(0, 41), synthesize(1, 41)
    assert np.array_equal(first[0], again[0]) and first[1:] == again[1:]
    assert first[0].shape != other[0].shape or not np.allclose(first[0], other[0])
    for generate in (generate_3d, generate_2d):
        long = [clip for clip, _ in generate(6, 7)]
        short = [clip for clip, _ in generate(4, 7)]
        assert all(np.array_equal(a.joints, b.joints) for a, b in zip(short, long, strict=False))


def test_every_class_by_every_subject_once_a_round(clips: list[tuple[np.ndarray, int, int]]) -> None:
    assert len(CLASSES) == 16 and CLIPS % ROUND == 0
    pairs = Counter((label, subject) for _, label, subject in clips)
    assert set(pairs) == {(label, subject) for label in range(len(CLASSES)) for subject in range(1, SUBJECTS + 1)}
    assert set(pairs.values()) == {1}


def test_lengths_fill_the_range_and_obey_the_caller(clips: list[tuple[np.ndarray, int, int]]) -> None:
    lengths = [len(points) for points, _, _ in clips]
    assert (min(lengths), max(lengths)) == FRAMES
    assert {len(synthesize(0, i, (9, 9))[0]) for i in range(16)} == {9}


@pytest.mark.parametrize("arguments", [(-1, 0), (0, -1), (0, 0, (1, 8)), (0, 0, (9, 8))])
def test_arguments_out_of_range_are_refused(arguments: tuple) -> None:
    with pytest.raises(ValueError, match=r"negative|range"):
        synthesize(*arguments)


def test_bones_keep_their_length_and_belong_to_the_subject(clips: list[tuple[np.ndarray, int, int]]) -> None:
    child, parent = np.array(H36M_17.bones).T
    of_subject: dict[int, np.ndarray] = {}
    for points, _, subject in clips:
        lengths = np.linalg.norm(points[:, child] - points[:, parent], axis=-1)
        known = of_subject.setdefault(subject, lengths[0])
        np.testing.assert_allclose(lengths, np.broadcast_to(known, lengths.shape), atol=1e-9)
    assert len({tuple(lengths.round(4)) for lengths in of_subject.values()}) == SUBJECTS
    for left, right in H36M_17.mirror_pairs:
        same = [np.isclose(b[list(child).index(left)], b[list(child).index(right)]) for b in of_subject.values()]
        assert all(same)


def test_at_rest_the_body_is_upright_and_of_human_size() -> None:
    for subject in range(1, SUBJECTS + 1):
        points = forward_kinematics(at_rest(2), make_body(subject))
        assert 1.4 < points[0, JOINT["head"], 1] < 2.1
        assert points[0, JOINT["pelvis"], 1] == pytest.approx(0.53 * points[0, JOINT["head"], 1], rel=0.12)
        np.testing.assert_allclose(points[0, H36M_17.mirror] * (-1, 1, 1), points[0], atol=1e-12)
        assert points[0, JOINT["left_wrist"], 0] > 0.1  # facing +z, the left hand is at +x


def test_angles_move_each_side_in_the_anatomical_sense() -> None:
    body = make_body(1)
    rest = forward_kinematics(at_rest(1), body)[0]
    for side, index, outward in (("left", 0, 1), ("right", 1, -1)):
        motion = at_rest(1)
        motion.arm[:, index] = (90, 0, 0, 0)  # flexed: stretched out forward
        raised = forward_kinematics(motion, body)[0]
        arm = raised[JOINT[f"{side}_wrist"]] - raised[JOINT[f"{side}_shoulder"]]
        np.testing.assert_allclose(arm, (0, 0, body.upper_arm + body.forearm), atol=1e-9)
        motion.arm[:, index] = (0, 90, 0, 0)  # abducted: stretched out to its own side
        spread = forward_kinematics(motion, body)[0]
        arm = spread[JOINT[f"{side}_wrist"]] - spread[JOINT[f"{side}_shoulder"]]
        np.testing.assert_allclose(arm, (outward * (body.upper_arm + body.forearm), 0, 0), atol=1e-9)
        motion = at_rest(1)
        motion.leg[:, index] = (0, 0, 0, 90)  # the heel goes to the back
        bent = forward_kinematics(motion, body)[0]
        shank = bent[JOINT[f"{side}_ankle"]] - bent[JOINT[f"{side}_knee"]]
        np.testing.assert_allclose(shank, (0, 0, -body.shank), atol=1e-9)
        moved = np.abs(bent - rest).max(axis=-1) > 0.01
        assert {H36M_17.joints[j] for j in np.flatnonzero(moved)} == {f"{side}_ankle"}


def test_left_is_left_of_where_the_person_looks(clips: list[tuple[np.ndarray, int, int]]) -> None:
    for points, _, _ in clips:
        left = np.cross((0, 1, 0), facing(points))
        across = points[:, JOINT["left_hip"]] - points[:, JOINT["right_hip"]]
        assert ((across * left).sum(-1) > 0.1).all()
        assert facing(points)[0, 2] > 0.2  # at first it faces +z, more or less


def test_both_hands_are_used_as_the_active_one(clips: list[tuple[np.ndarray, int, int]]) -> None:
    reaching = [points for points, label, _ in clips if CLASSES[label] == "reach up"]
    height = [points[:, [JOINT["left_wrist"], JOINT["right_wrist"]], 1].max(0) for points in reaching]
    left_handed = sum(left > right for left, right in height)
    assert 0 < left_handed < len(reaching) / 2


def test_coordinates_lie_about_the_person(clips: list[tuple[np.ndarray, int, int]]) -> None:
    for points, label, _ in clips:
        assert np.linalg.norm(points - points[:, [JOINT["pelvis"]]], axis=-1).max() < 1.6
        assert np.abs(points[0, JOINT["pelvis"], [0, 2]]).max() < 2
        speed = np.linalg.norm(np.diff(points, axis=0), axis=-1).max() * 30
        assert 0.5 < speed < 22, CLASSES[label]


def test_feet_stay_on_the_ground_unless_the_action_leaves_it(clips: list[tuple[np.ndarray, int, int]]) -> None:
    flights = {"jump": 0.0, "run": 0.0}
    for points, label, _ in clips:
        lower = points[:, [JOINT["left_ankle"], JOINT["right_ankle"]], 1].min(axis=1)
        assert points[..., 1].min() > 0.02
        if CLASSES[label] in flights:
            flights[CLASSES[label]] = max(flights[CLASSES[label]], lower.max())
        else:
            assert lower.max() < 0.18, CLASSES[label]
    assert flights["jump"] > 0.35 and flights["run"] > 0.1


def test_gaits_go_forward_and_standing_actions_stay(clips: list[tuple[np.ndarray, int, int]]) -> None:
    for points, label, _ in clips:
        path = points[-1, JOINT["pelvis"]] - points[0, JOINT["pelvis"]]
        forward = float(path @ facing(points)[0])
        if CLASSES[label] in ("walk", "run"):
            assert forward > 0.05
        elif CLASSES[label] in ("clap", "wave", "reach up", "raise both hands", "bow"):
            assert np.linalg.norm(path) < 0.25


@pytest.mark.parametrize(
    ("action", "joint", "low", "high"),
    [("sit down", "pelvis", -0.9, -0.2), ("stand up", "pelvis", 0.25, 0.9), ("clap", "pelvis", -0.05, 0.05)],
)
def test_the_pelvis_ends_where_the_action_says(
    clips: list[tuple[np.ndarray, int, int]], action: str, joint: str, low: float, high: float
) -> None:
    for points, label, _ in clips:
        if CLASSES[label] == action:
            assert low < points[-1, JOINT[joint], 1] - points[0, JOINT[joint], 1] < high


def test_clips_begin_alike_and_part_later() -> None:
    """Nearest class mean, subjects apart: little is known after a tenth of the clip, much at its end, but not all."""
    data = list(generate_3d(960))
    labels = np.array([clip.label for clip, _ in data])
    train = np.array([parts["xsub"] == "train" for _, parts in data])

    def accuracy(share: float) -> float:
        features = []
        for clip, _ in data:
            seen = clip.first(round(share * clip.frames)).joints[0]
            picked = np.linspace(0, len(seen) - 1, 12).round().astype(int)
            features.append((seen - seen[:, :1])[picked].ravel())
        table = np.array(features)
        means = np.array([table[train & (labels == label)].mean(0) for label in range(len(CLASSES))])
        distance = ((table[~train, None] - means) ** 2).sum(-1)
        return float((distance.argmin(1) == labels[~train]).mean())

    assert accuracy(0.1) < 0.25
    assert 0.6 < accuracy(1.0) < 0.93


def test_3d_clips_carry_sensor_noise_and_the_truth_of_synthesize() -> None:
    for index, (clip, _) in enumerate(generate_3d(32, seed=5)):
        points, label, subject = synthesize(5, index)
        assert (clip.space, clip.fps, clip.label, clip.subject) == ("world", 30.0, label, subject)
        assert clip.joints.dtype == np.float32 and clip.pose_3d is None
        assert 0.002 < (clip.joints[0] - points).std() < 0.014


def test_2d_joints_are_the_projection_of_pose_3d() -> None:
    """With the image's middle as principal point, one focal length explains all joints but for 1.5 px of noise."""
    sizes, residuals, hidden = set(), [], 0
    for clip, _ in generate_2d(64, seed=5):
        assert clip.pose_3d is not None and clip.image_size is not None
        sizes.add(clip.image_size)
        seen = clip.visibility[0] > 0
        hidden += int((~seen).sum())
        assert (clip.joints[0][~seen] == 0).all() and seen.mean() > 0.9
        assert clip.pose_3d[..., 2].min() > 2.4 and clip.pose_3d[..., 2].max() < 16
        slope = (clip.pose_3d[..., :2] / clip.pose_3d[..., 2:])[0][seen].astype(np.float64)
        pixels = clip.joints[0][seen] - np.array(clip.image_size) / 2
        focal = (slope * pixels).sum() / (slope**2).sum()
        residuals.append((pixels - focal * slope).ravel())
        assert (np.abs(pixels) < np.array(clip.image_size) / 2).all()
    error = np.concatenate(residuals)
    assert error.std() == pytest.approx(1.5, rel=0.03) and np.abs(error).max() < 9
    assert sizes == {(1000, 1000), (640, 480)} and hidden > 0


def test_pose_3d_is_the_synthesized_person_turned_and_moved() -> None:
    for index, (clip, _) in enumerate(generate_2d(16, seed=5)):
        points, label, subject = synthesize(5, index)
        assert clip.pose_3d is not None and (clip.label, clip.subject) == (label, subject)
        here, there = points.reshape(-1, 3), clip.pose_3d.reshape(-1, 3).astype(np.float64)
        here, there = here - here.mean(0), there - there.mean(0)
        u, _, vt = np.linalg.svd(here.T @ there)
        assert np.linalg.det(u @ vt) > 0  # a rotation: no mirror image
        np.testing.assert_allclose(here @ u @ vt, there, atol=1e-4)


def test_a_person_who_faces_the_camera_has_its_left_on_the_right_of_the_image() -> None:
    tested = 0
    for clip, _ in generate_2d(64, seed=5):
        assert clip.pose_3d is not None
        body, pixels = clip.pose_3d[0, 0], clip.joints[0, 0]
        seen = clip.visibility[0, 0, [JOINT["left_hip"], JOINT["right_hip"], JOINT["left_ankle"]]].all()
        if seen and body[JOINT["nose"], 2] < body[JOINT["chest"], 2] - 0.05:
            tested += 1
            assert pixels[JOINT["left_hip"], 0] > pixels[JOINT["right_hip"], 0]
            assert pixels[JOINT["left_hip"], 1] < pixels[JOINT["left_ankle"], 1]
    assert tested > 15


def test_split_keeps_subjects_apart_and_ids_are_unique_and_sorted() -> None:
    for data_set, generate in ((SYNTHETIC_3D, generate_3d), (SYNTHETIC_2D, generate_2d)):
        subjects: dict[str, set[int]] = {"train": set(), "test": set()}
        ids = []
        for clip, parts in generate(80, 0):
            assert tuple(parts) == data_set.protocols == ("xsub",)
            subjects[parts["xsub"]].add(clip.subject)
            ids.append(clip.id)
        assert subjects == {"train": set(range(1, 15)), "test": set(range(15, 21))}
        assert ids == sorted(set(ids))


@pytest.mark.parametrize("data_set", [SYNTHETIC_3D, SYNTHETIC_2D], ids=lambda d: d.name)
def test_data_set_describes_its_clips(data_set: DataSet, tmp_path: Path) -> None:
    first = next(data_set.read(tmp_path / "absent"))
    assert isinstance(first, tuple)
    clip = first[0]
    assert (clip.skeleton, clip.space) == (data_set.skeleton, data_set.space)
    assert (clip.pose_3d is not None) == data_set.paired
    assert data_set.classes == CLASSES and data_set.read in (read_3d, read_2d)


def test_rotation_is_right_handed() -> None:
    for axis in range(3):
        turned = rotation(axis, np.array(90.0)) @ np.eye(3)[(axis + 1) % 3]
        np.testing.assert_allclose(turned, np.eye(3)[(axis + 2) % 3], atol=1e-12)
