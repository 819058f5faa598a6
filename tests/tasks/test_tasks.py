"""Tasks: how a clip becomes what the model sees, how a target becomes tokens, and back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import CLASSES, FRAMES, IMAGE, hidden, mirrored_clip, random_clip, reordered

from ups.config import Augment
from ups.errors import DataError
from ups.pose import PoseSequence
from ups.skeletons import COCO_17, H36M_17, KINECT_20, UTD_20
from ups.tasks import TASKS, anticipate, estimate_pose, get_task, recognize_2d, recognize_3d
from ups.tasks.action import MALFORMED, RATIOS, recognition_metrics
from ups.tasks.geometry import bend_bones, drop_joints, mirrored_label, resample, rotation, with_doubt
from ups.tasks.task import Example, collate, collate_poses
from ups.tokens.layout import CLASS_POSITION, END_POSITION
from ups.tokens.vocabulary import Vocabulary

VOCABULARY = Vocabulary(bins=64, low=-1.2, high=1.2, classes=CLASSES)


def same(a: Example, b: Example) -> bool:
    return all(
        (x is None and y is None) or np.array_equal(x, y)
        for x, y in zip(vars(a).values(), vars(b).values(), strict=True)
    )


def pose_example(clip: PoseSequence, start: int = 0, frames: int = FRAMES) -> Example:
    return estimate_pose.example(clip, start, frames, np.arange(frames))


def test_the_tasks_are_those_of_the_paper_in_its_order():
    assert list(TASKS) == ["estimate_pose", "recognize_2d", "anticipate", "recognize_3d"]
    assert [task.eot for task in TASKS.values()] == ["estimation", "recognition", "anticipation", "recognition"]
    with pytest.raises(ValueError, match="unknown task 'dance'; known: estimate_pose"):
        get_task("dance")


def test_resampling_interpolates_between_frames():
    joints = np.arange(4, dtype=np.float32).reshape(1, 4, 1, 1) * 10
    visible = np.ones((1, 4, 1), bool)
    moved, seen = resample(joints, visible, np.array([0.0, 0.5, 2.25, 3.0]))
    assert moved[0, :, 0, 0].tolist() == [0, 5, 22.5, 30] and seen.all()
    visible[0, 2] = False
    moved, seen = resample(joints, visible, np.array([1.25, 2.0, 2.75, 3.0]))
    assert moved[0, [0, 2, 3], 0, 0].tolist() == [10, 30, 30]  # only the neighbour that was seen
    assert seen[0, :, 0].tolist() == [True, False, True, True]


@pytest.mark.parametrize("angles", [(0.3, 0, 0), (0, -0.7, 0), (0, 0, 1.1), (0.3, -0.7, 1.1)])
def test_rotations_keep_lengths_and_handedness(angles):
    turn = rotation(*angles)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-6)
    assert np.linalg.det(turn) == pytest.approx(1, abs=1e-6)


def test_yaw_turns_about_the_vertical_axis():
    np.testing.assert_allclose(rotation(np.pi / 2) @ [0, 2, 1], [1, 2, 0], atol=1e-6)


@pytest.mark.parametrize(
    ("text", "mirrored"),
    [
        ("swipe left", "swipe right"),
        ("swipe right", "swipe left"),
        ("draw circle (clockwise)", "draw circle (counter clockwise)"),
        ("draw circle (counter clockwise)", "draw circle (clockwise)"),
        ("left hook", "left hook"),  # there is no "right hook" here
        ("bow", "bow"),
    ],
)
def test_a_mirror_changes_the_class_where_sides_matter(text, mirrored):
    classes = (
        "bow", "swipe left", "draw circle (counter clockwise)", "swipe right", "draw circle (clockwise)", "left hook",
    )  # fmt: skip
    assert classes[mirrored_label(classes.index(text), classes)] == mirrored


def test_hidden_joints_stay_hidden_and_others_are_only_ever_taken_away():
    visible = np.ones((2, 30, 20), bool)
    visible[0, :, 3] = False
    before = visible.copy()
    dropped = [drop_joints(visible, np.random.default_rng(seed), 1.0) for seed in range(20)]
    assert np.array_equal(visible, before)
    assert not any((after & ~before).any() for after in dropped)
    assert sum((after != before).any() for after in dropped) > 10
    assert np.array_equal(drop_joints(visible, np.random.default_rng(0), 0.0), before)


def test_3d_is_centred_on_the_first_root_that_is_seen_and_stays_in_metres():
    clip = random_clip(persons=2, seed=1)
    clip = hidden(clip, 0, slice(0, 3), [KINECT_20.joints.index("pelvis")], 50.0)
    seen_first = replace(clip, visibility=clip.visibility * np.array([1, 0])[:, None, None])  # person 1 is absent
    example = recognize_3d.example(seen_first, clip.frames)
    pelvis = clip.joints[0, 3, 0]
    np.testing.assert_allclose(
        example.joints[0, 5], (clip.joints[0, 5] - pelvis)[list(KINECT_20.slot_order)], atol=1e-6
    )
    with_both = recognize_3d.example(clip, clip.frames)
    np.testing.assert_allclose(with_both.joints[1, 0, 0], 0, atol=1e-6)  # person 1's pelvis is seen at once


def test_2d_does_not_depend_on_place_or_size_in_the_image():
    clip = random_clip(COCO_17, space="image", seed=2)
    moved = replace(clip, joints=clip.joints * np.float32(0.5) + np.array([100, 30], np.float32))
    for task in (recognize_2d, anticipate):
        np.testing.assert_allclose(task.example(clip, 8).joints, task.example(moved, 8).joints, atol=1e-5)
    np.testing.assert_allclose(pose_example(clip).joints, pose_example(moved).joints, atol=1e-5)


def test_2d_coordinates_get_depth_zero_and_about_unit_size():
    example = recognize_2d.example(random_clip(COCO_17, space="image", seed=2), 8)
    assert example.joints.shape == (1, 8, 17, 3) and (example.joints[..., 2] == 0).all()
    assert 0.3 < np.abs(example.joints[..., :2]).mean() * 2 < 3


def test_what_is_not_seen_has_no_doubt():
    clip = hidden(random_clip(COCO_17, space="image"), 0, slice(0, 2), [3])
    joints, seen = with_doubt(replace(clip, visibility=clip.visibility * np.float32(0.7)))
    np.testing.assert_allclose(joints[..., 2], np.where(seen, 0.3, 0), atol=1e-6)
    assert not seen.all()


def test_the_context_of_a_window_says_where_and_how_large_the_body_stood():
    clip = random_clip(COCO_17, space="image", seed=2)
    shift = np.array([50, 20], np.float32)
    plain, moved = pose_example(clip), pose_example(replace(clip, joints=clip.joints + shift))
    np.testing.assert_allclose(moved.context[:2] - plain.context[:2], shift / IMAGE[0] * 2, atol=1e-5)
    smaller = pose_example(replace(clip, joints=clip.joints / 2, image_size=IMAGE))
    assert smaller.context[2] - plain.context[2] == pytest.approx(np.log(0.5), abs=1e-5)


def test_the_context_of_an_action_is_its_duration():
    clip = random_clip(frames=31)
    assert recognize_3d.example(clip, 8).context.tolist() == [0, 0, 0, 0]  # log of 1 s
    half = recognize_3d.example(clip, 8, (0.25, 0.75))
    assert half.context[3] == pytest.approx(np.log(0.5))


@pytest.mark.parametrize("frames", [6, 27])
def test_the_context_of_a_window_holds_how_long_it_lasts(frames):
    clip = random_clip(COCO_17, space="image", frames=10)
    slow = replace(clip, fps=clip.fps / 2)
    for each, seconds in ((clip, frames / 30), (slow, frames / 15)):
        examples = [estimate_pose.example(each, start, frames, np.array([0])) for start in (0, -3, 5)]
        examples.append(estimate_pose.training_example(each, (), frames, 1, Augment(), np.random.default_rng(0)))
        for example in examples:
            assert example.context.shape == (4,)
            assert example.context[3] == pytest.approx(np.log(seconds), abs=1e-5)


@pytest.mark.parametrize("task", [recognize_2d, anticipate])
def test_2d_clips_are_never_turned_out_of_the_plane(task):
    clip = random_clip(COCO_17, frames=20, space="image", label=1)
    examples = [
        task.training_example(clip, CLASSES, FRAMES, 0, Augment(), np.random.default_rng(seed)) for seed in range(20)
    ]
    assert all((example.joints[..., 2] == 0).all() for example in examples)
    assert not any(np.allclose(a.joints, b.joints) for a, b in zip(examples, examples[1:], strict=False))


def test_3d_clips_are_turned_in_anticipation():
    clip = random_clip(KINECT_20, frames=20, label=1)
    flat = replace(clip, joints=clip.joints * np.array([1, 1, 0], np.float32))
    example = anticipate.training_example(flat, CLASSES, FRAMES, 0, Augment(), np.random.default_rng(0))
    assert np.abs(example.joints[..., 2]).max() > 0.05


@pytest.mark.parametrize("task", [recognize_3d, recognize_2d, anticipate])
def test_an_action_is_read_from_the_observed_frames_alone(task):
    planar = task is recognize_2d
    clip = random_clip(COCO_17 if planar else KINECT_20, frames=12, space="image" if planar else "kinect")
    changed = clip.joints.copy()
    changed[:, 7:] = 1e6
    assert same(task.example(clip.first(7), 5), task.example(replace(clip, joints=changed).first(7), 5))
    assert not same(task.example(clip.first(7), 5), task.example(clip, 5))


def test_coordinates_of_invisible_joints_reach_no_visible_one():
    for task in (recognize_3d, recognize_2d, anticipate, estimate_pose):
        planar = task in (recognize_2d, estimate_pose)
        clip = random_clip(COCO_17 if planar else KINECT_20, persons=2, space="image" if planar else "kinect")
        near, far = (hidden(clip, slice(None), slice(1, 6), [0, 12], value) for value in (0.0, 1e3))
        a, b = (pose_example(c) if task is estimate_pose else task.example(c, 13) for c in (near, far))
        assert np.array_equal(a.visible, b.visible) and not a.visible.all()
        assert np.array_equal(a.joints[a.visible], b.joints[b.visible])
        assert np.array_equal(a.context, b.context)


def test_joint_order_does_not_matter():
    clip = random_clip(KINECT_20, persons=2, seed=7)
    assert same(recognize_3d.example(clip, 8), recognize_3d.example(reordered(clip, UTD_20), 8))


def test_the_example_of_a_mirrored_clip_is_the_mirrored_example():
    clip = random_clip(H36M_17, space="image", seed=3)
    clip = hidden(clip, 0, slice(0, 2), [H36M_17.joints.index("left_wrist")])
    skeleton = H36M_17.sorted_by_slot()
    plain, other = pose_example(clip), pose_example(mirrored_clip(clip))
    mirror = estimate_pose.mirrored(plain, skeleton)
    assert np.array_equal(mirror.visible, other.visible)
    np.testing.assert_allclose(mirror.joints[mirror.visible], other.joints[other.visible], atol=1e-5)
    np.testing.assert_allclose(mirror.context, other.context, atol=1e-6)
    np.testing.assert_allclose(mirror.target, other.target, atol=1e-5)
    assert not np.allclose(plain.joints, mirror.joints)
    assert same(estimate_pose.mirrored(mirror, skeleton), plain)  # mirroring twice


def test_windows_repeat_the_edges_of_a_clip():
    clip = random_clip(COCO_17, space="image", frames=4)
    example = estimate_pose.example(clip, -2, 8, np.array([2, 5]))
    assert example.joints.shape[1] == 8
    assert np.array_equal(example.joints[:, 0], example.joints[:, 2])
    assert np.array_equal(example.joints[:, 5], example.joints[:, 7])
    assert not np.array_equal(example.joints[:, 2], example.joints[:, 3])
    assert clip.pose_3d is not None and example.target is not None
    root = clip.pose_3d[0, [0, 3]][:, list(COCO_17.root_indices)].mean(1, keepdims=True)
    np.testing.assert_allclose(
        example.target[0], (clip.pose_3d[0, [0, 3]] - root)[:, list(COCO_17.slot_order)], atol=1e-6
    )


@pytest.mark.parametrize("skeleton", [H36M_17, COCO_17])
def test_poses_survive_tokens_within_half_a_bin(skeleton):
    clip = random_clip(skeleton, persons=2, space="image", seed=4)
    example = pose_example(clip)
    ordered = skeleton.sorted_by_slot()
    tokens = estimate_pose.tokens([example], VOCABULARY, ordered, ())
    layout = estimate_pose.layout(VOCABULARY, ordered, ())
    decoded = len(skeleton) - (len(skeleton.root) == 1)  # the pelvis is the origin, hips are decoded
    assert tokens.shape == (2 * FRAMES, 3 * decoded + 1) and len(layout.positions) == tokens.shape[1]
    assert all(token in allowed for row in tokens for token, allowed in zip(row, layout.allowed, strict=True))
    metres = VOCABULARY.token_values[tokens[:, :-1]]
    assert example.target is not None
    target = example.target.reshape(-1, len(skeleton), 3)
    assert np.abs(target).max() < VOCABULARY.high
    back = estimate_pose.poses(metres, ordered)
    assert np.abs(back - target).max() <= VOCABULARY.bin_width / 2 + 1e-6
    assert np.abs(back - target).max() > VOCABULARY.bin_width / 4


def test_the_grammar_of_a_pose_names_slot_and_axis_of_every_step():
    layout = estimate_pose.layout(VOCABULARY, COCO_17.sorted_by_slot(), ())
    skeleton = COCO_17.sorted_by_slot()
    order = [i for i in skeleton.top_down for _ in range(3)]
    assert sorted(order[::3]) == list(range(17))
    assert layout.positions == (*(3 * skeleton.slots[i] + k % 3 for k, i in enumerate(order)), END_POSITION)
    assert layout.allowed[:3] == tuple(tuple(VOCABULARY.axis_tokens(axis)) for axis in range(3))
    assert layout.allowed[-1] == (VOCABULARY.eot_token("estimation"),)
    assert layout.anchors == (*order, -1)
    for k, (joint, parent) in enumerate(zip(order, layout.parents, strict=False)):
        if skeleton.parents[joint] < 0:
            assert parent == -1
        else:  # the same axis of the parent joint, which comes before
            assert parent < k and parent % 3 == k % 3 and order[parent] == skeleton.parents[joint]
    assert layout.parents[-1] == 3 * 17 - 1
    without_pelvis = estimate_pose.layout(VOCABULARY, H36M_17.sorted_by_slot(), ())
    joints = H36M_17.sorted_by_slot().slots  # a step starts from the joint that it writes
    assert [joints[a] for a in without_pelvis.anchors[:-1]] == [p // 3 for p in without_pelvis.positions[:-1]]
    assert layout.per_frame


def test_the_grammar_of_an_action_is_a_class_of_the_data_set():
    layout = recognize_3d.layout(VOCABULARY, KINECT_20, ("kick", "bow"))
    assert layout.positions == (CLASS_POSITION, END_POSITION) and not layout.per_frame
    assert layout.anchors == (-1, -1) and layout.parents == (-1, 0)
    assert layout.allowed[0] == tuple(sorted(VOCABULARY.class_tokens(["kick", "bow"])))
    assert layout.allowed[1] == (VOCABULARY.eot_token("recognition"),)
    tokens = recognize_3d.tokens(
        [recognize_3d.example(random_clip(label=1), 4)], VOCABULARY, KINECT_20, ("kick", "bow")
    )
    assert tokens.tolist() == [[VOCABULARY.class_token("bow"), VOCABULARY.eot_token("recognition")]]


@pytest.mark.parametrize("name", list(TASKS))
def test_training_examples_depend_on_the_generator_alone(name):
    planar = name in ("estimate_pose", "recognize_2d")
    clip = random_clip(COCO_17 if planar else KINECT_20, frames=20, space="image" if planar else "kinect", label=1)
    task = TASKS[name]

    def example(seed: int) -> Example:
        return task.training_example(clip, CLASSES, FRAMES, 2, Augment(), np.random.default_rng(seed))

    assert same(example(0), example(0))
    many = [example(seed) for seed in range(8)]
    assert not any(same(many[0], other) for other in many[1:])
    assert all(e.joints.shape[1] == FRAMES and np.isfinite(e.joints).all() for e in many)
    assert all(e.joints.dtype == np.float32 for e in many)
    if not planar:
        assert {e.label for e in many} == {0, 1}  # swipe left and right, where the mirror was used


def test_prefixes_are_cut_before_all_else_and_last_between_a_tenth_and_all():
    clip = random_clip(frames=100)
    contexts = [
        anticipate.training_example(clip, CLASSES, FRAMES, 0, Augment(), np.random.default_rng(seed)).context[3]
        for seed in range(200)
    ]
    seconds = np.exp(contexts)
    assert seconds.min() < 0.15 * 3.3 and seconds.max() > 0.9 * 3.3
    assert abs(np.median(seconds) - 0.53 * 3.3) < 0.4


def test_collating_leaves_out_persons_that_are_never_seen():
    both, one = random_clip(persons=2, seed=0), random_clip(persons=2, seed=1)
    one = hidden(one, 0, slice(None), list(range(20)))
    examples = [recognize_3d.example(clip, n) for clip, n in ((both, 5), (one, 3))]
    poses, target_frames = collate_poses(examples, KINECT_20.sorted_by_slot())
    assert target_frames is None and poses.clips == 2
    assert poses.clip.tolist() == [0, 0, 1] and poses.joints.shape == (3, 5, 20, 3)
    assert np.array_equal(poses.joints[2, :3], examples[1].joints[1])
    assert poses.frames.sum(1).tolist() == [5, 5, 3] and not poses.visible[2, 3:].any()


@pytest.mark.parametrize("task", [estimate_pose, recognize_3d])
def test_a_clip_in_which_nobody_is_seen_is_still_a_batch(task):
    planar = task is estimate_pose
    clip = random_clip(COCO_17 if planar else KINECT_20, space="image" if planar else "kinect")
    empty = hidden(clip, 0, slice(None), list(range(len(clip.skeleton))))
    examples = [pose_example(c) if planar else task.example(c, FRAMES) for c in (empty, clip)]
    batch = collate(task, examples, VOCABULARY, clip.skeleton.sorted_by_slot(), CLASSES)
    assert batch.tokens.shape == (2 * FRAMES if planar else 2, len(batch.layout.positions))
    assert torch.isfinite(batch.poses.joints).all()


def test_pose_estimation_names_what_it_cannot_use():
    with pytest.raises(DataError, match="clip 0.*reads 2D joints.*'kinect'"):
        pose_example(random_clip())
    unpaired = replace(random_clip(COCO_17, space="image"), pose_3d=None)
    assert pose_example(unpaired).target is None
    with pytest.raises(DataError, match="no 3D poses to learn from"):
        estimate_pose.training_example(unpaired, (), FRAMES, 1, Augment(), np.random.default_rng(0))


def test_a_clip_without_a_label_is_not_trained_on_in_silence():
    clip = replace(random_clip(), label=-1, id="clip-3")
    with pytest.raises(DataError, match="clip-3: has no action to learn"):
        recognize_3d.training_example(clip, ("walk", "run"), 8, 1, Augment(), np.random.default_rng(0))


def test_more_persons_than_the_model_can_tell_apart_are_refused():
    clip = random_clip(persons=9)
    with pytest.raises(DataError, match="9 persons; at most 8"):
        collate_poses([recognize_3d.example(clip, 8)], clip.skeleton.sorted_by_slot())


def test_bent_bones_carry_what_hangs_on_them():
    rng = np.random.default_rng(0)
    moved = bend_bones(KINECT_20.sorted_by_slot(), 3, 48, 0.02, rng)
    skeleton = KINECT_20.sorted_by_slot()
    root = skeleton.joints.index("pelvis")
    assert moved.shape == (3, 48, 20, 3) and (moved[:, :, root] == 0).all()
    many = np.concatenate(
        [bend_bones(skeleton, 1, 6, 0.02, rng) for _ in range(400)]
    )  # 6 frames = the knots themselves
    for child, parent in skeleton.bones:
        assert (many[:, :, child] - many[:, :, parent]).std() == pytest.approx(0.02, rel=0.05)
    assert np.abs(np.diff(moved, 2, axis=1)).max() < 0.1 and (bend_bones(skeleton, 1, 9, 0.0, rng) == 0).all()


def test_a_pace_says_where_frames_are_taken():
    clip = random_clip(frames=9)
    every = recognize_3d.example(clip, 9)
    some = recognize_3d.example(clip, 3, pace=np.array([0.0, 0.25, 1.0]))
    np.testing.assert_allclose(some.joints, every.joints[:, [0, 2, 8]], atol=1e-6)
    assert np.array_equal(recognize_3d.example(clip, 9, pace=np.linspace(0, 1, 9)).joints, every.joints)


def test_persons_change_places_in_training():
    clip = random_clip(persons=2, frames=12)
    clip = replace(clip, visibility=np.stack([clip.visibility[0], np.zeros_like(clip.visibility[1])]))
    orders = {
        bool(
            recognize_3d.training_example(clip, ("a", "b"), 6, 2, Augment(), np.random.default_rng(i)).visible[0].any()
        )
        for i in range(9)
    }
    assert orders == {True, False}


def test_a_flat_body_is_centred_and_scaled_by_what_is_seen_with_its_root():
    """Frame 1 shows no hip: it counts neither for the place nor for the size, but is put into both."""
    rng = np.random.default_rng(4)
    joints = rng.uniform(100, 500, (1, 3, 17, 2)).astype(np.float32)
    visibility = np.ones((1, 3, 17), np.float32)
    visibility[0, 1, [COCO_17.joints.index("left_hip"), COCO_17.joints.index("right_hip")]] = 0
    visibility[0, 2, 5] = 0
    clip = PoseSequence(joints, visibility, COCO_17, "image", 30.0, image_size=(640, 480))
    found = recognize_2d.example(clip, 3)
    order = list(COCO_17.slot_order)
    points, seen = clip.joints[0][:, order], clip.visibility[0][:, order] > 0
    roots = points[[0, 2]][:, list(COCO_17.sorted_by_slot().root_indices)].mean(1)
    away = (points[[0, 2]] - roots[:, None])[seen[[0, 2]]]
    wanted = (points - roots.mean(0)) / (2 * np.sqrt((away**2).sum(-1).mean()))
    np.testing.assert_allclose(found.joints[0, ..., :2][seen], wanted[seen], rtol=1e-4, atol=1e-5)
    no_root = replace(clip, visibility=visibility * (visibility[0, 1] > 0))
    found = recognize_2d.example(no_root, 3)
    seen = no_root.visibility[0][:, order] > 0
    origin = points[seen].mean(0)
    wanted = (points - origin) / (2 * np.sqrt(((points[seen] - origin) ** 2).sum(-1).mean()))
    np.testing.assert_allclose(found.joints[0, ..., :2][seen], wanted[seen], rtol=1e-4, atol=1e-5)


def test_what_is_measured_of_recognition_and_how_it_is_told():
    odds = np.array(
        [[0.5, 0.3, 0.1, 0.04, 0.03, 0.03], [0.1, 0.6, 0.1, 0.1, 0.06, 0.04], [0.2, 0.4, 0.1, 0.1, 0.15, 0.05]]
    )
    found = recognition_metrics(np.log(odds), np.array([0, 0, 5]), ("a", "b", "c", "d", "e", "f"))
    assert (found["clips"], found["top1"], found["top5"]) == (3, pytest.approx(1 / 3), pytest.approx(2 / 3))
    assert found["predicted"] == [0, 1, 1] and found["labels"] == [0, 0, 5]
    assert found["probabilities"] == [0.5, 0.6, 0.4] and found["classes"] == ["a", "b", "c", "d", "e", "f"]
    told = recognize_2d.headline(found | {"unlabelled": 2})
    assert told == [("top-1", "33.3%"), ("top-5", "66.7%"), ("clips without a label, left out", "2")]
    assert recognize_2d.headline(found | {"unlabelled": 0}) == recognize_2d.headline(found) == told[:2]
    assert recognize_2d.measures(found) == pytest.approx({"top-1": 100 / 3, "top-5": 200 / 3})
    prefixes = {"top1_at": {"20%": 0.25, "100%": 0.5}, "area_under_curve": 0.4}
    assert anticipate.measures(prefixes) == {"area": 40, "20%": 25, "100%": 50}
    assert anticipate.headline(prefixes) == [
        ("top-1 of first 20%", "25.0%"), ("top-1 of first 100%", "50.0%"), ("area under curve", "40.0%"),
    ]  # fmt: skip
    assert RATIOS == (0.2, 0.4, 0.6, 0.8, 1.0) and MALFORMED < 0  # of the field's protocol; no class's number
    assert not recognize_2d.lower_is_better and not anticipate.lower_is_better and estimate_pose.lower_is_better


def test_a_3d_body_whose_root_is_never_seen_stays_where_it_is():
    clip = hidden(random_clip(), slice(None), slice(None), list(KINECT_20.root_indices))
    found = recognize_3d.example(clip, clip.frames)
    seen = found.visible
    np.testing.assert_allclose(found.joints[seen], clip.joints[:, :, list(KINECT_20.slot_order)][seen], atol=1e-5)
