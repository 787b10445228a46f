"""Ridge logistic regression: scikit-learn's minimum, no worse a criterion, a decay for each feature."""

import numpy as np
import pytest
from bilevel import RidgeClassifier
from scipy import sparse
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.model_selection import StratifiedKFold

SCALAR = {"weights": "scalar"}


def problem(seed, n=120, p=12, classes=2):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * rng.uniform(0.5, 2.0, size=p)
    scores = X @ rng.normal(size=(p, classes)) + rng.gumbel(size=(n, classes))
    return X, np.array(["a", "b", "c", "d"])[scores.argmax(axis=1)]


@pytest.mark.parametrize("convert", [np.asfortranarray, sparse.csc_array, sparse.csr_array])
@pytest.mark.parametrize("shape", [(120, 12), (40, 90)])
@pytest.mark.parametrize("intercept", [True, False])
def test_one_parameter_has_the_minimum_of_scikit_learns_logistic_regression(convert, shape, intercept):
    X, y = problem(0, *shape)
    ours = RidgeClassifier(**SCALAR, fit_intercept=intercept).fit(convert(X), y)
    theirs = LogisticRegression(
        C=1.0 / (len(y) * ours.lambda_), fit_intercept=intercept, tol=1e-10, max_iter=10_000
    ).fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(ours.predict_proba(convert(X)), theirs.predict_proba(X), atol=1e-5)
    assert ours.coef_.shape == (1, shape[1]) and ours.classes_.tolist() == ["a", "b"]


def test_a_decay_for_each_feature_is_one_decay_on_scaled_columns():
    X, y = problem(1)
    model = RidgeClassifier(weights="feature").fit(X, y)
    assert model.lambda_.shape == (12,)
    root = np.sqrt(len(y) * model.lambda_)
    theirs = LogisticRegression(C=1.0, tol=1e-10, max_iter=10_000).fit(X / root, y)
    np.testing.assert_allclose(model.coef_, theirs.coef_ / root, rtol=1e-3, atol=1e-5)
    assert model.criterion_value_ < RidgeClassifier(**SCALAR).fit(X, y).criterion_value_


@pytest.mark.parametrize("seed", range(3))
def test_logistic_regression_cv_finds_no_better_criterion(seed):
    X, y = problem(seed, n=80, p=20)
    folds = StratifiedKFold(4)
    theirs = LogisticRegressionCV(
        Cs=np.geomspace(1e-4, 1e3, 60), cv=folds, scoring="neg_log_loss", tol=1e-8, max_iter=10_000
    ).fit(X, y)
    best = -np.mean(next(iter(theirs.scores_.values())), axis=0).max()
    assert RidgeClassifier(**SCALAR, cv=folds).fit(X, y).criterion_value_ <= best * (1 + 1e-6)


def test_each_of_several_classes_has_a_model_against_the_rest():
    X, y = problem(2, n=200, classes=3)
    model = RidgeClassifier(**SCALAR).fit(X, y)
    assert model.coef_.shape == (3, 12) and model.lambda_.shape == (3,)
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1.0, rtol=1e-12)
    assert model.score(X, y) > 0.7


def test_settings_of_sparse_penalties_are_refused():
    X, y = problem(3)
    with pytest.raises(ValueError, match=r"`weights`: found 'adaptive'"):
        RidgeClassifier(weights="adaptive").fit(X, y)
    with pytest.raises(TypeError):
        RidgeClassifier(penalty="l1")
