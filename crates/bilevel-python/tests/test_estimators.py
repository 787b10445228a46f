"""The estimators among scikit-learn's: pipelines, searches, splitters, weights, pickles; their records."""

import pickle
import subprocess
import sys

import bilevel
import numpy as np
import pandas as pd
import pytest
from bilevel import SparseClassifier, SparseRegressor, solve
from scipy.special import expit
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    PredefinedSplit,
    ShuffleSplit,
    StratifiedKFold,
    TimeSeriesSplit,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

X, y = load_diabetes(return_X_y=True)
TABLE, _ = load_diabetes(return_X_y=True, as_frame=True)
SCALAR = SparseRegressor(weights="scalar")


def test_the_fitted_model_solves_its_own_training_problem():
    model = clone(SCALAR).fit(X, y)
    again = solve(X, y, model.lambda_)
    np.testing.assert_allclose(model.coef_, again.coef, rtol=1e-6, atol=1e-6)
    assert model.intercept_ == pytest.approx(again.intercept)
    model = SparseRegressor(weights="adaptive").fit(X, y)
    assert model.lambda_.shape == (10,)
    np.testing.assert_allclose(model.coef_, solve(X, y, model.lambda_).coef, rtol=1e-6, atol=1e-6)


def test_a_fit_tells_how_it_went():
    model = clone(SCALAR).fit(TABLE, y)
    assert isinstance(model.lambda_, float)
    assert model.n_iter_ > 0
    assert len(model.history_) > 0
    assert pd.DataFrame(model.history_)["value"].min() >= 0
    curve = model.criterion_curve_
    assert (np.diff(curve.lambda_) > 0).all()
    assert model.criterion_value_ <= curve.value.min() * (1 + 1e-12)
    assert "smallest" in repr(curve)
    certificate = model.certificate_
    assert certificate.stationary
    assert certificate.relative_gap <= 1e-10
    assert repr(certificate).startswith("Certificate: stationary")
    assert list(model.feature_names_in_) == list(TABLE.columns)


def test_what_is_not_fitted_says_so():
    for method in ("predict", "decision_function", "predict_proba"):
        model = SparseClassifier() if method != "predict" else SparseRegressor()
        with pytest.raises(NotFittedError):
            getattr(model, method)(X)


