"""Open vocabulary: actions that a trained model never saw, added by their names alone."""

from __future__ import annotations

from dataclasses import replace

import torch

from ups.checkpoint import Trained
from ups.model.ups import UPS
from ups.text import TextEncoder, get_text_encoder
from ups.vocabulary import TokenFeatures, class_features


def add_classes(trained: Trained, texts: list[str], encoder: TextEncoder | None = None) -> Trained:
    """A model that also knows the actions `texts`; `trained` stays as it is.

    The new tokens stand at the end of the vocabulary, embedded by their text features alone (their residual is zero).
    Every other weight is copied, so scores among the old classes don't change. Names that are known are passed over.

    Args:
        trained: the model, on any device.
        texts: class names.
        encoder: the text encoder that the model was trained with; the one its config names where None.

    Raises:
        ValueError: an empty name, an encoder of another feature width, or one whose package is missing.
    """
    vocabulary = trained.vocabulary.with_classes(texts)
    new = vocabulary.classes[len(trained.vocabulary.classes) :]
    state = trained.model.state_dict()
    features, residual = state["vocabulary.features"], state["vocabulary.residual"]
    known = TokenFeatures(features.cpu().numpy(), trained.class_mean, trained.class_scale)
    encoder = encoder or get_text_encoder(trained.config.model.text_encoder)
    added = torch.from_numpy(class_features(known, encoder, new)).to(features)
    state["vocabulary.features"] = torch.cat([features, added])
    state["vocabulary.residual"] = torch.cat([residual, residual.new_zeros(len(new), residual.shape[1])])
    model = UPS(trained.config.model, trained.model.tasks, state["vocabulary.features"]).to(features.device)
    model.load_state_dict(state)
    return replace(trained, model=model.eval(), vocabulary=vocabulary)
