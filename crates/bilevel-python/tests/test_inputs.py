"""Matrices: read where they lie, copied once if need be, refused with a sentence if they make no sense."""

import io
import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from bilevel import Problem, SparseClassifier, SparseRegressor, _core, solve
from bilevel._matrix import to_matrix
from scipy import sparse
from sklearn.model_selection import KFold

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 8)) * (RNG.random((60, 8)) < 0.5)
y = X[:, 0] - 2 * X[:, 1] + 0.3 * RNG.normal(size=60)
MODEL = SparseRegressor(weights="scalar")
EXPECTED = MODEL.fit(np.asfortranarray(X), y).coef_.copy()


def address(array):
    return array.__array_interface__["data"][0]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_fortran_order_is_read_where_it_lies(dtype):
    array = np.asfortranarray(X, dtype=dtype)
    assert to_matrix(array).addresses == [address(array)]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kind", [sparse.csc_matrix, sparse.csc_array])
def test_csc_is_read_where_it_lies(kind, dtype):
    array = kind(X.astype(dtype))
    assert to_matrix(array).addresses == [address(array.data), address(array.indices)]


@pytest.mark.parametrize("convert", [np.asfortranarray, sparse.csc_array])
def test_a_fit_allocates_little_beside_the_matrix(convert):
    rng = np.random.default_rng(0)
    large = convert(rng.normal(size=(2000, 500)))
    target = rng.normal(size=2000)
    tracemalloc.start()
    SparseRegressor(weights="scalar", max_outer=3).fit(large, target)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # NumPy's arrays are traced; a copy of the values would be 8 MB.
    assert peak < 0.8e6


def test_the_matrix_outlives_the_array_that_it_reads():
    array = np.asfortranarray(X)
    matrix = to_matrix(array)
    del array
    fit = _core.fit(matrix, y, '{"weights": "scalar"}')
    assert np.isfinite(fit.coef).all()


@pytest.mark.parametrize(
    "convert",
    [
        np.ascontiguousarray,
        lambda a: a[::-1][::-1],
        lambda a: np.repeat(a, 2, axis=1)[:, ::2],
        lambda a: a.astype(">f8"),
        lambda a: a.tolist(),
        lambda a: a.astype(object),
        sparse.csr_matrix,
        sparse.csr_array,
        sparse.coo_array,
        sparse.csc_array,
        lambda a: pd.DataFrame(a, columns=list("abcdefgh")),
        lambda a: pl.DataFrame(a, schema=list("abcdefgh")),
        lambda a: pa.table({name: a[:, j] for j, name in enumerate("abcdefgh")}),
    ],
)
def test_any_kind_of_matrix_gives_the_same_model(convert):
    model = SparseRegressor(weights="scalar").fit(convert(X), y)
    np.testing.assert_allclose(model.coef_, EXPECTED, rtol=1e-9, atol=1e-12)


def test_an_unaligned_array_is_copied():
    memory = np.zeros(X.nbytes + 1, dtype=np.uint8)
    array = memory[1:].view(np.float64).reshape(X.shape, order="F")
    array[...] = X
    assert not array.flags.aligned
    np.testing.assert_allclose(SparseRegressor(weights="scalar").fit(array, y).coef_, EXPECTED)


def test_a_read_only_array_and_a_memory_map_are_fine(tmp_path):
    array = np.asfortranarray(X)
    array.flags.writeable = False
    assert to_matrix(array).addresses == [address(array)]
    np.save(tmp_path / "x.npy", np.asfortranarray(X))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    np.testing.assert_allclose(SparseRegressor(weights="scalar").fit(mapped, y).coef_, EXPECTED)


def test_integers_and_booleans_are_numbers():
    for values in (np.round(X * 10).astype(np.int64), X > 0):
        model = SparseRegressor(weights="scalar").fit(values, y)
        same = SparseRegressor(weights="scalar").fit(values.astype(float), y)
        np.testing.assert_array_equal(model.coef_, same.coef_)


def test_int64_indices_unsorted_and_duplicate_entries_are_put_in_order_in_a_copy():
    array = sparse.csc_array(X)
    array.indices, array.indptr = array.indices.astype(np.int64), array.indptr.astype(np.int64)
    np.testing.assert_allclose(SparseRegressor(weights="scalar").fit(array, y).coef_, EXPECTED)

    halves = sparse.csc_array(X)
    indices = np.repeat(halves.indices, 2)[::-1].copy()
    data = np.repeat(halves.data / 2, 2)[::-1].copy()
    starts = (2 * halves.nnz - 2 * halves.indptr[::-1]).copy()
    twice = sparse.csc_array((data, indices, starts), shape=X.shape)
    before = twice.indices.copy()
    model = SparseRegressor(weights="scalar").fit(twice, y)
    # Sums in another order are rounded otherwise, and λ is known to the tolerance of the search only.
    np.testing.assert_allclose(model.coef_, EXPECTED[::-1], rtol=1e-6, atol=1e-12)
    np.testing.assert_array_equal(twice.indices, before)


def test_arrays_longer_than_their_use_are_cut():
    array = sparse.csc_array(X)
    longer = sparse.csc_array(X.shape)
    longer.indptr = array.indptr
    longer.indices = np.append(array.indices, [7, 7]).astype(np.int32)
    longer.data = np.append(array.data, [1.0, 2.0])
    np.testing.assert_allclose(SparseRegressor(weights="scalar").fit(longer, y).coef_, EXPECTED)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("convert", [np.asfortranarray, sparse.csc_array])
