"""Recordings longer than the clips of training: timelines, pooled answers, and streams that use the same windows."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from helpers import CLASSES, random_clip, trained_model

from ups.errors import DataError, SettingError
from ups.inference.predictor import Predictor
from ups.inference.streaming import OnlinePredictor
from ups.pose import PoseSequence
from ups.skeletons import H36M_17
from ups.tasks.calibration import LONGEST, TaskCalibration
from ups.tasks.timeline import part, pooled_answer, windows_of


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(trained_model(classes=CLASSES))


@pytest.fixture(scope="module")
def calibrated(predictor) -> Predictor:
    states = np.random.default_rng(1).standard_normal((len(CLASSES), 16)).astype(np.float32)
    states /= np.linalg.norm(states, axis=1, keepdims=True)
    known = TaskCalibration(0.5, 8.0, 4.0, 3.0, CLASSES, states)
    trained = replace(predictor.trained, calibration={"recognize_3d": known, "anticipate": known})
    return Predictor(trained)


def walk(seconds: float, seed: int = 0, fps: float = 30.0) -> PoseSequence:
    """Joints that wander slowly, so that windows differ."""
    clip = random_clip(H36M_17, frames=round(seconds * fps), seed=seed)
    joints = np.cumsum(clip.joints, axis=1) / 20 + random_clip(H36M_17, frames=1, seed=seed).joints
    return replace(clip, joints=joints.astype(np.float32), fps=fps)


def test_a_timeline_pools_the_answers_about_windows(predictor):
    clip = walk(5.0)
    windows = windows_of(clip.frames, clip.fps)
    found = predictor.timeline(clip)
    scores = np.concatenate([predictor.class_scores("recognize_3d", [w], found.classes) for w in windows.cut(clip)])
    every = np.ones(len(scores), bool)
    np.testing.assert_allclose(found.probabilities, windows.pool(np.exp(scores), every), atol=1e-5)
    assert found.duration_s == 5.0 and found.segments[0].start_s == 0
    assert all(a.end_s == b.start_s for a, b in zip(found.segments, found.segments[1:], strict=False))
    flipped = predictor.timeline(clip, CLASSES[::-1])
    np.testing.assert_allclose(flipped.probabilities[:, ::-1], found.probabilities, atol=1e-5)


def test_a_long_recording_is_asked_about_in_windows(predictor, calibrated):
    short, long = walk(LONGEST - 1), walk(LONGEST + 1)
    scores = predictor.class_scores("recognize_3d", [short], CLASSES)[0]
    assert max(predictor.recognize(short, CLASSES).probabilities) == pytest.approx(np.exp(scores.max()), rel=1e-5)
    assert predictor.recognize(long, CLASSES).classes == pooled_answer(predictor.timeline(long, CLASSES)).classes
    now = part(long, windows_of(long.frames, long.fps).starts[-1], long.frames)
    assert predictor.anticipate(long).probabilities == pytest.approx(predictor.anticipate(now).probabilities)
    brief = walk(4.0)
    told, pooled = calibrated.recognize(brief, CLASSES), pooled_answer(calibrated.timeline(brief, CLASSES))
    assert told.classes == pooled.classes and told.unknown == pytest.approx(pooled.unknown, rel=1e-5)
    assert told.probabilities == pytest.approx(pooled.probabilities, rel=1e-5)


def test_long_is_longer_than_twelve_seconds_or_than_training_s_clips(predictor, calibrated):
    assert not predictor.is_long("recognize_3d", walk(12.0)) and predictor.is_long("recognize_3d", walk(12.1))
    assert not calibrated.is_long("recognize_3d", walk(3.0)) and calibrated.is_long("recognize_3d", walk(3.1))
    assert not calibrated.is_long("recognize_2d", walk(12.0))  # another task was not calibrated


def test_nobody_is_no_action(predictor):
    clip = walk(8.0)
    empty = replace(clip, visibility=np.where(np.arange(clip.frames)[:, None] < 120, clip.visibility, 0))
    found = predictor.timeline(empty)
    assert (
        found.segments[-1].why == "nobody" and found.segments[-1].start_s == 4.0 and found.segments[0].why != "nobody"
    )
    assert [s.why for s in predictor.timeline(replace(clip, visibility=0 * clip.visibility)).segments] == ["nobody"]
    gone = replace(walk(LONGEST + 3), id="gone")
    gone = replace(gone, visibility=np.where(np.arange(gone.frames)[:, None] < 300, gone.visibility, 0))
    with pytest.raises(DataError, match="gone: its last 2 s: nobody is seen"):
        predictor.anticipate(gone)


def test_probabilities_are_calibrated(predictor, calibrated):
    clip = walk(2.0)
    plain, sharp = predictor.recognize(clip, CLASSES), calibrated.recognize(clip, CLASSES)
    assert plain.unknown is None and sharp.unknown is not None and 0 < sharp.unknown < 1
    squared = np.square(plain.probabilities)
    assert sharp.classes == plain.classes
    assert sharp.probabilities == pytest.approx(squared / squared.sum(), rel=1e-4)
    fewer = calibrated.recognize(clip, CLASSES[:1])
    assert fewer.unknown is not None and fewer.unknown >= sharp.unknown and fewer.probabilities == (1.0,)


def test_a_stream_tells_what_is_told_of_its_last_window(calibrated):
    clip = walk(5.0)
    online = OnlinePredictor(calibrated, clip.skeleton, space="kinect", fps=clip.fps)
    for frame in clip.joints[0]:
        online.push(frame)
    now = replace(part(clip, 90, 150), visibility=np.ones((1, 60, 17), np.float32))
    told, wanted = online.action(), calibrated.anticipate(now)
    assert told is not None and told.classes == wanted.classes
    assert told.probabilities == pytest.approx(wanted.probabilities, rel=1e-3)
    assert told.unknown == pytest.approx(wanted.unknown, rel=1e-3)


def test_memory_does_not_grow_with_the_recording(predictor):
    def peak(clip: PoseSequence) -> float:
        tracemalloc.start()
        predictor.timeline(clip, CLASSES, step_s=2.0)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    short, long = walk(60.0), walk(240.0)
    peak(short)
    assert peak(long) < 2 * peak(short) + 1e6


def test_a_task_without_actions_has_no_timeline(predictor):
    with pytest.raises(SettingError, match="does not answer with an action"):
        predictor.timeline(random_clip(space="image"), task="estimate_pose")
