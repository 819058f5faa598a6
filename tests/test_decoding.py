"""Decoding: what the grammar allows, step by step, the same with and without a cache."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small import CLASSES, FRAMES, random_clip, trained_model

from ups.batch import Batch, Layout
from ups.checkpoint import Trained
from ups.decoding import Decoded, decode
from ups.skeleton import COCO_17, KINECT_20
from ups.tasks import estimate_pose, recognize_3d
from ups.tasks.task import collate

FIELDS = ("tokens", "log_probability", "mean", "spread", "first")


def values_of(trained: Trained) -> torch.Tensor:
    values = torch.zeros(trained.vocabulary.size)
    values[: 3 * trained.vocabulary.bins] = torch.from_numpy(np.tile(trained.vocabulary.bin_centres, 3))
    return values


def batch_of(trained: Trained, task: str) -> Batch:
    if task == "estimate_pose":
        clips = [random_clip(COCO_17, space="image", seed=i) for i in range(2)]
        examples = [estimate_pose.example(c, 0, FRAMES, np.array([1, 4])) for c in clips]
        return collate(estimate_pose, examples, trained.vocabulary, COCO_17.sorted_by_slot(), ())
    examples = [recognize_3d.example(random_clip(persons=1 + i, seed=i), 4 + i) for i in range(3)]
    return collate(recognize_3d, examples, trained.vocabulary, KINECT_20.sorted_by_slot(), CLASSES)


def decoded(trained: Trained, task: str, batch: Batch, layout: Layout | None = None, cached: bool = True) -> Decoded:
    with torch.no_grad():
        memory, mask = trained.model.memory(task, batch.poses, batch.layout, batch.target_frames)
    return decode(trained.model, task, memory, mask, layout or batch.layout, values_of(trained), cached)


@pytest.mark.parametrize("task", ["estimate_pose", "recognize_3d"])
def test_the_cache_changes_nothing(task):
    trained = trained_model(classes=CLASSES, seed=2)
    batch = batch_of(trained, task)
    with_cache, without = (decoded(trained, task, batch, cached=cached) for cached in (True, False))
    assert torch.equal(with_cache.tokens, without.tokens)
    for field in FIELDS[1:]:
        torch.testing.assert_close(getattr(with_cache, field), getattr(without, field), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("task", ["estimate_pose", "recognize_3d"])
def test_every_token_is_allowed_and_the_last_one_ends_the_task(task, seed):
    trained = trained_model(classes=CLASSES, seed=seed, shaken=1.0)
    batch = batch_of(trained, task)
    result = decoded(trained, task, batch)
    assert result.tokens.shape == batch.tokens.shape
    for row in result.tokens.tolist():
        assert all(token in allowed for token, allowed in zip(row, batch.layout.allowed, strict=True))
    eot = trained.vocabulary.eot_token("estimation" if task == "estimate_pose" else "recognition")
    assert (result.tokens[:, -1] == eot).all() and (result.log_probability[:, -1] == 0).all()


def test_each_token_is_the_best_of_the_teacher_forced_logits():
    trained = trained_model(classes=CLASSES, seed=1)
    batch = batch_of(trained, "estimate_pose")
    result = decoded(trained, "estimate_pose", batch)
    forced = Batch(batch.poses, batch.layout, result.tokens, batch.weights, batch.target_frames)
    with torch.no_grad():
        logits = trained.model("estimate_pose", forced, None)
    centres = torch.from_numpy(trained.vocabulary.bin_centres)
    for k, allowed in enumerate(batch.layout.allowed):
        log_p = logits[:, k, list(allowed)].log_softmax(-1)
        best, index = log_p.max(-1)
        assert torch.equal(torch.tensor(allowed)[index], result.tokens[:, k])
        torch.testing.assert_close(best, result.log_probability[:, k], atol=1e-5, rtol=1e-4)
        if len(allowed) > 1:
            mean = (log_p.exp() * centres).sum(-1)
            spread = (log_p.exp() * (centres - mean[:, None]) ** 2).sum(-1).sqrt()
            torch.testing.assert_close(mean, result.mean[:, k], atol=1e-5, rtol=1e-4)
            torch.testing.assert_close(spread, result.spread[:, k], atol=1e-4, rtol=1e-3)
    assert (result.mean[:, -1] == 0).all() and (result.spread[:, -1] == 0).all()


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
