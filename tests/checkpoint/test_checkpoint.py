"""Checkpoints: what is read is what was written, and a failure leaves what stood there."""

from __future__ import annotations

import json
import os
import signal
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import CLASSES, MODEL, TRAIN, random_clip, trained_model
from safetensors.torch import load_file, save_file

from ups.checkpoint.io import Trained, _Bounded, load, load_training, save
from ups.config import Config, from_dict, to_dict
from ups.errors import CheckpointError, SettingError
from ups.files import new_folder
from ups.inference.predictor import Predictor
from ups.model.ups import UPS


def weights_of(trained: Trained) -> dict[str, torch.Tensor]:
    return dict(trained.model.state_dict())


def everything_in(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Trained, Path]:
    trained = trained_model(classes=CLASSES)
    folder = tmp_path / "runs" / "checkpoint"
    save(trained, folder, weights_of(trained))
    return trained, folder


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """No file may grow past `size` bytes: writing fails as on a full disk."""
    resource = pytest.importorskip("resource")  # Windows has no such limits
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_round_trip_is_exact(saved):
    trained, folder = saved
    trained.steps = 17
    save(trained, folder, weights_of(trained))
    back = load(folder)
    before, after = weights_of(trained), weights_of(back)
    assert before.keys() == after.keys() and "vocabulary.features" in after
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert (back.config, back.vocabulary, back.data_sets) == (trained.config, trained.vocabulary, trained.data_sets)
    assert np.array_equal(back.class_mean, trained.class_mean) and back.class_scale == trained.class_scale
    assert (back.steps, back.model.tasks, back.model.training) == (17, trained.model.tasks, False)
    assert back.model.routes() == trained.model.routes()
    assert load_training(folder) is None
    assert [p.name for p in folder.parent.iterdir()] == ["checkpoint"]


def test_the_training_state_is_kept_beside_the_weights(saved):
    trained, folder = saved
    tensors = {"raw.a": torch.arange(3.0), "optimizer.step.a": torch.tensor(4.0)}
    save(trained, folder, weights_of(trained), {"tensors": tensors, "facts": {"step": 4}})
    state = load_training(folder)
    assert state is not None and state["facts"] == {"step": 4}
    assert all(torch.equal(state["tensors"][key], value) for key, value in tensors.items())
    save(trained, folder, weights_of(trained))
    assert load_training(folder) is None  # a finished run takes it away


@pytest.mark.parametrize("name", ["model.json", "weights.safetensors"])
def test_a_missing_file_is_named(saved, name):
    _, folder = saved
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=name):
        load(folder)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="nowhere: no checkpoint there"):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["model.json", "weights.safetensors"])
@pytest.mark.parametrize("keep", [0, 5, 300, -10])
def test_a_truncated_file_is_named(saved, name, keep):
    _, folder = saved
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:keep])
    with pytest.raises(CheckpointError, match=name):
        load(folder)


def test_a_damaged_training_state_is_named(saved):
    trained, folder = saved
    save(trained, folder, weights_of(trained), {"tensors": {"a": torch.ones(2)}, "facts": {"step": 1}})
    (folder / "training.safetensors").write_bytes(b"\0" * 20)
    with pytest.raises(CheckpointError, match="training.safetensors"):
        load_training(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "format None"),
        ("3", "format None"),
        ('{"format": 1}', "'slots'"),
        ('{"format": 1, "slots": []}', "'config'"),
        ('{"format": 1, "slots": [], "config": [1]}', "do not fit"),
    ],
)
def test_facts_that_are_not_a_models_are_refused(saved, content, message):
    _, folder = saved
    (folder / "model.json").write_text(content)
    with pytest.raises(CheckpointError, match=message):
        load(folder)


