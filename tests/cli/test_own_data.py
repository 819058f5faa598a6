"""The path of docs/own_data.md: a folder of somebody's csv files, four commands, a model and its confusion matrix."""

from __future__ import annotations

import json
import time
from pathlib import Path

import helpers
import numpy as np
import pytest

from ups.checkpoint.io import save
from ups.cli import main
from ups.skeletons import KINECT_20
from ups.tokens.text_encoders import get_text_encoder

SIDES = {"left": 0.2, "right": -0.2}
STANDING = {
    "pelvis": (0, 0.9), "spine": (0, 1.05), "chest": (0, 1.35), "head": (0, 1.65), "shoulder": (1, 1.35),
    "elbow": (1.2, 1.1), "wrist": (1.3, 0.9), "hand": (1.3, 0.82), "hip": (0.5, 0.9), "knee": (0.5, 0.5),
    "ankle": (0.5, 0.08), "foot": (0.5, 0.05),
}  # fmt: skip
ACTIONS = ("raise the left arm", "squat down", "None")


def moving(action: str, rng: np.random.Generator, frames: int = 24) -> np.ndarray:
    """(frames, 20, 3) metres of a stick figure 2.5 m before the sensor."""
    joints = np.zeros((frames, len(KINECT_20), 3))
    wave = np.sin(np.linspace(0, np.pi, frames))
    for j, name in enumerate(KINECT_20.joints):
        side, _, part = name.rpartition("_")
        x, y = STANDING[part]
        joints[:, j] = (x * SIDES.get(side, 0), y - 0.9, 2.5)
        if action == "squat down" and part not in ("ankle", "foot"):
            joints[:, j, 1] -= 0.4 * wave * (0.5 if part == "knee" else 1)
        if action == "raise the left arm" and side == "left" and part in ("elbow", "wrist", "hand"):
            joints[:, j, 1] += {"elbow": 0.5, "wrist": 0.9, "hand": 1.05}[part] * wave
    return joints * rng.normal(1, 0.05) + rng.normal(0, 0.01, joints.shape)


