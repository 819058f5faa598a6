"""The network: what surrounds a clip in a batch, in memory or in other slots never changes its answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import CLASSES, FRAMES, MODEL, SHAPES, apart, full_scores, hidden, random_clip, shape_of, trained_model

from ups.batch import Batch
from ups.checkpoint.io import Trained
from ups.model.attention import softmax
from ups.model.layers import join_frames
from ups.model.tokenizer import joint_features
from ups.pose import PoseSequence
from ups.skeleton import SLOTS
from ups.skeletons import COCO_17, KINECT_20
from ups.tasks import estimate_pose, recognize_3d
from ups.tasks.task import Example, collate, collate_poses
from ups.tokens.layout import CLASS_POSITION

LEFT_WRIST = KINECT_20.joints.index("left_wrist")


@pytest.fixture(scope="module", params=SHAPES, ids=shape_of)
def trained(request) -> Trained:
    return trained_model(model=request.param, classes=CLASSES)


def action_batch(trained: Trained, examples: list[Example]) -> Batch:
    return collate(recognize_3d, examples, trained.vocabulary, KINECT_20.sorted_by_slot(), CLASSES)


def pose_batch(trained: Trained, examples: list[Example]) -> Batch:
    return collate(estimate_pose, examples, trained.vocabulary, COCO_17.sorted_by_slot(), ())


def action_examples() -> list[Example]:
    """Clips of 6, 9, 4 and 1 frames; the second has two persons."""
    shapes = ((1, 6), (2, 9), (1, 4), (1, 1))
    return [recognize_3d.example(random_clip(persons=m, seed=i, label=i), n) for i, (m, n) in enumerate(shapes)]


def pose_examples() -> list[Example]:
    """Windows of 7, 5 and 3 frames, two target frames each."""
    clips = [random_clip(COCO_17, space="image", seed=i, frames=8) for i in range(3)]
    return [estimate_pose.example(c, 0, n, np.array([0, n - 1])) for c, n in zip(clips, (7, 5, 3), strict=True)]


def scores(trained: Trained, task: str, batch: Batch, drop: torch.Tensor | None = None) -> torch.Tensor:
    """(Q, K, vocabulary), teacher-forced."""
    with torch.no_grad():
        return full_scores(trained.model(task, batch, drop), trained.vocabulary.size)


def with_tokens(batch: Batch, tokens: torch.Tensor) -> Batch:
    return Batch(batch.poses, batch.layout, tokens, batch.weights, batch.target_frames)


def another_bin(trained: Trained, batch: Batch, k: int) -> Batch:
    """The batch with another bin of the same axis as token k of every sequence."""
    tokens, bins = batch.tokens.clone(), trained.vocabulary.bins
    tokens[:, k] = tokens[:, k] // bins * bins + (tokens[:, k] + 7) % bins
    return with_tokens(batch, tokens)


def step_of_tokens(trained: Trained, batch: Batch) -> torch.Tensor:
    """The step at which each token is written, (K)."""
    plan = trained.model.schedule(batch.layout)
    return torch.tensor([step for step, (a, b) in zip(plan.steps, plan.tokens, strict=True) for _ in range(a, b)])


def first_reader(trained: Trained, batch: Batch, k: int) -> int | None:
    """The first step with a state that token k feeds; those of this step and of later ones can see it. None: nobody."""
    plan = trained.model.schedule(batch.layout)
    return min((step for step, feeds in zip(plan.steps, plan.feeds, strict=True) if k in feeds), default=None)


def answer(trained: Trained, clip: PoseSequence, frames: int = FRAMES) -> torch.Tensor:
    return scores(trained, "recognize_3d", action_batch(trained, [recognize_3d.example(clip, frames)]))


def test_a_clip_in_a_batch_of_longer_clips_gives_the_answer_it_gives_alone(trained):
    examples = action_examples()
    together = scores(trained, "recognize_3d", action_batch(trained, examples))
    for row, example in zip(together, examples, strict=True):
        alone = scores(trained, "recognize_3d", action_batch(trained, [example]))
        torch.testing.assert_close(row, alone[0], atol=1e-5, rtol=1e-5)
    assert (together[0] - together[2]).abs().max() > 1e-3  # clips do differ


def test_a_window_in_a_batch_of_longer_windows_gives_the_poses_it_gives_alone(trained):
    examples = pose_examples()
    together = scores(trained, "estimate_pose", pose_batch(trained, examples)).unflatten(0, (3, 2))
    for rows, example in zip(together, examples, strict=True):
        alone = scores(trained, "estimate_pose", pose_batch(trained, [example]))
        torch.testing.assert_close(rows, alone, atol=1e-5, rtol=1e-5)
    assert (apart(together[:, 0], together[:, 1]).amax((-1, -2)) > 1e-3).all()  # target frames do differ


@pytest.mark.parametrize("frames", [FRAMES, FRAMES + 1])
def test_frames_marked_as_padding_count_for_nothing_whatever_they_hold(trained, frames):
    example = recognize_3d.example(random_clip(seed=5), frames)
    garbage = np.full((1, 3, *example.joints.shape[2:]), 1e3, np.float32)
    padded = replace(
        example,
        joints=np.concatenate([example.joints, garbage], 1),
        visible=np.concatenate([example.visible, np.ones((1, 3, len(KINECT_20)), bool)], 1),
        valid=np.arange(frames + 3) < frames,
    )
    plain, longer = (scores(trained, "recognize_3d", action_batch(trained, [e])) for e in (example, padded))
    torch.testing.assert_close(plain, longer, atol=1e-5, rtol=1e-5)


def test_an_absent_second_person_changes_nothing_and_a_present_one_does(trained):
    both = random_clip(persons=2, seed=1)
    alone = replace(both, joints=both.joints[:1], visibility=both.visibility[:1])
    absent = hidden(both, 1, slice(None), list(range(len(KINECT_20))))
    assert torch.equal(answer(trained, alone), answer(trained, absent))
    assert (answer(trained, alone) - answer(trained, both)).abs().max() > 1e-3


def test_persons_beside_each_other_in_a_batch_do_not_mix(trained):
    both, other = random_clip(persons=2, seed=1), random_clip(persons=2, seed=2)
    examples = [recognize_3d.example(clip, FRAMES) for clip in (both, other)]
    together = scores(trained, "recognize_3d", action_batch(trained, examples))
    torch.testing.assert_close(together[0], answer(trained, both)[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(together[1], answer(trained, other)[0], atol=1e-5, rtol=1e-5)


def test_coordinates_of_invisible_joints_have_no_influence(trained):
    clip = random_clip(seed=3)
    zero, far = (hidden(clip, 0, slice(2, 7), [LEFT_WRIST, 0], value) for value in (0.0, 1e3))
    assert torch.equal(answer(trained, zero), answer(trained, far))
    assert (answer(trained, zero) - answer(trained, clip)).abs().max() > 1e-3  # that they are hidden is seen


@pytest.mark.parametrize("joint", [0, 4])  # the pelvis, on which all others rest, and another one
def test_invisible_joints_have_no_influence_on_the_features(joint):
    example = recognize_3d.example(random_clip(seed=3), FRAMES)
    visible = example.visible.copy()
    visible[0, 2, joint] = False
    joints = example.joints.copy()
    joints[0, 2, joint] = 1e3
    skeleton = KINECT_20.sorted_by_slot()
    features = [
        joint_features(collate_poses([replace(example, joints=j, visible=visible)], skeleton)[0])
        for j in (example.joints, joints)
    ]
    assert torch.equal(*features)
    assert torch.equal(features[0][0, 2, joint], torch.zeros(12))


def test_only_the_slots_that_are_present_are_used(trained):
    clip = random_clip(seed=4)
    example = estimate_pose.example(random_clip(COCO_17, space="image"), 0, FRAMES, np.array([1]))
    before = answer(trained, clip), scores(trained, "estimate_pose", pose_batch(trained, [example]))
    changed, touched = trained_model(model=trained.model.config, classes=CLASSES), 0
    absent = [s for s in range(len(SLOTS)) if SLOTS[s] not in KINECT_20.joints + COCO_17.joints]
    with torch.no_grad():
        for name, p in changed.model.named_parameters():
            axes = [axis for axis, size in enumerate(p.shape) if size == len(SLOTS)]
            for axis in axes:
                p.index_fill_(axis, torch.tensor(absent), 1e6)
            touched += bool(axes)
            if name == "decoder.position.weight":
                p[[s * 3 + axis for s in absent for axis in range(3)]] = 1e6
    assert touched > 10
    assert torch.equal(before[0], answer(changed, clip))
    assert torch.equal(before[1], scores(changed, "estimate_pose", pose_batch(changed, [example])))


def test_every_slot_that_is_present_is_used(trained):
    before = answer(trained, random_clip(seed=4))
    for joint in KINECT_20.slots:
        changed = trained_model(model=trained.model.config, classes=CLASSES)
        with torch.no_grad():
            changed.model.tokenizer.slot.weight[joint] += 1
        assert not torch.equal(before, answer(changed, random_clip(seed=4)))


@pytest.mark.parametrize("k", [0, 1, 5, 8, 30, 49, 50])
def test_a_token_changes_the_scores_of_those_who_may_see_it_and_no_others(trained, k):
    batch = pose_batch(trained, pose_examples()[:1])
    before, after = (scores(trained, "estimate_pose", b) for b in (batch, another_bin(trained, batch, k)))
    steps, reader = step_of_tokens(trained, batch), first_reader(trained, batch, k)
    blind = steps < (len(steps) if reader is None else reader)
    assert blind[steps <= steps[k]].all()  # its own step and all before it
    assert torch.equal(before[:, blind], after[:, blind])
    assert (apart(before, after)[:, ~blind].amax(-1) > 1e-6).all()


def test_most_tokens_are_seen_by_later_ones(trained):
    batch = pose_batch(trained, pose_examples()[:1])
    seen = [first_reader(trained, batch, k) is not None for k in range(batch.tokens.shape[1] - 1)]
    if trained.model.config.decoding == "body":  # the end of the task is fed by the last joint
        assert seen == [False] * (len(seen) - 3) + [True] * 3
    else:
        assert all(seen) if trained.model.config.decoding != "level" else sum(seen) > len(seen) / 2


def test_dropped_tokens_are_not_read(trained):
    batch = pose_batch(trained, pose_examples()[:1])
    other = with_tokens(batch, batch.tokens * 0 + 3)
    everything = torch.ones(batch.tokens.shape, dtype=torch.bool)
    a, b = (scores(trained, "estimate_pose", each, everything) for each in (batch, other))
    assert torch.equal(a, b)
    assert not torch.allclose(a, scores(trained, "estimate_pose", batch))


def test_a_dropped_token_is_hidden_and_the_others_are_not(trained):
    batch, k = pose_batch(trained, pose_examples()[:1]), 50 if trained.model.config.decoding == "body" else 5
    drop = torch.zeros(batch.tokens.shape, dtype=torch.bool)
    drop[:, k] = True
    plain, dropped = scores(trained, "estimate_pose", batch), scores(trained, "estimate_pose", batch, drop)
    reads = step_of_tokens(trained, batch) >= first_reader(trained, batch, k)
    assert torch.equal(plain[:, ~reads], dropped[:, ~reads])
    assert (apart(plain, dropped)[:, reads].amax(-1) > 1e-6).all()
    assert torch.equal(dropped, scores(trained, "estimate_pose", another_bin(trained, batch, k), drop))
    assert not torch.equal(dropped, scores(trained, "estimate_pose", another_bin(trained, batch, k - 1), drop))
    assert torch.equal(plain, scores(trained, "estimate_pose", batch, torch.zeros_like(drop)))


def test_a_coordinate_competes_with_its_axis_and_all_else_with_the_whole_vocabulary(trained):
    poses, actions = pose_batch(trained, pose_examples()), action_batch(trained, action_examples())
    competes = scores(trained, "estimate_pose", poses).isfinite()
    for k, allowed in enumerate(poses.layout.allowed[:-1]):
        expected = torch.zeros(trained.vocabulary.size, dtype=torch.bool)
        expected[list(allowed)] = True
        assert torch.equal(competes[:, k], expected.expand(len(competes), -1))
    assert competes[:, -1].all()
    assert scores(trained, "recognize_3d", actions).isfinite().all()


@pytest.mark.parametrize("frames", [4, 5])
def test_joined_frames_are_the_mean_of_the_real_ones(frames):
    x = torch.randn(2, frames, 3, 4, generator=torch.Generator().manual_seed(0))
    joined, mask = join_frames(x, None, 2)
    pairs = [x[:, i : i + 2].mean(1) for i in range(0, frames, 2)]
    torch.testing.assert_close(joined, torch.stack(pairs, 1))
    assert mask is None or mask.all()
    real = torch.arange(frames) < torch.tensor([[frames], [3]])
    joined, mask = join_frames(x, real, 2)
    torch.testing.assert_close(joined[0], torch.stack(pairs, 1)[0])
    torch.testing.assert_close(joined[1, :2], torch.stack([x[1, :2].mean(0), x[1, 2]]))
    assert mask is not None and mask[0].all() and mask[1].tolist() == [True, True, False][: len(mask[1])]
    assert torch.equal(join_frames(x, real, 1)[0], x)


def test_frames_that_are_joined_still_have_poses_of_their_own(trained):
    clip = random_clip(COCO_17, space="image", frames=8)
    example = estimate_pose.example(clip, 0, 8, np.array([2, 3]))
    before = scores(trained, "estimate_pose", pose_batch(trained, [example]))
    assert (apart(before[0], before[1])[:-1].amax(-1) > 1e-3).all()


def test_shapes_follow_the_layout(trained):
    batch = action_batch(trained, action_examples())
    assert batch.poses.joints.shape == (5, 9, 20, 3) and batch.poses.clip.tolist() == [0, 1, 1, 2, 3]
    assert batch.layout.positions[0] == CLASS_POSITION
    assert scores(trained, "recognize_3d", batch).shape == (4, 2, trained.vocabulary.size)
    poses = pose_batch(trained, pose_examples())
    assert scores(trained, "estimate_pose", poses).shape == (6, 17 * 3 + 1, trained.vocabulary.size)


def test_a_deeper_or_wider_model_is_built_from_its_config(trained):
    deeper = trained_model(model=replace(trained.model.config, layers=5, blocks=3), classes=CLASSES)
    assert all(len(route) == 5 and set(route) <= {0, 1, 2} for route in deeper.model.routes().values())
    assert answer(deeper, random_clip()).shape == answer(trained, random_clip()).shape


def test_an_unknown_task_and_missing_target_frames_are_named(trained):
    batch = action_batch(trained, action_examples())
    with pytest.raises(ValueError, match="forecast.*knows estimate_pose, recognize_2d"):
        trained.model("forecast", batch, None)
    poses = pose_batch(trained, pose_examples())
    with pytest.raises(ValueError, match="target_frames"):
        trained.model("estimate_pose", Batch(poses.poses, poses.layout, poses.tokens, poses.weights, None), None)


@pytest.mark.parametrize("length", [1, 2, 7, 15, 16, 17, 40])
def test_softmax_is_that_of_pytorch(length):
    scores = (20 * torch.randn(3, 2, 5, length)).requires_grad_()
    scores.data[0, 0, 0, : length // 2] = -torch.inf  # masked
    gradient = torch.randn_like(scores)
    own, own_slope = softmax(scores), torch.autograd.grad(softmax(scores), scores, gradient)[0]
    torch.testing.assert_close(own, scores.softmax(-1))
    torch.testing.assert_close(own_slope, torch.autograd.grad(scores.softmax(-1), scores, gradient)[0])
    assert softmax(scores.detach().bfloat16()).dtype == torch.float32


def test_a_stream_reads_its_own_features_alone():
    clip = random_clip(frames=5)
    poses, _ = collate_poses([recognize_3d.example(clip, 5)], clip.skeleton.sorted_by_slot())
    whole = joint_features(poses)
    for kind, kept in (("joint", [0, 1, 2, 9, 10, 11]), ("bone", [3, 4, 5]), ("joint_motion", [6, 7, 8])):
        found = joint_features(poses, kind)
        assert torch.equal(found[..., kept], whole[..., kept])
        assert not found[..., [i for i in range(12) if i not in kept]].any()
    moving = joint_features(poses, "bone_motion")
    bone = whole[..., 3:6] / 4
    assert torch.allclose(moving[:, 1:, :, 6:9], 8 * (bone[:, 1:] - bone[:, :-1]), atol=1e-5)
    assert not moving[:, 0].any() and not moving[..., :6].any() and not moving[..., 9:].any()


def test_weights_begin_at_the_scale_that_keeps_the_size_of_what_passes():
    """1 / sqrt(inputs) for linear maps, smaller by the number of residual branches where they end one; the vocabulary's
    projection 1 and its residual 0, joints' slots 0.1, persons alike, biases 0.
    """
    config = replace(
        MODEL,
        joint_width=32,
        frame_width=64,
        frame_mlp=96,
        decoder_width=64,
        routing_width=32,
        layers=3,
        tokenizer_layers=2,
    )
    model = trained_model(model=config, classes=CLASSES, shaken=0.0, features=64).model
    residual = 1 / (2 * 3 + 2) ** 0.5
    seen = set()
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear):
            ends = name.endswith(("out", "tem.project", "tem.down", "down"))
            wanted = 1.0 if name == "vocabulary.project" else module.in_features**-0.5 * (residual if ends else 1)
            seen.add(ends)
            if module.weight.numel() > 500:
                assert module.weight.std().item() == pytest.approx(wanted, rel=0.1), name
            assert module.bias is None or not module.bias.any(), name
        elif isinstance(module, torch.nn.Embedding) and name != "person":
            assert module.weight.std().item() == pytest.approx(0.1, rel=0.1), name
    assert seen == {True, False}
    assert not model.person.weight.any() and not model.vocabulary.residual.any()
    assert model.vocabulary.scale == (64 * 64) ** -0.5 and model.output_scale == 0
    assert torch.equal(model.start_embedding, model.router.task)
    embedding = model.vocabulary()
    norm = embedding.norm(dim=1).mean().item()
    assert norm == pytest.approx(1, rel=0.1)  # random features of unit size become unit vectors
    with torch.no_grad():
        hidden = torch.nn.functional.layer_norm(torch.randn(200, 64), (64,))
        assert model.logits(hidden, embedding).std().item() == pytest.approx(1, rel=0.15)
