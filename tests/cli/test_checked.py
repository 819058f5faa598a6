"""The check runs by itself: streams, prepare, fine-tune and folders say what it finds, and take what repairs it."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import helpers
import numpy as np
import pytest

from ups.checkpoint.io import save
from ups.cli import main
from ups.data.datasets.synthetic import synthesize
from ups.data.formats.native import write_file
from ups.pose import PoseSequence, pose_sequence
from ups.skeletons import H36M_17


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("checked") / "model"
    trained = helpers.trained_model()
    save(trained, folder, trained.model.state_dict())
    return folder


def walker(index: int = 0) -> PoseSequence:
    joints, label, subject = synthesize(1, index, (40, 40))
    clip = pose_sequence(joints, H36M_17, space="world", fps=30, id=f"clip_{index}")
    return replace(clip, label=label, subject=subject)


def stream(model: Path, joints: np.ndarray, monkeypatch, *options: str) -> int:
    monkeypatch.setattr(sys, "stdin", [json.dumps(frame.tolist()) for frame in joints])
    return main(["stream", str(model), "--skeleton", "h36m-17", *options])


def alike(one: str, other: str) -> bool:
    """Whether two streams answer the same actions, with the same probabilities up to rounding."""
    answers = [[json.loads(line)["action"] for line in text.splitlines()] for text in (one, other)]
    return all(
        a["class"] == b["class"] and abs(a["probability"] - b["probability"]) < 1e-3
        for first, second in zip(*answers, strict=True)
        for a, b in zip(first, second, strict=True)
    )


def test_the_first_frames_of_a_stream_are_checked(model, monkeypatch, capsys):
    joints = walker().joints[0]
    space = ("--space", "world")
    assert stream(model, joints, monkeypatch, *space) == 0
    right = capsys.readouterr()
    assert right.err == ""
    assert stream(model, joints * 1000, monkeypatch, *space) == 2
    refused = capsys.readouterr()
    assert "millimetres" in refused.err and "--unit mm" in refused.err and refused.err.count("\n") == 1
    assert stream(model, joints * 1000, monkeypatch, *space, "--force") == 0
    capsys.readouterr()
    assert stream(model, joints * 1000, monkeypatch, *space, "--unit", "mm") == 0
    mended = capsys.readouterr()
    assert alike(mended.out, right.out) and mended.err == ""
    turned = joints[..., [0, 2, 1]] * (1, -1, 1)
    assert stream(model, turned, monkeypatch, *space) == 2
    assert "--up z" in capsys.readouterr().err
    assert stream(model, turned, monkeypatch, *space, "--up", "y") == 0
    assert "lie along" not in capsys.readouterr().err
    assert stream(model, turned, monkeypatch, *space, "--up", "z") == 0
    assert alike(capsys.readouterr().out, right.out)


def test_a_turned_picture_is_turned_back(model, monkeypatch, capsys):
    points = walker().joints[0]
    pixels = np.stack([500 + 250 * points[..., 0], 700 - 250 * points[..., 1]], -1)
    assert stream(model, pixels, monkeypatch, "--image-size", "1000", "800") == 0
    right = capsys.readouterr()
    turned = np.stack([pixels[..., 1], 1000 - pixels[..., 0]], -1)  # by 90 degrees against the clock
    assert stream(model, turned, monkeypatch, "--image-size", "800", "1000") == 0
    assert "--rotate 90" in capsys.readouterr().err
    assert stream(model, turned, monkeypatch, "--image-size", "800", "1000", "--rotate", "90") == 0
    mended = capsys.readouterr()
    assert mended.err == right.err
    assert alike(mended.out, right.out)
    assert stream(model, pixels, monkeypatch, "--image-size", "1000", "800", "--up", "q") == 2
    assert "up 'q'" in capsys.readouterr().err


def folder_of(path: Path, clips: list[PoseSequence]) -> Path:
    path.mkdir()
    rows = ["file,label,subject,split"]
    for i, clip in enumerate(clips):
        write_file(clip, path / f"{clip.id}.npz")
        rows.append(f"{clip.id}.npz,{('wave', 'sit')[i % 2]},{i},{('train', 'test')[i // 2 % 2]}")
    (path / "clips.csv").write_text("\n".join(rows))
    return path


def test_prepare_and_check_of_a_folder_take_repairs(tmp_path, capsys):
    clips = [replace(clip, joints=clip.joints * np.float32(1000)) for clip in map(walker, range(4))]
    folder, stores = folder_of(tmp_path / "mine", clips), str(tmp_path / "stores")
    assert main(["data", "prepare", "mine", "--source", str(folder), "--output", stores]) == 2
    assert "millimetres" in capsys.readouterr().err
    assert main(["data", "prepare", "mine", "--source", str(folder), "--output", stores, "--unit", "mm"]) == 0
    assert "4 clips" in "".join(capsys.readouterr())
    assert main(["data", "check", str(folder)]) == 2
    assert "--unit mm" in capsys.readouterr().out
    assert main(["data", "check", str(folder), "--unit", "mm"]) == 0


def test_fine_tuning_on_doubtful_data_is_refused(model, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("UPS_CACHE", str(tmp_path / "cache"))
    clips = [replace(clip, joints=clip.joints * np.float32(1000)) for clip in map(walker, range(4))]
    folder, stores = folder_of(tmp_path / "mine", clips), str(tmp_path / "stores")
    assert main(["data", "prepare", "mine", "--source", str(folder), "--output", stores, "--force"]) == 0
    capsys.readouterr()
    words = ["fine-tune", str(model), "--data", "mine", "--stores", stores, "--output", str(tmp_path / "run")]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "millimetres" in said and "--force" in said and not (tmp_path / "run").exists()


def test_findings_fit_80_columns(tmp_path, capsys, monkeypatch):
    clips = [replace(clip, joints=clip.joints * np.float32(1000)) for clip in map(walker, range(4))]
    clips[1] = replace(walker(1), joints=walker(1).joints * np.float32([1, -1, -1]))
    monkeypatch.setenv("COLUMNS", "80")
    main(["data", "check", str(folder_of(tmp_path / "mine", clips))])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= 4 and max(map(len, lines)) <= 80 and any("->" in line for line in lines)
