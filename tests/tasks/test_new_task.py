"""A fifth task, motion forecasting, defined here alone: it trains and answers, and the model knows nothing of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from helpers import TRAIN, trained_model

from ups.checkpoint.io import load
from ups.config import TaskMix
from ups.model.decoding import decode
from ups.pose import PoseSequence
from ups.skeleton import H36M_17
from ups.tasks import TASKS
from ups.tasks.geometry import in_slot_order, root_of
from ups.tasks.pose import PoseTask
from ups.tasks.task import Example, collate, collate_poses
from ups.training.loop import train
from ups.training.run import Run

FRAMES = 10
OBSERVED = 6


@dataclass(frozen=True)
class Forecast(PoseTask):
    """Where will every joint be, relative to the root? The frames after the observed ones are hidden."""

    def window(self, clip: PoseSequence, start: int) -> Example:
        number = np.clip(np.arange(start, start + FRAMES), 0, clip.frames - 1)
        joints, seen = in_slot_order(clip)
        joints, seen = joints[:, number], seen[:, number].copy()
        root, _ = root_of(joints, seen, clip.skeleton.sorted_by_slot())
        seen[:, OBSERVED:] = False
        wanted = np.arange(OBSERVED, FRAMES)
        target = joints[:, wanted] - root[:, wanted, None]
        joints = (joints - root[:, OBSERVED - 1, None, None]).astype(np.float32)
        return Example(joints, seen, np.zeros(4, np.float32), -1, wanted, target)

    def training_example(
        self, clip: PoseSequence, classes: tuple[str, ...], frames: int, targets: int, rng: np.random.Generator
    ) -> Example:
        return self.window(clip, int(rng.integers(0, clip.frames - FRAMES)))


forecast = Forecast("forecast", "forecast")
MIX = TaskMix("forecast", ("synthetic_3d:xsub",), batch=8, frames=FRAMES)


def forecaster(cycles: int = 3):
    config = replace(TRAIN, tasks=(*TRAIN.tasks, MIX), cycles=cycles)
    return trained_model(config, tasks=(*TASKS.values(), forecast), shaken=0.0)


def test_it_trains_beside_the_others_and_is_saved(tmp_path, stores):
    trained = train(forecaster(), stores, tmp_path, {**TASKS, "forecast": forecast})
    assert trained.steps == 3 * 5
    back = load(tmp_path / "checkpoint")
    assert back.model.tasks == (*TASKS, "forecast") and back.vocabulary.eots[-1] == "forecast"
    assert len(back.model.routes()["forecast"]) == 2


def test_it_learns_and_answers(tmp_path, stores):
    config = replace(TRAIN, tasks=(MIX,), cycles=60, drop_inputs=False, smooth_bins=0.0, explore=0.2)
    trained = trained_model(config, tasks=(forecast,), shaken=0.0)
    trained.model.train()
    run = Run(trained, tmp_path)
    examples = [forecast.window(stores["synthetic_3d"][i], 4) for i in range(4)]
    skeleton = H36M_17.sorted_by_slot()
    batch = collate(forecast, examples, trained.vocabulary, skeleton, ())
    assert batch.tokens.shape == (4 * (FRAMES - OBSERVED), 3 * 16 + 1)
    losses = [run.take_step("forecast", [batch]) for _ in range(60)]
    assert losses[-1] < losses[0] / 2
    trained.model.eval()

    def answer(which: list[Example]) -> tuple[torch.Tensor, np.ndarray]:
        poses, target_frames = collate_poses(which, skeleton)
        values = torch.from_numpy(trained.vocabulary.token_values)
        with torch.no_grad():
            memory, mask = trained.model.memory("forecast", poses, batch.layout, target_frames)
        decoded = decode(trained.model, "forecast", memory, mask, batch.layout, values)
        return decoded.tokens, forecast.poses(decoded.mean[:, :-1].numpy(), skeleton)

    tokens, poses = answer(examples)
    assert (tokens[:, -1] == trained.vocabulary.eot_token("forecast")).all()
    truth = np.concatenate([e.target.reshape(-1, 17, 3) for e in examples if e.target is not None])
    error = np.linalg.norm(poses - truth, axis=-1).mean()
    assert error < np.linalg.norm(truth, axis=-1).mean() / 2
    unseen = [replace(e, joints=np.where(e.visible[..., None], e.joints, np.float32(99))) for e in examples]
    assert torch.equal(tokens, answer(unseen)[0])  # the future has no influence on the forecast
