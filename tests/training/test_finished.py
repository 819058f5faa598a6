"""A run whose last checkpoint was written is finished: it is not begun anew, and it ends as an undisturbed one does."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from helpers import MIXES, TRAIN, synthetic_stores, trained_model

from ups.errors import SettingError
from ups.training.loop import train
from ups.training.run import Run


def test_a_run_killed_after_its_last_step_ends_as_others_do_and_never_begins_anew(tmp_path: Path) -> None:
    stores = synthetic_stores(tmp_path / "stores", 8)
    config = replace(TRAIN, tasks=MIXES[1:2], cycles=2)
    train(trained_model(config), stores, tmp_path / "whole")
    train(trained_model(config), stores, tmp_path / "killed", stop_after=1)
    run = Run(trained_model(config), tmp_path / "killed", {name: store.fingerprint for name, store in stores.items()})
    with pytest.MonkeyPatch.context() as patch:  # the last step's checkpoint is there, and the run's end is not
        patch.setattr(Run, "finish", Run.save)
        train(trained_model(config), stores, tmp_path / "killed")
    assert run.resume() and run.step == 2
    train(trained_model(config), stores, tmp_path / "killed")
    whole, killed = (json.loads((tmp_path / n / "checkpoint" / "model.json").read_text()) for n in ("whole", "killed"))
    assert whole == killed
    before = (tmp_path / "killed" / "log.jsonl").read_bytes()
    left = tmp_path / "killed" / ".checkpoint.0123456789ab.partial"  # killed while it removed the checkpoint before
    left.mkdir()
    (left / "weights.safetensors").write_bytes(b"half")
    with pytest.raises(
        SettingError, match="checkpoint holds a model whose training is finished; give another --output"
    ):
        train(trained_model(config), stores, tmp_path / "killed")
    assert (tmp_path / "killed" / "log.jsonl").read_bytes() == before
    assert not left.exists()
