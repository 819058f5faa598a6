"""Data that nothing can be learned from, or measured on, is refused before training and before anything is written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from helpers import MIXES, TRAIN, trained_model

from ups.data.datasets.synthetic import SYNTHETIC_3D, generate_3d
from ups.data.store.store import Store, StoreWriter
from ups.errors import SettingError
from ups.training.batches import streams_of
from ups.training.loop import fine_tune, train

ROWS = [(0, 1, "train"), (0, 2, "train"), (1, 1, "train"), (1, 2, "train"), (0, 3, "test"), (1, 3, "test")]
"""Label, subject, part."""


def store_of(folder: Path, rows: list[tuple[int, int, str]]) -> dict[str, Store]:
    d = SYNTHETIC_3D
    with StoreWriter(folder, d.name, d.skeleton, d.space, d.classes, d.protocols, d.terms) as writer:
        for (clip, _), (label, subject, part) in zip(generate_3d(len(rows)), rows, strict=True):
            writer.add(replace(clip, label=label, subject=subject), {"xsub": part} if part else {})
    return {d.name: Store.open(folder)}


def model(task: str = "recognize_3d", hold_out: float = 0.0):
    mixes = tuple(replace(mix, data=("synthetic_3d:xsub",)) for mix in MIXES if mix.task == task)
    return trained_model(replace(TRAIN, tasks=mixes, hold_out=hold_out))


@pytest.mark.parametrize(
    ("rows", "hold_out", "message"),
    [
        ([(0, *row[1:]) for row in ROWS], 0, "all training clips show one action, '.*at least 2 are needed.*add clips"),
        ([row if row[2] == "test" else (0, *row[1:]) for row in ROWS], 0, "show one action"),
        ([row for row in ROWS if row[2] != "test"], 0, "no test clip.*data table.*prepare the data again"),
        ([(row[0], 1, row[2]) for row in ROWS], 0.3, "hold-out keeps some people apart.*all training clips are of one"),
    ],
)
def test_what_nothing_can_be_learned_from_is_refused_first(tmp_path, rows, hold_out, message):
    stores = store_of(tmp_path / "s", rows)
    with pytest.raises(SettingError, match=message) as error:
        train(model(hold_out=hold_out), stores, tmp_path / "run")
    assert "synthetic_3d:xsub" in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()
    if not hold_out:
        with pytest.raises(SettingError, match=message):
            fine_tune(model(), "recognize_3d", stores, tmp_path / "tuned", 2, 1e-3, ("synthetic_3d:xsub",))
        assert not (tmp_path / "tuned").exists()


def test_clips_without_a_label_are_left_out_of_training_and_told(tmp_path, caplog):
    rows = [*ROWS, (-1, 1, "train"), (-1, 2, "train")]
    stores = store_of(tmp_path / "s", rows)
    (stream,) = streams_of(model(), stores)
    assert sorted(stream.stores[0][1].tolist()) == [0, 1, 2, 3]
    assert [r.message for r in caplog.records] == [
        "synthetic_3d:xsub: 2 of 6 training clips have no label and are left out"
    ]
    assert train(model(), stores, tmp_path / "run").steps == 3


def test_good_data_is_taken_in_silence(tmp_path, caplog):
    assert streams_of(model(), store_of(tmp_path / "s", ROWS)) and not caplog.records
