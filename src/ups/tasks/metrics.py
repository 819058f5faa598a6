"""What results are worth: accuracy of actions, error of poses, and how far a confidence can be trusted.

Pure functions of arrays. They check shapes instead of broadcasting: a mean over wrongly paired arrays looks plausible.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ups.errors import DataError


def top_k(scores: ArrayLike, labels: ArrayLike, k: int) -> float:
    """Share of the clips whose true class is among the k best.

    Args:
        scores: (C, K) floats, the score of each of K classes for C clips, higher = better (of equal scores the lower
            class comes first, as argmax has it); or (C, R) integers, class indices ranked best first.
        labels: (C,) index of the true class.
        k: at least 1. With scores, a k above K counts as K, so that every clip is right; a ranking must hold k classes.

    Returns:
        A fraction in 0..1.

    Raises:
        DataError: no clips, shapes that disagree, scores that are not numbers, a label that is not a class, a bad k.
    """
    table, truth = np.asarray(scores), np.asarray(labels)
    if table.ndim != 2 or truth.shape != table.shape[:1] or not table.size:
        raise DataError(f"scores {table.shape} and labels {truth.shape}; (clips, classes) and (clips,) are needed")
    if k < 1:
        raise DataError(f"top-{k}: k is at least 1")
    if np.issubdtype(table.dtype, np.integer):
        if k > table.shape[1]:
            raise DataError(f"top-{k} of a ranking that holds {table.shape[1]} classes; rank at least {k}")
        ranking = table
    else:
        if np.isnan(table).any():
            raise DataError(f"{int(np.isnan(table).sum())} of the scores are NaN; the model has diverged")
        if truth.min() < 0 or truth.max() >= table.shape[1]:
            raise DataError(f"labels {truth.min()}..{truth.max()}, but there are scores for {table.shape[1]} classes")
        ranking = np.argsort(-table, axis=1, kind="stable")
    return float((ranking[:, :k] == truth[:, None]).any(1).mean())


def mpjpe(predicted: ArrayLike, truth: ArrayLike) -> np.ndarray:
    """Mean per-joint position error, 1/J Σ_j |p_j − t_j| (Ionescu et al., Human3.6M, TPAMI 2014; "protocol 1").

    Args:
        predicted: (..., J, 3) positions; subtract the root joint from both first where the protocol asks for it.
        truth: the same shape and unit.

    Returns:
        (...,) float64, one error per frame in the unit given.

    Raises:
        DataError: shapes that differ, positions that are not finite.
    """
    p, t = _paired_poses(predicted, truth)
    return np.linalg.norm(p - t, axis=-1).mean(-1)


def p_mpjpe(predicted: ArrayLike, truth: ArrayLike) -> np.ndarray:
    """MPJPE after each frame's best rotation, translation and scale, see `procrustes_align` ("protocol 2").

    Arguments, result and errors are those of `mpjpe`.
    """
    return mpjpe(procrustes_align(predicted, truth), truth)


def mpjve(predicted: ArrayLike, truth: ArrayLike) -> np.ndarray:
    """Mean per-joint velocity error: MPJPE of the differences of successive frames (Pavllo et al., CVPR 2019, 5.2).

    Args:
        predicted: (F, J, 3) positions of successive frames.
        truth: the same shape and unit.

    Returns:
        (F - 1,) float64 in the unit given per frame; empty where there is one frame.

    Raises:
        DataError: shapes that differ, positions that are not finite.
    """
    return _differences_apart(predicted, truth, 1)


def acceleration_error(predicted: ArrayLike, truth: ArrayLike) -> np.ndarray:
    """Jitter: MPJPE of second differences x(t-1) - 2 x(t) + x(t+1) (Kanazawa et al., CVPR 2019, as VIBE and others have it).

    Args:
        predicted: (F, J, 3) positions of successive frames.
        truth: the same shape and unit.

    Returns:
        (F - 2,) float64 in the unit given per frame squared; times fps squared it is per second squared. Empty where there
        are fewer than three frames.

    Raises:
        DataError: shapes that differ, positions that are not finite.
    """
    return _differences_apart(predicted, truth, 2)


def procrustes_align(predicted: ArrayLike, truth: ArrayLike) -> np.ndarray:
    """Each predicted pose, moved to its truth by the similarity s·R·p + t with the least squared error.

    With both centred, PᵀT = U S Vᵀ, R = U D Vᵀ where D = diag(1, 1, det(UVᵀ)) forbids a reflection, and
    s = tr(S D) / |P|² (Umeyama, TPAMI 1991). A predicted pose whose joints all coincide is put on the truth's centre.

    Args:
        predicted: (..., J, 3).
        truth: the same shape.

    Returns:
        (..., J, 3) float64 in the truth's unit and frame.

    Raises:
        DataError: shapes that differ, positions that are not finite.
    """
    p, t = _paired_poses(predicted, truth)
    centre = t.mean(-2, keepdims=True)
    p, t = p - p.mean(-2, keepdims=True), t - centre
    u, s, vt = np.linalg.svd(p.swapaxes(-1, -2) @ t)
    sign = np.where(np.linalg.det(u @ vt) < 0, -1.0, 1.0)
    u[..., -1] *= sign[..., None]
    s[..., -1] *= sign
    size = np.square(p).sum((-1, -2))
    scale = np.divide(s.sum(-1), size, out=np.zeros_like(size), where=size > 0)
    return scale[..., None, None] * (p @ u @ vt) + centre


def mean_per_action(errors: ArrayLike, actions: Sequence[str] | np.ndarray) -> tuple[dict[str, float], float]:
    """Human3.6M's averaging: the frame mean of each action, then the mean over actions, each counted once.

    Args:
        errors: (F,) error of each frame.
        actions: (F,) name of the action each frame belongs to.

    Returns:
        Action -> its mean, in alphabetical order; and the mean of these means.

    Raises:
        DataError: no frames, or lengths that differ.
    """
    values, names = np.asarray(errors, dtype=np.float64), np.asarray(actions)
    if values.ndim != 1 or names.shape != values.shape or not len(values):
        raise DataError(f"errors {values.shape} and actions {names.shape}; one of each per frame is needed")
    unique, index = np.unique(names, return_inverse=True)
    means = np.bincount(index, weights=values) / np.bincount(index)
    return {str(name): float(mean) for name, mean in zip(unique, means, strict=True)}, float(means.mean())


def area_under_curve(ratios: ArrayLike, accuracies: ArrayLike) -> float:
    """Area under accuracy over observation ratio by the trapezoid rule, divided by the range of the ratios.

    It is the mean accuracy over that range, in the unit of `accuracies`: a constant curve has its own height as area.
    With evenly spaced ratios the end points count half, so it differs from the plain mean of the accuracies.

    Args:
        ratios: (R,) rising, at least two.
        accuracies: (R,).

    Raises:
        DataError: fewer than two points, lengths that differ, ratios that don't rise.
    """
    x, y = np.asarray(ratios, dtype=np.float64), np.asarray(accuracies, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape or len(x) < 2:
        raise DataError(f"ratios {x.shape} and accuracies {y.shape}; at least two of each are needed")
    if (np.diff(x) <= 0).any():
        raise DataError(f"ratios {x.tolist()} don't rise; sort them and drop repeated ones")
    from scipy.integrate import trapezoid

    return float(trapezoid(y, x) / (x[-1] - x[0]))


def expected_calibration_error(probabilities: ArrayLike, correct: ArrayLike, bins: int = 15) -> float:
    """Σ_b (n_b / n) |share correct in bin b − mean probability in bin b| (Guo et al., ICML 2017).

    Args:
        probabilities: (C,) in 0..1, the probability given to the class that was chosen.
        correct: (C,) whether the choice was right.
        bins: number of equally wide bins ((b−1)/bins, b/bins]; 0 lies in the first.

    Returns:
        A fraction in 0..1; 0 = of the answers given with probability p, a share p is right.

    Raises:
        DataError: no answers, lengths that differ, a probability outside 0..1, no bins.
    """
    p, right, index = _binned(probabilities, correct, bins)
    gaps = np.bincount(index, weights=right - p, minlength=bins)
    return float(np.abs(gaps).sum() / len(p))


def reliability(
    probabilities: ArrayLike, correct: ArrayLike, bins: int = 15
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The reliability diagram behind `expected_calibration_error`, whose arguments and errors it has.

    Returns:
        Of each bin that holds answers, in order: their mean probability, the share that is right, their number.
    """
    p, right, index = _binned(probabilities, correct, bins)
    number = np.bincount(index, minlength=bins)
    held = number > 0
    sums = (np.bincount(index, weights=values, minlength=bins)[held] for values in (p, right))
    mean, share = (total / number[held] for total in sums)
    return mean, share, number[held]


