"""Evaluation: figures worked out by hand, and no frame seen before its time."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import TRAIN, trained_model
from rich.console import Console

from ups.config import TaskMix
from ups.data.datasets.synthetic import CLASSES, SYNTHETIC_3D, generate_3d
from ups.data.store.store import Store, StoreWriter
from ups.errors import DataError
from ups.evaluation.evaluate import evaluate, evaluate_task
from ups.evaluation.page import write_evaluation_page
from ups.evaluation.results import result_tables
from ups.inference.predictor import Lifted, Predictor
from ups.pose import PoseSequence
from ups.skeleton import Skeleton
from ups.tasks import get_task
from ups.tasks.action import RATIOS
from ups.tasks.views import fixed_view


class Fabricated(Predictor):
    """Scores from a table in place of a model's, and true poses moved by a known amount in place of lifted ones."""

    def __init__(self, rows: dict[str, list[float]]) -> None:
        super().__init__(trained_model())
        self.rows = rows

    def class_scores(
        self, task: str, clips: list[PoseSequence], classes: tuple[str, ...], batch: int = 64
    ) -> np.ndarray:
        return np.log([self.rows[clip.id] for clip in clips])

    def lift(
        self,
        clip: PoseSequence,
        flip: bool = True,
        stride: int | None = None,
        greedy: bool = False,
        delay: int | None = None,
        skeleton: Skeleton | str | None = None,
        smooth: bool = False,
    ) -> Lifted:
        assert clip.pose_3d is not None
        root = clip.pose_3d[:, :, list(clip.skeleton.root_indices)].mean(2, keepdims=True)
        moved = clip.pose_3d - root
        step = 0.010 if clip.label == 0 else 0.030
        moved[:, :, 1:, 0] += step  # joint 0 is the root
        spread = np.full(moved.shape[:3], step, np.float32)
        spread[:, :, 0] = 0
        return Lifted(moved.astype(np.float32), spread, clip.skeleton)

    def lift_together(
        self, clips: list[PoseSequence], flip: bool = True, stride: int | None = None, greedy: bool = False
    ) -> list[Lifted]:
        return [self.lift(clip, flip, stride, greedy) for clip in clips]


class Recording(Predictor):
    """A model that keeps the scores it gave."""

    def __init__(self) -> None:
        super().__init__(trained_model())
        self.given: list[np.ndarray] = []

    def class_scores(
        self, task: str, clips: list[PoseSequence], classes: tuple[str, ...], batch: int = 64
    ) -> np.ndarray:
        self.given.append(super().class_scores(task, clips, classes, batch))
        return self.given[-1]


def row(*best: tuple[int, float]) -> list[float]:
    """Probabilities of the 16 classes: those given, the rest shared alike."""
    rest = (1 - sum(p for _, p in best)) / (len(CLASSES) - len(best))
    values = [rest] * len(CLASSES)
    for label, p in best:
        values[label] = p
    return values


def test_class_metrics_by_hand(stores):
    store = stores["synthetic_3d"]
    indices = np.arange(4)  # labels 0, 1, 2, 3
    assert store.labels[indices].tolist() == [0, 1, 2, 3]
    ranked = [(4, 0.2), (5, 0.15), (6, 0.1), (7, 0.08)]
    rows = [row((0, 0.9)), row((1, 0.6)), row((2, 0.09), *ranked), row((3, 0.001), *ranked, (8, 0.09))]
    predictor = Fabricated({store.ids[i]: rows[i] for i in range(4)})
    metrics = evaluate_task(predictor, "recognize_3d", store, indices)
    assert metrics["clips"] == 4 and metrics["labels"] == [0, 1, 2, 3] and metrics["predicted"] == [0, 1, 4, 4]
    assert metrics["top1"] == 0.5 and metrics["top5"] == 0.75
    # each clip's confidence, 0.9, 0.6 (right), 0.2, 0.2 (wrong), lies in bins of their own or with its like
    by_hand = (abs(1 - 0.9) + abs(1 - 0.6) + 2 * abs(0 - 0.2)) / 4
    assert metrics["calibration_error"] == pytest.approx(by_hand, abs=1e-6)


