"""The bilevel problem: hypergradients against differences, slopes and policies at kinks."""

import copy
import os
import pickle
import signal
import threading
import time

import numpy as np
import pytest
from bilevel import Problem, certificate, datasets, hypergradient, minimize, solve
from scipy import sparse
from scipy.optimize import minimize as scipy_minimize
from sklearn.linear_model import Lasso
from sklearn.model_selection import GroupKFold, KFold

DATA = datasets.regression(60, 12, 4, snr=3.0, seed=1)
GROUPS = np.repeat(["a", "b", "c"], 4)


def kink_toy():
    """Two rows train with orthogonal columns: w_j = soft(b_j, lambda_j); two rows ask for more of both."""
    X = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]) * np.sqrt(2.0)
    X[2:] /= np.sqrt(2.0)
    y = np.array([2.0 * np.sqrt(2.0), np.sqrt(2.0), 3.0, 2.0])
    return Problem(X, y, splits=([0, 1], [2, 3]), weights="feature", fit_intercept=False)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"weights": "feature"},
        {"weights": "group", "feature_groups": GROUPS},
        {"penalty": "group", "weights": "group", "feature_groups": GROUPS},
        {"penalty": "group", "feature_groups": GROUPS},
        {"weights": "feature", "l2": 0.1},
        {"weights": "feature", "l2": "learned"},
        {"loss": "logistic", "weights": "feature"},
        {"splits": ([*range(40)], [*range(40, 60)]), "fit_intercept": False},
        {"sample_weight": np.arange(60) % 3, "splits": KFold(3)},
        {"factors": np.linspace(0.5, 2.0, 12)},
    ],
)
def test_the_hypergradient_is_that_of_the_solved_problem(settings):
    y = np.sign(DATA.y) if settings.get("loss") == "logistic" else DATA.y
    problem = Problem(DATA.X, y, **settings)
    theta = problem.start(0.07) + 0.1 * np.sin(np.arange(problem.n_parameters))
    found = hypergradient(problem, theta)
    check = hypergradient(problem, theta, method="differences")
    assert found.biactive == 0
    scale = np.abs(found.gradient).max()
    np.testing.assert_allclose(found.gradient, check.gradient, atol=1e-6 * scale)
    assert found.error_bound <= 1e-6 * scale
    slopes = problem.slopes(theta)
    np.testing.assert_allclose(slopes.up, found.gradient, atol=1e-8 * scale)
    np.testing.assert_allclose(slopes.down, -found.gradient, atol=1e-8 * scale)
    assert slopes.kinks.size == 0


def test_the_value_is_the_mean_validation_loss_of_models_that_sklearn_trains():
    problem = Problem(DATA.X, DATA.y, splits=KFold(4))
    losses = []
    for train, validation in KFold(4).split(DATA.X):
        model = Lasso(alpha=0.2, tol=1e-12, max_iter=100_000).fit(DATA.X[train], DATA.y[train])
        losses.append(np.mean((model.predict(DATA.X[validation]) - DATA.y[validation]) ** 2) / 2)
    assert problem.value(np.log(0.2)) == pytest.approx(np.mean(losses), rel=1e-9)
    models = problem.solve(np.log(0.2))
    train = next(KFold(4).split(DATA.X))[0]
    alone = solve(DATA.X[train], DATA.y[train], 0.2)
    np.testing.assert_allclose(models[0].coef, alone.coef, atol=1e-9)


def test_policies_differ_at_a_kink_and_slopes_tell_both_sides():
    problem = kink_toy()
    # w = soft((2, 1), lambda): at lambda = (1, 1) the second is zero and biactive;
    # Phi = ((w_1 - 3)^2 + (w_2 - 2)^2)/4.
    theta = np.zeros(2)
    gradients = {
        policy: hypergradient(problem, theta, policy).gradient
        for policy in ("null", "descent-aligned", "self-consistent", "all")
    }
    np.testing.assert_allclose(gradients["null"], [1.0, 0.0], atol=1e-12)
    for policy in ("descent-aligned", "self-consistent", "all"):
        np.testing.assert_allclose(gradients[policy], [1.0, 1.0], atol=1e-12)
    slopes = problem.slopes(theta)
    np.testing.assert_allclose(slopes.down, [-1.0, -1.0], atol=1e-12)
    np.testing.assert_allclose(slopes.up, [1.0, 0.0], atol=1e-12)
    assert slopes.kinks.tolist() == [1]
    proof = certificate(problem, theta)
    assert not proof.stationary
    assert "lowering log lambda of feature" in proof.verdict
    assert [list(features) for features in proof.biactive_features] == [[1]]
    assert proof.biactive == 1
    assert "features on a kink        1" in repr(proof)


def test_a_certificate_proves_the_minimum_of_one_lambda():
    problem = Problem(DATA.X, DATA.y)
    found = minimize(problem, method="scalar")
    proof = problem.certificate(found.theta)
    assert proof.stationary
    assert proof.value == found.value
    left, right = proof.one_sided_slopes
    assert left <= 1e-6 <= right + 2e-6
    below, above = (problem.value(found.theta + step) for step in (-0.01, 0.01))
    assert min(below, above) >= found.value
    elsewhere = problem.certificate(problem.start(0.9))
    assert not elsewhere.stationary
    assert "lowering log lambda " in elsewhere.verdict


