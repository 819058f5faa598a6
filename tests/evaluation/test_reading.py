"""How answers are read out in an evaluation: without the grammar, at another stride, from several views of a clip."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import CLASSES, MODEL, TRAIN, mirrored_clip, random_clip, synthetic_stores, trained_model

from ups.checkpoint.io import save
from ups.cli import main
from ups.config import ModelConfig, TrainConfig
from ups.errors import SettingError
from ups.evaluation.evaluate import evaluate
from ups.evaluation.results import new_record, result_tables, variants
from ups.experiments.paper_report import write_report
from ups.inference.base import BasePredictor
from ups.inference.predictor import Predictor
from ups.skeletons import COCO_17
from ups.tasks import TASKS, estimate_pose, recognize_2d, recognize_3d
from ups.tasks.action import CROP, MALFORMED, mirrored_classes
from ups.tasks.metrics import top_k

PAPER = replace(MODEL, compete="vocabulary")
TRAINED = replace(TRAIN, target_frames="centre")


@pytest.fixture(scope="module")
def stores(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("stores")
    synthetic_stores(folder)
    return folder


class Writer(Predictor):
    """Writes, without the grammar, every second output well formed: the true classes, and true poses moved by 1 cm."""

    def __init__(self, model: ModelConfig = PAPER, train: TrainConfig = TRAINED) -> None:
        super().__init__(trained_model(train, model))

    def written_freely(self, task, examples, skeleton, classes):
        if task is estimate_pose:
            tokens = task.tokens([replace(e, target=e.target + 0.01) for e in examples], self.vocabulary, skeleton, ())
        else:
            tokens = task.tokens(examples, self.vocabulary, skeleton, classes)
        return tokens, np.arange(len(tokens)) % 2 == 0


def test_malformed_outputs_count_as_wrong(stores: Path):
    found = evaluate(Writer(), stores, free=True)
    assert {key.split("/")[0] for key in found} == set(TASKS)
    plain = evaluate(Writer(), stores)
    assert not any("free" in metrics for metrics in plain.values())
    for key, metrics in found.items():
        free = metrics.pop("free")
        assert metrics == plain[key]
        assert free["well_formed"] == pytest.approx(0.5, abs=0.1)
        if key.startswith("estimate"):
            assert free["figure"] == "MPJPE" and free["among_well_formed"] < 45 < free["malformed_wrong"]
            assert free["constrained"] > 45
        else:
            assert free["among_well_formed"] == pytest.approx(100)
            assert free["malformed_wrong"] == pytest.approx(100 * free["well_formed"], abs=0.1)
            if key.startswith("recognize"):
                assert free["constrained"] == pytest.approx(100 * metrics["top1"])
            else:
                assert free["constrained"] == pytest.approx(100 * metrics["area_under_curve"])
                assert list(free["top1_at"]) == list(metrics["top1_at"]) == list(free["well_formed_at"])


def test_a_real_model_is_measured_without_the_grammar_and_reported(stores: Path, tmp_path: Path):
    predictor = Predictor(trained_model(TRAINED, PAPER))
    found = evaluate(predictor, stores, tasks=("estimate_pose", "recognize_3d"), free=True)
    record = json.loads(json.dumps(new_record(predictor, tmp_path / "checkpoint", found, "test")))
    write_report([record], tmp_path / "report")
    assert "Without the grammar" in (tmp_path / "report" / "report.md").read_text()
    from io import StringIO

    from rich.console import Console

    text = StringIO()
    Console(file=text, width=200).print(result_tables(record["results"]))
    assert "MPJPE, malformed counted wrong" in text.getvalue() and "top-1 among the well formed" in text.getvalue()


def test_no_grammar_needs_decoding_token_by_token(stores: Path):
    with pytest.raises(SettingError, match="token by token"):
        evaluate(Predictor(trained_model(model=replace(MODEL, decoding="level"))), stores, free=True)
    with pytest.raises(SettingError, match="measure the model it was made of"):
        BasePredictor.check_free(Writer())


def test_other_classes_and_malformed_ones_are_told_apart():
    predictor = Writer()
    clips = [replace(random_clip(seed=i), label=i) for i in range(3)]
    named = predictor.free_classes("recognize_3d", clips, predictor.vocabulary.classes)
    assert named.tolist() == [0, MALFORMED, 2]

    class Other(Writer):
        def written_freely(self, task, examples, skeleton, classes):
            tokens, formed = super().written_freely(task, examples, skeleton, self.vocabulary.classes)
            return tokens, formed | True

    assert Other().free_classes("recognize_3d", clips, predictor.vocabulary.classes[1:]).tolist() == [-1, 0, 1]


def test_the_stride_is_the_one_wanted_and_is_recorded(stores: Path, tmp_path: Path):
    usual = Predictor(trained_model())
    assert usual.windows(None, None)[2] == 5
    central = Predictor(trained_model(TRAINED))
    assert central.windows(None, None) == (6, 2, 1) and central.windows(3, None)[2] == 3
    found = {
        stride: evaluate(usual, stores, tasks=("estimate_pose",), stride=stride)["estimate_pose/synthetic_2d:xsub"]
        for stride in (None, 1, 5, 6)
    }
    assert found[5] != found[1] != found[6]
    assert found[None] != found[5]  # as many of each window, of which every second is decoded at 30 frames a second
    records = [new_record(p, "c", {"estimate_pose/synthetic_2d:xsub": found[s]}, "test", stride=s) for p, s in (
        (usual, None), (usual, 1), (central, None), (central, 6))]  # fmt: skip
    assert [record["stride"] for record in records] == [5, 1, 1, 6]
    origins = [variants([record])[0].origin for record in records]
    assert ["stride" in origin for origin in origins] == [False, True, False, True]
    assert len(variants(records[:2])) == 2  # not taken for two seeds of one model
    assert new_record(usual, "c", {"recognize_3d/synthetic_3d:xsub": {}}, "test")["stride"] is None


@pytest.mark.parametrize("crops", [2, 3, 4])
def test_views_are_the_whole_clip_and_crops_from_its_start_to_its_end(crops: int):
    clip = random_clip(frames=41)
    assert np.array_equal(recognize_3d.view(clip, 9, 0, crops, False).joints, recognize_3d.example(clip, 9).joints)
    cut = [recognize_3d.view(clip, 9, i, crops, False) for i in range(1, crops)]
    seconds = (clip.frames - 1) / clip.fps
    assert all(np.exp(e.context[3]) == pytest.approx(0.8 * seconds, rel=1e-5) for e in cut)
    starts = np.linspace(0, 1 - CROP, crops - 1) if crops > 2 else [(1 - CROP) / 2]
    for start, example in zip(starts, cut, strict=True):
        wanted = recognize_3d.example(clip, 9, (start, start + CROP))
        np.testing.assert_allclose(example.joints, wanted.joints, atol=1e-5)


def test_a_mirrored_view_is_the_view_of_the_mirrored_clip():
    clip = random_clip(COCO_17, space="image", seed=3)
    a = recognize_2d.view(clip, 8, 1, 2, True)
    b = recognize_2d.view(mirrored_clip(clip), 8, 1, 2, False)
    np.testing.assert_allclose(a.joints, b.joints, atol=1e-5)
    assert np.array_equal(a.visible, b.visible)


class Viewed(BasePredictor):
    """Answers with what was asked: the probability of class 0 says which view it was."""

    def __init__(self, mirror: float) -> None:
        config = trained_model().config
        ranges = replace(config.train.augment.action_3d, mirror=mirror)
        augment = replace(config.train.augment, action_3d=ranges)
        config = replace(config, train=replace(config.train, augment=augment))
        super().__init__(config, trained_model().vocabulary, {})
        self.asked: list = []

    def action_scores(self, task, examples, skeleton, classes):
        raise AssertionError

    def coordinates(self, task, examples, skeleton, greedy):
        raise AssertionError

    def judged(self, task, clips, classes, batch=64, view=None):
        self.asked.append(view)
        p = np.full((len(clips), len(classes)), 0.1 / (len(classes) - 1))
        p[:, 0] = 0.9
        return np.log(p), None


def test_views_are_averaged_and_mirrors_change_left_and_right_back():
    clips = [random_clip(seed=i) for i in range(2)]
    with_mirrors, without = Viewed(0.5), Viewed(0.0)
    scores = with_mirrors.viewed_scores("recognize_3d", clips, CLASSES, 4, 4)
    assert with_mirrors.asked == [(0, 2, False), (0, 2, True), (1, 2, False), (1, 2, True)]
    rest = 0.1 / 3
    even = (0.9 + rest) / 2  # class 0 is "swipe left", 1 is "swipe right"
    np.testing.assert_allclose(np.exp(scores), [[even, even, rest, rest]] * 2, rtol=1e-5)
    scores = without.viewed_scores("recognize_3d", clips, CLASSES, 4, 3)
    assert without.asked == [(0, 3, False), (1, 3, False), (2, 3, False)]
    np.testing.assert_allclose(np.exp(scores), [[0.9, rest, rest, rest]] * 2, rtol=1e-5)
    assert mirrored_classes(CLASSES) == [1, 0, 2, 3]


def test_several_views_change_recognition_alone(stores: Path, monkeypatch):
    predictor = Predictor(trained_model())
    calls = []
    plain = predictor.viewed_scores
    monkeypatch.setattr(predictor, "viewed_scores", lambda *a: calls.append(plain(*a)) or calls[-1])
    found = evaluate(predictor, stores, views=3, tasks=("anticipate", "recognize_3d"))
    scores = np.concatenate(calls)
    metrics = found["recognize_3d/synthetic_3d:xsub"]
    assert len(scores) == metrics["clips"] and metrics["top1"] == top_k(scores, metrics["labels"], 1)
    assert found["anticipate/synthetic_3d:xsub"] == evaluate(predictor, stores)["anticipate/synthetic_3d:xsub"]
    with pytest.raises(SettingError, match="0 views"):
        evaluate(predictor, stores, views=0)


def test_the_command_writes_how_it_measured(stores: Path, tmp_path: Path):
    trained = trained_model(TRAINED, PAPER)
    save(trained, tmp_path / "run" / "checkpoint", trained.model.state_dict())
    words = ["evaluate", str(tmp_path / "run" / "checkpoint"), "--stores", str(stores), "--tasks", "estimate_pose"]
    words += ["recognize_2d", "--stride", "2", "--clips", "3", "--free", "--device", "cpu"]
    assert main(words) == 0
    record = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert record["stride"] == 2 and record["views"] == 3
    assert all(metrics["free"]["figure"] for metrics in record["results"].values())
    assert "3 views of a clip" in variants([record])[0].origin