def test_pose_metrics_by_hand(stores):
    store = stores["synthetic_2d"]
    indices = np.array([0, 1, 16])  # labels 0, 1, 0
    assert store.labels[indices].tolist() == [0, 1, 0]
    metrics = evaluate_task(Fabricated({}), "estimate_pose", store, indices)
    frames = store.frames[indices]
    assert metrics["clips"] == 3 and metrics["frames"] == frames.sum()
    share = 16 / 17  # the root is at its place and counts
    assert metrics["mpjpe_mm_per_action"] == pytest.approx({CLASSES[0]: 10 * share, CLASSES[1]: 30 * share}, rel=1e-4)
    assert metrics["mpjpe_mm"] == pytest.approx(20 * share, rel=1e-4)
    of_frames = (10 * (frames[0] + frames[2]) + 30 * frames[1]) / frames.sum() * share
    assert metrics["mpjpe_frames_mm"] == pytest.approx(of_frames, rel=1e-4)
    assert 0 < metrics["p_mpjpe_mm"] < metrics["mpjpe_mm"] / 3  # one joint of 17 out of place, the rest aligned
    assert metrics["uncertainty_spearman"] > 0.5


def test_a_3d_world_is_lifted_from_its_fixed_camera(stores):
    store = stores["synthetic_3d"]
    metrics = evaluate_task(Fabricated({}), "estimate_pose", store, np.array([3]))
    assert metrics["mpjpe_mm"] == pytest.approx(30 * 16 / 17, rel=1e-4) and metrics["frames"] == store.frames[3]
    assert fixed_view(store[3], 3).space == "image"


def write(folder: Path, change: float) -> Store:
    """Six generated clips; after two fifths of its frames each clip moves on by `change` metres."""
    d = SYNTHETIC_3D
    with StoreWriter(folder, d.name, d.skeleton, d.space, d.classes, d.protocols, d.terms) as writer:
        for clip, splits in generate_3d(6):
            joints = clip.joints.copy()
            joints[:, int(np.ceil(0.4 * clip.frames)) :] += change
            writer.add(replace(clip, joints=joints), splits)
    return Store.open(folder)


def test_what_follows_the_observed_part_is_never_seen(tmp_path):
    indices = np.arange(6)
    scores = []
    for change in (0.0, 1e5, -3.0):
        predictor = Recording()
        metrics = evaluate_task(predictor, "anticipate", write(tmp_path / str(change), change), indices)
        assert list(metrics["top1_at"]) == ["20%", "40%", "60%", "80%", "100%"]
        assert len(predictor.given) == len(RATIOS)
        scores.append(predictor.given)
    for other in scores[1:]:
        for ratio, a, b in zip(RATIOS, scores[0], other, strict=True):
            assert np.array_equal(a, b) == (ratio <= 0.4)


def test_the_observed_part_is_a_share_of_the_raw_frames(stores):
    store, predictor = stores["synthetic_3d"], Recording()
    metrics = evaluate_task(predictor, "anticipate", store, np.array([2]))
    for ratio, given in zip(RATIOS, predictor.given, strict=True):
        seen = store[2].first(int(np.ceil(ratio * store.frames[2])))
        assert np.array_equal(given, Predictor(predictor.trained).class_scores("anticipate", [seen], store.classes))
    top1 = list(metrics["top1_at"].values())
    steps = [(RATIOS[i + 1] - RATIOS[i]) * (top1[i] + top1[i + 1]) / 2 for i in range(4)]
    assert metrics["area_under_curve"] == pytest.approx(sum(steps) / 0.8)


def test_every_task_of_the_mixture_is_evaluated_on_the_test_subjects(stores):
    folder = stores["synthetic_3d"].folder.parent
    predictor = Predictor(trained_model())
    results = evaluate(predictor, folder, tasks=("recognize_2d", "recognize_3d", "anticipate"))
    assert list(results) == [
        "recognize_2d/synthetic_2d:xsub", "anticipate/synthetic_3d:xsub", "recognize_3d/synthetic_3d:xsub",
    ]  # fmt: skip
    for key, metrics in results.items():
        store = stores[key.split("/")[1].split(":")[0]]
        assert metrics["clips"] == (store.subjects > 14).sum() > 0
    assert evaluate(predictor, folder, tasks=("recognize_3d",)) == {
        "recognize_3d/synthetic_3d:xsub": results["recognize_3d/synthetic_3d:xsub"]
    }


