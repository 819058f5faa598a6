"""The predictor: answers that depend on the poses and on nothing else about how they were given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import CLASSES, FRAMES, MODEL, TRAIN, hidden, mirrored_clip, random_clip, reordered, trained_model

from ups.checkpoint.io import save
from ups.config import TaskMix
from ups.errors import CheckpointError, DataError
from ups.inference.predictor import Predictor
from ups.pose import PoseSequence
from ups.refs import DataSetInfo
from ups.skeleton import Skeleton
from ups.skeletons import COCO_17, H36M_17, KINECT_20, UTD_20


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(trained_model(classes=CLASSES))


def shuffled(skeleton: Skeleton, seed: int = 0) -> Skeleton:
    """The same skeleton with its joints in another order."""
    order = np.random.default_rng(seed).permutation(len(skeleton)).tolist()
    parents = tuple(order.index(skeleton.parents[i]) if skeleton.parents[i] >= 0 else -1 for i in order)
    return Skeleton("shuffled", tuple(skeleton.joints[i] for i in order), parents, skeleton.root)


def picture(frames: int = 10, persons: int = 1, seed: int = 0, skeleton: Skeleton = H36M_17) -> PoseSequence:
    """At a rate of which every frame is decoded."""
    return replace(random_clip(skeleton, persons, frames, "image", seed), fps=20.0)


@pytest.mark.parametrize("ask", ["recognize", "anticipate"])
def test_probabilities_sum_to_one_best_first(predictor, ask):
    answer = getattr(predictor, ask)(random_clip(seed=1))
    assert set(answer.classes) == set(CLASSES) and sum(answer.probabilities) == pytest.approx(1)
    assert list(answer.probabilities) == sorted(answer.probabilities, reverse=True)
    assert answer.best == answer.classes[0]
    assert getattr(predictor, ask)(random_clip(seed=1)) == answer
    assert getattr(predictor, ask)(random_clip(seed=2)) != answer


def test_the_candidates_are_those_asked_for_in_any_spelling(predictor):
    clip = random_clip(seed=1)
    everything, two = predictor.recognize(clip), predictor.recognize(clip, ("Kick", "swipe_left", "kick"))
    assert set(two.classes) == {"Kick", "swipe_left"} and sum(two.probabilities) == pytest.approx(1)
    p = dict(zip(everything.classes, everything.probabilities, strict=True))
    q = dict(zip(two.classes, two.probabilities, strict=True))
    assert q["Kick"] == pytest.approx(p["kick"] / (p["kick"] + p["swipe left"]), rel=1e-4)
    with pytest.raises(ValueError, match="no class 'swipe leftt'.*did you mean 'swipe left'"):
        predictor.recognize(clip, ("swipe leftt",))


@pytest.mark.parametrize("task", ["recognize_3d", "anticipate"])
def test_scores_of_many_clips_are_those_of_each(predictor, task):
    clips = [random_clip(persons=1 + i % 2, frames=5 + i, seed=i) for i in range(5)]
    many = predictor.class_scores(task, clips, CLASSES)
    few = predictor.class_scores(task, clips, CLASSES, batch=2)
    single = np.concatenate([predictor.class_scores(task, [clip], CLASSES) for clip in clips])
    np.testing.assert_allclose(many, few, atol=1e-5)
    np.testing.assert_allclose(many, single, atol=1e-5)
    np.testing.assert_allclose(np.exp(many).sum(1), 1, atol=1e-5)
    reverse = predictor.class_scores(task, clips, CLASSES[::-1])
    np.testing.assert_allclose(many, reverse[:, ::-1], atol=1e-6)


def test_joint_order_does_not_matter(predictor):
    clip = random_clip(KINECT_20, persons=2, seed=3)
    a, b = (predictor.class_scores("recognize_3d", [c], CLASSES) for c in (clip, reordered(clip, UTD_20)))
    assert np.array_equal(a, b)
    flat = picture()
    order = shuffled(H36M_17)
    straight, other = predictor.lift(flat), predictor.lift(reordered(flat, order))
    back = [order.joints.index(j) for j in H36M_17.joints]
    np.testing.assert_allclose(straight.joints, other.joints[:, :, back], atol=1e-6)
    np.testing.assert_allclose(straight.spread, other.spread[:, :, back], atol=1e-6)


def test_what_cannot_be_seen_has_no_influence(predictor):
    both = random_clip(persons=2, seed=4)
    alone = replace(both, joints=both.joints[:1], visibility=both.visibility[:1])
    absent = hidden(both, 1, slice(None), list(range(20)), 1e3)

    def scores(clip: PoseSequence) -> np.ndarray:
        return predictor.class_scores("recognize_3d", [clip], CLASSES)

    assert np.array_equal(scores(alone), scores(absent))
    assert not np.allclose(scores(alone), scores(both), atol=1e-4)
    near, far = (hidden(both, 0, slice(3, 6), [2, 5], value) for value in (0.0, 1e3))
    assert np.array_equal(scores(near), scores(far))
    flat = [predictor.lift(hidden(picture(), 0, slice(3, 6), [2, 5], value)) for value in (0.0, 1e3)]
    assert np.array_equal(flat[0].joints, flat[1].joints)


@pytest.mark.parametrize("skeleton", [H36M_17, COCO_17])
def test_lifting_a_mirrored_clip_gives_the_mirrored_poses(predictor, skeleton):
    clip = hidden(picture(skeleton=skeleton), 0, slice(1, 4), [3])
    plain, other = predictor.lift(clip), predictor.lift(mirrored_clip(clip))
    mirror = list(plain.skeleton.mirror)
    flip = np.array([-1, 1, 1])
    np.testing.assert_allclose(other.joints, plain.joints[:, :, mirror] * flip, atol=1e-5)
    np.testing.assert_allclose(other.spread, plain.spread[:, :, mirror], atol=1e-5)
    once = [predictor.lift(c, flip=False).joints for c in (clip, mirrored_clip(clip))]
    assert not np.allclose(once[1], once[0][:, :, mirror] * flip, atol=1e-3)  # it is the averaging that does it


@pytest.mark.parametrize("frames", [1, 5, 13])
@pytest.mark.parametrize("stride", [1, 4, FRAMES, 100, None])
def test_every_frame_is_lifted_at_any_stride(predictor, frames, stride):
    lifted = predictor.lift(picture(frames), stride=stride)
    assert lifted.joints.shape == (1, frames, 17, 3) and lifted.spread.shape == (1, frames, 17)
    assert lifted.joints.dtype == np.float32 and np.isfinite(lifted.joints).all()
    pelvis = H36M_17.joints.index("pelvis")
    assert (lifted.joints[:, :, pelvis] == 0).all() and (lifted.spread[:, :, pelvis] == 0).all()
    assert np.abs(lifted.joints).max() < MODEL.range_m
    assert (np.delete(lifted.spread, pelvis, 2) > 0).all()


def test_the_stride_says_which_window_a_frame_is_read_from(predictor):
    clip = picture(3 * FRAMES)
    centre = (FRAMES - 1) // 2
    changed = clip.joints.copy()
    changed[:, FRAMES:] += 50  # pixels, after the first window
    later = replace(clip, joints=changed)

    def differs(stride: int) -> np.ndarray:
        a, b = (predictor.lift(c, stride=stride).joints[0] for c in (clip, later))
        return (a != b).any((1, 2))

    assert not differs(FRAMES)[:FRAMES].any() and differs(FRAMES)[FRAMES:].all()
    central = differs(1)
    assert not central[: centre + 1].any() and central[centre + 1 :].all()


def test_greedy_poses_lie_on_bin_centres_and_means_between_them(predictor):
    centres = predictor.trained.vocabulary.bin_centres

    def off(greedy: bool) -> np.ndarray:
        joints = predictor.lift(picture(), flip=False, greedy=greedy).joints
        joints = np.delete(joints, H36M_17.joints.index("pelvis"), 2)
        return np.abs(joints[..., None] - centres).min(-1)

    assert off(True).max() == 0 and off(False).max() > 0.01


def test_persons_are_lifted_one_by_one(predictor):
    clip = picture(persons=2)
    together = predictor.lift(clip)
    assert together.joints.shape == (2, 10, 17, 3)
    for m in range(2):
        one = replace(clip, joints=clip.joints[m : m + 1], visibility=clip.visibility[m : m + 1], pose_3d=None)
        np.testing.assert_allclose(predictor.lift(one).joints[0], together.joints[m], atol=1e-6)
    assert not np.allclose(together.joints[0], together.joints[1], atol=1e-3)


def test_a_model_on_disk_gives_the_same_answers(predictor, tmp_path: Path):
    save(predictor.trained, tmp_path / "m", dict(predictor.model.state_dict()))
    again = Predictor.from_pretrained(tmp_path / "m")
    assert again.recognize(random_clip()) == predictor.recognize(random_clip())
    assert np.array_equal(again.lift(picture()).joints, predictor.lift(picture()).joints)
    with pytest.raises(CheckpointError):
        Predictor.from_pretrained(tmp_path / "nothing")


def test_half_precision_answers_alike():
    rough = Predictor(trained_model(classes=CLASSES), "bf16-mixed")
    exact = Predictor(trained_model(classes=CLASSES))
    a, b = (p.class_scores("recognize_3d", [random_clip()], CLASSES) for p in (rough, exact))
    assert a.dtype == np.float32
    np.testing.assert_allclose(a, b, atol=0.1)
    lifted = [p.lift(picture()) for p in (rough, exact)]
    assert np.median(np.abs(lifted[0].joints - lifted[1].joints)) < 0.01
    metres = lifted[0].joints[lifted[0].joints != 0]
    assert (torch.from_numpy(metres).bfloat16().float().numpy() != metres).mean() > 0.9  # not rounded to 8 bits


def test_wrong_input_is_named(predictor):
    with pytest.raises(DataError, match="reads 2D joints.*'kinect'"):
        predictor.lift(random_clip())
    for stride in (0, -1):
        with pytest.raises(DataError, match=f"stride {stride}"):
            predictor.lift(picture(), stride=stride)
    with pytest.raises(DataError, match="17 joints, but skeleton 'kinect-20' has 20"):
        replace(random_clip(), joints=np.zeros((1, 10, 17, 3)))
    with pytest.raises(ValueError, match="does not answer with an action"):
        predictor.class_scores("estimate_pose", [random_clip()], CLASSES)
    mix = TaskMix("recognize_3d", ("synthetic_3d:xsub",), batch=4, frames=FRAMES)
    one_task = Predictor(trained_model(replace(TRAIN, tasks=(mix,)), classes=CLASSES))
    assert one_task.recognize(random_clip()).classes
    with pytest.raises(ValueError, match="not trained on 'recognize_2d'"):
        one_task.recognize(picture())


def test_joints_that_training_never_had_are_left_out():
    mine = trained_model()
    predictor = Predictor(mine)
    clip = picture(6, skeleton=COCO_17)
    mine.data_sets.clear()
    assert predictor.drop_untrained_joints("recognize_2d", clip) is clip  # nothing is known of the training
    for mix in mine.config.train.tasks:
        for entry in mix.data:
            mine.data_sets[entry.partition(":")[0]] = DataSetInfo(CLASSES, H36M_17)
    known = predictor.drop_untrained_joints("recognize_2d", clip)
    assert known.skeleton.joints == tuple(j for j in COCO_17.joints if j in H36M_17.joints)
    order = [COCO_17.joints.index(j) for j in known.skeleton.joints]
    assert np.array_equal(known.joints, clip.joints[:, :, order])
    lifted = predictor.lift(clip)
    assert lifted.skeleton == known.skeleton and lifted.joints.shape == (1, 6, len(order), 3)
    assert predictor.recognize(clip).probabilities == predictor.recognize(known).probabilities


def test_each_task_has_its_own_training_and_shifts_show_all_listed_skeletons():
    mine = trained_model()
    clip = picture(6, skeleton=COCO_17)
    mine.data_sets.clear()
    mine.data_sets.update(synthetic_2d=DataSetInfo(CLASSES, COCO_17), synthetic_3d=DataSetInfo(CLASSES, H36M_17))
    predictor = Predictor(mine)
    assert predictor.drop_untrained_joints("recognize_2d", clip) is clip
    known = predictor.drop_untrained_joints("recognize_3d", replace(clip, id=""))
    assert known.skeleton.joints == tuple(j for j in COCO_17.joints if j in H36M_17.joints)
    shifted = replace(TRAIN, augment=replace(TRAIN.augment, shift=replace(TRAIN.augment.shift, share=0.5)))
    mine = trained_model(shifted)
    assert Predictor(mine).drop_untrained_joints("recognize_3d", clip) is clip


@pytest.mark.parametrize("reads", [True, False])
def test_confidence_is_read_by_models_that_learned_to(reads):
    predictor = Predictor(trained_model(model=replace(MODEL, confidence=reads)))
    flat, solid = picture(4), random_clip(frames=4)
    flat, solid = (replace(clip, visibility=np.full(clip.visibility.shape, 0.5)) for clip in (flat, solid))
    assert (predictor.as_read(flat).visibility == (0.5 if reads else 1)).all()
    assert predictor.as_read(solid) is solid


def test_actions_that_only_lifting_saw_are_candidates_only_by_name():
    mine = trained_model(classes=CLASSES)
    lifting = TaskMix("estimate_pose", ("studio:official",), batch=4, frames=FRAMES)
    others = tuple(mix for mix in mine.config.train.tasks if mix.task != "estimate_pose")
    mine.config = replace(mine.config, train=replace(mine.config.train, tasks=(lifting, *others)))
    told = others[0].data[0].partition(":")[0]
    mine.data_sets.clear()
    mine.data_sets.update(
        {
            "studio": DataSetInfo(("Kick", "bow"), H36M_17),
            told: DataSetInfo(("swipe left", "swipe right", "bow"), H36M_17),
        }
    )
    predictor = Predictor(mine)
    assert predictor.actions() == ("swipe left", "swipe right", "bow")  # bow is another data set's too
    assert set(predictor.recognize(random_clip()).classes) == set(predictor.actions())
    assert predictor.recognize(random_clip(), ("kick",)).best == "kick"


def test_a_fine_tuned_model_offers_the_actions_it_was_fine_tuned_on():
    """Those of the training before it are candidates by name only; those that were added by name stay."""
    tuned = trained_model(classes=(*CLASSES, "juggle", "wave"))
    tuned.data_sets["mine"] = DataSetInfo(("Juggle", "bow"), H36M_17)
    tuned.data_sets["synthetic_3d"] = tuned.data_sets["synthetic_2d"] = DataSetInfo(CLASSES, H36M_17)
    mix = TaskMix("recognize_3d", ("mine:split",), batch=4, frames=FRAMES)
    tuned.config = replace(tuned.config, train=replace(tuned.config.train, tasks=(mix,)))
    predictor = Predictor(tuned)
    assert predictor.actions() == ("bow", "juggle", "wave")
    assert predictor.recognize(random_clip(), ("kick", "bow")).best in ("kick", "bow")


def test_clips_lifted_together_are_lifted_as_alone(predictor, monkeypatch):
    clips = [random_clip(H36M_17, persons, frames, "image", seed) for seed, (persons, frames) in
             enumerate([(1, 9), (2, 25), (1, 3)])]  # fmt: skip
    monkeypatch.setattr(predictor, "windows_at_once", 4)  # windows of several clips share a batch
    for flip, greedy, stride in ((True, False, None), (False, True, 1)):
        together = predictor.lift_many(clips, flip, stride, greedy)
        for clip, lifted in zip(clips, together, strict=True):
            alone = predictor.lift(clip, flip, stride, greedy)
            np.testing.assert_allclose(lifted.joints, alone.joints, atol=1e-5)
            np.testing.assert_allclose(lifted.spread, alone.spread, atol=1e-5)
            assert lifted.joints.shape == (clip.persons, clip.frames, 17, 3)


@pytest.mark.parametrize("seen", [0, 1, 4])
def test_nobody_gets_no_answer(predictor, seen):
    flat = picture(persons=2)
    flat = hidden(hidden(flat, 0, slice(0, 10), list(range(seen, 17))), 1, slice(0, 10), list(range(17)))
    solid = hidden(random_clip(), 0, slice(0, 10), list(range(seen, 20)))
    told = rf"nobody is seen: at most {seen} of \d+ joints in any of its 10 frames, and 5 are needed"
    for question in (
        lambda: predictor.recognize(solid), lambda: predictor.anticipate(solid), lambda: predictor.recognize(flat),
        lambda: predictor.lift(flat), lambda: predictor.ask("estimate_pose", flat), lambda: predictor.ask("anticipate", flat),
    ):  # fmt: skip
        with pytest.raises(DataError, match=told):
            question()


def test_a_body_in_one_frame_is_answered(predictor):
    clip = hidden(picture(), 0, slice(1, 10), list(range(17)))
    clip = hidden(clip, 0, slice(0, 1), list(range(5, 17)))
    assert predictor.recognize(clip).classes and np.isfinite(predictor.lift(clip).joints[0, 0]).all()


def test_nobody_is_lifted_where_nobody_was(predictor):
    clip = picture(frames=60, persons=2, seed=4)
    clip = hidden(clip, 0, slice(20, 45), list(range(17)))
    clip = hidden(clip, 1, slice(0, 60), list(range(17)))
    lifted = predictor.lift(clip)
    there = np.isfinite(lifted.joints).all((2, 3))
    assert there[0, :20].all() and there[0, 45:].all() and not there[1].any()
    assert not there[0, 20 + FRAMES : 45 - FRAMES].any()  # windows that end before he went, or begin after he came back
    np.testing.assert_array_equal(np.isfinite(lifted.spread).all(2), there)
    alone = predictor.lift(clip.person(0))
    np.testing.assert_allclose(lifted.joints[0], alone.joints[0], atol=1e-5)


def test_of_many_persons_those_seen_best_are_looked_at(predictor, caplog):
    clip = random_clip(persons=11, seed=5)
    for m in (2, 5, 9):
        clip = hidden(clip, m, slice(0, 10), [3])
    best = replace(
        clip, joints=np.delete(clip.joints, [2, 5, 9], 0), visibility=np.delete(clip.visibility, [2, 5, 9], 0)
    )
    assert predictor.recognize(clip) == predictor.recognize(best)
    assert "11 persons; the 8 seen best are looked at" in caplog.text
    flat = picture(persons=11)
    assert predictor.lift(flat).joints.shape[0] == 11


@pytest.mark.parametrize("at_once", [1, 7, 1000])
def test_poses_decoded_in_parts_are_those_decoded_together(at_once):
    predictor = Predictor(trained_model(model=replace(MODEL, decoding="body")))
    together = predictor.lift(picture(frames=20))
    predictor.sequences_at_once = at_once
    parts = predictor.lift(picture(frames=20))
    np.testing.assert_allclose(parts.joints, together.joints, atol=1e-6)
    np.testing.assert_allclose(parts.spread, together.spread, atol=1e-6)
