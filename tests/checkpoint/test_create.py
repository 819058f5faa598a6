"""What a new model knows."""

from __future__ import annotations

from dataclasses import replace

import helpers

from ups.checkpoint.create import new_model
from ups.config import Config
from ups.tokens.vocabulary import canonical_text


def test_names_that_no_clip_teaches_are_no_classes(tmp_path):
    """As with Human3.6M's 15 actions: pose estimation learns from the clips, and nobody from their names."""
    stores = helpers.synthetic_stores(tmp_path, 4)
    mixes = tuple(replace(mix, data=(data,)) for mix, data in zip(
        helpers.MIXES[::3], ("synthetic_2d:xsub", "synthetic_3d:xsub"), strict=True))  # fmt: skip
    acted = replace(stores["synthetic_2d"], classes=("Purchases", "Photo"))
    made = {"synthetic_2d": acted, "synthetic_3d": stores["synthetic_3d"]}
    trained = new_model(Config("test", helpers.MODEL, replace(helpers.TRAIN, tasks=mixes)), made)
    assert trained.vocabulary.classes == tuple(map(canonical_text, stores["synthetic_3d"].classes))
    assert trained.data_sets["synthetic_2d"].classes == ("Purchases", "Photo")
    alone = new_model(Config("test", helpers.MODEL, replace(helpers.TRAIN, tasks=mixes[:1])), made)
    assert alone.vocabulary.classes == () and alone.model.vocabulary().shape[0] == alone.vocabulary.size
