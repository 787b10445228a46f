"""The path: scikit-learn's coefficients, and derivatives that are those of the solved problem."""

import numpy as np
import pytest
from bilevel import path, solve
from scipy import sparse
from sklearn.linear_model import lasso_path

EXACT = {"tol": 1e-13}


def problem(seed, n=60, p=40):
    rng = np.random.default_rng(seed)
    X = np.asfortranarray(rng.normal(size=(n, p)) * rng.uniform(0.2, 2.0, size=p))
    w = np.where(rng.random(p) < 0.3, rng.normal(size=p), 0.0)
    return X, X @ w + 0.5 * rng.normal(size=n), rng


@pytest.mark.parametrize("seed", range(10))
def test_the_coefficients_are_those_of_lasso_path(seed):
    X, y, _ = problem(seed)
    found = path(X, y, n_lambdas=30, eps=1e-2, fit_intercept=False)
    alphas, coefs, _ = lasso_path(X, y, alphas=found.lambdas, tol=1e-14, max_iter=1_000_000)
    np.testing.assert_array_equal(found.lambdas, alphas)
    np.testing.assert_allclose(found.coefs, coefs, atol=1e-7)
    assert found.relative_gaps.max() <= 1e-10
    assert found.support_sizes[0] == 0
    assert found.support_sizes[1] > 0


def differences(X, y, lambdas, **settings):
    """Central differences, where no coefficient enters or leaves in between."""
    step = 1e-5 * lambdas
    up, down = (path(X, y, lambdas + sign * step, **settings, **EXACT) for sign in (1, -1))
    smooth = ((up.coefs != 0) == (down.coefs != 0)).all(axis=0)
    return (up.coefs - down.coefs) / (2 * step), (up.intercepts - down.intercepts) / (2 * step), smooth


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"fit_intercept": False},
        {"l2": 0.1},
        {"penalty": "group", "feature_groups": np.arange(40) // 4},
        {"loss": "logistic"},
        {"loss": "logistic", "penalty": "group", "feature_groups": np.arange(40) % 10, "l2": 0.01},
        {"factors": np.r_[0.0, np.inf, np.linspace(0.5, 2.0, 38)]},
        {"sample_weight": np.arange(60) % 4},
    ],
)
def test_the_derivatives_are_those_of_the_solved_problem(settings):
    X, y, _ = problem(1)
    y = np.where(y > np.median(y), 1.0, -1.0) if settings.get("loss") == "logistic" else y
    lambdas = path(X, y, n_lambdas=12, eps=0.05, **settings).lambdas[1:]
    found = path(X, y, lambdas, **settings, **EXACT)
    coefs, intercepts, smooth = differences(X, y, lambdas, **settings)
    assert smooth.sum() >= 8
    scale = np.abs(found.derivatives).max()
    np.testing.assert_allclose(found.derivatives[:, smooth], coefs[:, smooth], atol=1e-6 * scale)
    np.testing.assert_allclose(found.intercept_derivatives[smooth], intercepts[smooth], atol=1e-6 * scale)


def test_a_sparse_matrix_gives_the_same_path_in_compressed_columns():
    X, y, rng = problem(2)
    X *= rng.random(X.shape) < 0.3
    dense, compressed = path(X, y, n_lambdas=20), path(sparse.csr_array(X), y, n_lambdas=20)
    assert isinstance(dense.coefs, np.ndarray)
    assert compressed.coefs.format == compressed.derivatives.format == "csc"
    np.testing.assert_allclose(compressed.coefs.toarray(), dense.coefs, atol=1e-9)
    np.testing.assert_allclose(compressed.derivatives.toarray(), dense.derivatives, atol=1e-8)
    np.testing.assert_allclose(compressed.predict(sparse.csr_array(X)), dense.predict(X), atol=1e-9)


def test_each_point_is_what_solve_finds():
    X, y, _ = problem(3)
    found = path(X, y, [0.05, 0.3, 0.1], l2=0.2)
    assert found.lambdas.tolist() == [0.3, 0.1, 0.05]
    for k, lam in enumerate(found.lambdas):
        alone = solve(X, y, lam, l2=0.2)
        np.testing.assert_allclose(found.coefs[:, k], alone.coef, atol=1e-8)
        assert found.intercepts[k] == pytest.approx(alone.intercept, abs=1e-8)


def test_dependent_columns_have_a_derivative_all_the_same():
    X, y, _ = problem(4, p=3)
    twice = np.asfortranarray(np.c_[X, X])
    single, double = path(X, y, [0.1]), path(twice, y, [0.1])
    np.testing.assert_allclose(twice @ double.derivatives, X @ single.derivatives, atol=1e-9)


@pytest.mark.parametrize(
    "wrong",
    [
        {"lambdas": []},
        {"lambdas": [[0.1]]},
        {"lambdas": [np.nan]},
        {"lambdas": [-0.1]},
        {"n_lambdas": 0},
        {"eps": 0.0},
        {"eps": 2.0},
        {"factors": [1.0, 2.0]},
        {"factors": np.full(40, -1.0)},
        {"penalty": "group"},
        {"penalty": "l7"},
        {"tol": 1.0},
        {"l2": -1.0},
        {"sample_weight": np.zeros(60)},
    ],
)
def test_what_makes_no_sense_is_a_value_error(wrong):
    X, y, _ = problem(5)
    with pytest.raises(ValueError, match=r"found|Sample weights"):
        path(X, y, **wrong)


def test_a_target_that_nothing_explains_has_no_grid_of_its_own():
    X, _, _ = problem(6)
    with pytest.raises(ValueError, match="give the values"):
        path(X, np.ones(60))
    assert path(X, np.ones(60), [0.1]).support_sizes.tolist() == [0]
