"""Wrong samples weigh less than right ones, and input that makes no sense is refused with a sentence."""

import numpy as np
import pytest
from bilevel import clean
from scipy import sparse
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score

N, M = 500, 350
TRAIN, CLEAN = np.arange(M), np.arange(M, N)


def problem(seed=0, p=8):
    """X, real targets, labels, and which of the first M samples have a label that was flipped."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, p)) + 0.5
    z = X @ rng.normal(size=p) - 0.3 + 0.2 * rng.normal(size=N)
    wrong = np.zeros(N, dtype=bool)
    wrong[rng.choice(M, M * 3 // 10, replace=False)] = True
    return X, np.where(wrong, -z, z), np.where((z > 0) != wrong, "yes", "no"), wrong


@pytest.mark.parametrize("map", ["sigmoid", "clipped"])
@pytest.mark.parametrize("seed", range(2))
def test_flipped_labels_are_told_from_right_ones(map, seed):
    X, _, labels, wrong = problem(seed)
    answer = clean(X, labels, rows=(TRAIN, CLEAN), map=map)
    assert roc_auc_score(~wrong[:M], answer.sample_weight) > 0.93
    assert answer.watched[1] < answer.watched[0] and answer.criterion[1] < answer.criterion[0]
    # What is flagged is mostly wrong.
    assert answer.flagged.sum() > 10 and wrong[answer.rows[answer.flagged]].mean() > 0.8
    assert (answer.predict(X[CLEAN]) == labels[CLEAN]).mean() > 0.9
    assert answer.classes.tolist() == ["no", "yes"]


def test_squared_loss_tells_them_too():
    X, values, labels, wrong = problem(2)
    answer = clean(X, values, rows=(TRAIN, CLEAN))
    far = np.abs(values[:M]) > 0.5  # a value near 0 is as right with either sign
    assert roc_auc_score(~wrong[:M][far], answer.sample_weight[far]) > 0.98
    answer = clean(X, np.where(labels == "yes", 1.0, -1.0), rows=(TRAIN, CLEAN), loss="squared")
    assert roc_auc_score(~wrong[:M], answer.sample_weight) > 0.93
    assert answer.classes is None


def test_the_model_is_scikit_learns_at_the_learned_weights():
    X, values, labels, _ = problem(3)
    ours = clean(X, labels, rows=(TRAIN, CLEAN), l2=0.05)
    theirs = LogisticRegression(C=1.0 / (M * 0.05), tol=1e-12, max_iter=10_000)
    theirs.fit(X[:M], labels[:M], sample_weight=ours.sample_weight)
    np.testing.assert_allclose(ours.coef, theirs.coef_[0], rtol=1e-4, atol=1e-5)
    ours = clean(X, values, rows=(TRAIN, CLEAN), l2=0.05)
    theirs = Ridge(alpha=M * 0.05).fit(X[:M], values[:M], sample_weight=ours.sample_weight)
    np.testing.assert_allclose(ours.coef, theirs.coef_, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-6, atol=1e-6)
    assert ours.l2 == 0.05 and ours.relative_gap < 1e-8


@pytest.mark.parametrize("convert", [np.ascontiguousarray, sparse.csr_array, sparse.csc_array])
def test_clean_samples_may_lie_in_arrays_of_their_own(convert):
    X, _, labels, _ = problem(4)
    one = clean(X, labels, rows=(TRAIN, CLEAN))
    other = clean(convert(X[:M]), labels[:M], X_val=convert(X[M:]), y_val=labels[M:])
    np.testing.assert_allclose(one.sample_weight, other.sample_weight, atol=1e-6)
    masks = clean(X, labels, rows=(np.arange(N) < M, np.arange(N) >= M))
    np.testing.assert_array_equal(one.sample_weight, masks.sample_weight)


def test_a_callback_sees_the_steps_and_may_end_them():
    X, _, labels, _ = problem(5)
    steps = []
    answer = clean(X, labels, rows=(TRAIN, CLEAN), callback=lambda step: steps.append(step) or len(steps) > 2)
    assert answer.stop_reason == "cancelled" and len(steps) == 3 and steps[0].stage == "sample weights"
    assert "look wrong" in repr(answer)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"rows": None}, "neither rows nor X_val"),
        ({"X_val": np.ones((3, 8)), "y_val": ["yes"] * 3}, "both rows and X_val"),
        ({"X_val": np.ones((3, 8))}, "one of X_val and y_val"),
        ({"rows": None, "X_val": np.ones((3, 7)), "y_val": ["yes"] * 3}, "found 7 features; expected 8"),
        ({"rows": TRAIN}, r"expected a pair of \(training, clean\) rows"),
        ({"rows": (TRAIN, [])}, "at least one of each"),
        ({"rows": (TRAIN, [0, 1])}, "row 0 twice"),
        ({"rows": (TRAIN, [N])}, f"found row {N}"),
        ({"loss": "hinge"}, "`loss`: found 'hinge'"),
        ({"map": "exp"}, "`map`: found 'exp'"),
        ({"l2": 0.0}, "a positive, finite number"),
        ({"l2": "much"}, "`l2`: found 'much'"),
        ({"pull": -1.0}, "`pull`: found -1"),
        ({"slack": np.nan}, "`slack`: found nan"),
        ({"watching": 1.0}, "`watching`: found 1"),
        ({"threshold": 2.0}, "`threshold`: found 2"),
        ({"tol": 0.0}, "`tol`: found 0"),
        ({"max_outer": 0}, "max outer"),
        ({"max_outer": -1}, "`max_outer`: found -1"),
        ({"time_limit": -1.0}, "time limit"),
    ],
)
def test_input_that_makes_no_sense_is_refused(change, sentence):
    X, _, labels, _ = problem(6)
    with pytest.raises(ValueError, match=sentence):
        clean(X, labels, **{"rows": (TRAIN, CLEAN), **change})


def test_targets_that_make_no_sense_are_refused():
    X, values, _, _ = problem(7)
    with pytest.raises(ValueError, match="expected 2"):
        clean(X, values, rows=(TRAIN, CLEAN), loss="logistic")
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        clean(X, values[:-1], rows=(TRAIN, CLEAN))


def three_kinds(seed):
    """Clouds around three centres; every fifth of the rows that are weighed has the next label."""
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 3, 500)
    X = rng.normal(size=(500, 4)) + 2.0 * np.eye(3, 4)[kinds]
    said = kinds.copy()
    flipped = np.arange(500) % 5 == 0
    flipped[300:] = False
    said[flipped] = (said[flipped] + 1) % 3
    return X, np.array(["oak", "ash", "elm"])[said], np.array(["oak", "ash", "elm"])[kinds], flipped[:300]


@pytest.mark.parametrize("numbered", [False, True])
def test_labels_of_three_classes_are_told_from_right_ones(numbered):
    X, said, right, flipped = three_kinds(0)
    names, numbers = np.unique(said, return_inverse=True)
    y = numbers if numbered else said
    rows = (np.arange(300), np.arange(300, 500))
    answer = clean(X, y, rows=rows, loss="logistic" if numbered else "auto")
    assert roc_auc_score(~flipped, answer.sample_weight) > 0.95
    assert answer.coef.shape == (3, 4)
    assert answer.intercept.shape == (3,)
    assert answer.hypergradient_error_bound is None
    assert list(answer.classes) == ([0, 1, 2] if numbered else list(names))
    predicted = names[answer.predict(X)] if numbered else answer.predict(X)
    assert (predicted == right).mean() > 0.8
    # scikit-learn's objective is C Σ w f + ½‖Y‖²: C = 1/(m l2).
    model = LogisticRegression(C=1 / (300 * answer.l2), tol=1e-10, max_iter=10_000)
    model.fit(X[:300], y[:300], sample_weight=answer.sample_weight)
    np.testing.assert_allclose(
        answer.decision_function(X) - answer.decision_function(X).mean(axis=1, keepdims=True),
        model.decision_function(X) - model.decision_function(X).mean(axis=1, keepdims=True),
        atol=1e-4,
    )
