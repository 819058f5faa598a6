"""The loss of a batch (paper 3.5, equation 3), and the decoder inputs that training hides."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ups.batch import Batch
from ups.config import TrainConfig
from ups.model.ups import Choice
from ups.tokens.layout import CLASS_POSITION, Layout
from ups.tokens.vocabulary import Vocabulary


def sequence_loss(
    choices: list[Choice], batch: Batch, vocabulary: Vocabulary, config: TrainConfig
) -> tuple[Tensor, Tensor]:
    """Negative log-likelihood of the target tokens (equation 3), mean over sequences and steps.

    Coordinate targets are smoothed over neighbouring bins, class targets over the data set's classes. Where
    `config.expectation` is set, the distance (in decimetres) between the expectation over an axis's bins, which is what
    is read out, and the target bin's centre is added. Where a coordinate competes with the whole vocabulary, the loss
    reads the bins of its axis of a distribution over all tokens.

    Returns:
        The loss, and the negative log-likelihood alone.
    """
    nll, extra = batch.weights.new_zeros(()), batch.weights.new_zeros(())
    for choice in choices:
        target, weight = batch.tokens[:, choice.steps], batch.weights[:, choice.steps]
        log_p = choice.scores.float().log_softmax(-1)
        if batch.layout.positions[choice.steps[0]] < CLASS_POSITION:
            axis = batch.layout.allowed[choice.steps[0]]  # the ids of an axis's bins follow one another
            low = axis[0] - int(choice.ids[0])
            log_p, bin_number = log_p[..., low : low + len(axis)], target - axis[0]
            loss = _smoothed(log_p, bin_number, config.smooth_bins)
            if config.expectation > 0:
                centres = torch.from_numpy(vocabulary.bin_centres).to(log_p.device)
                distance = ((log_p.exp() * centres).sum(-1) - centres[bin_number]).abs()
                extra = extra + 10 * config.expectation * (distance * weight).sum()
        else:
            loss = -log_p.gather(-1, target[..., None])[..., 0]
            if batch.layout.positions[choice.steps[0]] == CLASS_POSITION and config.smooth_labels > 0:
                classes = torch.tensor(batch.layout.allowed[choice.steps[0]], device=target.device)
                spread = -log_p[:, 0, classes].mean(-1)
                first = (1 - config.smooth_labels) * loss[:, 0] + config.smooth_labels * spread
                loss = torch.cat([first[:, None], loss[:, 1:]], dim=1)
        nll = nll + (loss * weight).sum()
    count = batch.weights.sum()
    return (nll + extra) / count, nll.detach() / count


def _smoothed(log_p: Tensor, target: Tensor, deviation: float) -> Tensor:
    """Cross-entropy of (..., bins) with a Gaussian of `deviation` bins around the target bin (...)."""
    if deviation == 0:
        return -log_p.gather(-1, target[..., None])[..., 0]
    reach = math.ceil(3 * deviation)
    offsets = torch.arange(-reach, reach + 1, device=target.device)
    weight = torch.softmax(-(offsets.float() ** 2) / (2 * deviation**2), 0)
    near = (target[..., None] + offsets).clamp(0, log_p.shape[-1] - 1)
    return -(log_p.gather(-1, near) * weight).sum(-1)


def drop_mask(layout: Layout, tokens: Tensor) -> Tensor | None:
    """Which tokens to hide from the decoder, (Q, K): a ratio from U(0, 1) for each sequence (as Pix2Seq does)."""
    if not layout.per_frame:
        return None
    ratio = torch.rand(len(tokens), 1, device=tokens.device)
    return torch.rand(tokens.shape, device=tokens.device) < ratio
