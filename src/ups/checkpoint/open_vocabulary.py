"""Open vocabulary: actions that a trained model never saw, added by their names alone."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ups.checkpoint.io import Trained
from ups.checkpoint.known_actions import taught_actions
from ups.model.ups import UPS
from ups.tokens.text_encoders import TextEncoder, get_text_encoder
from ups.tokens.vocabulary import TokenFeatures, class_features

RIDGE = 0.3
"""Ridge penalty of a new action's embedding: of 0.02 to 5 the best at predicting known ones from each other (dev/LOG.md)."""


def add_classes(trained: Trained, texts: list[str], encoder: TextEncoder | None = None) -> Trained:
    """A model that also knows the actions `texts`; `trained` stays as it is.

    The new tokens stand at the end of the vocabulary. Their embedding is what those of the actions that clips taught say
    about a text like theirs (`regress_embeddings`). Every other weight is copied, so scores among the old classes don't
    change. Names that are known are passed over.

    Args:
        trained: the model, on any device.
        texts: class names.
        encoder: the text encoder that the model was trained with; the one its config names where None.

    Raises:
        SettingError: an empty name, an encoder of another feature width, or one whose package is missing.
    """
    vocabulary = trained.vocabulary.with_classes(texts)
    new = vocabulary.classes[len(trained.vocabulary.classes) :]
    taught = trained.vocabulary.class_tokens(
        list(taught_actions(trained.config, trained.vocabulary, trained.data_sets))
    )
    state = trained.model.state_dict()
    features, residual = state["vocabulary.features"], state["vocabulary.residual"]
    known = TokenFeatures(features.cpu().numpy(), trained.class_mean, trained.class_scale)
    encoder = encoder or get_text_encoder(trained.config.model.text_encoder)
    added = torch.from_numpy(class_features(known, encoder, new)).to(features)
    state["vocabulary.features"] = torch.cat([features, added])
    state["vocabulary.residual"] = torch.cat([residual, residual.new_zeros(len(new), residual.shape[1])])
    model = UPS(trained.config.model, trained.model.tasks, state["vocabulary.features"]).to(features.device)
    model.load_state_dict(state)
    if taught and new:
        with torch.no_grad():
            embedding, size = model.vocabulary(), len(residual)
            wanted = regress_embeddings(
                model.vocabulary.features[taught], embedding[taught], model.vocabulary.features[size:]
            )
            model.vocabulary.residual[size:] = wanted - embedding[size:]
    return replace(trained, model=model.eval(), vocabulary=vocabulary)


def regress_embeddings(features: Tensor, embeddings: Tensor, new: Tensor) -> Tensor:
    """Embeddings of new texts, by ridge regression from the known ones, after the means of both.

    Args:
        features: (C, F) text features of C actions, of about unit size in each of F dimensions.
        embeddings: (C, D) theirs.
        new: (T, F) text features.

    Returns:
        (T, D).
    """
    x, y, z = (values.double() for values in (features, embeddings, new))
    middle, mean = x.mean(0), y.mean(0)
    x, z = (x - middle) / x.shape[1] ** 0.5, (z - middle) / x.shape[1] ** 0.5
    penalty = RIDGE * torch.eye(len(x), dtype=x.dtype, device=x.device)
    return (mean + z @ x.t() @ torch.linalg.solve(x @ x.t() + penalty, y - mean)).to(embeddings)
