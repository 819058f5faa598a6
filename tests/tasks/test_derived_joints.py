"""Where derived joints lie and how often views are drawn: in numbers, at both ends of every range."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from test_augmentation import scripted

from ups.pose import PoseSequence
from ups.skeletons import H36M_17, HUMANEVA_15, KARD_15, KINECT_20, PENN_13, skeleton_of
from ups.tasks.skeleton_views import LIMBS, LISTED, _ends_as_recorded, asking_for, derive, draw_view, in_skeleton, shown

UPRIGHT = {  # centimetres; the trunk is 50 long, left is +x, up is +y, ahead is +z; right joints are their mirror images
    "shoulder": (20, 140, 0), "elbow": (20, 115, 0), "wrist": (20, 90, 0), "hip": (10, 90, 0), "knee": (10, 50, 0),
    "ankle": (10, 10, 0), "head": (0, 160, 0), "nose": (0, 160, 10), "hand": (20, 90, 0), "foot": (10, 10, 0),
}  # fmt: skip
RANGES = {  # of joints derived from the limbs alone: where they lie at the low and at the high end of their range
    "pelvis": ((0, 90, 0), (0, 96, 0)),
    "spine": ((0, 105, 0), (0, 120, 0)),
    "chest": ((0, 132.5, 0), (0, 140, 0)),
    "neck": ((0, 140, 0), (0, 148, 0)),
    "head": ((0, 158, 0), (0, 158, 0)),  # 18 to 26 above the shoulders are the ears, 0 to 8 below them the head
    "head_top": ((0, 168, 0), (0, 184, 0)),
    "nose": ((0, 156, 8), (0, 164, 12)),
    "left_eye_inner": ((0.85 * 1.8, 158 + 0.85 * 3, 0.85 * 9), (1.15 * 1.8, 166 + 1.15 * 3, 1.15 * 9)),
    "left_eye": ((0.85 * 3.2, 158 + 0.85 * 3, 0.85 * 8.8), (1.15 * 3.2, 166 + 1.15 * 3, 1.15 * 8.8)),
    "left_eye_outer": ((0.85 * 4.5, 158 + 0.85 * 3, 0.85 * 8), (1.15 * 4.5, 166 + 1.15 * 3, 1.15 * 8)),
    "left_ear": ((0.85 * 7.5, 158, 0), (1.15 * 7.5, 166, 0)),
    "left_mouth": ((0.85 * 2.5, 158 - 0.85 * 6, 0.85 * 9), (1.15 * 2.5, 166 - 1.15 * 6, 1.15 * 9)),
    "left_clavicle": ((2, 140, 0), (8, 140, 0)),
    "left_hand": ((20, 83, 0), (20, 83, 0)),
    "left_hand_tip": ((20, 74, 0), (20, 74, 0)),
    "left_thumb": ((15, 83, 0), (15, 83, 0)),
    "left_index": ((18, 81, 0), (18, 81, 0)),
    "left_pinky": ((23, 82, 0), (23, 82, 0)),
    "left_heel": ((10, 5, -0.8 * 4), (10, 5, -1.2 * 4)),
    "left_foot": ((10, 4, 0.8 * 13), (10, 4, 1.2 * 13)),
}
FROM_HANDS_AND_FEET = {
    "left_wrist": ((20, 92, 0), (20, 98, 0)),
    "left_hand_tip": ((20, 76, 0), (20, 82, 0)),
    "left_ankle": ((10, 13, 0), (10, 17, 1.2 * -8)),
    "left_heel": ((10, 8, 0.8 * -4), (10, 12, 1.2 * -12)),
}


def upright(names: list[str] | tuple[str, ...] = LIMBS, frames: int = 1, unit: float = 0.01) -> PoseSequence:
    points = [np.array(UPRIGHT[n.split("_")[-1]]) * ([-1, 1, 1] if n.startswith("right") else 1) for n in names]
    joints = np.stack(points)[None, None].repeat(frames, 1) * unit
    return PoseSequence(joints, np.ones(joints.shape[:3]), skeleton_of(names, "test"), "world", 30.0)


def derived(clip: PoseSequence, wanted: list[str], u: float, z: float = 0.0) -> np.ndarray:
    """Where the joints lie in the first frame, the clip's random numbers at `u` of their range, normal ones at `z`."""
    points, seen = derive(clip.joints, clip.visibility, clip.skeleton.joints, wanted, scripted(u, z))
    assert seen.all()
    return points[0, 0]