def test_calls_start_from_the_last_solution_and_forget_starts_cold():
    problem = Problem(DATA.X, DATA.y, weights="feature")
    theta = problem.start()
    cold = problem.value_and_gradient(theta)
    problem.value(theta + 1.0)
    warm = problem.value_and_gradient(theta)
    assert warm[0] == pytest.approx(cold[0], rel=1e-9)
    problem.forget()
    again = problem.value_and_gradient(theta)
    assert again[0] == cold[0]
    np.testing.assert_array_equal(again[1], cold[1])


def test_a_problem_can_be_pickled_and_copied():
    problem = Problem(DATA.X, DATA.y, splits=KFold(3, shuffle=True), weights="feature")
    theta = problem.start()
    for other in (pickle.loads(pickle.dumps(problem)), copy.deepcopy(problem)):
        assert other.value(theta) == pytest.approx(problem.value(theta), rel=1e-9)


def test_sparse_and_dense_are_one_problem():
    X = DATA.X * (np.abs(DATA.X) > 1.0)
    dense, compressed = (
        Problem(kind(X), DATA.y, weights="feature") for kind in (np.asarray, sparse.csr_array)
    )
    theta = dense.start()
    np.testing.assert_allclose(dense.hypergradient(theta).gradient, compressed.hypergradient(theta).gradient)


def test_groups_of_rows_stay_together():
    rows = np.arange(60) // 6
    ours = Problem(DATA.X, DATA.y, splits=5, groups=rows)
    theirs = Problem(DATA.X, DATA.y, splits=list(GroupKFold(5).split(DATA.X, DATA.y, rows)))
    assert ours.value(-1.0) == theirs.value(-1.0)


def test_a_problem_is_an_objective_for_scipy():
    problem = Problem(DATA.X, DATA.y, weights="group", feature_groups=GROUPS)
    found = scipy_minimize(problem.value_and_gradient, problem.start(), jac=True, method="L-BFGS-B")
    assert found.fun < problem.value(problem.start())


def test_threads_may_share_a_problem():
    problem = Problem(DATA.X, DATA.y)
    expected = [problem.value(t) for t in (-1.0, -2.0)]
    answers = {}

    def work(t):
        answers[t] = [problem.value(t) for _ in range(20)][-1]

    threads = [threading.Thread(target=work, args=(t,)) for t in (-1.0, -2.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_allclose([answers[-1.0], answers[-2.0]], expected, rtol=1e-8)


def test_control_c_ends_an_evaluation():
    large = datasets.regression(1000, 1500, 200, snr=2.0)
    problem = Problem(large.X, large.y, splits=10)
    sent = []

    def press():
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    threading.Timer(0.2, press).start()
    with pytest.raises(KeyboardInterrupt):
        for fraction in np.geomspace(0.5, 0.02, 1000):
            problem.value(problem.start(fraction))
    assert time.perf_counter() - sent[0] < 0.3


@pytest.mark.parametrize(
    "wrong",
    [
        {"weights": "none"},
        {"weights": "group"},
        {"weights": "feature", "penalty": "group", "feature_groups": GROUPS},
        {"penalty": "group"},
        {"loss": "hinge"},
        {"l2": -1.0},
        {"l2": "free"},
        {"splits": 1},
        {"splits": "luck"},
        {"splits": ([0, 1], [1, 2])},
        {"splits": ([0, 1], [99])},
        {"factors": [1.0]},
        {"bounds": (1.0, 0.0)},
        {"feature_groups": [1, 2]},
        {"sample_weight": np.zeros(60)},
        {"sample_weight": -np.ones(60)},
    ],
)
def test_problems_that_make_no_sense_are_value_errors(wrong):
    with pytest.raises(ValueError, match=r"found|expected|k-fold|[Nn]egative|[Ss]ample weights"):
        Problem(DATA.X, DATA.y, **wrong)


def test_arguments_of_a_call_that_make_no_sense_are_refused():
    problem = Problem(DATA.X, DATA.y)
    for theta in ([1.0, 2.0], [np.nan], [[1.0]], [], "x"):
        with pytest.raises(ValueError):
            problem.value(theta)
    for wrong in ({"policy": "luck"}, {"band": -1.0}, {"band": 1.0}, {"tol": 0.0}):
        with pytest.raises(ValueError, match="found"):
            problem.hypergradient(0.0, **wrong)
    with pytest.raises(TypeError, match="Problem"):
        hypergradient(None, [0.0])
    with pytest.raises(TypeError, match="band"):
        problem.hypergradient(0.0, band="wide")


def test_a_certificate_does_not_count_the_slope_that_leads_out_of_the_bounds():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 6))
    y = X @ np.array([2.0, -1.0, 0.0, 0.0, 0.5, 0.0]) + rng.normal(size=40)
    seen = set()
    for log_lambda in (-6.0, -0.5):
        (slope,) = Problem(X, y).hypergradient([log_lambda]).gradient
        for below in (True, False):
            edge = (log_lambda, log_lambda + 1) if below else (log_lambda - 1, log_lambda)
            norm = Problem(X, y, bounds=edge).certificate([log_lambda]).hypergradient_norm
            leads_out = slope > 0 if below else slope < 0
            assert norm == (0.0 if leads_out else pytest.approx(abs(slope), rel=1e-6))
            seen.add((below, leads_out))
    assert len(seen) == 4
