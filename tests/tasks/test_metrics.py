"""Metrics against values worked out by hand and against scipy's own algorithms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import procrustes
from scipy.spatial.transform import Rotation
from scipy.stats import spearmanr

from ups.errors import DataError
from ups.tasks import metrics


def test_top_k_by_hand() -> None:
    scores = np.array([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3], [0.3, 0.3, 0.4], [0.2, 0.5, 0.3]])
    labels = [1, 2, 0, 0]
    assert metrics.top_k(scores, labels, 1) == 0.25
    assert metrics.top_k(scores, labels, 2) == 0.75
    assert metrics.top_k(scores, labels, 3) == 1.0
    assert metrics.top_k(scores, labels, 5) == 1.0


def test_top_k_of_equal_scores_takes_the_lower_class_as_argmax_does() -> None:
    scores = np.zeros((3, 4))
    assert metrics.top_k(scores, [0, 1, 3], 1) == pytest.approx(1 / 3)
    assert metrics.top_k(scores, [0, 1, 3], 2) == pytest.approx(2 / 3)


def test_top_k_of_a_ranking_equals_that_of_its_scores() -> None:
    rng = np.random.default_rng(0)
    scores, labels = rng.normal(size=(200, 27)), rng.integers(0, 27, 200)
    ranking = np.argsort(-scores, axis=1)[:, :5]
    for k in (1, 3, 5):
        assert metrics.top_k(ranking, labels, k) == metrics.top_k(scores, labels, k)
    with pytest.raises(ValueError, match="rank at least 6"):
        metrics.top_k(ranking, labels, 6)


@pytest.mark.parametrize(
    ("scores", "labels", "k", "message"),
    [
        (np.zeros((2, 3)), [0], 1, "clips, classes"),
        (np.zeros((0, 3)), [], 1, "clips, classes"),
        (np.zeros((2, 3)), [0, 3], 1, "3 classes"),
        (np.zeros((2, 3)), [0, -1], 1, "labels -1"),
        (np.full((2, 3), np.nan), [0, 1], 1, "NaN"),
        (np.zeros((2, 3)), [0, 1], 0, "at least 1"),
    ],
)
def test_top_k_refuses(scores: np.ndarray, labels: list[int], k: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metrics.top_k(scores, labels, k)


def test_mpjpe_by_hand() -> None:
    truth = np.zeros((2, 2, 3))
    predicted = truth.copy()
    predicted[0, 0] = (3, 4, 0)
    predicted[1] = [(0, 0, 2), (1, 2, 2)]
    np.testing.assert_allclose(metrics.mpjpe(predicted, truth), [2.5, 2.5])
    assert metrics.mpjpe(predicted[0], truth[0]) == pytest.approx(2.5)
    assert metrics.mpjpe(np.zeros((4, 5, 17, 3)), np.ones((4, 5, 17, 3))).shape == (4, 5)


@pytest.mark.parametrize("measure", [metrics.mpjpe, metrics.p_mpjpe])
def test_pose_errors_refuse_what_would_broadcast_or_is_not_finite(measure) -> None:
    with pytest.raises(ValueError, match="both must be"):
        measure(np.zeros((5, 17, 3)), np.zeros((17, 3)))
    with pytest.raises(ValueError, match="both must be"):
        measure(np.zeros((5, 17, 2)), np.zeros((5, 17, 2)))
    with pytest.raises(ValueError, match="3 of the predicted coordinates are not finite"):
        measure(np.full((1, 1, 3), np.inf), np.zeros((1, 1, 3)))


def test_p_mpjpe_ignores_a_similarity_but_not_a_reflection() -> None:
    rng = np.random.default_rng(1)
    truth = rng.normal(size=(40, 17, 3))
    turns = Rotation.random(40, random_state=2).as_matrix()
    moved = rng.uniform(0.2, 5, (40, 1, 1)) * truth @ turns + rng.normal(size=(40, 1, 3))
    np.testing.assert_allclose(metrics.p_mpjpe(moved, truth), 0, atol=1e-12)
    assert metrics.p_mpjpe(moved * (-1, 1, 1), truth).min() > 0.1


def test_alignment_equals_scipys_best_rotation_and_closed_form_scale() -> None:
    """The oracle solves for the rotation by Rotation.align_vectors; scale and translation follow by least squares."""
    rng = np.random.default_rng(3)
    predicted, truth = rng.normal(size=(2, 60, 14, 3))
    truth[:30] = predicted[:30] * 1.7 + 0.2 * truth[:30]
    truth[30:40] = predicted[30:40] * (1, -1, 1) + 0.1 * truth[30:40]  # the best orthogonal map is a reflection
    errors = []
    for p, t in zip(predicted, truth, strict=True):
        pc, tc = p - p.mean(0), t - t.mean(0)
        turned = Rotation.align_vectors(tc, pc)[0].apply(pc)
        aligned = (turned * tc).sum() / (turned * turned).sum() * turned + t.mean(0)
        errors.append(np.linalg.norm(aligned - t, axis=1).mean())
    np.testing.assert_allclose(metrics.p_mpjpe(predicted, truth), errors, rtol=1e-9)


def test_alignment_equals_scipys_procrustes_where_no_reflection_is_better() -> None:
    rng = np.random.default_rng(4)
    truth = rng.normal(size=(20, 17, 3))
    predicted = truth + 0.15 * rng.normal(size=truth.shape)
    aligned = metrics.procrustes_align(predicted, truth)
    for a, p, t in zip(aligned, predicted, truth, strict=True):
        standard_truth, standard_prediction, _ = procrustes(t, p)
        size = np.linalg.norm(t - t.mean(0))
        np.testing.assert_allclose(a, standard_prediction * size + t.mean(0), atol=1e-9)
        np.testing.assert_allclose(t, standard_truth * size + t.mean(0), atol=1e-9)


def test_alignment_is_the_best_of_many_similarities() -> None:
    rng = np.random.default_rng(5)
    p, t = rng.normal(size=(2, 10, 3))
    best = np.square(metrics.procrustes_align(p, t) - t).sum()
    for turn in Rotation.random(300, random_state=6):
        moved = rng.uniform(0, 1.5) * turn.apply(p - p.mean(0)) + t.mean(0)
        assert np.square(moved - t).sum() >= best - 1e-12


def test_degenerate_poses_have_an_error() -> None:
    rng = np.random.default_rng(7)
    pose = rng.normal(size=(17, 3))
    spread = np.linalg.norm(pose - pose.mean(0), axis=1).mean()
    point = np.full((17, 3), 0.3)
    assert metrics.p_mpjpe(point, pose) == pytest.approx(spread)
    assert metrics.p_mpjpe(np.zeros((17, 3)), pose) == pytest.approx(spread)
    assert metrics.p_mpjpe(pose, point) == pytest.approx(0, abs=1e-12)
    line = np.outer(np.arange(17.0), (1, 2, 3))
    assert metrics.p_mpjpe(line, np.outer(np.arange(17.0), (0, 1, 0))) == pytest.approx(0, abs=1e-9)
    flat = pose * (1, 1, 0)
    assert metrics.p_mpjpe(flat * (-1, 1, 1), flat) == pytest.approx(0, abs=1e-9), (
        "half a turn undoes a flat reflection"
    )


def test_p_mpjpe_of_one_frame_does_not_depend_on_the_others() -> None:
    rng = np.random.default_rng(8)
    predicted, truth = rng.normal(size=(2, 3, 4, 17, 3))
    together = metrics.p_mpjpe(predicted, truth)
    assert together.shape == (3, 4)
    assert together[2, 1] == pytest.approx(metrics.p_mpjpe(predicted[2, 1], truth[2, 1]))


def test_velocity_and_acceleration_errors_by_hand() -> None:
    truth = np.zeros((5, 2, 3))
    predicted = truth.copy()
    predicted[:, 0, 0] = [0, 1, 2, 3, 4]  # one joint drifts evenly,
    predicted[:, 1, 1] = [0, 4, 0, 4, 0]  # the other trembles
    np.testing.assert_allclose(metrics.mpjve(predicted, truth), (1 + 4) / 2)
    np.testing.assert_allclose(metrics.acceleration_error(predicted, truth), (0 + 8) / 2)
    moved = predicted + [5.0, 0, 0]
    np.testing.assert_allclose(
        metrics.acceleration_error(moved, moved * 0 + [7.0, 1, 2]), 4
    )  # where it stands has no say
    np.testing.assert_allclose(metrics.mpjve(predicted, predicted), 0)
    assert len(metrics.mpjve(truth[:1], truth[:1])) == len(metrics.acceleration_error(truth[:2], truth[:2])) == 0
    for measure in (metrics.mpjve, metrics.acceleration_error):
        with pytest.raises(DataError, match="are needed|must be"):
            measure(predicted[None], truth[None])


def test_area_under_roc() -> None:
    assert metrics.area_under_roc([3, 4], [1, 2]) == 1 and metrics.area_under_roc([1, 2], [3, 4]) == 0
    assert metrics.area_under_roc([1, 1], [1]) == 0.5 and metrics.area_under_roc([1, 3], [2, 0]) == 0.75
    rng = np.random.default_rng(0)
    p, n = rng.normal(1, 1, 200), rng.normal(0, 1, 300)
    assert metrics.area_under_roc(p, n) == pytest.approx((p[:, None] > n).mean())
    for wrong in (([], [1]), ([1], []), ([float("nan")], [1])):
        with pytest.raises(DataError):
            metrics.area_under_roc(*wrong)


def test_mean_per_action_counts_every_action_once() -> None:
    errors = [10.0, 20.0, 30.0, 100.0]
    means, overall = metrics.mean_per_action(errors, ["Walk", "Walk", "Walk", "Eat"])
    assert means == {"Eat": 100.0, "Walk": 20.0}
    assert overall == 60.0
    with pytest.raises(ValueError, match="one of each per frame"):
        metrics.mean_per_action(errors, ["Walk"])
    with pytest.raises(ValueError, match="one of each per frame"):
        metrics.mean_per_action([], [])


def test_area_under_curve() -> None:
    ratios = [0.2, 0.4, 0.6, 0.8, 1.0]
    assert metrics.area_under_curve(ratios, [70] * 5) == pytest.approx(70)
    assert metrics.area_under_curve(ratios, [0, 25, 50, 75, 100]) == pytest.approx(50)
    assert metrics.area_under_curve([0, 1, 4], [0, 1, 1]) == pytest.approx((0.5 + 3) / 4)
    accuracies = [0.31, 0.62, 0.8, 0.86, 0.9]
    assert metrics.area_under_curve(ratios, accuracies) == pytest.approx(0.72125)
    with pytest.raises(ValueError, match="don't rise"):
        metrics.area_under_curve([0.2, 0.2, 1], [1, 1, 1])
    with pytest.raises(ValueError, match="at least two"):
        metrics.area_under_curve([0.2], [1])


def test_calibration_error_by_hand() -> None:
    assert metrics.expected_calibration_error([1.0, 1.0, 0.0], [True, True, False]) == 0
    assert metrics.expected_calibration_error([1.0, 1.0], [False, False]) == 1
    # bins (0, 0.5] and (0.5, 1]: |1/2 - 0.4| * 2/5 + |2/3 - 0.8| * 3/5
    probabilities, correct = [0.3, 0.5, 0.7, 0.8, 0.9], [1, 0, 1, 1, 0]
    assert metrics.expected_calibration_error(probabilities, correct, bins=2) == pytest.approx(0.04 + 0.08)
    with pytest.raises(ValueError, match=r"0\.\.1"):
        metrics.expected_calibration_error([1.2], [True])
    with pytest.raises(ValueError, match=r"0\.\.1"):
        metrics.expected_calibration_error([float("nan")], [True])


def test_answers_as_often_right_as_they_claim_are_calibrated() -> None:
    rng = np.random.default_rng(9)
    p = rng.uniform(size=200_000)
    right = rng.uniform(size=p.size) < p
    assert metrics.expected_calibration_error(p, right) < 0.01
    assert metrics.expected_calibration_error(np.sqrt(p), right) == pytest.approx(1 / 6, abs=0.01)  # E[√p - p]


def test_spearman() -> None:
    assert metrics.spearman([1, 2, 3, 4], [10, 100, 1000, 10000]) == pytest.approx(1)
    # 1 - 6 Σd² / (n (n² - 1)) with d = -1, 1, 0, -1, 1
    assert metrics.spearman([1, 2, 3, 4, 5], [2, 1, 3, 5, 4]) == pytest.approx(0.8)
    rng = np.random.default_rng(10)
    a, b = rng.integers(0, 9, (2, 300))
    assert metrics.spearman(a, b) == pytest.approx(spearmanr(a, b).statistic)
    assert np.isnan(metrics.spearman([1, 1, 1], [1, 2, 3]))
    with pytest.raises(ValueError, match="NaN"):
        metrics.spearman([1, np.nan], [1, 2])


def test_reliability_is_what_the_calibration_error_sums() -> None:
    rng = np.random.default_rng(3)
    p = rng.random(200)
    right = rng.random(200) < p**2
    mean, share, number = metrics.reliability(p, right)
    assert number.sum() == 200 and (np.diff(mean) > 0).all() and len(mean) == len(share) <= 15
    error = (number * np.abs(share - mean)).sum() / 200
    assert metrics.expected_calibration_error(p, right) == pytest.approx(error)
    mean, share, number = metrics.reliability([0.9, 0.9, 0.1], [True, False, False])
    assert (mean.tolist(), share.tolist(), number.tolist()) == ([0.1, 0.9], [0.0, 0.5], [1, 2])


@pytest.mark.parametrize(
    ("probability", "number"), [(0.0, 0), (1 / 15, 0), (0.07, 1), (14 / 15, 13), (0.94, 14), (1.0, 14)]
)
def test_the_first_and_the_last_bin_hold_the_ends(probability: float, number: int) -> None:
    """Of an answer and one in each other bin's middle: certain answers lie in the last bin with those just below."""
    middles = (np.arange(15) + 0.5) / 15
    mean, share, counts = metrics.reliability([probability, *middles], [1, *[0] * 15])
    assert counts.tolist() == [2 if k == number else 1 for k in range(15)]
    assert mean[number] == pytest.approx((probability + middles[number]) / 2)
    assert share.tolist() == [0.5 if k == number else 0 for k in range(15)]
    assert metrics.expected_calibration_error([1.0, 0.95], [1, 0]) == pytest.approx(abs((1 + 0 - 1.95) / 2))
    assert metrics.expected_calibration_error([1.0, 0.5], [0, 1]) == pytest.approx((1 + 0.5) / 2)
