"""Named configurations.

tiny:  generated data, minutes on two cores. small: the public sets that fit a laptop, an hour on two cores.
base:  the paper's data sets on one GPU. paper: what the paper states (L=3, H=2, q=256, batch 1024, learning rate 1e-2,
weight decay 5e-4, RoBERTa-base) and none of our additions; widths, which it does not state, are ours, with attention over
whole frame tokens. paper-plus: the same with our additions to training. docs/reproduce.md compares them value by value.
Their twins -ntu60-xsub, -ntu60-xview, -ntu120-xsub and -ntu120-xset recognise and anticipate on one protocol each.
Variants of a recipe, for experiments, are one-line derivations: `separate`, `without_routing`, `depth` and so on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from ups.config import (
    ActionAugment,
    Augment,
    Config,
    ModelConfig,
    PoseAugment,
    ShiftAugment,
    TaskMix,
    TrainConfig,
)  # fmt: skip
from ups.errors import SettingError, did_you_mean
from ups.refs import DataRef

_SYNTHETIC = (
    TaskMix("estimate_pose", ("synthetic_2d:xsub",), batch=32, frames=16),
    TaskMix("recognize_2d", ("synthetic_2d:xsub",), batch=32, frames=24),
    TaskMix("anticipate", ("synthetic_3d:xsub",), batch=32, frames=24),
    TaskMix("recognize_3d", ("synthetic_3d:xsub",), batch=32, frames=24),
)
_PUBLIC = (
    TaskMix(
        "estimate_pose",
        (
            "humaneva:official", "bandai_namco:held_out_styles", "kard_2d:held_out_subjects", "cmu_mocap:held_out_subjects",
            "cmu_dance:held_out_styles",
        ),
        shares=(0.27, 0.33, 0.16, 0.19, 0.05), balance=0.5, batch=80, frames=27,
    ),
    TaskMix(
        "recognize_2d", ("penn_action:official", "kard_2d:held_out_subjects"), shares=(0.8, 0.2), batch=32, frames=48,
    ),
    TaskMix(
        "anticipate", ("nw_ucla:xview", "utd_mhad:xsub", "penn_action:official", "msr_action3d:xsub"),
        shares=(0.26, 0.26, 0.36, 0.12), batch=32, frames=48,
    ),
    TaskMix(
        "recognize_3d", ("nw_ucla:xview", "utd_mhad:xsub", "kard_3d:held_out_subjects", "msr_action3d:xsub"),
        shares=(0.42, 0.25, 0.15, 0.18), batch=32, frames=48,
    ),
)  # fmt: skip
_SHIFTED = Augment(shift=ShiftAugment(share=0.7, skeleton=0.7, camera=0.3, detector=0.5, rate=0.3, pause=0.45))

_PAPER = (
    TaskMix("estimate_pose", ("h36m_cpn:official",), by_length=True, batch=1024, frames=243),
    TaskMix("recognize_2d", ("kinetics_skeleton:official",), batch=1024, frames=64),
    TaskMix("anticipate", ("ntu60:xsub",), batch=1024, frames=64),
    TaskMix("recognize_3d", ("ntu60:xsub",), batch=1024, frames=64),
)
_PAPER_MODEL = ModelConfig(
    joint_width=64, layers=3, blocks=2, routing="hard_all", routing_width=256, frame_width=25 * 64, frame_heads=8,
    frame_mlp=2 * 25 * 64, decoder_width=256, decoder_layers=3, decoder_heads=8, text_encoder="roberta:roberta-base",
)  # fmt: skip
_NEIGHBOURS = Augment(
    action_3d=ActionAugment(yaw=17, tilt=17, roll=17, scale=0, stretch=0, mirror=0, crop=0.5, noise=0, drop=0, bend=0, pace=0),
    action_2d=ActionAugment(roll=10, scale=0.1, stretch=0, mirror=0, crop=0.5, noise=0, drop=0, bend=0, pace=0),
    pose=PoseAugment(mirror=0.5, noise=0, drop=0),
)  # fmt: skip
"""Random changes that the networks make which the paper compares itself with: CTR-GCN turns 3D clips by 0.3 radians and
cuts them, ST-GCN moves 2D ones, VideoPose3D mirrors."""
_BASE = tuple(replace(mix, batch=128) for mix in _PAPER)

RECIPES: dict[str, Config] = {
    "tiny": Config(
        "tiny",
        ModelConfig(
            joint_width=16, tokenizer_layers=2, layers=2, frame_width=64, frame_heads=4, frame_mlp=96,
            decoder_width=64, decoder_layers=2, routing_width=32, bins=128,
        ),
        TrainConfig(_SYNTHETIC, cycles=300, learning_rate=4e-3, ema=0.99, precision="32-true"),
    ),
    "base": Config(
        "base",
        ModelConfig(
            joint_width=64, graph_groups=8, frame_width=512, frame_heads=8, frame_mlp=1024, decoder_width=256, decoder_heads=8,
        ),
        TrainConfig(_BASE, cycles=60_000, learning_rate=1e-3, explore=0.1),
    ),
    "paper": Config(
        "paper",
        replace(_PAPER_MODEL, compete="vocabulary", text_features="raw"),
        TrainConfig(
            _PAPER, cycles=60_000, learning_rate=1e-2, weight_decay=5e-4, warmup=0.0, clip_norm=0, accumulate=8, ema=0.0,
            explore=1.0, route_noise="constant", route_temperature=(1.0, 1.0), drop_inputs=False, smooth_bins=0.0,
            smooth_labels=0.0, target_frames="centre", augment=_NEIGHBOURS,
        ),
    ),
    "paper-plus": Config(
        "paper-plus",
        _PAPER_MODEL,
        TrainConfig(_PAPER, cycles=60_000, learning_rate=1e-2, weight_decay=5e-4, explore=1.0, target_frames=1, accumulate=8),
    ),
    "small": Config(
        "small",
        ModelConfig(temporal_stride=2, frame_mlp=192, decoding="body", confidence=True),
        TrainConfig(
            _PUBLIC, cycles=4000, learning_rate=1.5e-3, weight_decay=0.05, explore=0.15, expectation=1.0, smooth_labels=0.05,
            augment=_SHIFTED,
        ),
    ),
}  # fmt: skip


def with_data(config: Config, task: str, *data: str) -> Config:
    """The same with other data sets, each as "store:protocol", for one of its tasks.

    Raises:
        SettingError: a task that the mixture lacks, or data without a protocol.
    """
    if task not in (known := [mix.task for mix in config.train.tasks]):
        raise SettingError(f"recipe {config.name} has no task {task!r}; it has {known}")
    names = tuple(str(DataRef.parse(entry)) for entry in data)
    mixes = tuple(replace(m, data=names, shares=()) if m.task == task else m for m in config.train.tasks)
    return replace(config, train=replace(config.train, tasks=mixes))


def with_assigned_data(config: Config, entries: tuple[str, ...]) -> Config:
    """The same with data sets given as "TASK=STORE:PROTOCOL"; those of one task are learned together.

    Raises:
        SettingError: an entry of another form, or as `with_data` does.
    """
    chosen: dict[str, list[str]] = {}
    for entry in entries:
        task, _, data = entry.partition("=")
        if not data:
            raise SettingError(f"data {entry!r}: TASK=STORE:PROTOCOL is needed, as in recognize_3d=ntu120:xsub")
        chosen.setdefault(task, []).append(data)
    for task, data in chosen.items():
        config = with_data(config, task, *data)
    return config


def _on_ntu(config: Config, recognize: str, *anticipate: str) -> Config:
    """A recipe's twin for one protocol of NTU RGB+D, named after it."""
    name = f"{config.name}-{recognize.replace(':', '-')}"
    return with_data(
        with_data(replace(config, name=name), "recognize_3d", recognize), "anticipate", *(anticipate or (recognize,))
    )


