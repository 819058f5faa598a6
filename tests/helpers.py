"""A model of a few thousand weights and a few generated clips: enough to test what training and inference promise."""

from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import torch

from ups.checkpoint.io import Trained
from ups.config import Config, Decoding, ModelConfig, TaskMix, TrainConfig
from ups.data.datasets import synthetic
from ups.data.store.store import Store, StoreWriter
from ups.model.ups import UPS, Choice
from ups.pose import PoseSequence, Space
from ups.refs import DataSetInfo
from ups.skeleton import Skeleton
from ups.skeletons import H36M_17, KINECT_20
from ups.tasks import TASKS
from ups.tasks.task import Task
from ups.tokens.vocabulary import Vocabulary

FEATURES = 12
FRAMES = 6
CLASSES = ("swipe left", "swipe right", "bow", "kick")
IMAGE = (1000, 500)
MODEL = ModelConfig(
    joint_width=8, tokenizer_layers=2, temporal_kernel=3, graph_groups=2, layers=2, blocks=2, routing_width=8,
    frame_width=16, frame_heads=2, frame_mlp=16, decoder_width=16, decoder_layers=2, decoder_heads=2, dropout=0.0,
    drop_path=0.0, bins=32, range_m=1.2,
)  # fmt: skip
SHAPES = [
    replace(MODEL, decoding=decoding, temporal_stride=stride) for decoding in get_args(Decoding) for stride in (1, 2)
]
"""Every way to decode, with and without frames that are joined."""
MIXES = (
    TaskMix("estimate_pose", ("synthetic_2d:xsub",), batch=4, frames=FRAMES),
    TaskMix("recognize_2d", ("synthetic_2d:xsub",), batch=4, frames=FRAMES),
    TaskMix("anticipate", ("synthetic_3d:xsub",), batch=4, frames=FRAMES),
    TaskMix("recognize_3d", ("synthetic_3d:xsub",), batch=4, frames=FRAMES),
)
TRAIN = TrainConfig(MIXES, cycles=3, precision="32-true", workers=0, learning_rate=1e-2, ema=0.9)


class Words:
    """A text encoder whose features are random numbers, the same for the same text."""

    name = "words"

    def encode(self, texts: list[str]) -> np.ndarray:
        rows = [np.random.default_rng(zlib.crc32(text.encode())).standard_normal(FEATURES) for text in texts]
        return np.array(rows, np.float32).reshape(len(texts), FEATURES)


def synthetic_stores(folder: Path, clips: int = 24) -> dict[str, Store]:
    """The generated data sets with `clips` clips each, prepared below `folder`."""
    stores = {}
    for d, generated in (
        (synthetic.SYNTHETIC_3D, synthetic.generate_3d(clips)),
        (synthetic.SYNTHETIC_2D, synthetic.generate_2d(clips)),
    ):
        target = folder / d.name
        with StoreWriter(target, d.name, d.skeleton, d.space, d.classes, d.protocols, d.terms, d.paired) as writer:
            for clip, splits in generated:
                writer.add(clip, splits)
        stores[d.name] = Store.open(target)
    return stores


def trained_model(
    train: TrainConfig = TRAIN,
    model: ModelConfig = MODEL,
    tasks: tuple[Task, ...] = tuple(TASKS.values()),
    classes: tuple[str, ...] = synthetic.CLASSES,
    seed: int = 0,
    shaken: float = 0.1,
    features: int = FEATURES,
) -> Trained:
    """A model with random weights and random text features; `shaken` adds noise where weights begin as zeros."""
    vocabulary = Vocabulary(
        model.bins, -model.range_m, model.range_m, tuple(dict.fromkeys(task.eot for task in tasks)), classes
    )
    generator = torch.Generator().manual_seed(seed)
    text = torch.randn(vocabulary.size, features, generator=generator)
    torch.manual_seed(seed)
    net = UPS(model, tuple(task.name for task in tasks), text)
    with torch.no_grad():
        for p in net.parameters():
            p += shaken * torch.randn(p.shape, generator=generator)
    data_sets = {name: DataSetInfo(classes, H36M_17) for name in ("synthetic_2d", "synthetic_3d")}
    mean = np.linspace(-1, 1, FEATURES, dtype=np.float32)
    return Trained(net.eval(), Config("test", model, train), vocabulary, data_sets, mean, 1.5)


def shape_of(config: ModelConfig) -> str:
    """The name of one of `SHAPES`, for test ids."""
    return f"{config.decoding}-{config.temporal_stride}"


def full_scores(choices: list[Choice], vocabulary: int) -> torch.Tensor:
    """Scores of all steps as (Q, K, vocabulary): -inf where a token does not compete."""
    steps = [k for choice in choices for k in choice.steps]
    assert sorted(steps) == list(range(len(steps)))  # every step is scored once
    scores = torch.full((len(choices[0].scores), len(steps), vocabulary), -torch.inf)
    for choice in choices:
        scores[:, torch.tensor(choice.steps)[:, None], choice.ids] = choice.scores
    return scores


def apart(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """|a - b| value by value; 0 where both are -inf."""
    return torch.where(a == b, 0.0, (a - b).abs())


def random_clip(
    skeleton: Skeleton = KINECT_20,
    persons: int = 1,
    frames: int = 10,
    space: Space = "kinect",
    seed: int = 0,
    label: int = 0,
) -> PoseSequence:
    """Joints drawn anew in every frame: within a metre, or within an image of `IMAGE` pixels with 3D poses behind."""
    rng = np.random.default_rng(seed)
    shape = (persons, frames, len(skeleton))
    planar = space == "image"
    joints = rng.uniform(0.2, 0.8, (*shape, 2)) * IMAGE if planar else rng.uniform(-0.5, 0.5, (*shape, 3))
    pose_3d = rng.uniform(-0.5, 0.5, (*shape, 3)) + np.array([0, 0, 4]) if planar else None
    size = IMAGE if planar else None
    return PoseSequence(
        joints, np.ones(shape), skeleton, space, 30.0, f"clip {seed}", label, image_size=size, pose_3d=pose_3d
    )


def hidden(
    clip: PoseSequence, person: int | slice, frames: slice, joints: list[int], value: float = 0.0
) -> PoseSequence:
    """The clip with some joints invisible and `value` as their coordinates."""
    coordinates, visibility = clip.joints.copy(), clip.visibility.copy()
    coordinates[person, frames, joints], visibility[person, frames, joints] = value, 0
    return replace(clip, joints=coordinates, visibility=visibility)


def reordered(clip: PoseSequence, skeleton: Skeleton) -> PoseSequence:
    """The same clip with its joints in another skeleton's order."""
    order = [clip.skeleton.joints.index(j) for j in skeleton.joints]
    pose_3d = None if clip.pose_3d is None else clip.pose_3d[:, :, order]
    return replace(
        clip,
        joints=clip.joints[:, :, order],
        visibility=clip.visibility[:, :, order],
        skeleton=skeleton,
        pose_3d=pose_3d,
    )


def mirrored_clip(clip: PoseSequence) -> PoseSequence:
    """A 2D clip in a mirror: x counts from the other edge, left and right joints change places."""
    mirror = list(clip.skeleton.mirror)
    assert clip.image_size is not None
    joints = clip.joints[:, :, mirror].copy()
    joints[..., 0] = clip.image_size[0] - joints[..., 0]
    pose_3d = None if clip.pose_3d is None else clip.pose_3d[:, :, mirror] * np.array([-1, 1, 1])
    return replace(clip, joints=joints, visibility=clip.visibility[:, :, mirror], pose_3d=pose_3d)