@pytest.mark.parametrize("unit", [0.01, 3.0])
def test_joints_lie_within_their_ranges(unit: float):
    clip = upright(unit=unit)
    wanted = [*RANGES, *(name.replace("left", "right") for name in RANGES if name.startswith("left"))]
    for end in (0, 1):
        expected = [
            RANGES[n.replace("right", "left")][end] * np.array([1 - 2 * n.startswith("right"), 1, 1]) for n in wanted
        ]
        np.testing.assert_allclose(derived(clip, wanted, end), np.array(expected) * unit, atol=1e-4 * unit * 100)


def test_what_ends_a_limb_is_derived_from_hands_and_feet():
    ends = upright([joint.replace("wrist", "hand").replace("ankle", "foot") for joint in LIMBS])
    for end in (0, 1):
        expected = np.array([place[end] for place in FROM_HANDS_AND_FEET.values()])
        np.testing.assert_allclose(derived(ends, list(FROM_HANDS_AND_FEET), end), expected / 100, atol=1e-6)


def test_what_lies_beside_a_limb_is_at_a_right_angle_to_it():
    clip = upright()
    joints = clip.joints.copy()
    joints[..., LIMBS.index("left_ankle"), :] = [0.1, 0.26, -0.32]  # the shank slants back, and so do the toes, down
    joints[..., LIMBS.index("left_wrist"), :] = [0.36, 1.03, 0]  # the forearm slants aside
    foot, thumb = derived(replace(clip, joints=joints), ["left_foot", "left_thumb"], 0.0)
    shank, toes = np.array([0, -0.6, -0.8]), np.array([0, -0.48, 0.36])
    np.testing.assert_allclose(foot, [0.1, 0.26, -0.32] + 0.06 * shank + 0.8 * 0.13 * toes, atol=1e-6)
    forearm = np.array([0.8, -0.6, 0])
    across = np.array([1, 0, 0]) - 0.8 * forearm
    np.testing.assert_allclose(thumb, [0.36, 1.03, 0] + 0.07 * forearm - 0.05 * across, atol=1e-6)


@pytest.mark.parametrize("unit", [1.0, 3.0])
def test_a_head_lies_where_head_or_nose_tell(unit: float):
    head, nose = upright([*LIMBS, "head"], unit=unit / 100), upright([*LIMBS, "nose"], unit=unit / 100)
    for end, ears in ((0, 158), (1, 168)):  # 2 below to 8 above what is called the head
        np.testing.assert_allclose(derived(head, ["left_ear"], end)[0, 1:] / unit, [ears / 100, 0], atol=1e-6)
    for end, behind in ((0, 8), (1, 12)):
        np.testing.assert_allclose(
            derived(nose, ["left_ear"], end)[0, 1:] / unit, [1.62, (10 - behind) / 100], atol=1e-6
        )
    hidden = replace(head, visibility=head.visibility * (np.array(head.skeleton.joints) != "head"))
    assert not derive(hidden.joints, hidden.visibility, hidden.skeleton.joints, ["nose"], scripted(0.5))[1].any()
    hidden = replace(nose, visibility=nose.visibility * (np.array(nose.skeleton.joints) != "nose"))
    assert not derive(hidden.joints, hidden.visibility, hidden.skeleton.joints, ["head"], scripted(0.5))[1].any()


def test_heads_turn_and_nod_as_far_as_told():
    """By normal numbers of up to 25 and 15 degrees: to the left, then down."""
    left, right, nose = derived(upright(), ["left_ear", "right_ear", "nose"], 1.0, 1.0)
    turn = Rotation.from_euler("YX", [25, 15], degrees=True)  # about the vertical axis, then the line between the ears
    np.testing.assert_allclose(left - right, turn.apply([2 * 1.15 * 0.075, 0, 0]), atol=1e-6)
    np.testing.assert_allclose(nose - (left + right) / 2, turn.apply([0, -0.02, 0.12]), atol=1e-6)
    left, right = derived(upright(), ["left_ear", "right_ear"], 0.5, 2.0)  # half the range, twice the deviation
    np.testing.assert_allclose(
        (left - right) / np.linalg.norm(left - right),
        Rotation.from_euler("Y", 25, degrees=True).apply([1, 0, 0]),
        atol=1e-6,
    )


def test_heads_move_between_five_moments():
    clip = upright(frames=9)
    points, _ = derive(clip.joints, clip.visibility, LIMBS, ["left_ear", "right_ear"], np.random.default_rng(0))
    ears = points[0, :, 0] - points[0, :, 1]
    turn = np.arctan2(ears[:, 2], ears[:, 0])
    np.testing.assert_allclose(turn[1::2], (turn[:-2:2] + turn[2::2]) / 2, atol=1e-5)
    assert np.abs(turn[2:-2:2] - (turn[:-4:2] + turn[4::2]) / 2).min() > 1e-3


