"""Named configurations. A variant of the paper is a one-line derivation of a recipe."""

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
    TaskMix("estimate_pose", ("humaneva:official",), batch=48, frames=27),
    TaskMix("recognize_2d", ("penn_action:official",), batch=32, frames=48),
    TaskMix("anticipate", ("nw_ucla:xview", "utd_mhad:xsub"), batch=32, frames=40),
    TaskMix("recognize_3d", ("nw_ucla:xview", "utd_mhad:xsub"), batch=32, frames=40),
)

RECIPES: dict[str, Config] = {
    "tiny": Config(
        "tiny",
        ModelConfig(
            joint_width=16, tokenizer_layers=2, layers=2, frame_width=64, frame_heads=4, frame_mlp=96,
            decoder_width=64, decoder_layers=2, routing_width=32, bins=128,
        ),
        TrainConfig(_SYNTHETIC, cycles=300, learning_rate=4e-3, ema=0.99, precision="32-true"),
    ),
    "small": Config("small", ModelConfig(), TrainConfig(_PUBLIC, cycles=3600, learning_rate=1.5e-3, explore=0.15)),
}  # fmt: skip


def get_recipe(name: str) -> Config:
    """The recipe called `name`; raises ValueError with the known names."""
    if name not in RECIPES:
        raise ValueError(f"unknown recipe {name!r}; known: {', '.join(RECIPES)}")
    return RECIPES[name]


def with_cycles(config: Config, cycles: int) -> Config:
    """The same recipe, longer or shorter."""
    return replace(config, train=replace(config.train, cycles=cycles))
