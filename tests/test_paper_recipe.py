"""Recipe `paper` is the paper's, `paper-plus` ours, and the page that compares them says what they are."""

import re
from dataclasses import replace
from operator import attrgetter
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import MODEL, TRAIN, synthetic_stores, trained_model

from ups.config import PoseAugment
from ups.recipes import RECIPES, get_recipe
from ups.tasks.pose_windows import draw_window, number_of
from ups.training.loop import train
from ups.training.optimizer import set_routing

PAGE = Path(__file__).parents[1] / "docs" / "reproduce.md"
ROWS = re.findall(r"(?m)^\| `((?:model|train)\.[^|]*)` \| [^|]* \| ([^|]*) \| ([^|]*) \|", PAGE.read_text("utf-8"))


def test_the_table_says_what_the_recipes_hold():
    assert len(ROWS) >= 20
    for names, *columns in ROWS:
        if names == "train.augment":
            continue
        keys = names.replace("`", "").split(", ")
        for recipe, shown in zip(("paper", "paper-plus"), columns, strict=True):
            values = [attrgetter(key)(get_recipe(recipe)) for key in keys]
            told = ", ".join(map(str, values))
            assert told == shown.strip(), f"{recipe}: {names} is {told}, the page says {shown}"


def test_nothing_of_ours_is_in_the_paper_s():
    paper, plus = get_recipe("paper"), get_recipe("paper-plus")
    assert paper.train.augment.pose == PoseAugment(mirror=0.5, noise=0, drop=0) and not paper.train.augment.shift.share
    for field in ("noise", "drop", "bend", "pace", "stretch"):
        assert getattr(paper.train.augment.action_3d, field) == getattr(paper.train.augment.action_2d, field) == 0
    same = replace(paper.model, compete="axis", text_features="standardised")
    assert same == plus.model and paper.train.tasks == plus.train.tasks
    assert {f"paper{kind}-{of}" for kind in ("", "-plus") for of in ("ntu60-xsub", "ntu120-xset")} <= set(RECIPES)


@pytest.mark.parametrize(("targets", "wanted"), [("centre", [13]), ("all", list(range(27)))])
def test_the_middle_frame_or_all_are_learned(targets, wanted):
    rng = np.random.default_rng(0)
    draw = draw_window(100, 27, targets, np.empty((1, 27, 17, 2)), TRAIN.augment, rng)
    assert draw.wanted.tolist() == wanted and number_of(targets, 27) == len(wanted) and number_of(3, 27) == 3


def test_gumbel_noise_stays_where_it_is_constant():
    trained = trained_model()
    config = replace(TRAIN, explore=1.0, route_noise="constant", route_temperature=(1.0, 1.0))
    for progress in (0.0, 0.5, 0.99):
        set_routing(trained.model, config, progress)
        assert trained.model.router.noise == 1 and trained.model.router.temperature == 1
    set_routing(trained.model, replace(config, route_noise="annealed"), 0.5)
    assert trained.model.router.noise == 0.5


def test_raw_features_are_the_language_model_s(tmp_path, monkeypatch):
    from ups.tokens.text_encoders import get_text_encoder
    from ups.tokens.vocabulary import Vocabulary, token_features

    vocabulary = Vocabulary(8, -1, 1, ("over",), ("walk", "sit"))
    encoder = get_text_encoder("minilm")
    raw, ours = (token_features(vocabulary, encoder, tmp_path, standardise=given) for given in (False, True))
    np.testing.assert_allclose(raw.values, encoder.encode(vocabulary.prompts()), atol=1e-5)
    assert raw.class_scale == 1 and not raw.class_mean.any() and np.abs(ours.values - raw.values).max() > 0.1


@pytest.mark.parametrize("recipe", ["paper", pytest.param("paper-plus", marks=pytest.mark.slow)])
def test_losses_fall_on_the_paper_s_terms(tmp_path, recipe, monkeypatch):
    """Small widths and generated data, all else as in the recipe; the learning rate is lowered with the model's size."""
    from ups.checkpoint.create import new_model

    monkeypatch.setenv("UPS_CACHE", str(tmp_path / "cache"))
    whole = get_recipe(recipe)
    model = replace(
        whole.model, **{name: getattr(MODEL, name) for name in (
            "joint_width", "frame_width", "frame_heads", "frame_mlp", "decoder_width", "decoder_heads", "bins", "layers")},
        text_encoder="minilm",
    )  # fmt: skip
    mixes = tuple(replace(mix, batch=8, frames=9) for mix in TRAIN.tasks)
    config = replace(
        whole, model=model,
        train=replace(whole.train, tasks=mixes, cycles=25, accumulate=1, learning_rate=3e-3, precision="32-true", workers=0),
    )  # fmt: skip
    stores = synthetic_stores(tmp_path / "stores", 64)
    torch.manual_seed(0)
    train(new_model(config, stores), stores, tmp_path / "run")
    import json

    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    for task in ("estimate_pose", "recognize_3d"):
        losses = [line["losses"][task] for line in lines if task in line.get("losses", {})]
        assert np.isfinite(losses).all() and np.mean(losses[-3:]) < losses[0]
