"""What a decoder's state is made of, and what a block adds to it."""

from __future__ import annotations

import pytest
import torch
from helpers import CLASSES, MODEL, SHAPES, shape_of, trained_model
from test_decoding import batch_of, both_tasks

from ups.model.decoder import Decoder, DecoderBlock
from ups.model.decoding import decode

WIDTH = MODEL.decoder_width


def bare() -> Decoder:
    """A decoder without blocks, whose states are what feeds them."""
    torch.manual_seed(0)
    decoder = Decoder(MODEL).eval()
    decoder.blocks, decoder.norm = torch.nn.ModuleList(), torch.nn.Identity()
    return decoder


@torch.no_grad()
def test_a_state_begins_as_its_input_its_position_and_its_joints_memory():
    decoder = bare()
    inputs, memory = torch.randn(2, 4, WIDTH), torch.randn(2, 3, WIDTH)
    positions, anchors = torch.tensor([5, 2, 0, 7]), torch.tensor([2, -1, 0, 1])
    found = decoder(inputs, positions, anchors, memory, None, None)
    wanted = inputs + decoder.position.weight[positions]
    torch.testing.assert_close(decoder(inputs, positions, None, memory, None, None), wanted)
    for state, anchor in enumerate(anchors.tolist()):
        if anchor >= 0:
            wanted[:, state] += memory[:, anchor]
    torch.testing.assert_close(found, wanted)


@torch.no_grad()
@pytest.mark.parametrize("part", ["project_self", "project_cross", "down"])
def test_each_part_of_a_block_is_added(part):
    block = DecoderBlock(MODEL).eval()
    for parameter in block.parameters():
        parameter.zero_()
    getattr(block, part).bias += torch.arange(WIDTH)
    x, memory = torch.randn(2, 3, WIDTH), torch.randn(2, 5, WIDTH)
    torch.testing.assert_close(block(x, memory, None, None, None), x + torch.arange(WIDTH))


def test_the_mark_of_hidden_tokens_is_small_at_first():
    torch.manual_seed(0)
    assert 0.01 < float(Decoder(MODEL).dropped.detach().std()) < 0.03


@both_tasks
@pytest.mark.parametrize("config", SHAPES, ids=shape_of)
@torch.no_grad()
def test_the_state_told_is_the_one_that_wrote_the_first_token(task, config):
    trained = trained_model(model=config, classes=CLASSES, shaken=0.5)
    batch = batch_of(trained, task)
    model, values = trained.model, torch.from_numpy(trained.vocabulary.token_values)
    memory, mask = model.memory(task, batch.poses, batch.layout, batch.target_frames)
    found = decode(model, task, memory, mask, batch.layout, values)
    scores = model.logits(found.state, model.vocabulary()[list(batch.layout.allowed[0])])
    torch.testing.assert_close(found.first, scores.log_softmax(-1), atol=1e-5, rtol=1e-4)
    usual = decode(model, task, memory, mask, batch.layout, values, greedy=False)
    assert torch.equal(found.tokens, usual.tokens)  # what a coordinate is, unless the paper's way is asked for
    greedy = decode(model, task, memory, mask, batch.layout, values, greedy=True)
    assert torch.equal(found.tokens, greedy.tokens) == (task != "estimate_pose")