def unlabelled(folder: Path, which: set[int]) -> Store:
    """Six generated clips, all in the test part, some without a label."""
    d = SYNTHETIC_3D
    with StoreWriter(folder / d.name, d.name, d.skeleton, d.space, d.classes, d.protocols, d.terms) as writer:
        for i, (clip, _) in enumerate(generate_3d(6)):
            writer.add(replace(clip, label=-1 if i in which else clip.label), {"xsub": "test"})
    return Store.open(folder / d.name)


def test_clips_without_a_label_are_left_out_and_counted(tmp_path):
    store, whole = unlabelled(tmp_path / "some", {1, 4}), unlabelled(tmp_path / "none", set())
    predictor = Predictor(trained_model())
    tasks = ("recognize_3d", "anticipate")
    results = evaluate(predictor, tmp_path / "some", tasks=tasks)
    for task in tasks:
        metrics = results[f"{task}/synthetic_3d:xsub"]
        assert (metrics["clips"], metrics["unlabelled"]) == (4, 2)
        labelled = evaluate_task(predictor, task, whole, np.array([0, 2, 3, 5]))
        assert {**metrics, "unlabelled": 0} == labelled
        assert ("clips without a label, left out", "2") in get_task(task).headline(metrics)
        assert not any("label" in name for name, _ in get_task(task).headline(labelled))
    console = Console(record=True, width=120)
    console.print(result_tables(results))
    assert "clips without a label, left out" in console.export_text()
    assert store.labels.tolist().count(-1) == 2


def test_nothing_but_clips_without_a_label_is_an_error_before_anything_is_measured(tmp_path, monkeypatch):
    unlabelled(tmp_path, set(range(6)))
    monkeypatch.setattr(Predictor, "class_scores", None)
    with pytest.raises(DataError, match=r"synthetic_3d:xsub: none of the 6 clips in split 'test' has a label.*prepare"):
        evaluate(Predictor(trained_model()), tmp_path, tasks=("recognize_3d",))


def test_the_page_shows_what_was_taken_for_what(tmp_path):
    metrics = {
        "clips": 5, "unlabelled": 1, "top1": 0.6, "top5": 1.0, "classes": ["walk", "sit <b>", "None", "never"],
        "labels": [0, 0, 1, 2, 2], "predicted": [0, 1, 1, 2, 0],
    }  # fmt: skip
    record = {"checkpoint": "runs/a", "results": {"recognize_3d/mine:split": metrics}}
    write_evaluation_page(tmp_path / "a.html", record)
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "3D action recognition: mine:split" in text and "clips without a label, left out" in text
    assert "sit &lt;b&gt; (1)" in text and "sit <b>" not in text and "Confusion matrix" in text
    assert "never" not in re.sub("<style.*?</style>", "", text, flags=re.S)
    cells = re.findall("<t[dh][^>]*>([^<]*)</t[dh]>", text)
    rows = (
        ["walk", "2", "50%", "sit &lt;b&gt; (1)"],
        ["None", "2", "50%", "walk (1)"],
        ["sit &lt;b&gt;", "1", "100%", ""],
    )
    assert cells[-12:] == [cell for row in rows for cell in row]  # the worst first


def test_validation_takes_the_subjects_that_were_held_out(stores):
    folder = stores["synthetic_3d"].folder.parent
    mix = TaskMix("recognize_3d", ("synthetic_3d:xsub",), batch=4, frames=6)
    train = replace(TRAIN, tasks=(mix,), hold_out=0.2)
    metrics = evaluate(Predictor(trained_model(train)), folder, "validation")["recognize_3d/synthetic_3d:xsub"]
    assert 0 < metrics["clips"] < (stores["synthetic_3d"].subjects <= 14).sum()
    none = Predictor(trained_model(replace(train, hold_out=0.0)))
    with pytest.raises(ValueError, match="synthetic_3d:xsub: no clip in split 'validation'.*hold_out"):
        evaluate(none, folder, "validation")
