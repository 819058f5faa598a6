"""Several people in a picture: each once, and as many as are looked for."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from ups.cli import main
from ups.errors import SettingError
from ups.video import estimators

WORKER = """
import struct, sys
import numpy as np
people, out = int(sys.argv[1]), sys.stdout.buffer
out.write(b"ready\\n"); out.flush()
while len(head := sys.stdin.buffer.read(8)) == 8:
    width, height = struct.unpack("<II", head)
    sys.stdin.buffer.read(3 * width * height)
    marks = np.full((people, 33, 4), np.nan, np.float32)
    for i, x in enumerate((10, 50, 11)[:people]):
        marks[i] = 0.9
        marks[i, :, 0], marks[i, :, 1] = x, np.arange(33)
    out.write(marks.tobytes()); out.flush()
"""
"""Finds somebody at 10, another one at 50, and the first one again."""


def body(x: float, height: float = 100.0) -> np.ndarray:
    return np.column_stack([np.full(33, x), np.linspace(0, height, 33), np.full(33, 0.9)])


def test_one_found_twice_is_one():
    people = [body(10), body(300), body(18), body(320)]
    assert estimators.once_each(people) == [people[0], people[1], people[3]]
    assert estimators.once_each([]) == []


@pytest.mark.parametrize(("people", "places"), [(None, [10]), (1, [10]), (2, [10, 50]), (4, [10, 50])])
def test_as_many_as_are_looked_for(tmp_path, monkeypatch, people, places):
    (tmp_path / "worker.py").write_text(WORKER)
    monkeypatch.setenv("UPS_MEDIAPIPE", sys.executable)
    monkeypatch.setattr(estimators, "WORKER", tmp_path / "worker.py")
    with estimators.closing(estimators.MediaPipe(people)) as found:
        assert [person[0, 0] for person in found.find(np.zeros((40, 60, 3), np.uint8))] == places
        assert found.name == ("mediapipe" if len(places) == 1 else f"mediapipe of {people} people")


def test_the_best_of_all(monkeypatch):
    points, scores = np.arange(3)[:, None, None] * np.ones((3, 17, 2)), np.array([0.5, 0.9, 0.7])[:, None] * np.ones(17)
    body_of = SimpleNamespace(Body=lambda **options: lambda bgr: (points, scores))
    monkeypatch.setitem(sys.modules, "rtmlib", body_of)
    rgb = np.zeros((4, 4, 3), np.uint8)
    assert [person[0, 0] for person in estimators.RTMLib(2).find(rgb)] == [1, 2]
    assert [person[0, 0] for person in estimators.RTMLib().find(rgb)] == [0, 1, 2]


def test_too_many_are_refused(tmp_path, capsys):
    pytest.importorskip("av")
    for words in (["walk.mp4", "--output", str(tmp_path), "--people", "9"], ["--camera", "0", "--people", "2"]):
        assert main(["predict", *words]) == 2
        assert "1 to 8 can be looked for, in a video" in capsys.readouterr().err


@pytest.mark.parametrize("people", [1, 2])
def test_mediapipe_itself_finds_nobody_in_the_dark(people):
    try:
        estimators.mediapipe_python()
    except SettingError:
        pytest.skip("MediaPipe is not here")
    with estimators.closing(estimators.MediaPipe(people)) as found:
        assert found.find(np.zeros((240, 320, 3), np.uint8)) == []
