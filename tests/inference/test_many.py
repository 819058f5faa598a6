"""Many recordings asked about at once are answered as one by one, by this process and by several."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers import CLASSES, hidden, random_clip, trained_model

from ups.errors import DataError, IncompleteError, SettingError
from ups.inference.crew import dealt
from ups.inference.predictor import Predictor
from ups.pose import PoseSequence
from ups.skeletons import COCO_17, H36M_17, KINECT_20, NTU_25, UTD_20

CLOSE = 1e-5
"""Sums over a batch are rounded otherwise than over one clip: of probabilities, and of metres."""


@pytest.fixture(scope="module")
def predictor():
    made = Predictor(trained_model(classes=CLASSES))
    yield made
    made.close()


def recordings() -> list[PoseSequence]:
    """Of other skeletons, spaces, lengths and numbers of persons; some longer than training's clips."""
    solid = [(KINECT_20, 1, 9), (NTU_25, 2, 40), (KINECT_20, 2, 17), (UTD_20, 1, 400), (KINECT_20, 1, 300)]
    flat = [(H36M_17, 1, 12), (H36M_17, 2, 30), (COCO_17, 1, 20), (H36M_17, 1, 310)]
    clips = [random_clip(s, m, n, "kinect", i) for i, (s, m, n) in enumerate(solid)]
    clips += [random_clip(s, m, n, "image", i) for i, (s, m, n) in enumerate(flat)]
    clips[3] = hidden(clips[3], 0, slice(100, 250), list(range(20)))  # a gap in which nobody is there
    return clips


def same_actions(some, others):
    assert len(some) == len(others)
    for a, b in zip(some, others, strict=True):
        mine, theirs = (dict(zip(x.classes, x.probabilities, strict=True)) for x in (a, b))
        assert mine == pytest.approx(theirs, abs=CLOSE)
        assert (a.unknown is None) == (b.unknown is None)


def same_poses(some, others):
    assert len(some) == len(others)
    for a, b in zip(some, others, strict=True):
        assert a.skeleton == b.skeleton and a.joints.shape == b.joints.shape
        np.testing.assert_allclose(a.joints, b.joints, atol=CLOSE)
        np.testing.assert_allclose(a.spread, b.spread, atol=CLOSE)
        np.testing.assert_allclose(a.root, b.root, rtol=1e-3)


@pytest.mark.parametrize("together", [2, 16])
def test_actions_of_many_are_those_of_each(predictor, monkeypatch, together):
    monkeypatch.setattr(predictor, "clips_at_once", together)
    clips = recordings()
    same_actions(predictor.recognize_many(clips), [predictor.recognize(clip) for clip in clips])
    same_actions(predictor.anticipate_many(clips), [predictor.anticipate(clip) for clip in clips])
    few = ("bow", "kick")
    same_actions(predictor.recognize_many(clips, few), [predictor.recognize(clip, few) for clip in clips])
    assert predictor.recognize_many([]) == []


def test_timelines_of_many_are_those_of_each(predictor):
    clips = recordings()
    for many, clip in zip(predictor.timeline_many(clips), clips, strict=True):
        one = predictor.timeline(clip)
        np.testing.assert_allclose(many.probabilities, one.probabilities, atol=CLOSE)
        np.testing.assert_allclose(many.unknown, one.unknown, atol=CLOSE)
        assert [s.action for s in many.segments] == [s.action for s in one.segments]


def test_poses_of_many_are_those_of_each(predictor, monkeypatch):
    clips = [clip for clip in recordings() if clip.space == "image"]
    clips.append(replace(random_clip(H36M_17, 1, 50, "image", 7), fps=100.0))  # is thinned
    monkeypatch.setattr(predictor, "windows_at_once", 4)
    for options in ({}, {"flip": False, "smooth": True}, {"stride": 1, "greedy": True}):
        same_poses(predictor.lift_many(clips, **options), [predictor.lift(clip, **options) for clip in clips])


def test_several_processes_answer_alike(predictor):
    clips = recordings()
    flat = [clip for clip in clips if clip.space == "image"]
    same_actions(predictor.recognize_many(clips, workers=2), predictor.recognize_many(clips))
    same_poses(predictor.lift_many(flat, flip=False, workers=2), predictor.lift_many(flat, flip=False))
    crew = predictor._crew
    assert crew is not None and crew.workers == 2
    nobody = hidden(clips[0], 0, slice(None), list(range(20)))
    with pytest.raises(DataError, match="nobody is seen"):
        predictor.recognize_many([clips[0], nobody], workers=2)
    same_actions(predictor.timeline_many(clips[:2], workers=2)[:0], [])
    for process in list(crew._pool._processes.values()):
        process.kill()
    with pytest.raises(IncompleteError, match="died"):
        predictor.recognize_many(clips, workers=2)
    predictor.close()
    assert predictor._crew is None and not crew.close.alive


def test_workers_are_at_least_one(predictor):
    with pytest.raises(SettingError, match="0 workers"):
        predictor.recognize_many(recordings(), workers=0)


def test_work_is_dealt_in_pieces_of_about_one_size():
    sizes = [5, 1, 1, 1, 8, 2, 2, 4]
    pieces = dealt(sizes, 4)
    assert sorted(i for piece in pieces for i in piece) == list(range(8))
    assert [sum(sizes[i] for i in piece) for piece in pieces] == [8, 5, 6, 5]
    assert dealt([], 4) == []
