"""How lifting cuts a recording into windows, and which frames of them it reads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers import TRAIN, random_clip, trained_model

from ups.errors import DataError, SettingError
from ups.inference.base import BasePredictor, default_stride
from ups.inference.predictor import Predictor
from ups.skeletons import H36M_17


def predictor(frames: int = 9, **train) -> Predictor:
    tasks = tuple(replace(mix, frames=frames) for mix in TRAIN.tasks)
    return Predictor(trained_model(replace(TRAIN, tasks=tasks, **train)))


@pytest.mark.parametrize(("frames", "stride"), [(1, 1), (2, 1), (3, 2), (9, 8), (27, 24), (243, 216)])
def test_eight_ninths_of_a_window_are_decoded(frames: int, stride: int):
    assert default_stride(frames) == stride
    assert predictor(frames).usual_stride() == stride
    assert predictor(frames, target_frames="centre").usual_stride() == 1
    assert predictor(frames, target_frames="all").usual_stride() == stride


@pytest.mark.parametrize(
    ("stride", "delay", "wanted"),
    [
        (None, None, (9, 0, 8)),
        (1, None, (9, 4, 1)),
        (2, None, (9, 3, 2)),
        (9, None, (9, 0, 9)),
        (100, None, (9, 0, 9)),  # at most the window
        (1, 0, (9, 8, 1)),
        (1, 8, (9, 0, 1)),
        (3, 2, (9, 6, 3)),
        (3, 8, (9, 0, 3)),
        (9, 8, (9, 0, 9)),
    ],
)
def test_windows_by_stride_and_delay(stride, delay, wanted):
    assert predictor().windows(stride, delay) == wanted


@pytest.mark.parametrize(
    ("stride", "delay", "error"),
    [
        (0, None, "stride 0: at least 1 frame"),
        (-3, None, "stride -3"),
        (3, 1, "a delay of 1 frames; windows have 9 frames of which 3 are decoded, so that it is 2 to 8"),
        (3, 9, "2 to 8"),
        (1, -1, "0 to 8"),
        (1, 9, "0 to 8"),
    ],
)
def test_impossible_windows_are_named(stride, delay, error):
    with pytest.raises(DataError, match=error):
        predictor().windows(stride, delay)


class Telling(BasePredictor):
    """In place of joints it answers which frames of which windows it was asked about."""

    def __init__(self, at_once: int = 64) -> None:
        whole = predictor()
        super().__init__(whole.config, whole.vocabulary, whole.data_sets)
        self.windows_at_once = at_once
        self.asked: list[list[np.ndarray]] = []

    def action_scores(self, task, examples, skeleton, classes):
        raise AssertionError

    def coordinates(self, task, examples, skeleton, greedy):
        """Each joint's x in the clip at the target frame, which is the frame's number there."""
        self.asked.append([e.target_frames for e in examples])
        rows = []
        for e in examples:
            first = e.joints[0, e.target_frames, :, 0]
            scale = 2 * np.exp(e.context[2])
            number = np.round((first * scale + e.context[0]) * 5000 + 5000).astype(int)[:, 0]
            rows += [np.full(3 * len(task.joints(skeleton)), n / 1000) for n in number]
        found = np.array(rows, np.float32)
        return found, np.full_like(found, 0.1)


def numbered(frames: int):
    """A clip whose joints' x is the number of the frame, in pixels."""
    clip = replace(random_clip(H36M_17, frames=frames, space="image"), fps=20.0)
    joints = np.zeros((1, frames, 17, 2), np.float32)
    joints[..., 0] = np.arange(frames)[None, :, None]
    joints[..., 1] = np.arange(17) * 100
    return replace(clip, joints=joints, image_size=(10000, 5000), pose_3d=None)


@pytest.mark.parametrize(("stride", "delay"), [(None, None), (1, None), (4, None), (9, None), (1, 0), (3, 2), (3, 8)])
@pytest.mark.parametrize("frames", [1, 5, 9, 10, 31])
def test_each_frame_is_read_once_and_stands_in_its_place(stride, delay, frames: int):
    told = Telling(at_once=2)
    lifted = told.lift(numbered(frames), flip=False, stride=stride, delay=delay)
    moved = 1000 * lifted.joints[0, :, 5, 0]
    np.testing.assert_allclose(moved, np.arange(frames), atol=0.6)
    length, first, number = told.windows(stride, delay)
    assert all((w == np.arange(first, first + number)).all() for some in told.asked for w in some)
    assert sum(map(len, told.asked)) == -(-frames // number) and max(map(len, told.asked)) <= 2


def test_flips_are_averaged_halfway():
    class Sided(Telling):
        def coordinates(self, task, examples, skeleton, greedy):
            found, spread = super().coordinates(task, examples, skeleton, greedy)
            self.calls = getattr(self, "calls", 0) + 1
            found[:] = 0
            found[:, 0::3], found[:, 1::3] = (0.2, 0.5) if self.calls == 1 else (-0.4, 0.7)
            return found, spread * self.calls

    lifted = Sided().lift(numbered(5), stride=9)
    np.testing.assert_allclose(lifted.joints[0, :, 5], [[0.3, 0.6, 0]] * 5, atol=1e-6)
    np.testing.assert_allclose(lifted.spread[0, :, 5], np.sqrt(3) * 0.15, rtol=1e-5)


def test_a_model_that_lifts_nothing_says_so():
    tasks = tuple(mix for mix in TRAIN.tasks if mix.task != "estimate_pose")
    with pytest.raises(SettingError, match="estimate_pose"):
        Predictor(trained_model(replace(TRAIN, tasks=tasks))).windows(None, None)