for _paper in [config for name, config in RECIPES.items() if name.startswith("paper")]:
    for _twin in (
        _on_ntu(_paper, "ntu60:xsub"),
        _on_ntu(_paper, "ntu60:xview"),
        _on_ntu(_paper, "ntu120:xsub", "ntu60:xsub", "ntu120:xsub"),  # Tables 7 to 9 need both; they cut alike
        _on_ntu(_paper, "ntu120:xset"),
    ):
        RECIPES[_twin.name] = _twin


def get_recipe(name: str) -> Config:
    """The recipe called `name`; raises SettingError with the known names."""
    if name not in RECIPES:
        raise SettingError(f"unknown recipe {name!r}{did_you_mean(name, RECIPES)}; known: {', '.join(RECIPES)}")
    return RECIPES[name]


def shorter(config: Config, share: float) -> Config:
    """The same with that share of the training cycles, at least one; raises SettingError for a share of 0 or less."""
    if not share > 0:
        raise SettingError(f"a share of {share} of the training; above 0 is needed")
    return replace(config, train=replace(config.train, cycles=max(1, round(share * config.train.cycles))))


def seeded(config: Config, seed: int) -> Config:
    """The same with another seed."""
    return replace(config, train=replace(config.train, seed=seed))


def held_out(config: Config, share: float) -> Config:
    """The same with that share of the training subjects kept apart for validation."""
    return replace(config, train=replace(config.train, hold_out=share))


def separate(config: Config, task: str) -> Config:
    """One task alone (the paper's UPS_separate), with as many optimiser steps and samples of it as in the whole mixture.

    Raises:
        SettingError: a task that the mixture lacks.
    """
    mixes = tuple(mix for mix in config.train.tasks if mix.task == task)
    if not mixes:
        raise SettingError(
            f"recipe {config.name} has no task {task!r}; it has {[mix.task for mix in config.train.tasks]}"
        )
    return replace(config, train=replace(config.train, tasks=mixes))


def blocks(config: Config, number: int) -> Config:
    """H parallel blocks in each layer (paper Table 8)."""
    return replace(config, model=replace(config.model, blocks=number))


def without_routing(config: Config) -> Config:
    """One block in each layer, shared by all tasks (paper Table 9)."""
    return blocks(config, 1)


def routing(config: Config, kind: Literal["chosen", "hard_all", "dense"]) -> Config:
    """Another way to run blocks while routes are explored, see `ModelConfig.routing`."""
    return replace(config, model=replace(config.model, routing=kind))


def frozen_routes(config: Config) -> Config:
    """Routes are never explored: each task keeps those that its seed drew at random."""
    return replace(config, train=replace(config.train, explore=0.0))


def depth(config: Config, layers: int) -> Config:
    """L layers of the encoder (paper Table 7)."""
    return replace(config, model=replace(config.model, layers=layers))


def bins(config: Config, number: int) -> Config:
    """n_bins coordinate bins an axis; targets stay smoothed over the same distance in metres."""
    smooth = config.train.smooth_bins * number / config.model.bins
    return replace(config, model=replace(config.model, bins=number), train=replace(config.train, smooth_bins=smooth))


def text(config: Config, encoder: str) -> Config:
    """Another text encoder of the vocabulary."""
    return replace(config, model=replace(config.model, text_encoder=encoder))


def unsmoothed(config: Config) -> Config:
    """One-hot coordinate targets, as in the paper."""
    return replace(config, train=replace(config.train, smooth_bins=0.0))


def full_inputs(config: Config) -> Config:
    """No decoder input is dropped in training, as in the paper."""
    return replace(config, train=replace(config.train, drop_inputs=False))
