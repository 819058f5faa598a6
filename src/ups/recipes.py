"""Named configurations.

tiny:  generated data, minutes on two cores. small: the public sets that fit a laptop, an hour on two cores.
base:  the paper's data sets on one GPU. paper: the values that the paper states (L=3, H=2, q=256, batch 1024, learning rate
1e-2, weight decay 5e-4, RoBERTa-base); widths, which it does not state, are ours, with attention over whole frame tokens.
"""

from __future__ import annotations

from dataclasses import replace

from ups.config import Config, ModelConfig, TaskMix, TrainConfig

_SYNTHETIC = (
    TaskMix("estimate_pose", ("synthetic_2d:xsub",), batch=32, frames=16),
    TaskMix("recognize_2d", ("synthetic_2d:xsub",), batch=32, frames=24),
    TaskMix("anticipate", ("synthetic_3d:xsub",), batch=32, frames=24),
    TaskMix("recognize_3d", ("synthetic_3d:xsub",), batch=32, frames=24),
)
_PUBLIC = (
    TaskMix(
        "estimate_pose", ("humaneva:official", "bandai_namco:held_out_styles", "kard_2d:held_out_subjects"),
        shares=(0.4, 0.4, 0.2), batch=48, frames=27,
    ),
    TaskMix(
        "recognize_2d", ("penn_action:official", "kard_2d:held_out_subjects"), shares=(0.75, 0.25), batch=32, frames=48,
    ),
    TaskMix(
        "anticipate", ("nw_ucla:xview", "utd_mhad:xsub", "penn_action:official"), shares=(0.4, 0.3, 0.3),
        batch=32, frames=48,
    ),
    TaskMix(
        "recognize_3d", ("nw_ucla:xview", "utd_mhad:xsub", "kard_3d:held_out_subjects"), shares=(0.45, 0.3, 0.25),
        batch=32, frames=48,
    ),
)  # fmt: skip

_PAPER = (
    TaskMix("estimate_pose", ("h36m_cpn:official",), batch=1024, frames=243),
    TaskMix("recognize_2d", ("kinetics_skeleton:official",), batch=1024, frames=64),
    TaskMix("anticipate", ("ntu60:xsub",), batch=1024, frames=64),
    TaskMix("recognize_3d", ("ntu60:xsub",), batch=1024, frames=64),
)
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
        ModelConfig(
            joint_width=64, layers=3, blocks=2, routing_width=256, frame_width=25 * 64, frame_heads=8, frame_mlp=2 * 25 * 64,
            decoder_width=256, decoder_layers=3, decoder_heads=8, text_encoder="roberta:roberta-base",
        ),
        TrainConfig(_PAPER, cycles=60_000, learning_rate=1e-2, weight_decay=5e-4, explore=1.0, target_frames=1),
    ),
    "small": Config(
        "small",
        ModelConfig(temporal_stride=2, frame_mlp=192, decoding="level"),
        TrainConfig(_PUBLIC, cycles=4000, learning_rate=1.5e-3, explore=0.15, expectation=1.0),
    ),
}  # fmt: skip


def get_recipe(name: str) -> Config:
    """The recipe called `name`; raises ValueError with the known names."""
    if name not in RECIPES:
        raise ValueError(f"unknown recipe {name!r}; known: {', '.join(RECIPES)}")
    return RECIPES[name]
