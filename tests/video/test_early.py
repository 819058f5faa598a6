"""What is told of a video's first seconds, before all of it is known."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from ups.skeletons import COCO_17
from ups.tasks.predictions import Answer

pytest.importorskip("av")

from ups.cli.watch import Watching  # noqa: E402
from ups.video.early import KEPT, Early  # noqa: E402
from ups.video.source import Facts  # noqa: E402

FPS = 10.0
BODY = np.column_stack([np.tile([-5, 5], 9)[:17], np.linspace(-30, 30, 17), np.full(17, 0.9)])


class Predictor:
    """Takes who is in the left half of the picture for waving, in the right one for bowing, in doubt at the edge."""

    asked = 0

    def rank_actions(self, task, clip, names):
        assert task == "recognize_2d" and names == ("wave", "bow") and clip.fps == FPS
        self.asked += 1
        x = float(clip.joints[0, :, :, 0].mean())
        order = names if x < 100 else names[::-1]
        return Answer(order, (0.8, 0.2), 0.9 if x > 180 else 0.1)


def lines(places) -> list[dict]:
    """A frame for each place; None = nobody."""
    return [
        {"frame": i, "time": i / FPS, "people": [] if x is None else [(BODY + (x, 60, 0)).tolist()]}
        for i, x in enumerate(places)
    ]


def test_every_two_seconds_are_told_and_like_ones_are_one():
    told: list[list[dict]] = []
    predictor = Predictor()
    early = Early(predictor, ("wave", "bow"), Facts(FPS, 100, (200, 120)), COCO_17, 1, told.append)  # pyright: ignore[reportArgumentType]
    for line in lines([50.0] * 40 + [150.0] * 20 + [190.0] * 20 + [None] * 20 + [50.0] * 5):
        early.add(line)
    assert predictor.asked == 4 and len(told) == 5
    assert told[0] == [{"start": 0.0, "end": 2.0, "action": "wave", "probability": 0.72}]
    assert told[1] == [{"start": 0.0, "end": 4.0, "action": "wave", "probability": 0.72}]
    assert [(p["start"], p["end"], p["action"], p.get("why")) for p in told[-1]] == [
        (0, 4, "wave", None), (4, 6, "bow", None), (6, 8, None, "unknown"), (8, 10, None, "nobody"),
    ]  # fmt: skip
    for line in lines([50.0 if i // 20 % 2 else 150.0 for i in range(40 * KEPT)]):
        early.add(line)
    assert len(told[-1]) == KEPT


def test_the_terminal_has_a_line_for_each_change(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    wave = {"start": 0.0, "end": 2.0, "action": "wave", "probability": 0.8}
    with Watching() as progress:
        progress.so_far({"timeline": [wave]})
        progress.so_far({"timeline": [wave | {"end": 4.0}]})
        progress.so_far({"timeline": [wave, {"start": 4.0, "end": 6.0, "action": None, "probability": 0.9}]})
        progress.so_far({"timeline": [], "answers": []})
    said = capsys.readouterr().err
    assert said.count("from 0.0 s: wave (80%)") == 1 and said.count("from 4.0 s: nothing known") == 1


def test_pictures_are_made_smaller_for_an_estimator_and_joints_are_not(tmp_path):
    from ups.video.joints import looked_at
    from ups.video.source import frames_of, writer_of

    with writer_of(tmp_path / "a.mp4", FPS, (160, 120)) as write:
        for _ in range(9):
            write(np.full((120, 160, 3), 99, np.uint8))
    shapes = []

    def find(rgb):
        shapes.append(rgb.shape)
        return [np.array([[40.0, 30.0, 0.5]])]

    estimator = SimpleNamespace(longest=80, find=find)
    found = list(looked_at(frames_of(tmp_path / "a.mp4"), estimator, lambda n: n % 2 == 0))  # pyright: ignore[reportArgumentType]
    assert [frame.number for frame, _ in found] == list(range(9))
    assert [people is None for _, people in found] == [n % 2 == 1 for n in range(9)]
    assert set(shapes) == {(60, 80, 3)} and len(shapes) == 5
    people = found[0][1]
    assert people is not None and people[0].tolist() == [[80.0, 60.0, 0.5]]  # pixels of the video

    def fails(rgb):
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        list(looked_at(frames_of(tmp_path / "a.mp4"), SimpleNamespace(longest=0, find=fails)))  # pyright: ignore[reportArgumentType]
