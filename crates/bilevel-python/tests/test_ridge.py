"""Ridge regression: scikit-learn's minimum, no worse a criterion, parameters that follow the signal."""

import numpy as np
import pytest
from bilevel import RidgeRegressor
from scipy import sparse
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.model_selection import KFold

SCALAR = {"weights": "scalar"}


def problem(seed, n=60, p=12, noise=1.0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * rng.uniform(0.3, 3.0, size=p) + rng.normal(size=p)
    return X, X @ rng.normal(size=p) + noise * rng.normal(size=n)


@pytest.mark.parametrize(
    "convert", [np.asfortranarray, np.ascontiguousarray, sparse.csc_array, sparse.csr_array]
)
@pytest.mark.parametrize("shape", [(60, 12), (40, 90)])
@pytest.mark.parametrize("intercept", [True, False])
def test_one_parameter_has_the_minimum_of_scikit_learns_ridge(convert, shape, intercept):
    X, y = problem(0, *shape)
    ours = RidgeRegressor(**SCALAR, fit_intercept=intercept).fit(convert(X), y)
    assert isinstance(ours.lambda_, float)
    theirs = Ridge(alpha=len(y) * ours.lambda_, fit_intercept=intercept, solver="svd").fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-8, atol=1e-8)
    assert ours.intercept_ == pytest.approx(theirs.intercept_, rel=1e-8, abs=1e-8)
    np.testing.assert_allclose(ours.predict(convert(X)), theirs.predict(X), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("weights", ["group", "feature"])
def test_several_parameters_are_those_of_ridge_on_scaled_columns(weights, standardize):
    X, y = problem(1)
    groups = np.arange(12) % 3
    model = RidgeRegressor(weights=weights, feature_groups=groups, standardize=standardize).fit(X, y)
    assert model.lambda_.shape == (12,)
    # λ_j w_j² = (√λ_j w_j)²
    root = np.sqrt(len(y) * model.lambda_)
    theirs = Ridge(alpha=1.0, solver="svd").fit(X / root, y)
    np.testing.assert_allclose(model.coef_, theirs.coef_ / root, rtol=1e-8, atol=1e-8)
    if not standardize:
        assert len(np.unique(model.lambda_)) == (3 if weights == "group" else 12)


@pytest.mark.parametrize("seed", range(5))
def test_ridge_cv_finds_no_better_criterion(seed):
    X, y = problem(seed, n=50, p=30, noise=5.0)
    n_training = 40  # of each fold, so that alpha = 40 λ in all of them
    alphas = np.geomspace(1e-3, 1e4, 200)
    theirs = RidgeCV(alphas=alphas, cv=KFold(5), scoring="neg_mean_squared_error").fit(X, y)
    # Our loss is half the squared error.
    searched = RidgeRegressor(**SCALAR, cv=KFold(5)).fit(X, y)
    assert 2 * searched.criterion_value_ <= -theirs.best_score_ * (1 + 1e-12)
    assert searched.certificate_.stationary
    given = RidgeRegressor(cv=KFold(5), grid=alphas / n_training).fit(X, y)
    assert 2 * given.criterion_value_ == pytest.approx(-theirs.best_score_, rel=1e-8)
    assert n_training * given.lambda_ == pytest.approx(theirs.alpha_, rel=1e-12)


def test_a_group_without_signal_is_penalized_more():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 60))
    strength = np.repeat([1.0, 0.1, 0.0], 20)
    y = X @ (strength * rng.normal(size=60)) + rng.normal(size=150)
    labels = np.repeat(["strong", "weak", "none"], 20)
    model = RidgeRegressor(weights="group", feature_groups=labels).fit(X, y)
    strong, weak, none = (model.lambda_[labels == label] for label in ("strong", "weak", "none"))
    assert np.ptp(strong) == np.ptp(weak) == np.ptp(none) == 0.0
    assert 10 * strong[0] < weak[0] < none[0]
    one = RidgeRegressor(**SCALAR).fit(X, y)
    assert model.criterion_value_ < one.criterion_value_
    # `auto` sees that it is worth its parameters.
    auto = RidgeRegressor(feature_groups=labels).fit(X, y)
    assert len(np.unique(auto.lambda_)) >= 3


def test_settings_of_sparse_penalties_are_refused():
    X, y = problem(2)
    with pytest.raises(ValueError, match=r"`weights`: found 'adaptive'"):
        RidgeRegressor(weights="adaptive").fit(X, y)
    with pytest.raises(TypeError):
        RidgeRegressor(penalty="l1")


def test_features_are_pulled_to_each_other_unless_they_are_to_be_free():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(90, 30))
    y = X @ rng.normal(size=30) + 3 * rng.normal(size=90)
    rows = np.arange(90)
    split = (rows[:60], rows[60:])
    models = {
        name: RidgeRegressor(weights="feature", criterion=split, **pull).fit(X, y)
        for name, pull in {"chosen": {}, "free": {"pull": 0.0}, "tied": {"pull": 1e6}}.items()
    }
    spread = {name: np.ptp(np.log(model.lambda_)) for name, model in models.items()}
    assert spread["tied"] < 1e-2 and spread["tied"] <= spread["chosen"] <= spread["free"]
    one = RidgeRegressor(**SCALAR, criterion=split).fit(X, y)
    assert models["free"].criterion_value_ <= models["chosen"].criterion_value_ <= one.criterion_value_
    with pytest.raises(ValueError, match=r"`pull`: found -1"):
        RidgeRegressor(weights="feature", pull=-1.0).fit(X, y)
