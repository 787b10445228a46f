"""Whatever is passed: the numbers of the same data in plain form, or a ValueError or TypeError that says why.

Never another exception, never a crash. ``BILEVEL_FUZZ_EXAMPLES=2000`` looks longer than ``make test`` does.
"""

import os
import warnings

import numpy as np
import pytest
from bilevel import Problem, SparseClassifier, SparseRegressor, minimize, path, solve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

LOOK = settings(
    max_examples=int(os.environ.get("BILEVEL_FUZZ_EXAMPLES", "25")),
    deadline=None,
    database=None,
    derandomize="BILEVEL_FUZZ_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)


def of_solve(X, y, **settings):
    found = solve(X, y, **{"lam": 0.1, "l2": 0.01, **settings})
    return found.coef, found.intercept, found.objective


def of_path(X, y, **settings):
    found = path(X, y, **{"n_lambdas": 4, "eps": 0.1, "l2": 0.01, **settings})
    return found.lambdas, found.coefs, found.derivatives, found.intercepts, found.dual_gaps


def of_problem(X, y, **settings):
    at = {name: settings.pop(name) for name in ("theta", "policy", "band", "tol") if name in settings}
    theta = at.pop("theta", [-2.0])
    problem = Problem(X, y, **{"splits": 2, "l2": 0.01, **settings})
    found = problem.hypergradient(theta, **at)
    slopes = problem.slopes(theta)
    return found.value, found.gradient, slopes.down, slopes.up, problem.solve(theta)[0].coef


def of_regressor(X, y, **settings):
    choice = {"weights": "scalar", "cv": 2, "penalty": "elasticnet", "l2": 0.1, "max_outer": 3}
    model = SparseRegressor(**{**choice, **settings}).fit(X, y)
    return model.coef_, model.intercept_, model.criterion_value_


def of_classifier(X, y, **settings):
    choice = {"weights": "scalar", "cv": 2, "penalty": "elasticnet", "l2": 0.1, "max_outer": 3}
    model = SparseClassifier(**{**choice, **settings}).fit(X, y)
    return model.coef_, model.intercept_


def with_logistic_loss(compute):
    return lambda X, y, **settings: compute(X, y, **{"loss": "logistic", **settings})


COMPUTATIONS = {
    "solve": of_solve,
    "solve logistic": with_logistic_loss(of_solve),
    "path": of_path,
    "path logistic": with_logistic_loss(of_path),
    "problem": of_problem,
    "problem logistic": with_logistic_loss(of_problem),
    "regressor": of_regressor,
    "classifier": of_classifier,
}


def outcome(compute, *arguments, **settings):
    """The numbers, all finite; or the kind of error, one that says what is wrong."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            numbers = compute(*arguments, **settings)
        except (ValueError, TypeError) as error:
            assert len(str(error).split()) >= 3, f"no sentence: {error!r}"
            return "refused"
    dense = [part.toarray() if sparse.issparse(part) else np.asarray(part) for part in numbers]
    assert all(np.isfinite(part).all() for part in dense)
    return dense


def assert_same(found, expected, tolerance=1e-9):
    if isinstance(expected, str) or isinstance(found, str):
        assert isinstance(found, str) == isinstance(expected, str)
        return
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


def of_dtype(dtype):
    # Multiples of 1/8 are exact in any floating type.
    return lambda array: array.astype(dtype)


def strided(array):
    room = np.full((2 * array.shape[0], 3 * array.shape[1]), np.nan)
    room[::2, ::3] = array
    return room[::2, ::3]


def backwards(array):
    return array[::-1, ::-1].copy()[::-1, ::-1]


def frozen(array):
    array = array.copy(order="F")
    array.flags.writeable = False
    return array


def unaligned(array):
    memory = np.zeros(array.nbytes + 1, dtype=np.uint8)
    view = memory[1:].view(np.float64).reshape(array.shape, order="F")
    view[...] = array
    return view


DENSE_FORMS = {
    "rows": np.ascontiguousarray,
    "strided": strided,
    "backwards": backwards,
    "frozen": frozen,
    "unaligned": unaligned,
    "big endian": of_dtype(">f8"),
    "single": of_dtype(np.float32),
    "half": of_dtype(np.float16),
    "longdouble": of_dtype(np.longdouble),
    "objects": of_dtype(object),
    "lists": lambda array: array.tolist(),
    "subclass": lambda array: np.ma.masked_array(array),
}


def wide_indices(matrix):
    matrix.indices, matrix.indptr = matrix.indices.astype(np.int64), matrix.indptr.astype(np.int64)
    return matrix


def unsorted(matrix):
    for start, end in zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True):
        matrix.indices[start:end] = matrix.indices[start:end][::-1]
        matrix.data[start:end] = matrix.data[start:end][::-1]
    matrix.has_sorted_indices = False
    matrix.has_canonical_format = False
    return matrix


def duplicated(matrix):
    halves = type(matrix)(
        (np.repeat(matrix.data / 2, 2), np.repeat(matrix.indices, 2), 2 * matrix.indptr), shape=matrix.shape
    )
    return unsorted(halves)


def with_stored_zeros(matrix):
    full = np.ones(matrix.shape)
    filled = type(matrix)(full)
    filled.data[:] = matrix.toarray().ravel(order="F" if matrix.format == "csc" else "C")
    return filled


def frozen_parts(matrix):
    for part in (matrix.data, matrix.indices, matrix.indptr):
        part.flags.writeable = False
    return matrix


def longer_than_used(matrix):
    matrix.indices = np.append(matrix.indices, matrix.indices[:1])
    matrix.data = np.append(matrix.data, 3.0)[: len(matrix.indices)]
    return matrix


SPARSE_KINDS = (sparse.csc_array, sparse.csr_array, sparse.csc_matrix, sparse.csr_matrix)
SPARSE_FORMS = {
    "plain": lambda matrix: matrix,
    "wide indices": wide_indices,
    "unsorted": unsorted,
    "duplicated": duplicated,
    "stored zeros": with_stored_zeros,
    "frozen": frozen_parts,
    "longer": longer_than_used,
    "single": lambda matrix: matrix.astype(np.float32),
    "coo": lambda matrix: matrix.tocoo(),
    "lil": lambda matrix: matrix.tolil(),
}

TARGET_FORMS = {
    "list": lambda y: y.tolist(),
    "backwards": lambda y: y[::-1].copy()[::-1],
    "strided": lambda y: np.repeat(y, 3)[::3],
    "frozen": lambda y: np.frombuffer(y.tobytes()),
    "column": lambda y: y[:, None],
    "single": of_dtype(np.float32),
    "objects": of_dtype(object),
    "big endian": of_dtype(">f8"),
}


@st.composite
def data(draw):
    """A small design of multiples of 1/8, many of them 0, and a target; two classes if asked for."""
    n, p = draw(st.integers(6, 12)), draw(st.integers(1, 5))
    eighths = st.one_of(st.just(0), st.integers(-24, 24))
    values = draw(st.lists(eighths, min_size=n * p, max_size=n * p))
    target = draw(st.lists(st.integers(-24, 24), min_size=n, max_size=n))
    return np.asfortranarray(np.array(values, dtype=float).reshape(n, p) / 8), np.array(target) / 8


def classes(y):
    return np.where(np.arange(len(y)) % 2 == 0, 1.0, -1.0) * np.where(y > 2.5, -1.0, 1.0)


def target_of(name, y):
    return classes(y) if "logistic" in name or name == "classifier" else y


@LOOK
@given(data=data(), form=st.sampled_from(sorted(DENSE_FORMS)))
@pytest.mark.parametrize("name", COMPUTATIONS)
def test_a_dense_matrix_in_any_form_gives_the_same_numbers(name, data, form):
    X, y = data[0], target_of(name, data[1])
    expected = outcome(COMPUTATIONS[name], X, y)
    before = X.copy()
    assert_same(outcome(COMPUTATIONS[name], DENSE_FORMS[form](X), y), expected, 1e-6)
    np.testing.assert_array_equal(X, before)


@LOOK
@given(data=data(), kind=st.sampled_from(SPARSE_KINDS), form=st.sampled_from(sorted(SPARSE_FORMS)))
@pytest.mark.parametrize("name", COMPUTATIONS)
def test_a_sparse_matrix_in_any_form_gives_the_same_numbers(name, data, kind, form):
    X, y = data[0], target_of(name, data[1])
    expected = outcome(COMPUTATIONS[name], sparse.csc_array(X), y)
    given_matrix = SPARSE_FORMS[form](kind(X))
    before = given_matrix.toarray()
    assert_same(outcome(COMPUTATIONS[name], given_matrix, y), expected, 1e-6)
    np.testing.assert_array_equal(given_matrix.toarray(), before)


@LOOK
@given(data=data(), form=st.sampled_from(sorted(TARGET_FORMS)))
@pytest.mark.parametrize("name", COMPUTATIONS)
def test_a_target_in_any_form_gives_the_same_numbers(name, data, form):
    X, y = data[0], target_of(name, data[1])
    expected = outcome(COMPUTATIONS[name], X, y)
    found = outcome(COMPUTATIONS[name], X, TARGET_FORMS[form](y))
    # scikit-learn's classifiers take no objects for labels.
    if not (name == "classifier" and form == "objects" and found == "refused"):
        assert_same(found, expected)


def poisoned(bad):
    def spoil(X, y, k):
        X = X.copy(order="F")
        X.flat[k % X.size] = bad
        return X, y

    return spoil


def poisoned_target(bad):
    def spoil(X, y, k):
        y = y.copy()
        y[k % len(y)] = bad
        return X, y

    return spoil


def poisoned_entries(bad):
    def spoil(X, y, k):
        matrix = sparse.csc_array(np.where(X == 0, 1.0, X))
        matrix.data[k % matrix.nnz] = bad
        return matrix, y

    return spoil


def corrupt(part, value):
    """A sparse matrix with a wrong index, as no constructor would make it."""

    def spoil(X, y, k):
        matrix = (sparse.csc_array if k % 2 else sparse.csr_array)(np.where(X == 0, 1.0, X))
        array = getattr(matrix, part).copy()
        array[1 + k % (len(array) - 1)] = value
        setattr(matrix, part, array)
        return matrix, y

    return spoil


def replaced(X=None, y=None):
    def spoil(old_X, old_y, k):
        return (old_X if X is None else X(old_X, k)), (old_y if y is None else y(old_y, k))

    return spoil


def one_object(value):
    def put(array, k):
        array = array.astype(object)
        array.flat[k % array.size] = value
        return array

    return put


BAD_DATA = {
    "nan": poisoned(np.nan),
    "infinity": poisoned(np.inf),
    "nan in the target": poisoned_target(np.nan),
    "infinity in the target": poisoned_target(-np.inf),
    "nan stored": poisoned_entries(np.nan),
    "infinity stored": poisoned_entries(-np.inf),
    "negative index": corrupt("indices", -1),
    "index too large": corrupt("indices", 10**6),
    "negative start": corrupt("indptr", -3),
    "start too large": corrupt("indptr", 10**6),
    "no rows": replaced(X=lambda X, k: X[:0], y=lambda y, k: y[:0]),
    "no columns": replaced(X=lambda X, k: X[:, :0]),
    "no sparse columns": replaced(X=lambda X, k: sparse.csc_array(X[:, :0])),
    "short target": replaced(y=lambda y, k: y[: k % len(y)]),
    "long target": replaced(y=lambda y, k: np.append(y, y)),
    "two targets": replaced(y=lambda y, k: np.c_[y, y]),
    "no target": replaced(y=lambda y, k: 3.0),
    "vector": replaced(X=lambda X, k: X[:, 0]),
    "number": replaced(X=lambda X, k: 1.5),
    "cube": replaced(X=lambda X, k: X[:, :, None]),
    "complex": replaced(X=lambda X, k: X + 1j),
    "complex sparse": replaced(X=lambda X, k: sparse.csc_array(X + 1j)),
    "complex target": replaced(y=lambda y, k: y + 1j),
    "none inside": replaced(X=one_object(None)),
    "text inside": replaced(X=one_object("seven")),
    "array inside": replaced(X=one_object([1, 2])),
    "huge integer inside": replaced(X=one_object(10**400)),
    "none in the target": replaced(y=one_object(None)),
    "huge integer in the target": replaced(y=one_object(10**400)),
    "text": replaced(X=lambda X, k: X.astype(str)),
    "records": replaced(X=lambda X, k: np.zeros(X.shape, dtype=[("a", float), ("b", int)])),
    "dates": replaced(X=lambda X, k: np.zeros(X.shape, dtype="datetime64[s]")),
    "ragged": replaced(X=lambda X, k: [[1.0], [1.0, 2.0], *X.tolist()[2:]]),
    "a dictionary": replaced(X=lambda X, k: {"a": X}),
    "a set": replaced(X=lambda X, k: {1, 2, 3}),
    "nothing": replaced(X=lambda X, k: None),
    "text for a target": replaced(y=lambda y, k: "target"),
}
#: These make sense to some computations: labels may be anything that has an order, digits are numbers.
SOMETIMES_FINE = {"text", "infinity in the target", "huge integer in the target", "dates", "complex target"}


@LOOK
@given(data=data(), spoiled=st.sampled_from(sorted(BAD_DATA)), k=st.integers(0, 100))
@pytest.mark.parametrize("name", COMPUTATIONS)
def test_data_that_make_no_sense_are_refused_with_a_sentence(name, data, spoiled, k):
    X, y = BAD_DATA[spoiled](data[0], target_of(name, data[1]), k)
    found = outcome(COMPUTATIONS[name], X, y)
    assert found == "refused" or spoiled in SOMETIMES_FINE


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.just(10**400),
    st.floats(),
    st.text(max_size=4),
    st.binary(max_size=4),
    st.lists(st.one_of(st.floats(), st.integers(-3, 20), st.none()), max_size=12),
    st.lists(st.lists(st.integers(-3, 20), max_size=6), max_size=3),
    st.tuples(st.lists(st.integers(-3, 14), max_size=6), st.lists(st.integers(-3, 14), max_size=6)),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
    st.sampled_from(
        [np.nan, np.array(1.0), np.ones(3), np.ones((2, 2)), np.array(None), np.float32(0.1), 1j]
    ),
)
COMMON = ("loss", "penalty", "l2", "feature_groups", "fit_intercept", "sample_weight", "tol")
SETTINGS = {
    "solve": (*COMMON, "lam"),
    "path": (*COMMON, "lambdas", "n_lambdas", "eps", "factors"),
    "problem": (*COMMON, "splits", "weights", "factors", "groups", "bounds", "theta", "policy", "band"),
    "regressor": (
        "penalty",
        "weights",
        "criterion",
        "cv",
        "validation_fraction",
        "feature_groups",
        "l2",
        "standardize",
        "fit_intercept",
        "outer",
        "policy",
        "grid",
        "max_outer",
        "tol",
        "random_state",
    ),
}


@LOOK
@given(data=data(), choice=st.data(), value=ANYTHING)
@pytest.mark.parametrize("name", SETTINGS)
def test_any_setting_is_used_or_refused_with_a_sentence(name, data, choice, value):
    setting = choice.draw(st.sampled_from(SETTINGS[name]))
    if isinstance(value, int) and setting in ("max_outer", "n_lambdas") and value > 50:
        value = 50
    outcome(COMPUTATIONS[name], *data, **{setting: value})


def of_minimize(**settings):
    def parabola(theta):
        return float(theta @ theta), 2 * theta

    found = minimize(**{"objective": parabola, "theta0": [1.0, -2.0], "max_steps": 5, **settings})
    return found.theta, found.value


@LOOK
@given(
    setting=st.sampled_from(
        ["objective", "theta0", "method", "bounds", "max_steps", "policy", "band", "options"]
    ),
    value=ANYTHING,
)
def test_any_setting_of_minimize_is_used_or_refused_with_a_sentence(setting, value):
    outcome(of_minimize, **{setting: value})


@LOOK
@given(answer=st.one_of(ANYTHING, st.tuples(ANYTHING, ANYTHING)))
def test_any_answer_of_an_objective_is_used_or_refused_with_a_sentence(answer):
    outcome(of_minimize, objective=lambda _: answer)