def write_csv(path: Path, joints: np.ndarray) -> None:
    """As a recorder on Windows writes it: a row a frame, a column a coordinate."""
    head = ["frame", *(f"{name}_{axis}" for name in KINECT_20.joints for axis in "xyz")]
    rows = [",".join([str(i), *(f"{value:.4f}" for value in frame.ravel())]) for i, frame in enumerate(joints)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("\r\n".join([",".join(head), *rows]).encode("utf-8-sig"))


@pytest.fixture
def recordings(tmp_path: Path, monkeypatch) -> Path:
    """Three actions of four people, three times each, in a folder whose name has spaces and accents."""
    monkeypatch.setenv("UPS_CACHE", str(tmp_path / "features"))
    rng = np.random.default_rng(0)
    folder = tmp_path / "mes données"
    for action in ACTIONS:
        for person in ("Zoë", "Ann", "Bo", "Cy"):
            for take in (1, 2, 3):
                write_csv(folder / action / f"{person} {take}.csv", moving(action, rng))
    return folder


def test_what_a_newcomer_may_forget_is_told_in_one_line(recordings, tmp_path, capsys):
    stores = str(tmp_path / "data")

    def fails(*arguments: str) -> str:
        assert main(list(arguments)) == 2
        (line,) = (text for text in capsys.readouterr().err.splitlines() if text.startswith("ups: "))
        return line

    prepare = ("data", "prepare", "mine", "--source", str(recordings), "--output", stores)
    assert "ups data table" in fails(*prepare)
    assert "--space" in fails("data", "table", str(recordings)) and not (recordings / "clips.csv").exists()
    assert main(["data", "table", str(recordings), "--space", "kinect"]) == 0
    assert "--force replaces it" in fails("data", "table", str(recordings))
    table = (recordings / "clips.csv").read_text(encoding="utf-8")
    (recordings / "clips.csv").write_text(table.replace(",test,", ",train,"), encoding="utf-8")
    assert main(list(prepare)) == 0
    tune = ("fine-tune", "ups-small", "--stores", stores, "--output", str(tmp_path / "run"), "--cycles", "1")
    assert "mine:split: no test clip" in fails(*tune, "--data", "mine")
    assert "--data STORE:PROTOCOL" in fails(*tune)
    assert not (tmp_path / "run").exists()
    lines = [f"{line},{'b' if i == 0 else 'train'}" for i, line in enumerate(table.splitlines())]
    (recordings / "clips.csv").write_text("\n".join(lines), encoding="utf-8")
    assert main(list(prepare)) == 0
    assert "has mine:split, mine:b; name one" in fails(*tune, "--data", "mine")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A trained model of a few thousand weights whose texts are as wide as the text encoder's."""
    width = get_text_encoder("minilm").encode(["walk"]).shape[1]
    trained = helpers.trained_model(features=width)
    trained.class_mean = np.zeros(width, np.float32)
    save(trained, tmp_path / "small", dict(trained.model.state_dict()))
    return tmp_path / "small"


def four_commands(recordings: Path, folder: Path, model: str, *options: str) -> dict:
    """From a folder of csv files to a fine-tuned model's figures: the lines of docs/own_data.md."""
    stores, run = str(folder / "data"), str(folder / "runs" / "mine")
    assert main(["data", "table", str(recordings), "--space", "kinect"]) == 0
    assert main(["data", "prepare", "mine", "--source", str(recordings), "--output", stores]) == 0
    assert main(["fine-tune", model, "--data", "mine", "--stores", stores, "--output", run, *options]) == 0
    assert main(["evaluate", f"{run}/checkpoint", "--stores", stores]) == 0
    return json.loads((folder / "runs" / "mine" / "metrics.json").read_text())["results"]["recognize_3d/mine:split"]


def test_four_commands_in_a_few_seconds(recordings, small, tmp_path, capsys):
    metrics = four_commands(recordings, tmp_path, str(small), "--cycles", "2")
    told = capsys.readouterr()
    assert "36 recordings, 3 actions" in told.out and "people: the files' names" in told.err
    assert (metrics["clips"], sorted(metrics["classes"])) == (9, sorted(ACTIONS))
    page = (tmp_path / "runs" / "mine" / "metrics.html").read_text(encoding="utf-8")
    assert "Confusion matrix" in page and all(page.count(action) >= 2 for action in ACTIONS)
    one = ["predict", str(recordings / "squat down" / "Zoë 1.csv"), "--space", "kinect"]
    assert main([*one, "--model", str(tmp_path / "runs" / "mine" / "checkpoint"), "--top", "99"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["among"] == "3 actions of mine"
    assert {pair["class"] for pair in answer["answers"]} == {"raise the left arm", "squat down", "none"}
    assert sum(pair["probability"] for pair in answer["answers"]) == pytest.approx(1)
    assert main([*one, "--model", str(small), "--top", "99"]) == 0
    assert json.loads(capsys.readouterr().out)["among"] == "16 actions of synthetic_2d, synthetic_3d"


@pytest.mark.slow
def test_four_commands_lead_from_csv_files_to_a_confusion_matrix(recordings, tmp_path, capsys):
    """The same with the model of the package, which learns the actions; it takes a minute, ten at most."""
    start = time.monotonic()
    metrics = four_commands(recordings, tmp_path, "ups-small", "--cycles", "16", "--learning-rate", "3e-3")
    took = time.monotonic() - start
    print(f"four commands took {took:.0f} s")
    assert (metrics["clips"], metrics["unlabelled"]) == (9, 0) and metrics["top1"] >= 0.8
    capsys.readouterr()
    one = recordings / "squat down" / "Zoë 1.csv"
    model = str(tmp_path / "runs" / "mine" / "checkpoint")
    assert main(["predict", str(one), "--model", model, "--space", "kinect"]) == 0
    assert json.loads(capsys.readouterr().out)["best"] == "squat down"
    assert took < 600
