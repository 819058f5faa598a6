"""No figure of a test clip that the model, or one that it started from, has learned: by recording, across protocols."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import helpers
import numpy as np
import pytest

from ups.checkpoint.create import new_model, started_from
from ups.checkpoint.io import load, pack
from ups.checkpoint.lineage import TrainingPart, find_leak, joined, training_parts
from ups.cli import main
from ups.config import Config, TaskMix
from ups.data.datasets import ntu
from ups.data.loader import split_of
from ups.data.recordings import keys_from_text, keys_to_text, recording, recording_keys
from ups.data.store.store import Store, StoreWriter
from ups.errors import SettingError
from ups.evaluation.evaluate import evaluate
from ups.evaluation.results import LEAK, new_record, variants
from ups.inference.predictor import Predictor
from ups.training.loop import fine_tune, train

NAMES = [
    f"S{setup:03}C{camera:03}P{performer:03}R001A{action:03}"
    for setup in (1, 2)
    for camera in (1, 2)
    for performer in (1, 3)
    for action in (1, 2)
]
"""In every part of every protocol: setups, cameras and performers of both sides."""
LATER = [
    f"S{setup:03}C001P{performer:03}R001A{action:03}"
    for setup in (18, 19)
    for performer in (45, 40)
    for action in (1, 61)
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Stores of NTU 60's shape, of NTU 120's, and a copy of the first under a name of the user's own."""
    path = tmp_path_factory.mktemp("ntu")
    for d, name, names in ((ntu.DATA_SET_60, "ntu60", NAMES), (ntu.DATA_SET_120, "ntu120", NAMES + LATER),
                           (ntu.DATA_SET_60, "own", NAMES)):  # fmt: skip
        with StoreWriter(path / name, name, d.skeleton, d.space, d.classes, d.protocols) as writer:
            for i, clip_name in enumerate(sorted(names)):
                clip = helpers.random_clip(d.skeleton, frames=8, seed=i, label=int(clip_name[-3:]) - 1)
                parts = ntu.splits_of(clip_name)
                writer.add(replace(clip, id=clip_name), {p: parts[p] for p in d.protocols})
    return path


def config(*data: str, task: str = "recognize_3d", hold_out: float = 0.0) -> Config:
    mix = TaskMix(task, data, batch=4, frames=helpers.FRAMES)
    return Config("test", helpers.MODEL, replace(helpers.TRAIN, tasks=(mix,), cycles=1, hold_out=hold_out))


def stores_in(folder: Path, *names: str) -> dict[str, Store]:
    return {name: Store.open(folder / name) for name in names}


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory) -> Path:
    """A model of NTU 60 by performer."""
    output = tmp_path_factory.mktemp("run")
    stores = stores_in(folder, "ntu60")
    train(new_model(config("ntu60:xsub"), stores), stores, output)
    return output / "checkpoint"


def test_a_recording_has_one_name_in_every_preparation():
    name = "S001C002P003R002A013"
    assert {recording(d, name) for d in ("ntu60", "ntu120", "ntu60_view_normalized", "own")} == {f"ntu/{name}"}
    assert recording("mine", f"videos/{name}_rgb") == f"ntu/{name}"
    assert recording("h36m_gt", "S9_Photo_cam0") == recording("h36m_cpn", "S9_Photo_cam0")
    assert recording("kard_2d", "a01_s01_e01") == recording("kard_3d", "a01_s01_e01")
    video = {recording("kinetics_skeleton", "val_-abcdefghij"), recording("kinetics_skeleton_per_frame", "val_-abcdefghij"),
             recording("k400_hrnet", "-abcdefghij"), recording("k400_hrnet", "-abcdefghij_000010_000020")}  # fmt: skip
    assert video == {"kinetics/-abcdefghij"}
    assert recording("mine", "clip1") != recording("yours", "clip1")


def test_keys_survive_their_text(folder):
    keys = recording_keys(Store.open(folder / "ntu60"), range(5))
    assert len(keys) == 5 and np.array_equal(keys_from_text(keys_to_text(keys)), keys)
    with pytest.raises(ValueError, match="damaged"):
        keys_from_text("not base64!")


def test_protocols_of_one_set_leak_and_sets_that_contain_each_other_too(folder):
    stores = stores_in(folder, "ntu60", "ntu120", "own")
    parts = training_parts(config("ntu60:xsub").train, stores)

    def leaked(data: str) -> int:
        store, protocol = data.split(":")
        found = find_leak(parts, stores[store], stores[store].indices(protocol, "test"))
        return found.clips if found else 0

    assert [leaked(d) for d in ("ntu60:xsub", "ntu120:xsub", "own:xsub")] == [0, 0, 0]
    assert [leaked(d) for d in ("ntu60:xview", "ntu120:xset", "own:xview")] == [
        4,
        4,
        4,
    ]  # half of the test part's eight


