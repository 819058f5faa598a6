"""Adding classes by text: new answers become possible, old ones stay as they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers import CLASSES, FEATURES, Words, random_clip, trained_model

from ups.checkpoint.io import load, save
from ups.checkpoint.open_vocabulary import add_classes, regress_embeddings
from ups.inference.predictor import Predictor

NEW = ("moonwalk", "cart wheel")


class Wide(Words):
    name = "wide"

    def encode(self, texts: list[str]) -> np.ndarray:
        return np.concatenate([super().encode(texts)] * 2, 1)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("UPS_CACHE", str(tmp_path / "cache"))


def test_new_classes_stand_at_the_end_with_the_features_of_their_text():
    trained = trained_model(classes=CLASSES)
    size = trained.vocabulary.size
    wider = add_classes(trained, [NEW[0], "Swipe-Left", "Cart_Wheel", "moonwalk"], Words())
    assert wider.vocabulary.classes == (*CLASSES, *NEW)  # spellings of known names add nothing
    embedding = wider.model.vocabulary
    old, new = embedding().split([size, len(NEW)])
    known = trained.vocabulary.class_tokens(list(CLASSES))
    assert torch.allclose(
        new, regress_embeddings(embedding.features[known], old[known], embedding.features[size:]), atol=1e-6
    )
    expected = (Words().encode(list(NEW)) - trained.class_mean) / trained.class_scale
    np.testing.assert_allclose(embedding.features[size:], expected, rtol=1e-6)
    before, after = trained.model.state_dict(), wider.model.state_dict()
    for name, value in before.items():
        kept = after[name][:size] if name.startswith("vocabulary.") and len(value) == size else after[name]
        assert torch.equal(kept, value)
    assert trained.vocabulary.size == size == len(trained.model.vocabulary.features) and not wider.model.training
    assert (wider.config, wider.data_sets, wider.steps) == (trained.config, trained.data_sets, trained.steps)


def test_old_answers_stay_and_new_ones_become_possible(tmp_path):
    trained = trained_model(classes=CLASSES)
    wider = add_classes(trained, list(NEW), Words())
    save(wider, tmp_path / "checkpoint", dict(wider.model.state_dict()))
    old, new = Predictor(trained), Predictor(load(tmp_path / "checkpoint"))
    clip = random_clip(persons=2)
    a, b = (p.recognize(clip, CLASSES) for p in (old, new))
    assert a.classes == b.classes and a.probabilities == pytest.approx(b.probabilities, rel=1e-6)
    everything = new.recognize(clip)
    assert set(everything.classes) == {*CLASSES, *NEW} and sum(everything.probabilities) == pytest.approx(1)
    with pytest.raises(ValueError, match="no class 'moonwalk'"):
        old.recognize(clip, NEW)
    lifted = [p.lift(random_clip(space="image")).joints for p in (old, new)]
    np.testing.assert_allclose(*lifted, atol=1e-6)


def test_embeddings_that_follow_the_text_are_found_for_new_texts():
    generator = torch.Generator().manual_seed(0)
    features, new = (torch.randn(n, 8, generator=generator) for n in (400, 5))
    rule = torch.randn(8, 3, generator=generator)
    found = regress_embeddings(features, features @ rule + 7, new)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, new @ rule + 7, atol=0.05, rtol=0)
    unlike = regress_embeddings(torch.eye(8)[:2], torch.tensor([[1.0, 0], [3, 0]]), torch.eye(8)[2:3] * 1e-3)
    torch.testing.assert_close(unlike, torch.tensor([[2.0, 0]]), atol=0.01, rtol=0)  # a text like none: the mean


def test_an_encoder_of_another_width_is_refused():
    with pytest.raises(ValueError, match=f"wide gives {2 * FEATURES} features, the vocabulary has {FEATURES}"):
        add_classes(trained_model(classes=CLASSES), ["moonwalk"], Wide())
