"""The generators and the embedded sets."""

import numpy as np
import pytest
from bilevel import datasets
from scipy import sparse
from sklearn.datasets import load_diabetes


def test_the_noise_is_exactly_as_loud_as_asked():
    data = datasets.regression(70, 30, 4, snr=5.0, seed=3)
    signal = data.X @ data.coef
    assert np.linalg.norm(signal) / np.linalg.norm(data.y - signal) == pytest.approx(5.0)
    assert data.X.flags.f_contiguous
    assert len(data.support) == 4
    quiet = datasets.regression(70, 30, 4, snr=np.inf)
    np.testing.assert_allclose(quiet.y, quiet.X @ quiet.coef, atol=1e-12)


def test_the_same_seed_gives_the_same_data():
    one, same, other = (datasets.classification(40, 10, 2, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.X, same.X)
    np.testing.assert_array_equal(one.y, same.y)
    assert (one.X != other.X).any()
    assert set(np.unique(one.y)) == {-1.0, 1.0}


@pytest.mark.parametrize("exponent", [None, 1.0])
def test_sparse_designs_are_in_canonical_compressed_columns(exponent):
    for make in (datasets.sparse_regression, datasets.sparse_classification):
        data = make(500, 400, 5, density=0.02, exponent=exponent)
        assert isinstance(data.X, sparse.csc_array)
        data.X.has_canonical_format = False
        data.X.check_format()
        assert data.X.has_canonical_format or data.X.has_sorted_indices
        assert data.X.nnz == pytest.approx(0.02 * 500 * 400, rel=0.1)
        assert data.y.shape == (500,)


def test_the_four_groups_are_as_described():
    data = datasets.degenerate_four_groups(5000, 150, rho=0.9)
    hidden = np.flatnonzero(data.roles == "hidden")
    assert (data.roles[data.distractor_of] == "distractor").all()
    for feature, distractor in zip(hidden, data.distractor_of, strict=True):
        assert np.corrcoef(data.X[:, feature], data.X[:, distractor])[0, 1] == pytest.approx(0.9, abs=0.02)
    assert (np.abs(data.coef[np.isin(data.roles, ["easy", "hidden"])]) == 1.0).all()
    assert (data.coef[np.isin(data.roles, ["distractor", "noise"])] == 0.0).all()
    assert np.std(data.y - data.X @ data.coef) == pytest.approx(0.05, rel=0.1)


def test_the_embedded_sets_are_the_known_ones():
    ours, theirs = datasets.load_diabetes(), load_diabetes()
    # The published table is rounded to fewer digits than scikit-learn's.
    np.testing.assert_allclose(ours.X, theirs.data, atol=2e-5)
    np.testing.assert_array_equal(ours.y, theirs.target)
    assert ours.feature_names[2] == "bmi"
    phishing = datasets.load_phishing()
    assert phishing.X.shape == (11055, 68)
    np.testing.assert_allclose(np.sqrt((phishing.X**2).sum(axis=1)), 1.0, atol=1e-4)
    assert (phishing.y == 1).sum() == 6157


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ((0, 10, 1), ValueError),
        ((10, 0, 1), ValueError),
        ((10, 10, 0), ValueError),
        ((10, 10, 11), ValueError),
        ((-1, 10, 1), ValueError),
        ((10**20, 10, 1), ValueError),
        ((10.0, 10, 1), TypeError),
        (("a", 10, 1), TypeError),
        ((10**9, 10**9, 1), MemoryError),
    ],
)
def test_sizes_that_make_no_sense_are_refused(wrong, error):
    for make in (datasets.regression, datasets.classification, datasets.sparse_regression):
        settings = {"density": 1.0} if make is datasets.sparse_regression else {}
        with pytest.raises(error):
            make(*wrong, **settings)


def test_settings_out_of_range_are_value_errors():
    for make, wrong in (
        (datasets.regression, {"snr": 0.0}),
        (datasets.regression, {"snr": np.nan}),
        (datasets.regression, {"seed": -1}),
        (datasets.classification, {"noise": -1.0}),
        (datasets.sparse_regression, {"density": 0.0}),
        (datasets.sparse_regression, {"density": np.nan}),
        (datasets.sparse_regression, {"exponent": -1.0}),
    ):
        with pytest.raises(ValueError, match="found"):
            make(20, 10, 2, **wrong)
    for wrong in ({"rho": 1.0}, {"n_features": 10}):
        with pytest.raises(ValueError, match="found"):
            datasets.degenerate_four_groups(**{"n_samples": 20, **wrong})
