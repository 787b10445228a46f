"""Every check of scikit-learn's ``check_estimator`` passes: none is skipped, none expected to fail."""

import pytest
from bilevel import RidgeClassifier, RidgeRegressor, SparseClassifier, SparseRegressor
from sklearn.utils.estimator_checks import check_estimator


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "estimator",
    [
        SparseRegressor(),
        SparseRegressor(weights="scalar"),
        SparseRegressor("elasticnet", l2=0.1),
        SparseRegressor(standardize=True),
        RidgeRegressor(),
        RidgeRegressor(weights="feature", standardize=True),
        RidgeClassifier(),
        RidgeClassifier(weights="feature", standardize=True),
        SparseClassifier(),
        SparseClassifier(weights="scalar", n_jobs=1),
        SparseClassifier(multi_class="multinomial"),
    ],
    ids=repr,
)
def test_every_check_passes(estimator):
    results = check_estimator(estimator, on_skip=None, on_fail=None)
    assert len(results) > 50
    assert [r for r in results if r["status"] != "passed"] == []
