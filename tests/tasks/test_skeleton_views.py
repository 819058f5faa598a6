"""Clips in other skeletons: what is derived lies where a body has it, what is not given is not seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers import trained_model
from scipy.spatial.transform import Rotation

from ups.config import Augment, ShiftAugment
from ups.errors import DataError, SettingError
from ups.inference.predictor import Predictor
from ups.pose import PoseSequence
from ups.skeletons import COCO_17, H36M_17, HUMANEVA_15, KARD_15, MEDIAPIPE_33, PENN_13, skeleton_of
from ups.tasks.skeleton_views import LIMBS, LISTED, asking_for, derive, draw_view, in_skeleton, shown

STANDING = {  # metres, y up, facing +z, so that left is +x
    "shoulder": (0.18, 1.45, 0.0), "elbow": (0.2, 1.15, 0.0), "wrist": (0.2, 0.9, 0.05), "hip": (0.1, 0.95, 0.0),
    "knee": (0.1, 0.5, 0.02), "ankle": (0.1, 0.08, 0.0),
}  # fmt: skip


def standing(frames: int = 12, head: bool = True) -> PoseSequence:
    """A body that stands, in the world."""
    names = [*LIMBS, *(["head"] if head else [])]
    skeleton = skeleton_of(names, "test")
    points = [np.array(STANDING[n.split("_")[1]]) * ([-1, 1, 1] if n.startswith("right") else 1) for n in LIMBS]
    joints = np.stack([*points, *([np.array([0, 1.6, 0.0])] if head else [])])[None, None].repeat(frames, 1)
    return PoseSequence(joints, np.ones(joints.shape[:3]), skeleton, "world", 30.0)


def place(clip: PoseSequence, name: str) -> np.ndarray:
    return clip.joints[0, :, clip.skeleton.joints.index(name)]


@pytest.mark.parametrize("head", [True, False])
def test_derived_joints_lie_where_a_body_has_them(head):
    noses, ears = [], []
    for seed in range(60):
        clip = in_skeleton(standing(head=head), MEDIAPIPE_33, np.random.default_rng(seed))
        assert (clip.visibility == 1).all()
        nose = place(clip, "nose")
        noses.append(nose.mean(0))
        ears.append((place(clip, "left_ear") - place(clip, "right_ear")).mean(0))
        eyes = (place(clip, "left_eye") + place(clip, "right_eye")) / 2
        assert (np.linalg.norm(eyes - nose, axis=-1) < 0.09).all()
        for side, sign in (("left", 1), ("right", -1)):
            heel, toe, ankle = (place(clip, f"{side}_{part}") for part in ("heel", "foot", "ankle"))
            assert (toe[:, 2] > ankle[:, 2] + 0.05).all() and (heel[:, 2] < ankle[:, 2]).all()
            assert (toe[:, 1] < ankle[:, 1]).all()
            assert (place(clip, f"{side}_index")[:, 1] < place(clip, f"{side}_wrist")[:, 1]).all()
            assert (sign * place(clip, f"{side}_mouth")[:, 0] > -0.08).all()
    noses, ears = np.array(noses), np.array(ears)
    assert noses[:, 2].mean() == pytest.approx(0.1, abs=0.02)  # the face looks ahead
    assert ears[:, 0].mean() == pytest.approx(0.15, abs=0.03)  # the left ear is on the left
    assert 0.005 < noses[:, 0].std() < 0.06  # heads turn


def test_left_ahead_and_up_turn_with_the_body_in_every_frame_of_reference():
    turn = Rotation.from_euler("xyz", [20, 50, -30], degrees=True).as_matrix().astype(np.float32)
    clip = standing()
    wanted = ["nose", "left_ear", "pelvis", "left_foot", "right_thumb"]
    bent = clip.joints + np.float32([0, 0, 0.2]) * np.sin(clip.joints[..., 1:2] * 3)  # no limb upright
    args = clip.visibility, clip.skeleton.joints, wanted
    straight, _ = derive(bent, *args, np.random.default_rng(1))
    turned, _ = derive(bent @ turn.T, *args, np.random.default_rng(1))
    np.testing.assert_allclose(turned, straight @ turn.T, atol=1e-6)


def test_what_is_derived_from_hidden_joints_is_hidden():
    clip = standing()
    visibility = clip.visibility.copy()
    visibility[:, 3, clip.skeleton.joints.index("left_hip")] = 0
    visibility[:, 5, clip.skeleton.joints.index("right_wrist")] = 0
    other = in_skeleton(replace(clip, visibility=visibility), MEDIAPIPE_33, np.random.default_rng(0))
    seen = dict(zip(MEDIAPIPE_33.joints, other.visibility[0].T > 0, strict=True))
    assert not seen["nose"][3] and not seen["left_foot"][3] and seen["nose"][2]
    assert not seen["right_index"][5] and seen["right_index"][4] and seen["left_index"][5]


def test_own_joints_stay_as_they_are_and_names_at_limbs_ends_change_places():
    clip = standing()
    coco = in_skeleton(clip, COCO_17, np.random.default_rng(0))
    for joint in LIMBS:
        np.testing.assert_array_equal(place(coco, joint), place(clip, joint))
    names = [j.replace("wrist", "hand").replace("ankle", "foot") for j in clip.skeleton.joints]
    kard = replace(clip, skeleton=skeleton_of(names, "test"))
    back = in_skeleton(kard, COCO_17, np.random.default_rng(0))
    for end in ("left_wrist", "right_ankle"):
        assert (np.linalg.norm(place(back, end) - place(clip, end), axis=-1) < 0.11).all()


def test_derived_joints_of_a_pair_are_seen_where_they_are():
    clip = standing()
    depth = np.float32([0, 0, 4])
    camera = clip.joints * np.float32([1, -1, -1]) + depth  # seen from the front, y down
    pixels = camera[..., :2] / camera[..., 2:] * 1000 + 500
    pair = replace(clip, joints=pixels, space="image", image_size=(1000, 1000), pose_3d=camera)
    other = in_skeleton(pair, H36M_17, np.random.default_rng(0))
    expected = other.pose_3d[..., :2] / other.pose_3d[..., 2:] * 1000 + 500
    np.testing.assert_allclose(other.joints, expected, atol=6)
    assert place(other, "nose")[0, 1] < place(other, "left_shoulder")[0, 1]


def test_views_are_drawn_among_all_skeletons_and_keep_a_root():
    rng = np.random.default_rng(0)
    views = [draw_view(KARD_15, rng, estimates=True) for _ in range(400)]
    drawn = {frozenset(view.given) for view in views}
    assert all(frozenset(s.joints) in drawn for s in LISTED) and frozenset(LIMBS) in drawn
    assert all(view.given <= set(view.skeleton.joints) for view in views)
    asked = [set(view.skeleton.joints) - view.given for view in views]
    assert 0.3 < np.mean([bool(a) for a in asked]) < 0.8
    plain = [draw_view(PENN_13, rng, estimates=False) for _ in range(100)]
    hips = {"left_hip", "right_hip"}
    assert all(set(view.skeleton.joints) - view.given <= hips for view in plain)


def test_joints_that_are_only_asked_for_are_not_seen():
    view = next(
        v
        for s in range(99)
        if (v := draw_view(HUMANEVA_15, np.random.default_rng(s), True)).given < set(v.skeleton.joints)
    )
    clip = shown(standing(), view, np.random.default_rng(0))
    for joint, seen in zip(clip.skeleton.joints, clip.visibility[0].any(0), strict=True):
        assert joint in view.given or not seen


def test_a_clip_without_hips_is_refused():
    clip = standing().pick_joints(skeleton_of(["left_hip", "right_hip", "left_knee"], "test"))
    with pytest.raises(DataError, match="left_shoulder"):
        in_skeleton(clip, COCO_17, np.random.default_rng(0))


def coco_clip() -> PoseSequence:
    joints = np.random.default_rng(5).uniform(300, 700, (1, 9, 17, 2))
    return PoseSequence(joints, np.ones((1, 9, 17)), COCO_17, "image", 30.0, image_size=(1000, 1000))


def test_other_joints_are_told_than_were_given():
    trained = trained_model()
    with pytest.raises(SettingError, match="pelvis"):
        Predictor(trained).lift(coco_clip(), skeleton="h36m-17")
    train = replace(trained.config.train, augment=replace(Augment(), shift=ShiftAugment(share=0.5)))
    predictor = Predictor(replace(trained, config=replace(trained.config, train=train)))
    lifted = predictor.lift(coco_clip(), skeleton="h36m-17")
    assert lifted.skeleton == H36M_17 and lifted.joints.shape == (1, 9, 17, 3)
    np.testing.assert_array_equal(lifted.joints[:, :, H36M_17.joints.index("pelvis")], 0)
    assert np.isfinite(lifted.spread).all()
    asked = asking_for(coco_clip(), H36M_17)
    assert (asked.visibility[:, :, 17:] == 0).all() and asked.skeleton.joints[:17] == COCO_17.joints