def _binned(probabilities: ArrayLike, correct: ArrayLike, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities and whether each was right as floats, and each one's bin."""
    p, right = np.asarray(probabilities, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    if p.ndim != 1 or p.shape != right.shape or not len(p):
        raise DataError(f"probabilities {p.shape} and correct {right.shape}; one of each per answer is needed")
    if not (p.min() >= 0 and p.max() <= 1):
        raise DataError(f"probabilities lie in 0..1, found {p.min()}..{p.max()}")
    if bins < 1:
        raise DataError(f"{bins} bins; at least 1 is needed")
    return p, right, np.clip(np.ceil(p * bins).astype(int) - 1, 0, bins - 1)


def area_under_roc(positive: ArrayLike, negative: ArrayLike) -> float:
    """Area under the receiver operating characteristic: the chance that a positive's score exceeds a negative's.

    Args:
        positive: (P,) scores of what is to be found.
        negative: (N,) scores of the rest. Of equal scores half count (the Mann-Whitney statistic, U / PN).

    Returns:
        0..1; 0.5 = the scores tell nothing.

    Raises:
        DataError: none of the one or of the other, scores that are NaN.
    """
    p, n = np.asarray(positive, dtype=np.float64), np.asarray(negative, dtype=np.float64)
    if p.ndim != 1 or n.ndim != 1 or not len(p) or not len(n):
        raise DataError(f"positives {p.shape} and negatives {n.shape}; one list of scores of each is needed")
    if np.isnan(p).any() or np.isnan(n).any():
        raise DataError("scores are NaN; the model has diverged")
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([p, n]))[: len(p)]
    return float((ranks.sum() - len(p) * (len(p) + 1) / 2) / (len(p) * len(n)))


def spearman(a: ArrayLike, b: ArrayLike) -> float:
    """Spearman's rank correlation: Pearson's correlation of the ranks, ties sharing their mean rank.

    Args:
        a: (C,) values.
        b: (C,) values.

    Returns:
        -1..1; NaN where a or b is constant, for which no correlation is defined.

    Raises:
        DataError: fewer than two values, lengths that differ, values that are NaN.
    """
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape or len(x) < 2:
        raise DataError(f"values {x.shape} and {y.shape}; at least two of each are needed")
    if np.isnan(x).any() or np.isnan(y).any():
        raise DataError("values to correlate are NaN; drop these pairs first")
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    from scipy.stats import spearmanr

    return float(np.asarray(spearmanr(x, y))[0])


def _differences_apart(predicted: ArrayLike, truth: ArrayLike, order: int) -> np.ndarray:
    """Distance of the differences of an order in time, mean over joints: (F - order,)."""
    p, t = _paired_poses(predicted, truth)
    if p.ndim != 3:
        raise DataError(f"poses {p.shape}; (frames, joints, 3) of successive frames are needed")
    return np.linalg.norm(np.diff(p - t, order, axis=0), axis=-1).mean(-1)


def _paired_poses(predicted: ArrayLike, truth: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64, checked."""
    p, t = np.asarray(predicted, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if p.shape != t.shape or p.ndim < 2 or p.shape[-1] != 3 or not p.shape[-2]:
        raise DataError(f"predicted {p.shape} and truth {t.shape}; both must be (..., joints, 3)")
    for name, value in (("predicted", p), ("true", t)):
        if not np.isfinite(value).all():
            raise DataError(f"{int((~np.isfinite(value)).sum())} of the {name} coordinates are not finite")
    return p, t


def free_figures(
    figure: str, formed: float, every: float, among: float | None, grammar: float, unit: float
) -> dict[str, Any]:
    """What was found without the grammar, as a task's metrics keep it under "free".

    `formed` is the share of well-formed outputs; then a task's figure with malformed ones counted wrong, among the
    well-formed ones alone, and under the grammar, each times `unit`.
    """
    return {
        "figure": figure,
        "well_formed": formed,
        "malformed_wrong": unit * every,
        "among_well_formed": None if among is None else unit * among,
        "constrained": unit * grammar,
    }


def free_headline(metrics: dict[str, Any], unit: str) -> list[tuple[str, str]]:
    """The same as lines of (name, text), where it was measured."""
    found = metrics.get("free")
    if not found:
        return []
    among = found["among_well_formed"]
    return [
        ("without the grammar: well formed", f"{found['well_formed']:.1%}"),
        (f"{found['figure']}, malformed counted wrong", f"{found['malformed_wrong']:.1f}{unit}"),
        (f"{found['figure']} among the well formed", "-" if among is None else f"{among:.1f}{unit}"),
        (f"{found['figure']} under the grammar, read alike", f"{found['constrained']:.1f}{unit}"),
    ]
