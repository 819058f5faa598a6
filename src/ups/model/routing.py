"""Dynamic routing (paper 3.4): each task picks one of H blocks in every layer by Gumbel-softmax.

The sample m is straight-through: one-hot in value, soft in gradient. With `routing` "hard_all" all blocks run and m
combines them, so the embeddings' gradient compares the blocks. What differs from the paper with "chosen": only the chosen
block runs, and its weight, whose value is 1, gets the gradient of this block against none, which reinforces whatever was
sampled. The Gumbel noise may be annealed away, after which a route is frozen.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Router(nn.Module):
    """Task embeddings tau (tasks, q) and block embeddings B (L, H, q)."""

    def __init__(self, tasks: int, layers: int, blocks: int, width: int, dense: bool = False) -> None:
        super().__init__()
        self.dense = dense
        """Give the softmax itself, for the ablation in which all blocks run and are mixed."""
        self.task = nn.Parameter(torch.randn(tasks, width) * width**-0.5)
        self.block = nn.Parameter(torch.randn(layers, blocks, width) * width**-0.5)
        self.temperature = 1.0
        self.noise = 0.0
        """Scale of the Gumbel noise in training: 1 = the paper's Gumbel-softmax, 0 = argmax."""
        self.seed: int | None = None
        """Where given, it alone determines the noise: so all parts of a batch, in any process, take one route."""

    def scores(self, task: int) -> Tensor:
        """s = B . tau, equation 1: (L, H)."""
        return self.block @ self.task[task]

    @property
    def routes_frozen(self) -> bool:
        """Whether routes are fixed: at evaluation, and in training once exploration is over; never where `dense`."""
        return not self.dense and not (self.training and self.noise > 0)

    def select(self, task: int) -> tuple[list[int], Tensor | None]:
        """The block of every layer, and m of equation 2: (L, H), one-hot in value and soft in gradient.

        While no noise is in play (at evaluation, and in training once exploration is over) the route is the argmax, and
        m is None: it is frozen, and no gradient moves it; so is a layer of one block. Where `dense`, m is always the
        softmax itself.
        """
        if self.block.shape[1] == 1:
            return [0] * len(self.block), None
        scores = self.scores(task).float()
        if self.training and self.noise > 0:
            generator = None if self.seed is None else torch.Generator(scores.device).manual_seed(self.seed)
            uniform = torch.rand(scores.shape, generator=generator, device=scores.device).clamp(1e-9, 1 - 1e-7)
            scores = scores - self.noise * torch.log(-torch.log(uniform))
        chosen = scores.argmax(-1)
        soft = torch.softmax(scores / self.temperature, dim=-1)
        if self.dense:
            return chosen.tolist(), soft
        if self.routes_frozen:
            return chosen.tolist(), None
        hard = torch.zeros_like(soft).scatter_(-1, chosen[:, None], 1.0)
        return chosen.tolist(), hard + soft - soft.detach()

    @torch.no_grad()
    def gaps(self, task: int) -> list[float]:
        """By how much the best block's score is above the next one's, in each of the L layers; 0 with one block.

        Gumbel noise at 1 has a standard deviation of 1.3: far above that, no sample takes another route.
        """
        if self.block.shape[1] == 1:
            return [0.0] * len(self.block)
        best = self.scores(task).topk(2, dim=-1).values
        return (best[:, 0] - best[:, 1]).tolist()

    @torch.no_grad()
    def route(self, task: int) -> list[int]:
        """The block that `task` uses in each of the L layers at evaluation."""
        return self.scores(task).argmax(-1).tolist()
