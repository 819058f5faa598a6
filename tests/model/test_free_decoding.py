"""Decoding without the grammar: the whole vocabulary competes until the model ends its output itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from helpers import CLASSES, MODEL, TRAIN, full_scores, trained_model
from test_decoding import batch_of, both_tasks

from ups.batch import Batch
from ups.checkpoint.io import Trained
from ups.errors import SettingError
from ups.model.decoding import Written, decode_freely
from ups.training.loss import sequence_loss

PAPER = replace(MODEL, compete="vocabulary", routing="hard_all")
LOSS = replace(TRAIN, smooth_bins=0.0, smooth_labels=0.0)


def written(trained: Trained, task: str, batch: Batch) -> Written:
    with torch.no_grad():
        memory, mask = trained.model.memory(task, batch.poses, batch.layout, batch.target_frames)
    return decode_freely(trained.model, task, memory, mask, batch.layout)


@both_tasks
@pytest.mark.parametrize("seed", [1, 2])
def test_each_token_is_the_best_of_the_whole_vocabulary(task: str, seed: int):
    trained = trained_model(model=PAPER, classes=CLASSES, seed=seed, shaken=0.5)
    batch = batch_of(trained, task)
    steps, eot = len(batch.layout.positions), batch.layout.allowed[-1][0]
    result = written(trained, task, batch)
    assert result.tokens.shape == (len(batch.tokens), 2 * steps)
    forced = Batch(batch.poses, batch.layout, result.tokens[:, :steps], batch.weights, batch.target_frames)
    with torch.no_grad():
        best = full_scores(trained.model(task, forced, None), trained.vocabulary.size).argmax(-1)
    for tokens, length, wanted in zip(result.tokens, result.lengths, best, strict=True):
        known = min(int(length), steps)
        assert torch.equal(tokens[:known], wanted[:known])
        assert (tokens[: int(length) - 1] != eot).all() and (tokens[int(length) :] == eot).all()
        assert int(length) == 2 * steps or tokens[int(length) - 1] == eot


@both_tasks
def test_an_output_is_well_formed_where_length_kinds_and_end_are_right(task: str):
    trained = trained_model(model=PAPER, classes=CLASSES)
    layout = (batch := batch_of(trained, task)).layout
    vocabulary, steps = trained.vocabulary, len(layout.positions)
    right = torch.cat([batch.tokens[:1], batch.tokens[:1]], 1)

    def formed(tokens: torch.Tensor, length: int = steps) -> bool:
        return bool(Written(tokens, torch.tensor([length])).well_formed(layout, vocabulary)[0])

    assert formed(right)
    assert not formed(right, steps - 1) and not formed(right, steps + 1)
    ranges = vocabulary.ranges()
    own = [next(kind for kind, low, high in ranges if low <= token < high) for token in right[0, :steps].tolist()]
    for k in {0, steps // 2, steps - 1}:
        for kind, low, high in ranges:
            for token in {low, high - 1}:
                changed = right.clone()
                changed[0, k] = token
                ends = kind == own[k] and (kind != "eot" or token == layout.allowed[-1][0])
                assert formed(changed) == ends, (k, kind, token)


@both_tasks
def test_training_teaches_the_end_of_the_task(task: str):
    """The model learns one batch by heart; then it writes it without being told what may stand where."""
    trained = trained_model(model=PAPER, classes=CLASSES, shaken=0.0)
    batch = batch_of(trained, task)
    optimizer = torch.optim.Adam(trained.model.parameters(), 3e-3)
    assert not written(trained, task, batch).well_formed(batch.layout, trained.vocabulary).all()
    for _ in range(150):
        loss, _ = sequence_loss(trained.model(task, batch, None), batch, trained.vocabulary, LOSS)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    result = written(trained, task, batch)
    assert result.well_formed(batch.layout, trained.vocabulary).all()
    assert (result.tokens[:, -1] == batch.layout.allowed[-1][0]).all()
    if task == "recognize_3d":
        assert torch.equal(result.tokens[:, : batch.tokens.shape[1]], batch.tokens)


@pytest.mark.parametrize("decoding", ["joint", "level", "body"])
def test_several_tokens_a_step_need_the_grammar(decoding):
    trained = trained_model(model=replace(MODEL, decoding=decoding), classes=CLASSES)
    with pytest.raises(SettingError, match=f"model.decoding {decoding}, which writes several at once"):
        written(trained, "estimate_pose", batch_of(trained, "estimate_pose"))