def test_a_body_s_size_is_that_of_its_longest_trunks():
    clip = upright(frames=11)
    joints = clip.joints * np.linspace(0, 2, 11, dtype=np.float32)[None, :, None, None]
    nose = derive(joints, clip.visibility, LIMBS, ["left_hand"], scripted(0.0))[0][0, 5, 0]  # as it stands in frame 5
    np.testing.assert_allclose(nose, [0.2, 0.9 - 1.8 * 0.07, 0], atol=1e-6)  # nine in ten are shorter than 0.9 m
    some = clip.visibility.copy()
    some[:, 6:] = 0
    nose = derive(joints, some, LIMBS, ["left_hand"], scripted(0.0))[0][0, 5, 0]
    np.testing.assert_allclose(nose, [0.2, 0.9 - 0.9 * 0.07, 0], atol=1e-6)  # of those seen: up to 0.5 m
    assert not derive(joints, some * 0, LIMBS, ["left_hand"], scripted(0.0))[1].any()
    nothing, seen = derive(joints * 0, clip.visibility, LIMBS, ["nose", "left_foot"], scripted(0.5))
    np.testing.assert_allclose(nothing, 0, atol=1e-6)
    assert seen.all()
    assert not derive(joints + 2e5, clip.visibility, LIMBS, ["nose"], scripted(0.5))[1].any()  # no place at all
    assert derive(joints + 5e4, clip.visibility, LIMBS, ["nose"], scripted(0.5))[1].all()


def test_the_width_in_an_image_tells_how_far_a_body_is_turned():
    clip = upright(frames=3)
    for width, choice in ((1.0, 0.0), (0.5, 1.0), (0.0, 0.0), (0.0, 1.0), (3.0, 1.0)):
        flat = clip.joints[..., :2] * np.float32([width, -1])  # y down
        args = flat, clip.visibility, LIMBS, ["nose", "left_ear", "right_ear", "left_foot"], scripted(choice)
        nose, left, right, foot = derive(*args)[0][0, 0]
        seen = min(1, width * (0.4 + 0.5 * 0.2) / 0.5)
        aside = (1 if choice else -1) * np.sqrt(1 - seen**2)
        high, long = 0.08 + 0.04 * choice, 0.85 + 0.3 * choice
        np.testing.assert_allclose(left - right, [2 * 0.075 * long * seen, 0], atol=1e-6)
        ears = -1.40 - 0.18 - 0.08 * choice
        np.testing.assert_allclose(nose, [aside * high, ears + 0.02], atol=1e-6)
        np.testing.assert_allclose(foot, [0.1 * width + aside * 0.13 * (0.8 + 0.4 * choice), -0.1 + 0.06], atol=1e-6)


def test_limbs_of_which_too_little_is_recorded_have_no_ends():
    trunk = [joint for joint in LIMBS if joint.split("_")[1] in ("shoulder", "hip")]
    without_elbow = [joint for joint in LIMBS if joint not in ("left_elbow", "right_knee")]
    for names, wanted, told in (
        (trunk, ["left_hand", "right_wrist", "left_foot", "right_ankle", "left_elbow", "left_knee"], 0),
        ([*trunk, "left_elbow", "left_knee"], ["left_hand", "left_elbow", "left_foot", "left_knee"], [0, 1, 0, 1]),
        (without_elbow, ["left_hand", "right_hand", "left_foot", "right_foot"], [0, 1, 1, 0]),
    ):
        clip = upright(names)
        points, seen = derive(clip.joints, clip.visibility, tuple(names), wanted, scripted(0.5))
        np.testing.assert_array_equal(seen[0, 0], told)
        assert not points[seen == 0].any()


