"""How far a model's answers can be believed: what `ups calibrate` finds after training. Needs no PyTorch.

Probabilities are sharpened or softened by a temperature (Guo et al., On Calibration of Modern Neural Networks, ICML 2017).
Whether any candidate is shown at all follows from the decoder's state that wrote the action: the cosine of its angle to
the nearest of the candidates' mean states in training, through a logistic curve. That an action is none of the candidates
shows there, though softmax, which knows only them, may be sure of one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ups.labels import canonical_text


@dataclass(frozen=True)
class TaskCalibration:
    """Of the answers to one task.

    Attributes:
        temperature: that log-probabilities are divided by; > 0.
        weight, bias: the probability that no candidate is shown is 1 / (1 + exp(weight * cosine - bias)).
        longest_s: seconds of the longest clips of training; a longer recording is asked about in windows.
        classes: spelled as `canonical_text` does.
        centres: (classes, D) float32 unit vectors, the mean state of each.
    """

    temperature: float
    weight: float
    bias: float
    longest_s: float
    classes: tuple[str, ...]
    centres: np.ndarray

    def sharpen(self, scores: np.ndarray) -> np.ndarray:
        """Log-probabilities (B, classes) of the candidates -> those that can be believed."""
        scaled = scores / self.temperature
        return scaled - np.logaddexp.reduce(scaled, axis=1, keepdims=True)

    def cosine(self, states: np.ndarray, candidates: tuple[str, ...]) -> np.ndarray:
        """States (B, D) -> cosine to the nearest candidate's centre (B,); to any centre where a candidate has none."""
        rows = [self.classes.index(name) for name in map(canonical_text, candidates) if name in self.classes]
        centres = self.centres[rows] if len(rows) == len(candidates) else self.centres
        length = np.maximum(np.linalg.norm(states, axis=1, keepdims=True), 1e-9)
        return (states / length @ centres.T).max(1)

    def unknown(self, states: np.ndarray, candidates: tuple[str, ...]) -> np.ndarray:
        """The probability that none of the candidates is shown: (B,)."""
        evidence = self.weight * self.cosine(states, candidates) - self.bias
        return (1 - np.tanh(evidence / 2)) / 2  # 1 / (1 + exp(evidence)), without its overflow


Calibration = dict[str, TaskCalibration]
"""By the task's name."""
LONGEST = 12.0
"""`longest_s` where the model was not calibrated."""
