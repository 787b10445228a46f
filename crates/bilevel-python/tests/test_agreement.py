"""The same objective as scikit-learn, and the same minimum; the same folds, and the same curve."""

import numpy as np
import pytest
from bilevel import SparseRegressor, solve
from penalties import L1
from sklearn.linear_model import ElasticNet, Lasso, LassoCV, LogisticRegression
from sklearn.model_selection import KFold


def problem(seed):
    rng = np.random.default_rng(seed)
    n, p = int(rng.integers(10, 80)), int(rng.integers(2, 120))
    X = rng.normal(size=(n, p)) * rng.uniform(0.1, 3.0, size=p) + rng.normal(size=p)
    w = np.where(rng.random(p) < 0.3, rng.normal(size=p), 0.0)
    return X, X @ w + rng.normal(size=n), rng


def squared_objective(X, y, coef, intercept, l1, l2):
    residual = y - X @ coef - intercept
    return residual @ residual / (2 * len(y)) + l1 * np.abs(coef).sum() + l2 / 2 * coef @ coef


def logistic_objective(X, y, coef, intercept, l1):
    return np.logaddexp(0.0, -y * (X @ coef + intercept)).mean() + l1 * np.abs(coef).sum()


def assert_as_small(ours, theirs):
    assert ours <= theirs * (1 + 1e-9)
    assert theirs <= ours * (1 + 1e-9)


@pytest.mark.parametrize("seed", range(100))
def test_lasso_and_elastic_net_have_the_same_minimum(seed):
    X, y, rng = problem(seed)
    largest = np.abs(X.T @ (y - y.mean())).max() / len(y)
    lam = largest * 10 ** rng.uniform(-2, -0.1)
    exact = {"tol": 1e-12, "max_iter": 1_000_000}

    lasso = Lasso(alpha=lam, **exact).fit(X, y)
    ours = solve(X, y, lam)
    assert ours.relative_gap <= 1e-11
    assert_as_small(
        squared_objective(X, y, ours.coef, ours.intercept, lam, 0.0),
        squared_objective(X, y, lasso.coef_, lasso.intercept_, lam, 0.0),
    )

    ratio = rng.uniform(0.1, 0.9)
    net = ElasticNet(alpha=lam / ratio, l1_ratio=ratio, **exact).fit(X, y)
    l2 = lam / ratio * (1 - ratio)
    ours = solve(X, y, lam, penalty="elasticnet", l2=l2)
    assert_as_small(
        squared_objective(X, y, ours.coef, ours.intercept, lam, l2),
        squared_objective(X, y, net.coef_, net.intercept_, lam, l2),
    )


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore:Liblinear failed to converge")
@pytest.mark.parametrize("seed", range(100))
def test_logistic_regression_has_the_same_minimum(seed):
    X, z, rng = problem(1000 + seed)
    y = np.where(z > np.median(z), 1.0, -1.0)
    largest = np.abs(X.T @ (y - y.mean())).max() / (2 * len(y))
    lam = largest * 10 ** rng.uniform(-1.3, -0.1)
    # liblinear penalizes its intercept, so there is none here.
    theirs = LogisticRegression(
        **L1,
        C=1 / (len(y) * lam),
        solver="liblinear",
        fit_intercept=False,
        tol=1e-12,
        max_iter=100_000,
    ).fit(X, y)
    ours = solve(X, y, lam, loss="logistic", fit_intercept=False)
    assert_as_small(
        logistic_objective(X, y, ours.coef, ours.intercept, lam),
        logistic_objective(X, y, theirs.coef_[0], 0.0, lam),
    )


def test_lasso_cv_has_the_same_curve():
    X, y, _ = problem(7)
    grid = np.geomspace(1.0, 1e-2, 20)
    theirs = LassoCV(alphas=grid, cv=KFold(5), tol=1e-12, max_iter=1_000_000).fit(X, y)
    for cv in (5, KFold(5)):
        ours = SparseRegressor(weights="scalar", outer="grid", grid=grid, cv=cv).fit(X, y)
        curve = ours.criterion_curve_
        np.testing.assert_allclose(curve.lambda_, theirs.alphas_[::-1], rtol=1e-14)
        # bilevel's loss is half the squared error
        np.testing.assert_allclose(2 * curve.value, theirs.mse_path_.mean(axis=1)[::-1], rtol=1e-8)
        assert ours.lambda_ == pytest.approx(theirs.alpha_, rel=1e-14)
        np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-8)
