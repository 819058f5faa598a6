"""Export: what ONNX Runtime and `torch.export` programs answer is what the model answers."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import CLASSES, MODEL, hidden, random_clip, reordered, trained_model
from rich.console import Console

from ups import OnlinePredictor
from ups.checkpoint.io import Trained, load, save
from ups.checkpoint.prune import cut_to_route
from ups.cli import main
from ups.config import ModelConfig
from ups.data.store.store import Store
from ups.errors import CheckpointError, DataError
from ups.evaluation.evaluate import evaluate
from ups.inference.export import export
from ups.inference.onnx import OnnxPredictor
from ups.inference.predictor import Predictor
from ups.pose import PoseSequence
from ups.refs import DataSetInfo
from ups.skeletons import COCO_17, H36M_17, KINECT_20, UTD_20

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

FAST = replace(MODEL, temporal_stride=4, decoding="body")  # the clips' 6 frames are no multiple of 4: they are padded
CLOSE = 2e-5
"""The greatest difference to PyTorch in float32 that is allowed: of log-probabilities, and of metres."""


@pytest.fixture(scope="module")
def trained() -> Trained:
    return with_data_sets(trained_model(model=replace(FAST, layers=1), classes=CLASSES))


def with_data_sets(trained: Trained) -> Trained:
    return replace(
        trained,
        data_sets={"synthetic_3d": DataSetInfo(CLASSES, KINECT_20), "synthetic_2d": DataSetInfo(CLASSES, H36M_17)},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exports")


@pytest.fixture(scope="module")
def action_export(trained: Trained, folder: Path) -> Path:
    save(trained, folder / "model", dict(trained.model.state_dict()))
    assert main(["export", str(folder / "model"), "--task", "recognize_3d", "--output", str(folder / "action")]) == 0
    return folder / "action"


@pytest.fixture(scope="module")
def pose_export(trained: Trained, folder: Path) -> Path:
    export(trained, "estimate_pose", folder / "pose")
    return folder / "pose"


def clips(count: int, space="kinect", skeleton=KINECT_20) -> list[PoseSequence]:
    """Clips of other lengths and numbers of persons each, some joints hidden."""
    made = [random_clip(skeleton, 1 + i % 3, 3 + 2 * i, space, i) for i in range(count)]
    return [hidden(clip, 0, slice(0, 2), [1, 5]) for clip in made]


def same_actions(mine: Predictor, other: OnnxPredictor, task: str, space="kinect", skeleton=KINECT_20) -> None:
    for count in (1, 5):
        asked = clips(count, space, skeleton)
        for names in (CLASSES, ("bow", "Kick", "kick")):
            a, b = (p.class_scores(task, asked, names) for p in (mine, other))
            assert b.dtype == np.float32 and a.shape == b.shape
            np.testing.assert_allclose(a, b, atol=CLOSE)


def same_poses(mine: Predictor, other: OnnxPredictor) -> None:
    for persons, frames in ((1, 1), (2, 7), (1, 20)):
        clip = hidden(random_clip(H36M_17, persons, frames, "image", frames), 0, slice(0, 3), [3])
        for stride in (1, None):
            a, b = mine.lift(clip, stride=stride), other.lift(clip, stride=stride)
            assert (a.joints.shape, a.skeleton) == (b.joints.shape, b.skeleton)
            np.testing.assert_allclose(a.joints, b.joints, atol=CLOSE)
            np.testing.assert_allclose(a.spread, b.spread, atol=CLOSE)
    clip = random_clip(H36M_17, 1, 9, "image", 3)
    a, b = (p.lift(clip, flip=False, greedy=True).joints for p in (mine, other))
    assert np.array_equal(a, b)


def test_actions_are_the_same(trained, action_export):
    mine, other = Predictor(trained), OnnxPredictor(action_export, threads=1)
    same_actions(mine, other, "recognize_3d")
    clip = random_clip(seed=3)
    a, b = (p.recognize(clip) for p in (mine, other))
    assert a.classes == b.classes and a.probabilities == pytest.approx(b.probabilities, abs=CLOSE)
    assert other.recognize(reordered(clip, UTD_20)).probabilities == pytest.approx(b.probabilities, abs=CLOSE)


def test_poses_are_the_same(trained, pose_export):
    same_poses(Predictor(trained), OnnxPredictor(pose_export, threads=1))


@pytest.mark.slow
@pytest.mark.parametrize("model", [MODEL, FAST, replace(MODEL, decoding="joint", temporal_stride=2)])
@pytest.mark.parametrize("task", ["recognize_2d", "anticipate", "recognize_3d", "estimate_pose"])
def test_every_task_of_every_kind_of_model_is_the_same(task: str, model: ModelConfig, tmp_path: Path):
    trained = with_data_sets(trained_model(model=model, classes=CLASSES))
    space, skeleton = ("image", H36M_17) if task == "recognize_2d" else ("kinect", KINECT_20)
    export(trained, task, tmp_path / "x")
    mine, other = Predictor(trained), OnnxPredictor(tmp_path / "x", threads=1)
    same_poses(mine, other) if task == "estimate_pose" else same_actions(mine, other, task, space, skeleton)


@pytest.mark.parametrize("batch", [1, 3])
def test_the_torch_programs_are_the_same(action_export, pose_export, batch):
    rng = np.random.default_rng(0)
    for folder in (action_export, pose_export):
        predictor = OnnxPredictor(folder, threads=1)
        program = torch.export.load(folder / "encoder.pt2").module()
        n, j = 12 + 4 * batch, len(predictor.skeleton)
        last = np.arange(batch) if folder == action_export else rng.integers(0, n, (batch, 5))
        inputs = {
            "joints": rng.standard_normal((batch, n, j, 3)).astype(np.float32),
            "visible": rng.random((batch, n, j)) < 0.8,
            "frames": np.arange(n) < n - np.arange(batch)[:, None],
            "context": rng.standard_normal((batch, 4)).astype(np.float32),
            predictor.encoder.get_inputs()[-1].name: last.astype(np.int64),
        }
        with torch.no_grad():
            answers = program(*(torch.from_numpy(value) for value in inputs.values()))
        for a, b in zip(answers, predictor.encoder.run(None, inputs), strict=True):
            np.testing.assert_allclose(a.numpy(), b, atol=CLOSE)
        assert (folder / "step.pt2").is_file()


def test_a_model_cut_to_a_route_answers_alike_and_is_smaller(tmp_path):
    trained = trained_model(classes=CLASSES)
    mine = Predictor(trained)
    assert len({tuple(route) for route in trained.model.routes().values()}) > 1
    for task in trained.model.tasks:
        cut = cut_to_route(trained, task)
        save(cut, tmp_path / task, dict(cut.model.state_dict()))
        other = Predictor(load(tmp_path / task))
        assert other.model.tasks == (task,) and other.model.config.blocks == 1
        if task == "estimate_pose":
            clip = random_clip(H36M_17, 1, 9, "image", 3)
            assert np.array_equal(mine.lift(clip).joints, other.lift(clip).joints)
        else:
            asked = clips(3)
            a, b = (p.class_scores(task, asked, CLASSES) for p in (mine, other))
            assert np.array_equal(a, b)
        count = [sum(p.numel() for p in m.parameters()) for m in (cut.model, trained.model)]
        assert count[0] < 0.7 * count[1]
    with pytest.raises(ValueError, match="not trained on task 'dance'"):
        cut_to_route(trained, "dance")
    with pytest.raises(ValueError, match="no route"):
        cut_to_route(trained_model(model=replace(MODEL, routing="dense")), "anticipate")


@pytest.mark.slow
def test_the_first_data_set_of_the_task_comes_first():
    trained = with_data_sets(trained_model(classes=CLASSES))  # knows 3D first
    mixes = tuple(replace(mix, data=("synthetic_2d:xsub", "synthetic_3d:xsub")) for mix in trained.config.train.tasks)
    trained.config = replace(trained.config, train=replace(trained.config.train, tasks=mixes))
    assert list(cut_to_route(trained, "recognize_2d").data_sets) == ["synthetic_2d", "synthetic_3d"]


@pytest.mark.slow
def test_int8_weights_make_smaller_files_and_like_answers(trained, action_export, tmp_path):
    handlers = logging.getLogger().handlers[:]
    export(trained, "recognize_3d", tmp_path / "x", KINECT_20, int8=True)
    assert logging.getLogger().handlers == handlers
    exact, rough = OnnxPredictor(action_export, threads=1), OnnxPredictor(tmp_path / "x", threads=1)
    a, b = (p.class_scores("recognize_3d", clips(5), CLASSES) for p in (exact, rough))
    assert 0 < np.abs(a - b).max() < 0.2
    for name in ("encoder.onnx", "step.onnx"):
        assert (tmp_path / "x" / name).stat().st_size < 0.9 * (action_export / name).stat().st_size
    assert json.loads((tmp_path / "x" / "model.json").read_text())["weights"] == "int8"


def test_an_export_is_evaluated_like_a_checkpoint(trained, pose_export, stores, capsys):
    store: Store = next(iter(stores.values()))
    where = store.folder.parent
    mine = evaluate(Predictor(trained), where, tasks=("estimate_pose",))
    other = evaluate(OnnxPredictor(pose_export, threads=1), where)
    (a,), (b,) = mine.values(), other.values()
    assert a["mpjpe_mm"] == pytest.approx(b["mpjpe_mm"], abs=0.01)
    assert main(["evaluate", str(pose_export), "--stores", str(where)]) == 0
    record = json.loads((pose_export / "metrics.json").read_text())
    assert record["results"].keys() == other.keys() and record["precision"] == "float32"


def test_the_predictor_needs_no_torch(action_export):
    code = (
        "import sys; from ups.inference.onnx import OnnxPredictor; import numpy as np; from ups import pose_sequence\n"
        f"p = OnnxPredictor({str(action_export)!r}, threads=1)\n"
        "clip = pose_sequence(np.random.default_rng(0).random((1, 9, 20, 3)), 'kinect-20', space='kinect', fps=30)\n"
        "assert p.recognize(clip).best and not {'torch', 'scipy', 'multiprocessing', 'ups.data.store.store'} & set(sys.modules)\n"
        "from ups import OnlinePredictor\n"
        "online = OnlinePredictor(p, 'kinect-20', space='kinect', fps=30, task='recognize_3d')\n"
        "online.push(clip.joints[:, 0])\n"
        "assert online.action().best and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_stream_is_answered_by_exports(trained, action_export, pose_export, capsys, monkeypatch):
    clip, flat = random_clip(KINECT_20, 1, 9), random_clip(H36M_17, 1, 9, "image", 3)
    named, lifts = OnnxPredictor(action_export), OnnxPredictor(pose_export, threads=1)
    settings = {"space": "image", "fps": flat.fps, "image_size": flat.image_size, "stride": 2}
    lifted = OnlinePredictor(Predictor(trained), flat.skeleton, **settings, lifter=lifts)
    plain = OnlinePredictor(Predictor(trained), flat.skeleton, **settings)
    actions = OnlinePredictor(named, clip.skeleton, space="kinect", fps=clip.fps, task="recognize_3d")
    whole = lifts.lift(flat, flip=False, stride=2)
    for t in range(9):
        actions.push(clip.joints[:, t])
        assert actions.action() == named.recognize(replace(clip, **first(clip, t + 1)))
        for online in (lifted, plain):
            online.push(flat.joints[:, t])
        pose, same = lifted.pose(), plain.pose()
        assert (pose is None) == (same is None) == (t < lifted.delay) and lifted.action() == plain.action()
        if pose is not None and same is not None:
            np.testing.assert_allclose(pose.joints, whole.joints[:, pose.frame], atol=1e-6)
            np.testing.assert_allclose(pose.joints, same.joints, atol=CLOSE)
            np.testing.assert_allclose(pose.spread, same.spread, atol=CLOSE)
    other = OnlinePredictor(named, clip.skeleton, space="kinect", fps=30)
    other.push(clip.joints[:, 0])
    with pytest.raises(ValueError, match="not trained on 'anticipate'; it knows recognize_3d"):
        other.action()
    command = ["stream", str(action_export), "--skeleton", "kinect-20", "--space", "kinect", "--tasks", "recognize_3d"]
    monkeypatch.setattr(sys, "stdin", [json.dumps(frame.tolist()) for frame in clip.joints[0]])
    assert main([*command, "--threads", "1"]) == 0
    told = [json.loads(line)["action"][0]["class"] for line in capsys.readouterr().out.splitlines()]
    assert len(told) == 9 and told[-1] == named.recognize(clip).best


def first(clip: PoseSequence, frames: int) -> dict:
    return {"joints": clip.joints[:, :frames], "visibility": clip.visibility[:, :frames]}


@pytest.mark.slow
@pytest.mark.parametrize("task", ["recognize_3d", "estimate_pose"])
def test_the_bench_has_its_speed(trained, task):
    from ups.bench.measure import Settings, measure, tables

    record = measure(trained, Settings((task,), 2, "32-true", rounds=1, seconds=0.01, onnx=True))
    assert record["tasks"][task]["onnx"]["samples_per_s"]["median"] > 0
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(tables(record))
    assert "ONNX Runtime" in console.export_text()


@pytest.mark.slow
def test_the_skeleton_can_be_chosen(trained, folder, tmp_path, capsys):
    save(trained, tmp_path / "m", dict(trained.model.state_dict()))
    command = ["export", str(tmp_path / "m"), "--task", "recognize_2d", "--output", str(tmp_path / "x")]
    assert main([*command, "--skeleton", "coco-17"]) == 0
    assert "left_eye" not in capsys.readouterr().out  # never in training
    clip = random_clip(COCO_17, 1, 9, "image", 2)
    a, b = (p.recognize(clip) for p in (Predictor(trained), OnnxPredictor(tmp_path / "x")))
    assert a.classes == b.classes and a.probabilities == pytest.approx(b.probabilities, abs=CLOSE)


def test_the_command_writes_everything_or_nothing(action_export, pose_export, folder):
    names = {"encoder.onnx", "encoder.pt2", "model.json", "step.onnx", "step.pt2"}
    for path in (action_export, pose_export):
        assert {p.name for p in path.iterdir()} - {"metrics.json", "metrics.html"} == names
    command = ["export", str(folder / "model"), "--task", "dance", "--output", str(action_export)]
    assert main(command) == 2
    assert (action_export / "model.json").is_file()  # what stood there still stands
    assert {p.name for p in folder.iterdir()} <= {"model", "action", "pose"}


def test_wrong_use_is_named(action_export, tmp_path):
    with pytest.raises(CheckpointError, match="an exported model, which `ups evaluate`"):
        load(action_export)
    predictor = OnnxPredictor(action_export)
    with pytest.raises(ValueError, match="not trained on 'anticipate'; it knows recognize_3d"):
        predictor.anticipate(random_clip())
    with pytest.raises(DataError, match="lacks .*hand"):
        predictor.recognize(replace(random_clip(H36M_17, space="kinect")))
    with pytest.raises(DataError, match="exported for the joints of 'kinect-20'"):
        predictor.class_scores("recognize_3d", [random_clip(H36M_17)], CLASSES)
    with pytest.raises(ValueError, match="no exported model there"):
        OnnxPredictor(tmp_path)
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in action_export.glob("*"):
        (broken / path.name).write_bytes(path.read_bytes()[: 2000 if path.suffix == ".onnx" else None])
    with pytest.raises(ValueError, match="can't be run"):
        OnnxPredictor(broken)
    facts = json.loads((action_export / "model.json").read_text())
    (broken / "model.json").write_text(json.dumps({**facts, "export_format": 99}))
    with pytest.raises(ValueError, match="export format 99"):
        OnnxPredictor(broken)


def forged(source: Path, folder: Path, **changes: object) -> Path:
    """A copy of an export with other facts, as somebody writes them who makes the hashes too, or leaves them out."""
    folder.mkdir()
    for path in source.glob("*.onnx"):
        (folder / path.name).write_bytes(path.read_bytes())
    facts = json.loads((source / "model.json").read_text())
    del facts["hashes"]
    for key, value in changes.items():
        facts[key] = value(facts[key]) if callable(value) else value
    (folder / "model.json").write_text(json.dumps(facts))
    return folder


@pytest.mark.parametrize("multiple", [0, -4, 10**12, "x", None])
def test_a_multiple_of_frames_that_cannot_be_is_refused(action_export, tmp_path, multiple):
    with pytest.raises(CheckpointError, match=r"model.json: damaged"):
        OnnxPredictor(forged(action_export, tmp_path / "x", frames_multiple=multiple))


def test_facts_that_do_not_fit_the_networks_are_named(action_export, pose_export, tmp_path):
    more = {"vocabulary": lambda facts: {**facts, "classes": [*facts["classes"], "skate"]}}
    with pytest.raises(CheckpointError, match=r"do not fit its model.json.*scores for \d+ classes"):
        OnnxPredictor(forged(action_export, tmp_path / "classes", **more)).recognize(random_clip())
    fewer = {"skeleton": {"name": "two", "joints": ["pelvis", "head"], "parents": [-1, 0], "root": ["pelvis"]}}
    with pytest.raises(CheckpointError, match="do not fit its model.json"):
        OnnxPredictor(forged(pose_export, tmp_path / "joints", **fewer)).lift(random_clip(H36M_17, 1, 5, "image"))
    for name, schedule in (("none", []), ("ahead", lambda steps: [{**step, "given": [999]} for step in steps])):
        with pytest.raises(CheckpointError, match="do not fit its model.json"):
            predictor = OnnxPredictor(forged(pose_export, tmp_path / name, schedule=schedule))
            predictor.lift(random_clip(H36M_17, 1, 5, "image"))


@pytest.mark.parametrize("package", ["onnxruntime", "onnxscript"])
def test_missing_packages_are_named(trained, package, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    with pytest.raises(ValueError, match=r"unified-pose-sequence\[export\]"):
        export(trained, "anticipate", tmp_path / "x")
    assert not (tmp_path / "x").exists()