@pytest.mark.parametrize("key", ["class_mean", "vocabulary.features", "router.task", "tokenizer.absent"])
def test_weights_that_lack_a_tensor_are_refused(saved, key):
    _, folder = saved
    tensors = load_file(folder / "weights.safetensors")
    del tensors[key]
    save_file(tensors, folder / "weights.safetensors")
    with pytest.raises(CheckpointError, match=key):
        load(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda facts: facts | {"format": 99}, "format 99, this version reads 1"),
        (lambda facts: facts | {"slots": facts["slots"][::-1]}, "joint slots differ"),
        (lambda facts: facts | {"tasks": facts["tasks"][:2]}, "do not fit"),
        (lambda facts: facts | {"tasks": [7, *facts["tasks"][1:]]}, "a list of names is needed"),
        (lambda facts: facts | {"tasks": "abcd"}, "a list of names is needed"),
        (lambda facts: facts | {"steps": "3"}, "steps are '3'"),
        (lambda facts: facts | {"steps": -1}, "steps are '-1'"),
        (lambda facts: facts | {"class_scale": None}, "class_scale is 'None'"),
        (lambda facts: facts | {"class_scale": float("nan")}, "class_scale is 'nan'"),
        (lambda facts: facts["config"]["model"].update(joint_width=4) or facts, "do not fit"),
        (lambda facts: facts["config"]["model"].update(colour="red") or facts, "no field.*colour"),
    ],
)
def test_another_version_or_size_is_refused(saved, change, message):
    _, folder = saved
    facts = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(change(facts)))
    with pytest.raises(CheckpointError, match=message):
        load(folder)


def change(facts: dict, how: str) -> None:
    if how == "swapped":
        classes = facts["vocabulary"]["classes"]
        classes[0], classes[1] = classes[1], classes[0]
    elif how == "tasks":
        facts["tasks"].reverse()
    elif how == "data set":
        facts["data_sets"]["synthetic_3d"]["classes"].pop()
    elif how == "frames":
        facts["config"]["train"]["tasks"][0]["frames"] += 1
    else:
        facts["steps"] += 1


@pytest.mark.parametrize("how", ["swapped", "tasks", "data set", "frames", "steps"])
def test_facts_that_were_exchanged_are_noticed(saved, how):
    _, folder = saved
    facts = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(facts, indent=4))
    load(folder)  # the layout means nothing
    change(facts, how)
    (folder / "model.json").write_text(json.dumps(facts))
    with pytest.raises(CheckpointError, match="not those that were written .SHA-256"):
        load(folder)
    del facts["hashes"]  # as an older version wrote it
    (folder / "model.json").write_text(json.dumps(facts))
    load(folder)


def test_weights_of_another_model_are_noticed(saved, tmp_path):
    trained, folder = saved
    other = trained_model(classes=CLASSES, seed=5)
    save(other, tmp_path / "other", weights_of(other))
    (folder / "weights.safetensors").write_bytes((tmp_path / "other" / "weights.safetensors").read_bytes())
    with pytest.raises(CheckpointError, match="weights.safetensors: not what was written with model.json"):
        load(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["router.task", "class_mean"])
def test_weights_that_are_no_numbers_are_refused(saved, name, value):
    _, folder = saved
    tensors = load_file(folder / "weights.safetensors")
    tensors[name].view(-1)[3] = value
    save_file(tensors, folder / "weights.safetensors")
    with pytest.raises(CheckpointError, match=f"{name} holds values that are no finite numbers"):
        load(folder)


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("model", "joint_width", 10**9),
        ("model", "decoder_layers", 10**9),
        ("model", "layers", 10**6),
        ("model", "blocks", 200),
        ("model", "frame_width", 96),
        ("model", "bins", 10**12),
        ("model", "frame_heads", 0),
        ("vocabulary", "bins", 10**12),
        ("vocabulary", "bins", -5),
        ("vocabulary", "bins", 33),
    ],
)
def test_sizes_that_the_file_does_not_hold_are_refused_before_anything_is_made(saved, part, key, value):
    _, folder = saved
    facts = json.loads((folder / "model.json").read_text())
    (facts["config"]["model"] if part == "model" else facts["vocabulary"])[key] = value
    (folder / "model.json").write_text(json.dumps(facts))
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError):
            load(folder)
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


def test_a_model_larger_than_its_file_is_not_built():
    config = replace(MODEL, joint_width=1 << 12, frame_width=1 << 12, decoder_width=1 << 12)
    with pytest.raises(SettingError, match="describes a larger model than the 1,000 weights"), _Bounded(1000):
        UPS(config, ("a",), torch.zeros(9, 4))


