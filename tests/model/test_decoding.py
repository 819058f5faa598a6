"""Decoding: what the grammar allows, step by step, the same with and without a cache."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import CLASSES, FRAMES, MODEL, SHAPES, full_scores, random_clip, shape_of, trained_model

from ups.batch import Batch
from ups.checkpoint.io import Trained
from ups.config import ModelConfig
from ups.model.decoding import Decoded, decode
from ups.skeletons import COCO_17, KINECT_20
from ups.tasks import estimate_pose, recognize_3d
from ups.tasks.task import collate
from ups.tokens.layout import Layout

FIELDS = ("tokens", "log_probability", "mean", "spread", "first")
every_shape = pytest.mark.parametrize("config", SHAPES, ids=shape_of)
both_tasks = pytest.mark.parametrize("task", ["estimate_pose", "recognize_3d"])


def batch_of(trained: Trained, task: str) -> Batch:
    if task == "estimate_pose":
        clips = [random_clip(COCO_17, space="image", seed=i) for i in range(2)]
        examples = [estimate_pose.example(c, 0, FRAMES, np.array([1, 4])) for c in clips]
        return collate(estimate_pose, examples, trained.vocabulary, COCO_17.sorted_by_slot(), ())
    examples = [recognize_3d.example(random_clip(persons=1 + i, seed=i), 4 + i) for i in range(3)]
    return collate(recognize_3d, examples, trained.vocabulary, KINECT_20.sorted_by_slot(), CLASSES)


def decoded(
    trained: Trained, task: str, batch: Batch, layout: Layout | None = None, cached: bool = True, greedy: bool = False
) -> Decoded:
    with torch.no_grad():
        memory, mask = trained.model.memory(task, batch.poses, batch.layout, batch.target_frames)
    values = torch.from_numpy(trained.vocabulary.token_values)
    return decode(trained.model, task, memory, mask, layout or batch.layout, values, cached, greedy=greedy)


def assert_the_cache_changes_nothing(trained: Trained, task: str, batch: Batch) -> None:
    with_cache, without = (decoded(trained, task, batch, cached=cached) for cached in (True, False))
    assert torch.equal(with_cache.tokens, without.tokens)
    for field in FIELDS[1:]:
        torch.testing.assert_close(getattr(with_cache, field), getattr(without, field), atol=1e-5, rtol=1e-4)


def assert_each_token_is_the_best(trained: Trained, task: str, batch: Batch, greedy: bool) -> None:
    """What was decoded is what the teacher-forced scores say, fed with what was decoded: the most probable of the allowed
    tokens; for a coordinate, unless greedy, the bin of the expectation.
    """
    result = decoded(trained, task, batch, greedy=greedy)
    forced = Batch(batch.poses, batch.layout, result.tokens, batch.weights, batch.target_frames)
    with torch.no_grad():
        scores = full_scores(trained.model(task, forced, None), trained.vocabulary.size)
    values = torch.from_numpy(trained.vocabulary.token_values)
    for k, allowed in enumerate(batch.layout.allowed):
        log_p = scores[:, k, list(allowed)].log_softmax(-1)
        index = log_p.argmax(-1)
        if not greedy and k < len(batch.layout.allowed) - 1 and batch.layout.per_frame:
            mean = (log_p.exp() * values[list(allowed)]).sum(-1)
            index = (mean[:, None] - values[list(allowed)]).abs().argmin(-1)
        best = log_p.gather(-1, index[:, None])[:, 0]
        assert torch.equal(torch.tensor(allowed)[index], result.tokens[:, k])
        torch.testing.assert_close(best, result.log_probability[:, k], atol=1e-5, rtol=1e-4)
        if len(allowed) > 1:
            mean = (log_p.exp() * values[list(allowed)]).sum(-1)
            spread = (log_p.exp() * (values[list(allowed)] - mean[:, None]) ** 2).sum(-1).sqrt()
            torch.testing.assert_close(mean, result.mean[:, k], atol=1e-5, rtol=1e-4)
            torch.testing.assert_close(spread, result.spread[:, k], atol=1e-4, rtol=1e-3)
        else:
            assert (result.mean[:, k] == 0).all() and (result.spread[:, k] == 0).all()
    if greedy or not batch.layout.per_frame:
        torch.testing.assert_close(result.first.max(-1).values, result.log_probability[:, 0])
    assert result.first.shape == (len(batch.tokens), len(batch.layout.allowed[0]))


@every_shape
@both_tasks
def test_the_cache_changes_nothing(task: str, config: ModelConfig):
    trained = trained_model(model=config, classes=CLASSES, seed=2)
    assert_the_cache_changes_nothing(trained, task, batch_of(trained, task))


@pytest.mark.parametrize("greedy", [False, True])
@every_shape
@both_tasks
def test_each_token_is_the_best_of_the_teacher_forced_scores(task: str, config: ModelConfig, greedy: bool):
    trained = trained_model(model=config, classes=CLASSES, seed=1)
    assert_each_token_is_the_best(trained, task, batch_of(trained, task), greedy)


@pytest.mark.parametrize("forced", [slice(0, 3), slice(1, 2), slice(9, 15), slice(30, 52)])
@every_shape
def test_steps_that_leave_no_choice_change_nothing_else(config: ModelConfig, forced: slice):
    trained = trained_model(model=config, classes=CLASSES, seed=1)
    batch = batch_of(trained, "estimate_pose")
    allowed = list(batch.layout.allowed)
    allowed[forced] = [ids[5 % len(ids) :][:1] for ids in allowed[forced]]
    fixed = Batch(
        batch.poses, replace(batch.layout, allowed=tuple(allowed)), batch.tokens, batch.weights, batch.target_frames
    )
    assert_the_cache_changes_nothing(trained, "estimate_pose", fixed)
    free = replace(fixed.layout, allowed=batch.layout.allowed)  # teacher-forced, a coordinate competes with its axis
    result = decoded(trained, "estimate_pose", fixed, greedy=True)
    again = Batch(batch.poses, free, result.tokens, batch.weights, batch.target_frames)
    with torch.no_grad():
        scores = full_scores(trained.model("estimate_pose", again, None), trained.vocabulary.size)
    for k, ids in enumerate(allowed):
        best = torch.tensor(ids)[scores[:, k, list(ids)].argmax(-1)]
        assert torch.equal(best, result.tokens[:, k])


@pytest.mark.parametrize("decoding", ["token", "joint", "level", "body"])
def test_a_single_candidate_is_certain(decoding):
    trained = trained_model(model=replace(MODEL, decoding=decoding), classes=CLASSES)
    batch = batch_of(trained, "recognize_3d")
    layout = recognize_3d.layout(trained.vocabulary, KINECT_20, ("kick",))
    result = decoded(trained, "recognize_3d", batch, layout)
    ends = [trained.vocabulary.class_token("kick"), trained.vocabulary.eot_token("recognition")]
    assert result.tokens.tolist() == [ends] * 3
    assert torch.equal(result.first, torch.zeros(3, 1)) and torch.equal(result.log_probability, torch.zeros(3, 2))


@every_shape
def test_a_clip_in_a_batch_of_others_is_decoded_as_it_is_alone(config: ModelConfig):
    trained = trained_model(model=config, classes=CLASSES, seed=3)
    clips = [random_clip(COCO_17, space="image", seed=i, frames=8) for i in range(3)]
    skeleton = COCO_17.sorted_by_slot()
    examples = [estimate_pose.example(c, 0, n, np.array([0, n - 1])) for c, n in zip(clips, (7, 4, 5), strict=True)]
    together = decoded(trained, "estimate_pose", collate(estimate_pose, examples, trained.vocabulary, skeleton, ()))
    for i, example in enumerate(examples):
        batch = collate(estimate_pose, [example], trained.vocabulary, skeleton, ())
        alone = decoded(trained, "estimate_pose", batch)
        assert torch.equal(together.tokens[2 * i : 2 * i + 2], alone.tokens)
        for field in FIELDS[1:]:
            rows = getattr(together, field)[2 * i : 2 * i + 2]
            torch.testing.assert_close(rows, getattr(alone, field), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("decoding", ["token", "joint", "level", "body"])
@both_tasks
def test_every_token_is_allowed_and_the_last_one_ends_the_task(task, decoding, seed):
    trained = trained_model(model=replace(MODEL, decoding=decoding), classes=CLASSES, seed=seed, shaken=1.0)
    batch = batch_of(trained, task)
    result = decoded(trained, task, batch)
    assert result.tokens.shape == batch.tokens.shape
    for row in result.tokens.tolist():
        assert all(token in allowed for token, allowed in zip(row, batch.layout.allowed, strict=True))
    eot = trained.vocabulary.eot_token("estimation" if task == "estimate_pose" else "recognition")
    assert (result.tokens[:, -1] == eot).all() and (result.log_probability[:, -1] == 0).all()


def test_the_first_step_ranks_every_class():
    trained = trained_model(classes=CLASSES)
    batch = batch_of(trained, "recognize_3d")
    result = decoded(trained, "recognize_3d", batch)
    assert result.first.shape == (3, len(CLASSES))
    torch.testing.assert_close(result.first.exp().sum(-1), torch.ones(3))
    ids = torch.tensor(batch.layout.allowed[0])
    assert torch.equal(ids[result.first.argmax(-1)], result.tokens[:, 0])


def test_fewer_candidates_leave_their_odds_as_they_were():
    trained = trained_model(classes=CLASSES)
    batch = batch_of(trained, "recognize_3d")
    layout = recognize_3d.layout(trained.vocabulary, KINECT_20, ("kick", "swipe left"))
    two, all_of_them = decoded(trained, "recognize_3d", batch, layout), decoded(trained, "recognize_3d", batch)
    columns = [batch.layout.allowed[0].index(token) for token in layout.allowed[0]]
    odds = two.first[:, 0] - two.first[:, 1], all_of_them.first[:, columns[0]] - all_of_them.first[:, columns[1]]
    torch.testing.assert_close(*odds, atol=1e-5, rtol=1e-4)
