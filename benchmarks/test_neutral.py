"""The judge of the benchmarks against closed forms."""

import numpy as np
import pytest
from scipy import sparse
from suite.neutral import Problem


def test_orthogonal_lasso_has_no_gap_at_the_soft_thresholded_target():
    x = np.sqrt(4) * np.eye(4)  # x'x/n = 1
    y = np.array([3.0, -2.0, 0.5, 0.0])
    lam = 0.7
    slopes = x.T @ y / 4
    w = np.sign(slopes) * np.maximum(np.abs(slopes) - lam, 0)
    for design in (x, sparse.csc_matrix(x)):
        problem = Problem(design, y, "squared", lam)
        objective, dual = problem.judge(w)
        assert objective == pytest.approx(np.sum((y - 2 * w) ** 2) / 8 + lam * np.abs(w).sum())
        assert dual == pytest.approx(objective, rel=1e-14)


def test_elastic_net_and_weights_shrink_as_the_closed_form_says():
    x, y = np.sqrt(3) * np.eye(3), np.array([4.0, -3.0, 1.0])
    lam, l2 = np.array([0.1, 2.0, 0.3]), 0.5
    slopes = x.T @ y / 3
    w = np.sign(slopes) * np.maximum(np.abs(slopes) - lam, 0) / (1 + l2)
    objective, dual = Problem(x, y, "squared", lam, l2).judge(w)
    assert dual == pytest.approx(objective, rel=1e-14)


@pytest.mark.parametrize("loss", ["squared", "logistic"])
@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_the_dual_value_bounds_the_minimum_from_anywhere(loss, l2):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((30, 8))
    y = np.sign(x[:, 0] + 0.1) if loss == "logistic" else x[:, 0] + 0.1
    problem = Problem(x, y, loss, 0.05, l2)
    answers = [np.zeros(8), *(rng.standard_normal((50, 8)) * 10.0 ** rng.uniform(-3, 1, (50, 1)))]
    judged = [problem.judge(w) for w in answers]
    assert max(dual for _, dual in judged) <= min(objective for objective, _ in judged)


def test_one_logistic_feature_has_no_gap_where_its_slope_is_lambda():
    # mean of log(1 + exp(-w)) + lam w: the slope -1/(1 + exp(w)) is -lam at w = log(1/lam - 1)
    lam = 0.2
    x, y = np.array([[1.0], [-1.0]]), np.array([1.0, -1.0])
    problem = Problem(x, y, "logistic", lam)
    w = np.array([np.log(1 / lam - 1)])
    objective, dual = problem.judge(w)
    assert dual == pytest.approx(objective, rel=1e-14)
    assert problem.lambda_max() == 0.5
    assert problem.null_loss() == pytest.approx(np.log(2))


def test_above_lambda_max_zero_is_the_answer():
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((20, 5)), rng.standard_normal(20)
    largest = Problem(x, y, "squared", 0.0).lambda_max()
    objective, dual = Problem(x, y, "squared", largest).judge(np.zeros(5))
    assert dual == pytest.approx(objective, rel=1e-14)
    objective, dual = Problem(x, y, "squared", 0.9 * largest).judge(np.zeros(5))
    assert dual < objective * (1 - 1e-4)


def test_an_answer_that_is_not_finite_is_worth_nothing():
    problem = Problem(np.eye(2), np.ones(2), "squared", 0.1)
    assert problem.judge(np.array([np.nan, 0.0])) == (np.inf, -np.inf)