def test_every_flipped_bit_is_noticed(saved):
    trained, folder = saved
    save(trained, folder, weights_of(trained), {"tensors": {"a": torch.ones(20)}, "facts": {"step": 1}})
    rng = np.random.default_rng(0)
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        for place in rng.choice(8 * len(content), 40).tolist():
            damaged = bytearray(content)
            damaged[place // 8] ^= 1 << place % 8
            path.write_bytes(damaged)
            try:
                back, state = load(folder), load_training(folder)
            except CheckpointError:
                continue
            assert (back.vocabulary, back.data_sets, back.config) == (
                trained.vocabulary,
                trained.data_sets,
                trained.config,
            )
            assert state is not None and path.name == "model.json" and b'"hashes"' not in damaged, (path, place)
        path.write_bytes(content)


def test_all_files_are_readable_by_those_who_may_read_one(saved, tmp_path):
    trained, _ = saved
    for mask, mode in ((0o022, 0o644), (0o027, 0o640), (0o077, 0o600)):
        before = os.umask(mask)
        try:
            save(trained, tmp_path / "m", weights_of(trained), {"tensors": {"a": torch.ones(2)}, "facts": {"step": 1}})
        finally:
            os.umask(before)
        assert {path.stat().st_mode & 0o777 for path in (tmp_path / "m").iterdir()} == {mode}


def test_a_full_disk_leaves_the_old_checkpoint(saved):
    trained, folder = saved
    before = everything_in(folder.parent)
    other = trained_model(classes=CLASSES, seed=5)
    for size in (100, 20_000):
        with files_up_to(size), pytest.raises(OSError, match=r"checkpoint was not written.*nothing that stood there"):
            save(other, folder, weights_of(other))
    assert everything_in(folder.parent) == before
    assert torch.equal(load(folder).model.router.task, trained.model.router.task)


def test_the_temperature_of_dense_routing_is_kept(tmp_path):
    trained = trained_model(model=replace(MODEL, routing="dense"), classes=CLASSES)
    trained.model.router.temperature = 0.5
    save(trained, tmp_path / "dense", weights_of(trained))
    back = load(tmp_path / "dense")
    assert back.model.router.temperature == 0.5
    clip = random_clip()
    before, after = (Predictor(t, "32-true").class_scores("recognize_3d", [clip], CLASSES) for t in (trained, back))
    assert np.array_equal(before, after)
    back.model.router.temperature = 1.0
    assert not np.array_equal(before, Predictor(back, "32-true").class_scores("recognize_3d", [clip], CLASSES))


def test_an_older_checkpoint_starts_decoding_from_the_embedding_of_routing(tmp_path):
    trained = trained_model()
    weights = weights_of(trained)
    del weights["start_embedding"]
    save(trained, tmp_path / "old", weights)
    assert torch.equal(load(tmp_path / "old").model.start_embedding, trained.model.router.task)


def test_a_new_checkpoint_that_cannot_take_its_place_leaves_the_old_one(saved):
    _, folder = saved
    before = everything_in(folder.parent)
    with pytest.raises(FileNotFoundError):
        with new_folder(folder, "a checkpoint", "weights.safetensors") as temporary:
            temporary.rmdir()  # there is nothing to put in its place
    assert everything_in(folder.parent) == before
    assert [p.name for p in folder.parent.iterdir()] == ["checkpoint"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interrupted_save_leaves_nothing_behind(saved, error):
    _, folder = saved
    before = everything_in(folder.parent)
    with pytest.raises(error):
        with new_folder(folder, "a checkpoint", "weights.safetensors") as temporary:
            (temporary / "model.json").write_text("half")
            raise error
    assert everything_in(folder.parent) == before
    assert [p.name for p in folder.parent.iterdir()] == ["checkpoint"]


def test_a_config_survives_json():
    config = Config("test", replace(MODEL, routing="dense"), replace(TRAIN, route_temperature=(3.0, 0.1)))
    assert from_dict(Config, json.loads(json.dumps(to_dict(config)))) == config
    with pytest.raises(ValueError, match=r"TrainConfig has no field \['rounds'\]; it has \['accumulate'"):
        from_dict(Config, {"train": {"rounds": 3}})


def test_classes_of_an_unknown_data_set_are_refused():
    trained = trained_model(classes=CLASSES)
    assert trained.classes_of("synthetic_3d") == CLASSES
    with pytest.raises(ValueError, match="not trained on 'ntu'; it knows synthetic_2d, synthetic_3d"):
        trained.classes_of("ntu")
