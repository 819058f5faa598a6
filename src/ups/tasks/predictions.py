"""What a predictor answers. Needs no PyTorch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ups.skeleton import Skeleton


@dataclass(frozen=True)
class Answer:
    """An action among the classes that were asked about.

    Attributes:
        classes: the candidates, most probable first.
        probabilities: theirs, summing to 1: which one it is, if it is one of them.
        unknown: probability that it is none of them; None where the model was not calibrated (`ups calibrate`).
    """

    classes: tuple[str, ...]
    probabilities: tuple[float, ...]
    unknown: float | None = None

    @property
    def best(self) -> str:
        """The most probable action."""
        return self.classes[0]


@dataclass(frozen=True)
class Lifted:
    """3D poses behind 2D joints.

    Attributes:
        joints: (M, N, J, 3) float32 metres, relative to the root, camera frame (x right, y down, z forward), in the
            input skeleton's joint order; NaN where nothing is seen of the person around a frame.
        spread: (M, N, J) float32 metres: standard deviation of the decoded distribution, the joint's uncertainty.
        skeleton: names the J joints: those of the input, without any that the model never met in training.
        root: (M, N, 3) float32 metres, camera frame: where the root is, by least squares of the poses against their 2D
            joints; NaN where that can't be told. `joints + root[:, :, None]` are absolute.
        reprojection: (M, N) float32: by how much the absolute poses miss the 2D joints (root mean square), as a share of
            the body's size in the picture. Large = don't trust the frame.
        focal: focal length in pixels by which they were placed.
        focal_known: whether the clip gave it; otherwise it was assumed, and so distances are rough.
    """

    joints: np.ndarray
    spread: np.ndarray
    skeleton: Skeleton
    root: np.ndarray | None = None
    reprojection: np.ndarray | None = None
    focal: float = float("nan")
    focal_known: bool = False


def rank(names: tuple[str, ...], log_probabilities: np.ndarray, unknown: float | None = None) -> Answer:
    """The answer that gives each name the probability of its logarithm (classes,)."""
    probability = np.exp(log_probabilities)
    order = np.argsort(-probability, kind="stable")
    return Answer(tuple(names[i] for i in order), tuple(float(probability[i]) for i in order), unknown)
