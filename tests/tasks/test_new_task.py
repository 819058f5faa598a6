"""A fifth task, motion forecasting, defined here alone: it trains, answers, is evaluated, reported, exported and timed.

Registering it is the one line `TASKS["forecast"] = forecast`; nothing else in the package knows of it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from helpers import TRAIN, trained_model

from ups.batch import CONTEXT
from ups.bench import fresh
from ups.bench.measure import Settings, measure
from ups.checkpoint.create import new_model
from ups.checkpoint.io import Trained, load
from ups.config import Augment, TaskMix
from ups.evaluation.evaluate import evaluate
from ups.evaluation.results import new_record, write_record
from ups.experiments.paper_report import write_report
from ups.inference.export import export
from ups.inference.onnx import OnnxPredictor
from ups.inference.predictor import Predictor
from ups.pose import PoseSequence
from ups.skeletons import H36M_17
from ups.tasks import TASKS
from ups.tasks.geometry import in_slot_order, root_of
from ups.tasks.metrics import mpjpe
from ups.tasks.pose import PoseTask
from ups.tasks.task import Clips, Example, Model, Reading, Share, collate
from ups.training.loop import train
from ups.training.run import Run

FRAMES = 10
OBSERVED = 6


@dataclass(frozen=True)
class Forecast(PoseTask):
    """Where will every joint be, relative to the root? The frames after the observed ones are hidden."""

    space: Literal["image", "3D", "any"] = "3D"
    unit: Literal["clip", "frame"] = "clip"
    columns: tuple[str, ...] = ("error",)
    main: str = "error"

    def training_view(self, clip: PoseSequence, augment: Augment, rng: np.random.Generator) -> PoseSequence:
        return clip

    def window(self, clip: PoseSequence, start: int) -> Example:
        number = np.clip(np.arange(start, start + FRAMES), 0, clip.frames - 1)
        joints, seen = in_slot_order(clip)
        joints, seen = joints[:, number], seen[:, number].copy()
        root, _ = root_of(joints, seen, clip.skeleton.sorted_by_slot())
        seen[:, OBSERVED:] = False
        wanted = np.arange(OBSERVED, FRAMES)
        target = joints[:, wanted] - root[:, wanted, None]
        joints = (joints - root[:, OBSERVED - 1, None, None]).astype(np.float32)
        return Example(joints, seen, np.zeros(CONTEXT, np.float32), -1, wanted, target)

    def training_example(
        self,
        clip: PoseSequence,
        classes: tuple[str, ...],
        frames: int,
        targets: int,
        augment: Augment,
        rng: np.random.Generator,
    ) -> Example:
        return self.window(clip, int(rng.integers(0, max(1, clip.frames - FRAMES))))

    def answer(self, model: Model, clip: PoseSequence, classes: tuple[str, ...] | None) -> Any:
        return self.answer_many(model, [clip], (), 1)[0]

    def answer_many(self, model: Model, clips: list[PoseSequence], classes: tuple[str, ...], batch: int) -> Any:
        """(clips, frames, J, 3) metres of the first person, in slot order."""
        clips = [model.drop_untrained_joints(self.name, clip) for clip in clips]
        skeleton = clips[0].skeleton.sorted_by_slot()
        poses = []
        for start in range(0, len(clips), batch):
            examples = [self.window(clip.person(0), 0) for clip in clips[start : start + batch]]
            coordinates, _ = model.coordinates(self, examples, skeleton, False)
            poses.append(self.poses(coordinates, skeleton).reshape(len(examples), FRAMES - OBSERVED, -1, 3))
        return np.concatenate(poses)

    def evaluate(
        self, model: Model, clips: Clips, indices: np.ndarray, share: Share, reading: Reading
    ) -> dict[str, Any]:
        def error(i: int) -> float:
            truth = self.window(model.drop_untrained_joints(self.name, clips[i]).person(0), 0).target
            assert truth is not None
            return 1000 * float(mpjpe(self.answer(model, clips[i], None), truth[0]).mean())

        return {"clips": len(indices), "error_mm": float(np.mean(share(indices.tolist(), error)))}

    def measures(self, metrics: dict[str, Any]) -> dict[str, float]:
        return {"error": metrics["error_mm"]}

    def headline(self, metrics: dict[str, Any]) -> list[tuple[str, str]]:
        return [("error", f"{metrics['error_mm']:.1f} mm")]


forecast = Forecast("forecast", "forecast", "motion forecasting")
MIX = TaskMix("forecast", ("synthetic_3d:xsub",), batch=8, frames=FRAMES)
KEY = "forecast/synthetic_3d:xsub"


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setitem(TASKS, "forecast", forecast)


def forecaster(cycles: int = 3) -> Trained:
    config = replace(TRAIN, tasks=(*TRAIN.tasks, MIX), cycles=cycles)
    return trained_model(config, tasks=tuple(TASKS.values()), shaken=0.0)


def test_it_trains_beside_the_others_and_is_saved(tmp_path, stores):
    trained = train(forecaster(), stores, tmp_path)
    assert trained.steps == 3 * 5
    back = load(tmp_path / "checkpoint")
    assert back.model.tasks == tuple(TASKS) and back.vocabulary.eots[-1] == "forecast"
    assert len(back.model.routes()["forecast"]) == 2


def test_a_new_model_knows_it(stores, monkeypatch):
    trained = new_model(forecaster().config, stores)
    assert trained.model.tasks[-1] == "forecast" and "forecast" in trained.vocabulary.eots


def test_it_is_evaluated_and_reported(tmp_path, stores):
    predictor = Predictor(forecaster())
    results = evaluate(predictor, stores["synthetic_3d"].folder.parent, tasks=("forecast",))
    assert list(results) == [KEY] and 0 < results[KEY]["error_mm"] < 5000
    record = new_record(predictor, tmp_path / "checkpoint", results, "test")
    write_record(tmp_path / "metrics.json", record)
    write_report([json.loads((tmp_path / "metrics.json").read_text())], tmp_path / "report")
    assert "forecast" in (tmp_path / "report" / "report.md").read_text()


@pytest.mark.slow  # exports of the known tasks are tested every day
def test_it_is_exported(tmp_path, stores):
    trained = forecaster()
    clip = stores["synthetic_3d"][0]
    export(trained, "forecast", tmp_path / "exported")
    ours, theirs = (
        p.ask("forecast", clip) for p in (Predictor(trained, "32-true"), OnnxPredictor(tmp_path / "exported"))
    )
    assert isinstance(ours, np.ndarray) and ours.shape == (FRAMES - OBSERVED, 17, 3)
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_it_is_timed(monkeypatch):
    here = {"total_s": 0.0}
    monkeypatch.setattr(fresh, "_new_process", lambda work, job: here | work(job))  # a new one would not know the task
    record = measure(forecaster(), Settings(tasks=("forecast",), batch=4, rounds=1, seconds=0.001))
    measured = record["tasks"]["forecast"]
    assert measured["input"]["space"] == "3D" and measured["inference"]["unit"] == "clip"
    assert measured["latency"]["p50_ms"] > 0


def test_it_learns_and_answers(tmp_path: Path, stores):
    config = replace(TRAIN, tasks=(MIX,), cycles=60, drop_inputs=False, smooth_bins=0.0, explore=0.2)
    trained = trained_model(config, tasks=(forecast,), shaken=0.0)
    trained.model.train()
    run = Run(trained, tmp_path)
    clips = [stores["synthetic_3d"][i] for i in range(4)]
    examples = [forecast.window(clip, 0) for clip in clips]
    batch = collate(forecast, examples, trained.vocabulary, H36M_17.sorted_by_slot(), ())
    assert batch.tokens.shape == (4 * (FRAMES - OBSERVED), 3 * 16 + 1)
    losses = [run.take_step("forecast", [batch]) for _ in range(60)]
    assert losses[-1] < losses[0] / 2
    trained.model.eval()
    predictor = Predictor(trained)
    poses = forecast.answer_many(predictor, clips, (), 4)
    truth = np.concatenate([e.target for e in examples if e.target is not None])
    error = np.linalg.norm(poses - truth, axis=-1).mean()
    assert error < np.linalg.norm(truth, axis=-1).mean() / 2
    changed = [replace(clip, joints=_moved(clip)) for clip in clips]
    assert np.array_equal(poses, forecast.answer_many(predictor, changed, (), 4))  # the future has no influence


def _moved(clip: PoseSequence) -> np.ndarray:
    """Its joints, elsewhere after the observed frames."""
    joints = clip.joints.copy()
    joints[:, OBSERVED:] += 9
    return joints


def test_no_other_module_compares_a_tasks_name():
    import ast

    import ups

    root = Path(ups.__file__).parent
    for path in sorted(root.rglob("*.py")):
        if path.is_relative_to(root / "tasks"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Compare):
                constants = {
                    c.value
                    for part in (node.left, *node.comparators)
                    for c in ast.walk(part)
                    if isinstance(c, ast.Constant)
                }
                assert not constants & set(TASKS), f"{path.relative_to(root)}:{node.lineno} compares a task's name"
