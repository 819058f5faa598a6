"""What changes the weights: parameter groups, schedules of learning rate and routing, the running average."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from ups.config import TrainConfig
from ups.model.ups import UPS
from ups.runtime.distributed import (
    local,
)


def parameter_groups(model: UPS, config: TrainConfig) -> list[dict[str, Any]]:
    """AdamW groups: matrices with weight decay; norms, biases, embeddings without; the router at its own rate.

    What processes share out is apart from what each of them holds: PyTorch can't step both at once.
    """
    groups: dict[tuple[str, bool], list[Tensor]] = defaultdict(list)
    for name, p in model.named_parameters():
        embedding = any(
            part in name for part in ("slot", "position", "person", "residual", "absent", "dropped", "start_embedding")
        )
        kind = "router" if name.startswith("router") else "plain" if p.dim() < 2 or embedding else "matrix"
        groups[kind, isinstance(p, DTensor)].append(p)
    decay = {"matrix": config.weight_decay, "plain": 0.0, "router": 0.0}
    rate = {"matrix": 1.0, "plain": 1.0, "router": config.route_learning_rate}
    order = sorted(groups, key=lambda key: list(decay).index(key[0]))
    return [{"params": groups[key], "weight_decay": decay[key[0]], "rate": rate[key[0]]} for key in order]


def learning_rate(config: TrainConfig, progress: float) -> float:
    """Linear warm-up, then a cosine to 0; `progress` in 0..1."""
    if progress < config.warmup:
        return config.learning_rate * progress / config.warmup
    done = (progress - config.warmup) / max(1 - config.warmup, 1e-9)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def set_routing(model: UPS, config: TrainConfig, progress: float) -> None:
    """Anneal the Gumbel-softmax: temperature geometrically, noise, unless constant, linearly to 0 at exploration's end."""
    left = max(0.0, 1 - progress / config.explore) if config.explore > 0 else 0.0
    start, end = config.route_temperature
    model.router.noise = left if config.route_noise == "annealed" else float(left > 0)
    model.router.temperature = end * (start / end) ** left


class Average:
    """Exponential running average of a model's parameters, warmed up so that early steps count less."""

    def __init__(self, model: UPS, decay: float) -> None:
        self.decay = decay
        self.values = {name: p.detach().clone() for name, p in model.named_parameters()}

    @torch.no_grad()
    def update(self, model: UPS, step: int) -> None:
        """Move towards the model's parameters after optimiser step `step` (from 0)."""
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        parameters = dict(model.named_parameters())
        torch._foreach_lerp_(  # pyright: ignore[reportPrivateImportUsage]
            [local(value) for value in self.values.values()], [local(parameters[name]) for name in self.values], weight
        )