def test_pixels_follow_the_map_that_fits_the_joints_seen():
    clip = upright()
    depth = np.float32(np.linspace(-0.3, 0.3, 12) ** 2)[:, None] * np.float32([0, 0, 1])
    camera = clip.joints * np.float32([1, -1, 0]) + depth + np.float32([0, 0, 4])
    turn = np.float32([[300, 20], [-40, 500], [60, 70]])
    pair = replace(clip, joints=camera @ turn + 100, space="image", image_size=(2000, 2000), pose_3d=camera)
    full = in_skeleton(pair, H36M_17, scripted(0.5))
    assert full.pose_3d is not None and (full.visibility == 1).all()
    np.testing.assert_allclose(full.joints, full.pose_3d @ turn + 100, atol=3)
    wrong = pair.joints.copy()
    hidden = pair.visibility.copy()
    wrong[..., LIMBS.index("left_wrist"), :], hidden[..., LIMBS.index("left_wrist")] = 1e4, 0
    same = in_skeleton(replace(pair, joints=wrong, visibility=hidden), H36M_17, scripted(0.5))
    np.testing.assert_allclose(same.joints[:, :, 0], full.joints[:, :, 0], atol=3)
    for number in (3, 4):
        few = pair.visibility * (np.arange(12) < number)
        other = in_skeleton(replace(pair, visibility=few), H36M_17, scripted(0.5))
        assert other.visibility[0, 0, H36M_17.joints.index("pelvis")] == (number == 4)


def test_kinds_of_views_are_as_frequent_as_told():
    rng = np.random.default_rng(0)
    number = 1500
    drawn = [draw_view(KARD_15, rng, estimates=True) for _ in range(number)]
    ends = [joint.replace("wrist", "hand").replace("ankle", "foot") for joint in LIMBS]
    given = Counter(view.given for view in drawn)
    listed = {frozenset(skeleton.joints) for skeleton in LISTED}
    assert given[frozenset(LIMBS)] / number == pytest.approx(0.35 * 0.5, abs=0.025)
    assert sum(given[joints] for joints in listed) / number == pytest.approx(0.4 + 0.25 / 8, abs=0.03)
    assert all(given[joints] > 0.4 * 0.5 * number / len(LISTED) for joints in listed)
    assert given[frozenset(ends)] / number == pytest.approx(0.35 * 0.5 + 0.25 / 8, abs=0.025)
    asked = [set(view.skeleton.joints) - view.given for view in drawn if view.given == frozenset(LIMBS)]
    assert np.mean([bool(a) for a in asked]) == pytest.approx(0.6, abs=0.09)
    own = np.mean([a == set(KARD_15.joints) - set(LIMBS) for a in asked])
    assert own == pytest.approx(0.6 * (0.7 + 0.3 / len(LISTED)), abs=0.09)
    subset = [view.given for view in drawn if set(ends) < view.given < set(KARD_15.joints)]
    assert len(subset) / number == pytest.approx(0.25 * 6 / 8, abs=0.03)
    for joint in set(KARD_15.joints) - set(ends):  # three, of which one or two are given
        assert np.mean([joint in joints for joints in subset]) == pytest.approx(0.5, abs=0.1)


def test_hands_and_feet_stand_for_wrists_and_ankles_that_are_not_recorded():
    assert _ends_as_recorded(KINECT_20) == list(LIMBS)  # it has both
    some = skeleton_of([joint for joint in KINECT_20.joints if joint not in ("left_wrist", "right_ankle")], "test")
    replaced = {"left_wrist": "left_hand", "right_ankle": "right_foot"}
    assert _ends_as_recorded(some) == [replaced.get(joint, joint) for joint in LIMBS]
    assert _ends_as_recorded(skeleton_of(["pelvis", "left_hand"], "test")).count("right_wrist") == 1  # neither


def test_a_view_asks_for_nothing_without_estimates_but_keeps_a_root():
    for seed in range(60):
        view = draw_view(PENN_13, np.random.default_rng(seed), estimates=False)
        extra = set(view.skeleton.joints) - view.given
        assert extra <= {"left_hip", "right_hip"}
        assert "pelvis" in view.skeleton.joints or {"left_hip", "right_hip"} <= set(view.skeleton.joints)


def test_joints_asked_for_stand_behind_the_own_ones_unseen():
    clip = upright()
    assert asking_for(clip, clip.skeleton) is clip
    asked = asking_for(replace(clip, pose_3d=clip.joints), HUMANEVA_15)
    own = len(clip.skeleton)
    assert asked.skeleton.joints[:own] == clip.skeleton.joints and asked.pose_3d is None
    assert set(asked.skeleton.joints[own:]) == set(HUMANEVA_15.joints) - set(clip.skeleton.joints)
    np.testing.assert_array_equal(asked.joints[:, :, :own], clip.joints)
    assert not asked.joints[:, :, own:].any() and not asked.visibility[:, :, own:].any()


def test_a_view_that_gives_all_leaves_the_clip_as_it_is_derived():
    clip = upright()
    view = next(
        v for s in range(99) if (v := draw_view(clip.skeleton, np.random.default_rng(s), False)).given == set(LIMBS)
    )
    other = shown(clip, view, scripted(0.5))
    assert other.visibility.all() and other.skeleton == view.skeleton
