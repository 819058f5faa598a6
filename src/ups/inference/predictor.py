"""The public inference API: pose sequences in, answers out.

predictor = Predictor.from_pretrained("runs/unified/checkpoint")
clip = pose_sequence(joints, "coco-17", space="image", fps=30, image_size=(1920, 1080))
predictor.recognize(clip).best        # what is being done
predictor.anticipate(clip).best       # what is about to be done
predictor.lift(clip).joints           # (M, N, J, 3) metres, root-relative, camera frame
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ups.batch import Poses
from ups.checkpoint.hub import push
from ups.checkpoint.io import Trained, load, save
from ups.config import ComputePrecision
from ups.errors import SettingError
from ups.inference.base import BasePredictor
from ups.model.decoding import Decoded, check_free, decode, decode_freely
from ups.model.ups import UPS, cast_products
from ups.runtime.device import choose_device
from ups.runtime.precision import resolve_precision
from ups.skeleton import Skeleton
from ups.tasks.action import ActionTask
from ups.tasks.pose import PoseTask
from ups.tasks.predictions import Answer, Lifted
from ups.tasks.task import Example, Task, collate_poses
from ups.tokens.layout import Layout

__all__ = ["Answer", "Lifted", "Predictor"]


class Predictor(BasePredictor):
    """Answers questions about pose sequences with one trained model, whose weights must not change from then on.

    Args:
        trained: the model.
        precision: of the answers, see below.
        device: where it answers, and its weights are moved to; where they lie if None.

    Attributes:
        precision: of the answers. Where not given, that of training; float32 where that was bfloat16 and the device has
            none of its own.
    """

    def __init__(
        self, trained: Trained, precision: ComputePrecision | None = None, device: torch.device | None = None
    ) -> None:
        if device is not None:
            trained.model.to(device)
        super().__init__(trained.config, trained.vocabulary, trained.data_sets)
        self.trained, self.model, self.lineage = trained, trained.model.eval(), trained.lineage
        self.calibration = trained.calibration
        self.values = torch.from_numpy(trained.vocabulary.token_values).to(self.device)
        self._embedding: Tensor | None = None  # of the vocabulary: the same for every question
        trained_in = trained.config.train.precision
        self.precision: ComputePrecision = precision or resolve_precision(
            "32-true" if trained_in == "32-true" else "auto", self.device
        )
        self.mixed = self.precision == "bf16-mixed"
        on_cpu = 16 if self.mixed else 8  # larger batches take more memory there, and no less time
        self.clips_at_once = on_cpu if self.device.type == "cpu" else 64
        self.windows_at_once = 128 if self.device.type == "cpu" else 256
        self.sequences_at_once = 256 if self.device.type == "cpu" else 4096  # what is made of 256 stays in a cache

    @staticmethod
    def from_pretrained(model: Path | str, precision: ComputePrecision | None = None, device: str = "cpu") -> Predictor:
        """The model in a checkpoint folder, one of the package by name ("ups-small"), or one of a repository of the Hugging
        Face hub, "owner/name" or "owner/name@revision" (extra `[hub]`).

        Raises:
            CheckpointError: no model there.
            SettingError: no such device here, or no huggingface_hub for a name of the hub.
        """
        return Predictor(load(model), precision, choose_device(device))

    def push_to_hub(self, repository: str, license: str = "other", private: bool = False) -> str:
        """Send the model with a card to a repository of the Hugging Face hub, owner/name; returns the commit. A folder with a
        card of its own is better sent by `ups push`. Raises as `ups.checkpoint.hub.push`.
        """
        with tempfile.TemporaryDirectory() as folder:
            save(self.trained, Path(folder) / "model", self.model.state_dict())
            return push(Path(folder) / "model", repository, license, private)

    def decoded(
        self, task: str, poses: Poses, layout: Layout, target_frames: Tensor | None, greedy: bool = False
    ) -> Decoded:
        """What the model writes for a batch of poses on its own device; see `UPS.memory` and `decode`."""
        model = self.answering
        memory, mask = model.memory(task, poses, layout, target_frames)
        if self._embedding is None:
            self._embedding = model.vocabulary()
        if mask is not None or len(memory) <= self.sequences_at_once:
            return decode(model, task, memory, mask, layout, self.values, True, self._embedding, greedy)
        parts = [
            decode(model, task, some, None, layout, self.values, True, self._embedding, greedy)
            for some in memory.split(self.sequences_at_once)
        ]
        return Decoded(*(torch.cat([getattr(part, f.name) for part in parts]) for f in fields(Decoded)))

    def copied(self, folder: Path) -> Callable[[], BasePredictor]:
        """See `BasePredictor`."""
        if self.device.type != "cpu":
            raise SettingError(f"several workers answer on processors, the model lies on {self.device}; leave them out")
        save(self.trained, folder / "model", self.model.state_dict())
        return partial(Predictor.from_pretrained, folder / "model", self.precision)

    @cached_property
    def answering(self) -> UPS:
        """The model as it answers: in mixed precision autocast would cast the weights anew at every product."""
        return cast_products(self.model, torch.bfloat16) if self.mixed else self.model

    @property
    def device(self) -> torch.device:
        """Where the model's weights lie."""
        return self.model.output_scale.device

    def action_scores(
        self, task: ActionTask, examples: list[Example], skeleton: Skeleton, classes: tuple[str, ...]
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `BasePredictor`."""
        layout = task.layout(self.vocabulary, skeleton, classes)
        column = [layout.allowed[0].index(t) for t in self.vocabulary.class_tokens(list(classes))]
        poses, _ = collate_poses(examples, skeleton)
        with self._inference():
            decoded = self.decoded(task.name, poses.to(self.device), layout, None)
        return decoded.first[:, column].cpu().numpy(), decoded.state.cpu().numpy()

    def coordinates(
        self, task: PoseTask, examples: list[Example], skeleton: Skeleton, greedy: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `BasePredictor`."""
        layout = task.layout(self.vocabulary, skeleton, ())
        poses, target_frames = collate_poses(examples, skeleton)
        assert target_frames is not None
        with self._inference():
            decoded = self.decoded(task.name, poses.to(self.device), layout, target_frames.to(self.device), greedy)
        coordinates = self.values[decoded.tokens] if greedy else decoded.mean
        return coordinates[:, :-1].cpu().numpy(), decoded.spread[:, :-1].cpu().numpy()

    def check_free(self) -> None:
        """See `BasePredictor`."""
        check_free(self.config.model.decoding)

    def written_freely(
        self, task: Task, examples: list[Example], skeleton: Skeleton, classes: tuple[str, ...]
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `BasePredictor`."""
        layout = task.layout(self.vocabulary, skeleton, classes)
        poses, frames = collate_poses(examples, skeleton)
        with self._inference():
            poses, frames = poses.to(self.device), None if frames is None else frames.to(self.device)
            memory, mask = self.answering.memory(task.name, poses, layout, frames)
            written = decode_freely(self.answering, task.name, memory, mask, layout)
            formed = written.well_formed(layout, self.vocabulary)
        return written.tokens[:, : len(layout.positions)].cpu().numpy(), formed.cpu().numpy()

    @contextmanager
    def _inference(self) -> Iterator[None]:
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=self.mixed):
            yield