def test_values_that_are_not_finite_are_named(convert, bad):
    broken = X.copy()
    broken[3, 2] = bad
    place = r"row 3, column 2, counted from 0: found (NaN|inf|-inf); expected a finite number"
    for attempt in (MODEL.fit, lambda X, y: solve(X, y, 0.1)):
        with pytest.raises(ValueError, match=place) as caught:
            attempt(convert(broken), y)
        assert ("impute" in str(caught.value)) == np.isnan(bad)


def test_a_missing_value_is_named_by_its_column():
    table = pd.DataFrame(X.copy(), columns=list("abcdefgh"))
    table.loc[3, "c"] = np.nan
    for attempt in (MODEL.fit, lambda X, y: solve(X, y, 0.1)):
        with pytest.raises(ValueError, match=r"row 3, column 2 \('c'\), counted from 0: found NaN"):
            attempt(table, y)


def test_settings_that_are_missing_or_of_a_wrong_kind_are_named():
    for name in ("penalty", "weights"):
        with pytest.raises(ValueError, match=f'`feature_groups`: found None.*which {name}="group" needs'):
            SparseRegressor(**{name: "group"}).fit(X, y)
    for name in ("criterion", "cv"):
        with pytest.raises(TypeError, match=rf"`{name}`: found the class KFold; .* KFold\(\.\.\.\)"):
            SparseRegressor(**{name: KFold}).fit(X, y)
    with pytest.raises(TypeError, match="`splits`: found the class KFold"):
        Problem(X, y, splits=KFold)


@pytest.mark.filterwarnings("ignore:The least populated class")
def test_a_classifier_of_measurements_says_what_they_look_like():
    with pytest.raises(ValueError, match=r"one class only \(1\.0\)"):
        SparseClassifier().fit(X, np.ones(60))
    with pytest.raises(ValueError, match="31 different numbers in 60 rows: for a regression take"):
        SparseClassifier().fit(X, np.append(np.repeat(np.arange(30.0), 2)[:-1], 100.0))


def test_corrupt_indices_are_refused():
    for indices in (np.array([0, 99], dtype=np.int32), np.array([0, -1], dtype=np.int32)):
        with pytest.raises(ValueError, match="sparse design matrix"):
            _core.Matrix.sparse(3, np.array([0, 2], dtype=np.int32), indices, np.ones(2))
    with pytest.raises(ValueError, match="sparse design matrix"):
        _core.Matrix.sparse(3, np.array([0, -2], dtype=np.int32), np.zeros(2, dtype=np.int32), np.ones(2))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (np.array([["a", "b"], ["c", "d"]], dtype=object), "could not convert string"),
        (X.astype(complex), "Complex data not supported"),
        (np.empty((0, 3)), "0 sample"),
        (np.empty((60, 0)), "0 feature"),
        (X[:, 0], "Expected 2D array"),
        (X[:30], "inconsistent numbers of samples"),
    ],
)
def test_what_is_no_matrix_is_a_value_error(wrong, words):
    with pytest.raises(ValueError, match=words):
        MODEL.fit(wrong, y if len(wrong) != 2 else y[:2])


def test_the_core_refuses_other_types_with_a_type_error():
    for wrong in (X.astype(np.float16), X.astype(int), [1.0], np.ones(3), np.ascontiguousarray(X)):
        with pytest.raises(TypeError, match="design matrix"):
            _core.Matrix.dense(wrong)


def test_settings_out_of_range_are_value_errors():
    for settings in (
        {"penalty": "l3"},
        {"weights": "none"},
        {"outer": 3},
        {"tol": 1.0},
        {"tol": "small"},
        {"max_outer": 0},
        {"max_outer": -1},
        {"l2": 1.0},
        {"weights": "group"},
        {"penalty": "group", "feature_groups": [0, 1]},
        {"criterion": "luck"},
        {"criterion": [([0, 1], [99])]},
        {"criterion": ([0, 1], [1, 2])},
        {"criterion": ([], [1, 2])},
        {"grid": [-1.0]},
        {"validation_fraction": 2.0, "criterion": "holdout"},
    ):
        with pytest.raises(ValueError, match=r"found|test_size"):
            SparseRegressor(**settings).fit(X, y)
    for wrong in ({"loss": "hinge"}, {"l2": -1.0}, {"penalty": "group"}, {"tol": -1.0}):
        with pytest.raises(ValueError, match="found"):
            solve(X, y, 0.1, **wrong)
    with pytest.raises(ValueError, match="lam"):
        solve(X, y, [0.1, 0.2])
    with pytest.raises(ValueError, match="class"):
        SparseClassifier().fit(X, np.zeros(60))


def test_a_text_table_is_read_by_name():
    text = io.StringIO("a,b,c\n" + "\n".join(f"{i},{i % 3},{(i * i) % 7}" for i in range(30)))
    table = pd.read_csv(text)
    model = SparseRegressor(weights="scalar").fit(table, 2.0 * table["a"])
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    with pytest.raises(ValueError, match="feature names"):
        model.predict(table.rename(columns={"a": "z"}))
