"""Multinomial classification: scikit-learn's minimum, probabilities by softmax, one record for all."""

import pickle

import numpy as np
import pytest
from bilevel import SparseClassifier
from penalties import ELASTIC_NET, L1
from scipy import sparse
from scipy.special import softmax
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

X, y = load_iris(return_X_y=True)
X = StandardScaler().fit_transform(X)
SCALAR = {"multi_class": "multinomial", "weights": "scalar"}


def objective(X, y, coef, intercept, l1, l2=0.0):
    scores = X @ coef.T + intercept
    own = scores[np.arange(len(y)), y]
    loss = np.mean(np.logaddexp.reduce(scores, axis=1) - own)
    return loss + (l1 * np.abs(coef)).sum() + l2 / 2 * (coef**2).sum()


def random_problem(seed):
    rng = np.random.default_rng(seed)
    n, p, n_classes = int(rng.integers(40, 100)), int(rng.integers(3, 25)), int(rng.integers(3, 6))
    X = rng.normal(size=(n, p)) + 0.3 * rng.normal(size=p)
    scores = X @ rng.normal(size=(p, n_classes)) + rng.gumbel(size=(n, n_classes))
    # Ten rows of each class, so that no fold is without one.
    y = np.where(np.arange(n) < 10 * n_classes, np.arange(n) % n_classes, scores.argmax(axis=1))
    return X, y, rng


@pytest.mark.parametrize("seed", range(20))
def test_the_objective_is_that_of_scikit_learn(seed):
    X, y, rng = random_problem(seed)
    lam = 0.05 * 10 ** rng.uniform(-1, 0.3)
    ours = SparseClassifier(multi_class="multinomial", grid=[lam], cv=3).fit(X, y)
    theirs = LogisticRegression(**L1, C=1 / (len(y) * lam), solver="saga", tol=1e-11, max_iter=100_000).fit(
        X, y
    )
    value = objective(X, y, ours.coef_, ours.intercept_, lam)
    assert value == pytest.approx(objective(X, y, theirs.coef_, theirs.intercept_, lam), rel=1e-8)
    assert ours.certificate_.relative_gap < 1e-10
    assert ours.certificate_.residual < 1e-8


@pytest.mark.parametrize("weights", ["scalar", "adaptive", "group", "feature", "auto"])
@pytest.mark.parametrize("convert", [np.asfortranarray, sparse.csr_array])
def test_all_kinds_of_weights(weights, convert):
    model = SparseClassifier(
        multi_class="multinomial", weights=weights, feature_groups=[0, 0, 1, 1], standardize=True
    )
    model.fit(convert(X), y)
    assert model.coef_.shape == (3, 4)
    assert model.intercept_.shape == (3,)
    assert np.shape(model.lambda_) in ((), (4,))
    assert model.score(convert(X), y) > 0.95
    assert len(model.history_) == model.n_iter_ or model.n_iter_ > 0
    assert model.certificate_.relative_gap < 1e-8
    # What was learned is what was fitted: no step lowers the objective.
    value = objective(X, y, model.coef_, model.intercept_, model.lambda_)
    for scale in (0.999, 1.001):
        assert objective(X, y, scale * model.coef_, model.intercept_, model.lambda_) > value


def test_more_weights_lower_the_criterion():
    values = [
        SparseClassifier(multi_class="multinomial", weights=weights).fit(X, y).criterion_value_
        for weights in ("scalar", "feature")
    ]
    assert values[1] < values[0]


def test_an_elastic_net_with_a_given_part():
    model = SparseClassifier("elasticnet", **SCALAR, l2=0.01).fit(X, y)
    theirs = LogisticRegression(
        **ELASTIC_NET,
        l1_ratio=model.lambda_ / (model.lambda_ + 0.01),
        C=1 / (len(y) * (model.lambda_ + 0.01)),
        solver="saga",
        tol=1e-11,
        max_iter=100_000,
    ).fit(X, y)
    np.testing.assert_allclose(model.coef_, theirs.coef_, atol=1e-6)
    assert model.certificate_.stationary


def test_probabilities_are_the_softmax_of_the_scores():
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    model = SparseClassifier(**SCALAR).fit(X, names)
    assert list(model.classes_) == ["setosa", "versicolor", "virginica"]
    assert isinstance(model.lambda_, float)
    assert "log-loss" in model._fits[0].record
    probabilities = model.predict_proba(X)
    np.testing.assert_allclose(probabilities, softmax(model.decision_function(X), axis=1), rtol=1e-12)
    np.testing.assert_allclose(np.log(probabilities), model.predict_log_proba(X), rtol=1e-9, atol=1e-12)
    assert (model.predict(X) == model.classes_[probabilities.argmax(axis=1)]).all()
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), probabilities)
    assert again._fits[0].record == model._fits[0].record
    np.testing.assert_array_equal(again._fits[0].coef, model.coef_)


def test_the_criterion_is_the_validation_log_loss():
    rows = np.random.default_rng(0).permutation(len(y))
    train, validation = rows[:100], rows[100:]
    model = SparseClassifier(**SCALAR, criterion=(train, validation)).fit(X, y)
    part = SparseClassifier(multi_class="multinomial", grid=[model.lambda_]).fit(X[train], y[train])
    scores = part.predict_log_proba(X[validation])
    assert model.criterion_value_ == pytest.approx(-scores[np.arange(50), y[validation]].mean(), rel=1e-6)


def test_two_classes_are_the_binary_model():
    rows = y < 2
    multinomial = SparseClassifier(**SCALAR).fit(X[rows], y[rows])
    binary = SparseClassifier(weights="scalar").fit(X[rows], y[rows])
    np.testing.assert_array_equal(multinomial.coef_, binary.coef_)
    np.testing.assert_array_equal(multinomial.predict_proba(X), binary.predict_proba(X))


def test_a_weight_of_two_is_a_row_twice():
    weight = np.random.default_rng(0).integers(0, 3, size=len(y))
    rows = np.repeat(np.arange(len(y)), weight)
    halves = np.arange(len(y)) % 2 == 0
    weighted = SparseClassifier(**SCALAR, criterion=(halves, ~halves)).fit(X, y, sample_weight=weight)
    repeated = SparseClassifier(**SCALAR, criterion=(halves[rows], ~halves[rows])).fit(X[rows], y[rows])
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-6, atol=1e-8)


def test_what_a_multinomial_model_does_not_do_is_said():
    with pytest.raises(ValueError, match="l1 or elastic-net, for multinomial classes"):
        SparseClassifier("group", **SCALAR, feature_groups=[0, 0, 1, 1]).fit(X, y)
    with pytest.raises(ValueError, match="found 'softmax'; expected one of 'ovr', 'multinomial'"):
        SparseClassifier(multi_class="softmax").fit(X, y)
    lost = (np.flatnonzero(y < 2), np.flatnonzero(y == 2))
    with pytest.raises(ValueError, match="no row of class `2`; expected all classes"):
        SparseClassifier(**SCALAR, criterion=lost).fit(X, y)