def test_what_is_held_out_was_not_learned(folder):
    stores = stores_in(folder, "ntu60")
    held = config("ntu60:xview", hold_out=0.5)
    parts = training_parts(held.train, stores)
    kept = split_of(stores["ntu60"], "xview", "validation", 0.5, 0)
    assert len(kept) and find_leak(parts, stores["ntu60"], kept) is None


def test_measuring_what_was_learned_is_an_error_unless_it_is_marked(folder, trained):
    predictor = Predictor(load(trained))
    assert set(evaluate(predictor, folder)) == {"recognize_3d/ntu60:xsub"}
    data = ("recognize_3d/ntu60:xview",)
    with pytest.raises(SettingError, match=r"ntu60:xview: 4 of its 8 clips are recordings of ntu60:xsub.*--allow-leak"):
        evaluate(predictor, folder, data=data)
    results = evaluate(predictor, folder, data=data, allow_leak=True)
    assert results[data[0]]["leak"] == {"clips": 4, "of": 8, "learned_in": ("ntu60:xsub",)}
    (variant,) = variants([new_record(predictor, trained, results, "test")])
    assert (variant.text(data[0], "top-1") or "").endswith(LEAK)
    clean = evaluate(predictor, folder, data=("recognize_3d/own:xsub",))
    assert "leak" not in clean["recognize_3d/own:xsub"]


def test_the_same_recordings_are_told_once():
    part, other = TrainingPart("a:xsub", "AAAA", seed=1), TrainingPart("a:xview", "AAAA", seed=1)
    old = TrainingPart("a:xsub", "", seed=1)
    again = replace(part, seed=2), other, replace(part, recordings="BBBB"), replace(old, seed=2)
    assert joined((part, old), again) == (part, old, other, *again[2:])


def test_a_model_remembers_what_the_one_it_started_from_learned(folder, trained, tmp_path):
    stores = stores_in(folder, "ntu120")
    later = started_from(load(trained), config("ntu120:xsub"), stores)
    train(later, stores, tmp_path / "later")
    again = load(tmp_path / "later" / "checkpoint")
    assert [part.data for part in again.lineage] == ["ntu60:xsub", "ntu120:xsub"]
    with pytest.raises(SettingError, match="recordings of ntu60:xsub, ntu120:xsub"):
        evaluate(Predictor(again), folder, data=("recognize_3d/ntu60:xview",))
    with pytest.raises(SettingError, match="test part of ntu60:xview: .* learned from"):
        fine_tune(load(trained), "recognize_3d", stores_in(folder, "ntu60"), tmp_path / "t", 1, 1e-3, ("ntu60:xview",))
    pack([trained], tmp_path / "packed")
    assert load(tmp_path / "packed").lineage == load(trained).lineage


def test_a_mixture_that_learns_its_own_test_clips_is_refused_before_it_starts(folder, tmp_path):
    stores = stores_in(folder, "ntu60", "ntu120")
    both = config("ntu60:xview", "ntu120:xset")
    with pytest.raises(SettingError, match="test part of ntu60:xview: .*ntu120:xset"):
        train(new_model(both, stores), stores, tmp_path / "refused")
    assert not (tmp_path / "refused").exists()
    train(new_model(both, stores), stores, tmp_path / "marked", allow_leak=True)
    agree = config("ntu60:xsub", "ntu120:xsub")
    train(new_model(agree, stores), stores, tmp_path / "agree")


def test_older_checkpoints_are_checked_by_the_names_in_their_config(folder, trained, tmp_path):
    pack([trained], tmp_path / "old")
    path = tmp_path / "old" / "model.json"
    facts = json.loads(path.read_text())
    del facts["lineage"], facts["hashes"]
    path.write_text(json.dumps(facts))
    predictor = Predictor(load(tmp_path / "old"))
    assert set(evaluate(predictor, folder)) == {"recognize_3d/ntu60:xsub"}
    with pytest.raises(SettingError, match="4 of its 8 clips"):
        evaluate(predictor, folder, data=("recognize_3d/ntu60:xview",))


def test_the_command_tells_of_the_leak_and_its_remedy(folder, trained, tmp_path, capsys):
    command = ["evaluate", str(trained), "--stores", str(folder), "--data", "recognize_3d/ntu60:xview"]
    assert main(command) == 2
    assert "--allow-leak" in capsys.readouterr().err
    assert main([*command, "--allow-leak", "--output", str(tmp_path / "m.json")]) == 0
    assert LEAK in capsys.readouterr().out
