"""Calibration: what is fitted is what was made, it is kept with the model, and damage to it is noticed."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import CLASSES, random_clip, synthetic_stores, trained_model

from ups.checkpoint.io import add_calibration, load, pack, save
from ups.checkpoint.prune import cut_to_route
from ups.cli import main
from ups.data.store.store import Store, StoreWriter
from ups.errors import CheckpointError
from ups.evaluation.calibrate import Heard, _is_strange, _logistic, _temperature, calibrate
from ups.inference.predictor import Predictor
from ups.skeletons import H36M_17
from ups.tasks.calibration import TaskCalibration


def known(temperature: float = 0.8, width: int = 16) -> TaskCalibration:
    centres = np.eye(len(CLASSES), width, dtype=np.float32)
    return TaskCalibration(temperature, 20.0, 16.0, 5.0, CLASSES, centres)


def test_a_temperature_sharpens_and_keeps_the_order():
    scores = np.log(np.array([[0.1, 0.2, 0.3, 0.4], [0.1, 0.1, 0.1, 0.7]]))
    sharp = np.exp(known(0.5).sharpen(scores))
    np.testing.assert_allclose(sharp, [np.array([1, 4, 9, 16]) / 30, np.array([1, 1, 1, 49]) / 52], rtol=1e-6)
    np.testing.assert_allclose(known(1.0).sharpen(scores), scores, atol=1e-12)


def test_unknown_is_what_no_candidate_lies_near():
    one = known()
    states = np.zeros((3, 16))
    states[0, 1], states[1, 9], states[2, [0, 1]] = 7.0, 0.1, 1.0  # at a centre, far from all, between two
    unknown = one.unknown(states, CLASSES)
    assert unknown[0] < 0.05 and unknown[1] > 0.99 and unknown[0] < unknown[2] < unknown[1]
    assert unknown[0] == pytest.approx(1 / (1 + np.exp(4)))
    assert one.unknown(states, (CLASSES[0],))[0] > 0.99  # it is another action than the only candidate
    assert one.unknown(states, ("Swipe_Right",))[0] == unknown[0]
    added = one.unknown(states, ("juggle", CLASSES[0]))  # one was never seen in training: is it like anything known?
    np.testing.assert_allclose(added, unknown)


def test_the_temperature_that_made_the_answers_is_found():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (4000, 5))
    scores = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    true = np.exp(scores / 0.6)
    true /= true.sum(1, keepdims=True)
    labels = (true.cumsum(1) < rng.random((len(true), 1))).sum(1)
    assert _temperature([Heard(scores, logits, labels, CLASSES)]) == pytest.approx(0.6, rel=0.1)


def test_the_curve_parts_known_from_unknown():
    rng = np.random.default_rng(1)
    seen, unseen = rng.normal(0.9, 0.03, 300), rng.normal(0.7, 0.05, 50)
    weight, bias = _logistic([seen], [unseen[:20], unseen[20:]])
    assert weight > 0 and 0.75 < bias / weight < 0.87


@pytest.mark.parametrize(
    ("action", "strange"),
    [("walk back", False), ("Walking", False), ("wave left hand", False), ("guide", True), ("turn around", True), ("run", True)],
)  # fmt: skip
def test_an_action_of_a_known_word_is_not_unknown(action, strange):
    assert _is_strange(action, {"walk", "jogging", "waving"}) is strange


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("calibrated")
    trained = trained_model(classes=CLASSES)
    save(trained, folder / "plain", trained.model.state_dict())
    add_calibration(folder / "plain", {"recognize_3d": known(), "anticipate": known(0.7)}, folder / "model")
    return folder


def test_a_calibration_is_kept_with_the_model(folder, tmp_path):
    plain, model = load(folder / "plain"), load(folder / "model")
    assert plain.calibration == {} and set(model.calibration) == {"recognize_3d", "anticipate"}
    kept = model.calibration["anticipate"]
    assert np.array_equal(kept.centres, known().centres)
    assert [kept.temperature, kept.weight, kept.bias, kept.longest_s, kept.classes] == [0.7, 20.0, 16.0, 5.0, CLASSES]
    clip = random_clip(H36M_17)
    assert Predictor(plain).recognize(clip).unknown is None and Predictor(model).recognize(clip).unknown is not None
    pack([folder / "model"], tmp_path / "packed")
    assert set(load(tmp_path / "packed").calibration) == set(model.calibration)
    pack([folder / "model", folder / "model"], tmp_path / "mean")
    assert load(tmp_path / "mean").calibration == {}  # what was measured is not true of a mean
    assert set(cut_to_route(model, "anticipate").calibration) == {"anticipate"}
    again = tmp_path / "again"
    shutil.copytree(folder / "model", again)
    add_calibration(again, {"recognize_3d": known(1.5)}, again)
    assert load(again).calibration["recognize_3d"].temperature == 1.5 and set(load(again).calibration) == {
        "recognize_3d"
    }


@pytest.mark.parametrize("damage", ["bytes", "gone", "another", "width"])
def test_a_damaged_calibration_is_noticed(folder, tmp_path, damage):
    shutil.copytree(folder / "model", tmp_path / "model")
    path = tmp_path / "model" / "calibration.safetensors"
    if damage == "bytes":
        path.write_bytes(path.read_bytes()[:-3] + b"xyz")
    elif damage == "gone":
        path.unlink()
    elif damage == "another":
        add_calibration(folder / "plain", {"anticipate": known(2.0)}, tmp_path / "other")
        shutil.copyfile(tmp_path / "other" / path.name, path)
    else:
        add_calibration(folder / "plain", {"anticipate": known(width=12)}, tmp_path / "other")
        shutil.copytree(tmp_path / "other", tmp_path / "model", dirs_exist_ok=True)
    with pytest.raises(CheckpointError, match=r"calibration\.safetensors"):
        load(tmp_path / "model")


def test_a_model_is_calibrated_with_a_command(tmp_path, capsys):
    stores = tmp_path / "stores"
    synthetic_stores(stores, 40)
    trained = trained_model()
    save(trained, tmp_path / "model", trained.model.state_dict())
    command = ["calibrate", str(tmp_path / "model"), "--stores", str(stores), "--clips", "20", "--unknown", "idle"]
    assert main(command) == 2
    assert "no recordings of other motion" in capsys.readouterr().err  # the model was taught all synthetic actions
    with StoreWriter(stores / "idle", "idle", H36M_17, "world", (), (), "none", False) as writer:
        for number in range(4):
            clip = random_clip(H36M_17, frames=90, space="world", seed=number, label=-1)
            writer.add(replace(clip, id=f"idle {number}"), {})
    assert main(command) == 0
    said = capsys.readouterr().out
    assert all(word in said for word in ("recognize_2d", "anticipate", "recognize_3d", "AUROC idle", "ECE before"))
    found = load(tmp_path / "model").calibration
    assert set(found) == {"recognize_2d", "anticipate", "recognize_3d"}
    longest = Store.open(stores / "synthetic_3d").frames.max() / 30
    for of in found.values():
        np.testing.assert_allclose(np.linalg.norm(of.centres, axis=1), 1, atol=1e-5)
        assert 0.3 <= of.temperature <= 3 and 0 < of.longest_s <= longest
    again, _ = calibrate(Predictor(load(tmp_path / "model"), "32-true"), stores, ("idle",), 20)
    assert again["recognize_3d"].temperature == pytest.approx(found["recognize_3d"].temperature, rel=1e-3)