def test_pickles_predict_the_same_and_keep_the_record():
    model = SparseRegressor(weights="adaptive").fit(TABLE, y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(model.predict(TABLE), again.predict(TABLE))
    assert again.certificate_ == model.certificate_
    (fit,), (copy,) = model._fits, again._fits
    assert fit.record == copy.record
    np.testing.assert_array_equal(fit.feature_weights, copy.feature_weights)


def test_pipelines_and_searches_take_the_estimators():
    pipeline = make_pipeline(PolynomialFeatures(2, include_bias=False), StandardScaler(), clone(SCALAR))
    pipeline.set_output(transform="pandas")
    pipeline.fit(TABLE, y)
    assert "bmi s5" in pipeline[-1].feature_names_in_
    assert pipeline.score(TABLE, y) > 0.5
    search = GridSearchCV(clone(SCALAR), {"standardize": [False, True], "cv": [3, 5]}, n_jobs=2).fit(X, y)
    assert search.best_score_ > 0.4
    assert cross_val_score(clone(SCALAR), X, y, cv=3).mean() > 0.4


def given(splitter, groups=None):
    return [(train, test) for train, test in splitter.split(X, y, groups)]


GROUPS = np.arange(len(y)) // 20


@pytest.mark.parametrize(
    ("criterion", "splits", "groups"),
    [
        ("cv", given(KFold(5)), None),
        ("cv", given(GroupKFold(5), GROUPS), GROUPS),
        (KFold(3, shuffle=True, random_state=1), given(KFold(3, shuffle=True, random_state=1)), None),
        (GroupKFold(4), given(GroupKFold(4), GROUPS), GROUPS),
        (TimeSeriesSplit(3), given(TimeSeriesSplit(3)), None),
        (PredefinedSplit(GROUPS % 3), given(PredefinedSplit(GROUPS % 3)), None),
        ("holdout", given(ShuffleSplit(1, test_size=0.25, random_state=0)), None),
        ((np.arange(300), np.arange(300, 442)), [(np.arange(300), np.arange(300, 442))], None),
        ((np.arange(442) < 300, np.arange(442) >= 300), [(np.arange(300), np.arange(300, 442))], None),
        ((np.arange(221), np.arange(-221, 0)), [(np.arange(221), np.arange(221, 442))], None),
        (iter(given(KFold(4))), given(KFold(4)), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_form_of_the_criterion_is_the_list_of_its_splits(criterion, splits, groups):
    grid = [0.5, 0.1, 0.02]
    model = SparseRegressor(grid=grid, criterion=criterion, random_state=0).fit(X, y, groups=groups)
    expected = SparseRegressor(grid=grid, criterion="cv", cv=splits).fit(X, y)
    np.testing.assert_array_equal(model.criterion_curve_.value, expected.criterion_curve_.value)
    # By hand, for the first λ: half the mean squared validation error, averaged over the splits.
    errors = []
    for train, test in splits:
        part = solve(X[train], y[train], 0.5)
        errors.append(np.mean((y[test] - X[test] @ part.coef - part.intercept) ** 2) / 2)
    assert model.criterion_curve_.value[-1] == pytest.approx(np.mean(errors), rel=1e-8)


def test_a_weight_of_two_is_a_row_twice_and_of_zero_none():
    weight = np.random.default_rng(0).integers(0, 3, size=len(y))
    rows = np.repeat(np.arange(len(y)), weight)
    train, test = rows < 300, rows >= 300
    for estimator in (SCALAR, SparseRegressor("elasticnet", weights="scalar", l2=0.01)):
        weighted = clone(estimator).set_params(criterion=(np.arange(300), np.arange(300, 442)))
        repeated = clone(estimator).set_params(criterion=(train, test))
        weighted.fit(X, y, sample_weight=weight)
        repeated.fit(X[rows], y[rows])
        np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-7)


def test_groups_of_features_enter_together():
    labels = np.repeat(["age", "body", "blood", "serum"], [2, 2, 3, 3])
    model = SparseRegressor("group", weights="scalar", feature_groups=labels, grid=[5e-1]).fit(X, y)
    active = {label: set(model.coef_[labels == label] != 0) for label in labels}
    assert all(len(state) == 1 for state in active.values())
    assert {True} in active.values() and {False} in active.values()
    one = solve(X, y, 0.5, penalty="group", feature_groups=labels)
    assert one.relative_gap < 1e-11


def test_two_classes_of_any_name():
    features, target = load_breast_cancer(return_X_y=True)
    names = np.where(target == 1, "benign", "malignant")
    model = SparseClassifier(weights="scalar", standardize=True).fit(features, names)
    assert list(model.classes_) == ["benign", "malignant"]
    assert model.coef_.shape == (1, 30)
    assert model.intercept_.shape == (1,)
    assert model.score(features, names) > 0.97
    scores = model.decision_function(features)
    np.testing.assert_allclose(model.predict_proba(features)[:, 1], expit(scores))
    np.testing.assert_allclose(np.exp(model.predict_log_proba(features)), model.predict_proba(features))


def test_several_classes_are_each_set_against_the_rest():
    features, target = load_iris(return_X_y=True)
    model = SparseClassifier(weights="scalar", cv=StratifiedKFold(5)).fit(features, target)
    assert model.coef_.shape == (3, 4)
    assert model.lambda_.shape == (3,)
    assert len(model.certificate_) == len(model.criterion_curve_) == 3
    assert model.score(features, target) > 0.93
    probabilities = model.predict_proba(features)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), model.predict(features))
    np.testing.assert_allclose(np.exp(model.predict_log_proba(features)), probabilities)
    for k in range(3):
        alone = SparseClassifier(weights="scalar", cv=StratifiedKFold(5).split(features, target))
        np.testing.assert_allclose(model.coef_[k], alone.fit(features, target == k).coef_[0])


def test_the_package_lists_what_it_has_and_imports_scikit_learn_late():
    assert set(bilevel.__all__) <= set(dir(bilevel))
    for name in bilevel.__all__:
        assert getattr(bilevel, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        bilevel.nonsense  # noqa: B018
    code = "import sys, bilevel; assert not {'sklearn', 'scipy', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("estimator", [SparseRegressor, SparseClassifier])
def test_every_parameter_is_described(estimator):
    for name in estimator().get_params():
        assert f"\n    {name} : " in estimator.__doc__


def test_the_stage_that_was_kept_has_a_name():
    model = SparseRegressor().fit(X, y)
    (kept,) = [stage for stage in model.stages_ if stage.kept]
    assert model.stage_ == kept.name
    assert kept.value == model.criterion_value_
    assert kept.n_parameters == 2
    assert kept.name.startswith("adaptive")
    assert model.stages_[0].name == "scalar"
    assert clone(SCALAR).fit(X, y).stage_ == "scalar"
    kinds = SparseClassifier(weights="scalar").fit(*load_iris(return_X_y=True))
    assert kinds.stage_ == ["scalar"] * 3
    assert [[stage.kept for stage in stages] for stages in kinds.stages_] == [[True]] * 3


def test_no_lambda_in_the_range_is_better_than_proven():
    model = clone(SCALAR).fit(X, y)
    proof = model.certificate_.certified
    assert proof.complete and proof.relative <= 1e-3
    assert proof.range == model.certificate_.lambda_range
    assert "proven" in repr(model.certificate_)
    assert SparseRegressor(weights="scalar", certify=0).fit(X, y).certificate_.certified is None
    with pytest.raises(ValueError, match="certify"):
        SparseRegressor(weights="scalar", certify=1.5).fit(X, y)
