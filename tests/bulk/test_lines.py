"""`ups predict FOLDER`: a line for each recording, as if each had been asked about alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import trained_model

from ups.bulk.lines import Question, lines
from ups.checkpoint.io import save
from ups.cli import main
from ups.data.datasets import synthetic
from ups.data.formats.native import write_file

CLOSE = 1e-5


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("lines")
    trained = trained_model()
    save(trained, folder / "model", trained.model.state_dict())
    (folder / "clips" / "below").mkdir(parents=True)
    for i, (clip, _) in zip(range(4), synthetic.generate_3d(4), strict=False):
        write_file(clip, folder / "clips" / f"three{i}.npz")
    for i, (clip, _) in zip(range(3), synthetic.generate_2d(3), strict=False):
        write_file(clip, folder / "clips" / "below" / f"two{i}.npz")
    (folder / "clips" / "bad.npz").write_bytes(b"PK damaged")
    return folder


def told(base: Path, capsys, *options: str, what: str = "clips") -> list[dict]:
    assert main(["predict", str(base / what), "--model", str(base / "model"), "--force", *options]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def same(a, b):
    """The same JSON values, numbers within `CLOSE`."""
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            same(a[key], b[key])
    elif isinstance(a, list):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    else:
        assert a == (pytest.approx(b, abs=CLOSE) if isinstance(b, float) else b)


def test_a_folder_gives_a_line_for_each_recording(base, capsys):
    found = told(base, capsys)
    names = [Path(line["file"]).name for line in found]
    assert names == ["bad.npz", "two0.npz", "two1.npz", "two2.npz", *(f"three{i}.npz" for i in range(4))]
    assert "error" in found[0] and not any("error" in line for line in found[1:])
    for line in found[1:]:
        alone = told(base, capsys, what=str(Path(line["file"]).relative_to(base)))[0]
        same({key: line[key] for key in ("task", "best", "answers", "frames")},
             {key: alone[key] for key in ("task", "best", "answers", "frames")})  # fmt: skip


def test_timelines_and_poses_of_a_folder(base, capsys):
    found = told(base, capsys, "--timeline", what="clips/below")
    alone = told(base, capsys, "--timeline", what="clips/below/two1.npz")[0]
    same(found[1]["timeline"], alone["timeline"])
    found = told(base, capsys, "--task", "estimate_pose")
    assert ["error" in line for line in found] == [True, False, False, False, True, True, True, True]
    alone = told(base, capsys, "--task", "estimate_pose", what="clips/below/two1.npz")[0]
    np.testing.assert_allclose(found[2]["joints"], alone["joints"], atol=2e-4)  # rounded to a tenth of a millimetre
    assert found[2]["joint_names"] == alone["joint_names"]


def test_several_processes_tell_the_same(base):
    question = Question(str(base / "model"), force=True)
    paths = sorted(str(path) for path in (base / "clips").rglob("*.npz"))
    for a, b in zip(lines(question, paths, 2), lines(question, paths), strict=True):
        same(a, b)


def test_what_is_for_one_recording_is_refused_for_a_folder(base, capsys):
    for options in (["--plot", "x.png"], ["--processes", "0"], ["--task", "estimate_pose", "--timeline"]):
        assert main(["predict", str(base / "clips"), "--model", str(base / "model"), *options]) == 2
        assert "Traceback" not in capsys.readouterr().err
