"""Scores in files, and what several models answer together."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import trained_model

from ups.cli import main
from ups.errors import DataError, SettingError
from ups.evaluation.evaluate import evaluate
from ups.evaluation.fusion import ClipScores, fuse, read_scores, write_scores
from ups.evaluation.results import read_record, variants
from ups.inference.predictor import Predictor

KEY = "recognize_3d/ntu60:xsub"
FIRST = np.log([[0.6, 0.4], [0.9, 0.1], [0.55, 0.45]])
SECOND = np.log([[0.1, 0.9], [0.8, 0.2], [0.5, 0.5]])


def of(scores: np.ndarray, *names: str) -> ClipScores:
    return ClipScores(names or ("a", "b", "c"), np.array([1, 0, 0]), ("sit", "stand"), scores)


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / "joint.npz", tmp_path / "bone.npz"]
    for path, scores in zip(paths, (FIRST, SECOND), strict=True):
        write_scores(path, {KEY: of(scores)})
    return paths


def test_scores_come_back_as_they_were(files):
    (back,) = read_scores(files[0]).values()
    assert back.ids == ("a", "b", "c") and back.classes == ("sit", "stand")
    assert np.array_equal(back.scores, FIRST) and back.labels.tolist() == [1, 0, 0]


def test_the_mean_of_probabilities_answers(files):
    metrics = fuse(files)["results"][KEY]
    assert metrics["predicted"] == [1, 0, 0] and metrics["top1"] == 1.0  # the first alone takes clip a for sitting
    assert metrics["probabilities"] == pytest.approx([0.65, 0.85, 0.525])
    assert fuse(files, (9.0, 1.0))["results"][KEY]["predicted"][0] == 0


def test_what_a_stream_has_learned_marks_the_fused_figures(files, tmp_path):
    learned = ClipScores(("a", "b", "c"), np.array([1, 0, 0]), ("sit", "stand"), FIRST, learned=2)
    write_scores(tmp_path / "leaky.npz", {KEY: learned})
    assert "leak" not in fuse(files)["results"][KEY]
    assert fuse([files[0], tmp_path / "leaky.npz"])["results"][KEY]["leak"]["clips"] == 2


def test_evaluation_keeps_the_scores_behind_its_figures(stores):
    kept: dict[str, ClipScores] = {}
    folder = next(iter(stores.values())).folder.parent
    results = evaluate(Predictor(trained_model()), folder, scores=kept)
    recognised = [key for key, metrics in results.items() if "predicted" in metrics]
    assert len(recognised) == 2 and list(kept) == recognised
    for key in recognised:
        assert kept[key].scores.argmax(1).tolist() == results[key]["predicted"]
        assert kept[key].labels.tolist() == results[key]["labels"] and len(kept[key].ids) == results[key]["clips"]


def test_other_clips_and_numbers_are_refused(files, tmp_path):
    write_scores(tmp_path / "other.npz", {KEY: of(FIRST, "a", "b", "d")})
    with pytest.raises(DataError, match="other clips or classes"):
        fuse([files[0], tmp_path / "other.npz"])
    for chosen, weights in (([files[0]], ()), (files, (1.0,)), (files, (1.0, 0.0))):
        with pytest.raises(SettingError, match="a positive weight for each"):
            fuse(chosen, weights)
    (tmp_path / "text.npz").write_text("no")
    with pytest.raises(DataError, match="holds no scores"):
        read_scores(tmp_path / "text.npz")


def test_the_command_writes_a_record_of_its_own_row(files, tmp_path):
    assert main(["fuse", *map(str, files), "--output", str(tmp_path / "fused.json")]) == 0
    (variant,) = variants([read_record(tmp_path / "fused.json")])
    assert variant.title == "fused: joint + bone" and variant.text(KEY, "top-1") == "100.0"
