"""Inverse problems: published figures, formulas, operators of SciPy and PyLops, sentences for bad input."""

import re

import numpy as np
import pytest
from bilevel import inverse
from bilevel.inverse import Tikhonov, TotalVariation, WaveletRestoration, choose_lambda, consensus
from scipy import sparse
from scipy.ndimage import correlate
from scipy.sparse.linalg import LinearOperator, aslinearoperator, lsqr

# Data of the shaw problem of size 20 in the test suite of the GNU Scientific Library (Aster, Borchers,
# Thurber, example 1.10).
SHAW_20 = [
    0.0008754745512437932, 0.0005499683588576194, 1.7527999407005367e-06, 0.0019552372913117047,
    0.014411645433785081, 0.052800013336393704, 0.13609152023257112, 0.2720348458763582,
    0.4375222513619339, 0.5754766731987524, 0.6244505221353994, 0.5625265828644135, 0.42322239923561566,
    0.2676846921956063, 0.14337901162734543, 0.06561456934607436, 0.026013851831752945,
    0.009233693308948127, 0.0032269066658993694, 0.001399920145926181,
]  # fmt: skip


def shaw(n):
    """Hansen's midpoint rule of a one-dimensional model of image restoration."""
    angle = (np.arange(n) + 0.5) * np.pi / n - np.pi / 2
    u = np.pi * (np.sin(angle)[:, None] + np.sin(angle))
    return np.pi / n * (np.cos(angle)[:, None] + np.cos(angle)) ** 2 * np.sinc(u / np.pi) ** 2


def blocks(n, seed=0, sigma=0.1):
    """A square and a ramp, and the same with noise."""
    truth = np.add.outer((np.arange(n) > n // 3) / 2.0, np.linspace(0, 0.5, n))
    truth[n // 4 : n // 2, n // 4 : n // 2] += 0.5
    return truth, truth + sigma * np.random.default_rng(seed).standard_normal((n, n))


def mse(x, truth):
    return float(np.mean((x - truth) ** 2))


class User:
    """An operator of a user's own: only what duck typing asks for."""

    def __init__(self, matrix):
        self.matrix, self.shape, self.calls = matrix, matrix.shape, 0

    def matvec(self, x):
        self.calls += 1
        return self.matrix @ x

    def rmatvec(self, y):
        return self.matrix.T @ y


def gcv(A, b, L, lambdas):
    """GCV from the definitions."""
    values = []
    for lam in lambdas:
        influence = A @ np.linalg.solve(A.T @ A + lam * L.T @ L, A.T)
        residual = influence @ b - b
        values.append(len(b) * residual @ residual / (len(b) - np.trace(influence)) ** 2)
    return np.array(values)


def random_problem(seed=0, m=30, n=20):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((m, n)) * 0.8 ** np.arange(n)
    x = np.cumsum(rng.standard_normal(n)) / 3
    return A, A @ x + 0.2 * rng.standard_normal(m), np.diff(np.eye(n), axis=0)


def test_gcv_and_l_curve_on_the_shaw_fixture_are_the_published_ones():
    choice = choose_lambda(shaw(20), SHAW_20)
    assert choice.root_lambda == pytest.approx(1.2492180e-05, rel=1e-6)
    corner = choose_lambda(shaw(20), SHAW_20, method="l-curve")
    assert corner.root_lambda == pytest.approx(5.79e-06, rel=2e-3)
    assert choice.solver == "decomposition"
    assert choice.curve.shape[1] == 2
    assert choice.method == "gcv"


@pytest.mark.parametrize("with_l", [False, True])
def test_the_choice_agrees_with_the_formulas(with_l):
    A, b, difference = random_problem()
    L = difference if with_l else np.eye(20)
    choice = choose_lambda(A, b, L if with_l else None)
    near = choice.lambda_ * np.array([0.99, 1.0, 1.01])
    values = gcv(A, b, L, near)
    assert values[1] < values[0]
    assert values[1] < values[2]
    assert choice.value == pytest.approx(values[1], rel=1e-9)
    x = np.linalg.solve(A.T @ A + choice.lambda_ * L.T @ L, A.T @ b)
    np.testing.assert_allclose(choice.x, x, rtol=1e-8, atol=1e-10)
    assert choice.residual_norm == pytest.approx(np.linalg.norm(A @ x - b), rel=1e-9)
    assert choice.penalty_norm == pytest.approx(np.linalg.norm(L @ x), rel=1e-8)
    influence = A @ np.linalg.solve(A.T @ A + choice.lambda_ * L.T @ L, A.T)
    assert choice.degrees_of_freedom == pytest.approx(np.trace(influence), rel=1e-9)


def test_l_may_be_sparse_or_an_operator():
    A, b, difference = random_problem()
    dense = choose_lambda(A, b, difference)
    for L in (sparse.csr_matrix(difference), aslinearoperator(difference), difference.tolist()):
        assert choose_lambda(A, b, L).lambda_ == pytest.approx(dense.lambda_, rel=1e-10)
    assert choose_lambda(np.asfortranarray(A), b, difference).lambda_ == dense.lambda_


def test_the_discrepancy_principle_leaves_the_noise():
    A, b, L = random_problem()
    choice = choose_lambda(A, b, L, "discrepancy", sigma=0.4)
    assert choice.residual_norm == pytest.approx(0.4 * np.sqrt(len(b)), rel=1e-9)


def test_the_oracle_is_better_than_its_neighbours():
    A, b, L = random_problem()
    truth = np.linspace(0, 1, 20)
    choice = choose_lambda(A, b, L, truth=truth)

    def error(lam):
        return np.linalg.norm(np.linalg.solve(A.T @ A + lam * L.T @ L, A.T @ b) - truth)

    assert error(choice.lambda_) <= min(error(0.9 * choice.lambda_), error(1.1 * choice.lambda_))


def test_the_consensus_is_the_median_of_the_robust_rules():
    A, b, L = random_problem()
    agreed = consensus(A, b, L, sigma=0.2)
    by_name = {choice.method: choice.lambda_ for choice in agreed.choices}
    robust = ["robust-gcv", "strong-robust-gcv", "modified-gcv", "l-curve", "quasi-optimality"]
    robust += ["sure", "discrepancy"]
    assert agreed.lambda_ == pytest.approx(np.median([by_name[name] for name in robust]), rel=1e-9)
    assert set(by_name) == {*robust, "gcv", "evidence", "ncp"}
    assert agreed.agreement in ("strong", "weak", "none")


@pytest.mark.parametrize("boundary", ["periodic", "reflective"])
def test_transforms_agree_with_singular_values(boundary):
    shape = (8, 6)
    A = inverse.convolution(shape, inverse.gaussian_kernel(0.6), boundary)
    L = inverse.gradient(shape, boundary)
    _, noisy = blocks(8)
    b = A(noisy[:, :6])
    fast = choose_lambda(A, b, L)
    slow = choose_lambda(A.matmat(np.eye(48)), b.reshape(-1), L)
    assert (fast.solver, slow.solver) == ("transform", "decomposition")
    assert fast.lambda_ == pytest.approx(slow.lambda_, rel=1e-6)
    np.testing.assert_allclose(fast.x.reshape(-1), slow.x, atol=1e-8)
    assert fast.x.shape == shape


def test_a_krylov_space_finds_the_lambda_of_the_decomposition():
    rng = np.random.default_rng(1)
    A = rng.standard_normal((120, 60)) * 0.9 ** np.arange(60)
    b = A @ rng.standard_normal(60) + 0.3 * rng.standard_normal(120)
    exact = choose_lambda(A, b, method="discrepancy", sigma=0.33)
    for operator in (sparse.csr_matrix(A), aslinearoperator(A), User(A)):
        choice = choose_lambda(operator, b, method="discrepancy", sigma=0.33, tol=1e-10)
        assert choice.solver == "krylov"
        assert choice.lambda_ == pytest.approx(exact.lambda_, rel=1e-6)
        np.testing.assert_allclose(choice.x, exact.x, atol=1e-6)
    by_gcv = choose_lambda(sparse.csr_matrix(A), b)
    assert by_gcv.verdict == "clear"
    assert by_gcv.degrees_of_freedom == pytest.approx(choose_lambda(A, b).degrees_of_freedom, rel=0.2)
    held_out = choose_lambda(User(A), b, method="hold-out", held_out=range(0, 120, 5))
    assert held_out.lambda_ > 0


def test_probes_find_about_the_lambda_of_the_decomposition():
    A, b, L = random_problem(3, m=200, n=20)
    exact = choose_lambda(A, b, L, "sure", sigma=0.2)
    probed = choose_lambda(User(A), b, L, "sure", sigma=0.2, tol=1e-9)
    assert probed.solver == "probes"
    truth = np.linalg.lstsq(A, b, rcond=None)[0]
    assert np.linalg.norm(probed.x - exact.x) < 0.5 * np.linalg.norm(truth)
    assert probed.degrees_of_freedom == pytest.approx(exact.degrees_of_freedom, rel=0.5)
    level = choose_lambda(User(A), b, L, "discrepancy", sigma=0.22, tol=1e-9)
    assert level.residual_norm == pytest.approx(0.22 * np.sqrt(200), rel=0.02)


OPERATORS = [
    inverse.convolution((9, 7), inverse.motion_kernel(4, 30), "zero"),
    inverse.convolution((9, 7), inverse.disk_kernel(2), "periodic"),
    inverse.convolution(12, [1.0, 2.0, 4.0]),
    inverse.difference((4, 5), axis=1, order=2),
    inverse.gradient((4, 5)),
    inverse.laplacian((4, 5), "periodic"),
    inverse.cosine((4, 5)),
    inverse.radon((9, 8), np.arange(0, 180, 30)),
    inverse.travel_time((4, 5), [[0.0, 0.3], [0.0, 3.0]], [[5.0, 2.0], [5.0, 0.1]]),
    inverse.wavelet((16, 8), "db2", 2),
    inverse.wavelet(32, "sym4", 2, "symmetric"),
    inverse.undecimated_wavelet((8, 8), "haar", 2),
    inverse.mask(np.arange(12).reshape(3, 4) % 5 > 1),
    inverse.diagonal(np.arange(4.0)),
    inverse.identity((2, 3)),
    inverse.stack([inverse.identity(5), 2 * inverse.difference(5)]),
    inverse.as_operator(sparse.random(6, 4, 0.5, random_state=0)),
    inverse.as_operator(User(np.arange(12.0).reshape(3, 4))),
]


@pytest.mark.parametrize("A", OPERATORS, ids=str)
def test_operators_are_scipys_and_their_adjoints_are_exact(A):
    assert isinstance(A, LinearOperator)
    assert inverse.dot_test(A) < 1e-12
    matrix = A @ np.eye(A.shape[1])
    np.testing.assert_allclose(A.T @ np.eye(A.shape[0]), matrix.T, atol=1e-12)
    np.testing.assert_allclose(A.H.matvec(np.ones(A.shape[0])), matrix.sum(axis=0), atol=1e-12)
    x = np.random.default_rng(0).standard_normal(A.shape_in)
    np.testing.assert_allclose(A(x).reshape(-1), matrix @ x.reshape(-1), atol=1e-12)
    assert A(x).shape == A.shape_out
    assert A.T(A(x)).shape == A.shape_in
    again = inverse.as_operator(aslinearoperator(A))
    np.testing.assert_allclose(again @ x.reshape(-1), matrix @ x.reshape(-1), atol=1e-12)


def test_the_algebra_of_operators():
    A, B = inverse.difference(6), inverse.convolution(6, [0.25, 0.5, 0.25])
    x = np.random.default_rng(0).standard_normal(6)
    for made, expected in [
        (A @ B, A(B(x))),
        (A + B, A(x) + B(x)),
        (A - B, A(x) - B(x)),
        (2 * A, 2 * A(x)),
        (A * 2, 2 * A(x)),
        (-A, -A(x)),
        (A.T @ A, A.T(A(x))),
    ]:
        assert isinstance(made, inverse.Operator)
        np.testing.assert_allclose(made(x), expected, atol=1e-13)
    mixed = A @ aslinearoperator(np.eye(6)) + aslinearoperator(np.eye(6))
    np.testing.assert_allclose(mixed @ x, A(x) + x, atol=1e-13)


def test_convolution_is_scipys_and_lsqr_takes_it():
    image = np.random.default_rng(0).standard_normal((12, 10))
    kernel = np.random.default_rng(1).random((3, 5))
    blurred = inverse.convolution(image.shape, kernel)(image)
    np.testing.assert_allclose(blurred, correlate(image, kernel[::-1, ::-1], mode="reflect"), atol=1e-12)
    A = inverse.convolution(image.shape, inverse.gaussian_kernel(0.5), "periodic")
    np.testing.assert_allclose(lsqr(A, A(image).reshape(-1), atol=1e-12, btol=1e-12)[0], image.reshape(-1))


def test_arrays_are_read_where_they_lie():
    A = inverse.identity(4)
    x = np.arange(4.0)
    assert np.shares_memory(inverse._arrays.floats("x", x), x)
    np.testing.assert_array_equal(A(x[::-1]), x[::-1])
    np.testing.assert_array_equal(A(x.astype(np.float32)), x)


def test_pylops_operators_stand_in():
    pylops = pytest.importorskip("pylops")
    first = pylops.FirstDerivative(dims=(8, 6), axis=0, kind="forward")
    A = inverse.as_operator(first)
    assert (A.shape_in, A.shape_out) == ((8, 6), (8, 6))
    assert inverse.dot_test(A) < 1e-12
    rng = np.random.default_rng(0)
    smooth = pylops.Smoothing1D(nsmooth=3, dims=40)
    truth = np.sin(np.arange(40) / 4)
    b = smooth @ truth + 0.01 * rng.standard_normal(40)
    by_pylops = choose_lambda(smooth, b, method="discrepancy", sigma=0.01, tol=1e-10)
    by_matrix = choose_lambda(smooth.todense(), b, method="discrepancy", sigma=0.01)
    assert by_pylops.lambda_ == pytest.approx(by_matrix.lambda_, rel=1e-4)
    ours = pylops.aslinearoperator(inverse.gradient((4, 5)))
    assert pylops.utils.dottest(ours, *ours.shape)


class Trouble(Exception):
    pass


class Failing(User):
    def matvec(self, x):
        if self.calls >= 3:
            raise Trouble("the simulation crashed")
        return super().matvec(x)


def test_what_a_users_operator_raises_arrives_as_itself():
    A, b, L = random_problem()
    with pytest.raises(Trouble, match="the simulation crashed"):
        choose_lambda(Failing(A), b)
    with pytest.raises(Trouble):
        choose_lambda(Failing(A), b, L, "sure", sigma=0.1)
    with pytest.raises(Trouble):
        TotalVariation(Failing(np.eye(16)), shape=(4, 4), sigma=0.1).fit(np.ones(16))
    with pytest.raises(Trouble):
        WaveletRestoration(Failing(np.eye(16)), shape=(4, 4), levels=1, sigma=0.1).fit(np.ones(16))
    operator = inverse.as_operator(Failing(np.eye(4)))
    for _ in range(3):
        operator(np.ones(4))
    with pytest.raises(Trouble):
        operator(np.ones(4))
    # It may work again later.
    operator._core.adjoint(np.ones(4))


class Wrong(User):
    def matvec(self, x):
        return np.ones(3)


class Complex(User):
    def matvec(self, x):
        return 1j * x


SQUARE = np.eye(4)
IMAGE = np.ones((8, 8))


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (
            lambda: choose_lambda(SQUARE, np.ones(5)),
            ValueError,
            r"b: found an array of shape \(5,\); expected 4",
        ),
        (lambda: choose_lambda(SQUARE, [1, np.nan, 0, 0]), ValueError, "b, at 1: found nan; expected finite"),
        (lambda: choose_lambda(SQUARE, ["a"] * 4), TypeError, "b: found <U1 values; expected real numbers"),
        (lambda: choose_lambda(np.full((4, 4), np.inf), np.ones(4)), ValueError, "matrix A, at .* found inf"),
        (lambda: choose_lambda("A", np.ones(4)), TypeError, "operator A: found str; expected"),
        (
            lambda: choose_lambda(SQUARE, np.ones(4), method="magic"),
            ValueError,
            "`method`: found 'magic'; expected gcv",
        ),
        (
            lambda: choose_lambda(SQUARE, np.ones(4), method="sure"),
            ValueError,
            "`sigma`: found none; expected the noise",
        ),
        (
            lambda: choose_lambda(SQUARE, np.ones(4), sigma=-1.0),
            ValueError,
            "`sigma`: found -1; expected a finite",
        ),
        (
            lambda: choose_lambda(SQUARE, np.ones(4), sigma="x"),
            TypeError,
            "`sigma`: found 'x'; expected a number",
        ),
        (lambda: choose_lambda(SQUARE, np.ones(4), np.eye(3)), ValueError, "expected 4"),
        (
            lambda: choose_lambda(np.diff(SQUARE, axis=0), np.ones(3), np.diff(SQUARE, axis=0)),
            ValueError,
            "null space",
        ),
        (lambda: choose_lambda(User(SQUARE), np.ones(4), method="ncp"), ValueError, "`method`: found 'ncp'"),
        (
            lambda: choose_lambda(User(SQUARE), np.ones(4), method="discrepancy"),
            ValueError,
            "`sigma`: found 'none'",
        ),
        (
            lambda: choose_lambda(Wrong(SQUARE), np.ones(4)),
            ValueError,
            "`matvec` of operator A: found 3 numbers",
        ),
        (
            lambda: choose_lambda(Complex(SQUARE), np.ones(4)),
            TypeError,
            "`matvec` of operator A: found complex",
        ),
        (lambda: consensus(User(SQUARE), np.ones(4)), TypeError, "operator A: found one that no transform"),
        (lambda: inverse.convolution((4, 4), np.ones((5, 5))), ValueError, "kernel"),
        (
            lambda: inverse.convolution((4, 4), np.ones((3, 3)), "wrap"),
            ValueError,
            "`boundary`: found 'wrap'",
        ),
        (lambda: inverse.gradient((0, 4)), ValueError, "`shape`"),
        (lambda: inverse.mask([0, 1]), TypeError, "mask: found int64 values; expected booleans"),
        (lambda: inverse.wavelet(8, "db99"), ValueError, "db1 to db20"),
        (lambda: inverse.gaussian_kernel(0.0), ValueError, "`sigma`: found 0"),
        (lambda: inverse.denoise_wavelet(np.ones(5)), ValueError, r"image: found an array of shape \(5,\)"),
        (lambda: inverse.denoise_wavelet(np.full((8, 8), np.nan)), ValueError, "image, at"),
        (
            lambda: inverse.denoise_wavelet(IMAGE, 0.1, weights="pixel"),
            ValueError,
            "`weights`: found 'pixel'",
        ),
        (lambda: TotalVariation(weights="map", sigma=0.1).fit(IMAGE), ValueError, "`weights`: found 'map'"),
        (lambda: TotalVariation().fit(IMAGE), ValueError, "`sigma`: found an estimate of 0"),
        (lambda: TotalVariation(criterion="aic").fit(IMAGE), ValueError, "`criterion`: found 'aic'"),
        (lambda: TotalVariation(sigma=0.0).fit(IMAGE), ValueError, "`sigma`: found 0"),
        (lambda: TotalVariation().fit(IMAGE, IMAGE[:4]), ValueError, "clean image: found an array of shape"),
        (lambda: TotalVariation().fit([IMAGE, IMAGE], [IMAGE]), ValueError, "found 2 degraded and 1 clean"),
        (lambda: TotalVariation(inverse.mask(IMAGE > 0)).fit(np.ones(64)), ValueError, "`sigma`: found None"),
        (lambda: TotalVariation(User(SQUARE), sigma=0.1).fit(np.ones(4)), ValueError, "`shape`: found"),
        (lambda: Tikhonov(regularizer="tv").fit(IMAGE), ValueError, "`regularizer`: found 'tv'"),
        (lambda: Tikhonov().fit(np.ones(8)), ValueError, "degraded image: found an array of shape"),
        (lambda: TotalVariation().restore(IMAGE), ValueError, "not fitted"),
    ],
)
def test_bad_input_is_one_sentence(call, error, sentence):
    with pytest.raises(error) as raised:
        call()
    message = str(raised.value)
    assert re.search(sentence, message), message
    assert "\n" not in message


@pytest.mark.parametrize(
    "model",
    [
        Tikhonov(),
        Tikhonov(criterion="sure", regularizer=["gradient", "laplacian"]),
        WaveletRestoration(),
        WaveletRestoration(weights="image", undecimated=False),
        TotalVariation(),
        TotalVariation(criterion="gcv"),
    ],
    ids=str,
)
def test_denoising_without_the_truth(model):
    truth, noisy = blocks(32)
    restored = model.fit_restore(noisy)
    assert restored.shape == noisy.shape
    assert mse(restored, truth) < 0.6 * mse(noisy, truth)
    colour = np.stack([noisy, noisy + 1.0], axis=-1)
    both = model.fit(colour).restore(colour)
    assert both.shape == colour.shape
    np.testing.assert_allclose(both[..., 1] - both[..., 0], 1.0, atol=1e-2)


@pytest.mark.parametrize(
    "model",
    [
        Tikhonov(),
        Tikhonov(regularizer=["gradient", "identity"]),
        WaveletRestoration(),
        WaveletRestoration(weights="level"),
        TotalVariation(),
        TotalVariation(weights=(2, 2)),
        TotalVariation(weights=(2, 2), smooth=True),
    ],
    ids=str,
)
def test_weights_learned_from_pairs(model):
    truth, first = blocks(24, 1)
    _, second = blocks(24, 2)
    model.fit([first, second], [truth, truth])
    _, fresh = blocks(24, 3)
    # One threshold for each subband of an orthogonal transform: its blocks are not those of the image.
    bound = 0.9 if isinstance(model, WaveletRestoration) else 0.6
    assert mse(model.restore(fresh), truth) < bound * mse(fresh, truth)
    assert model.criterion_ == "supervised"
    learned = mse(model.restore(first), truth) + mse(model.restore(second), truth)
    assert model.criterion_value_ == pytest.approx(learned / 2, rel=1e-2)


@pytest.mark.parametrize(
    ("estimator", "share"),
    [
        (lambda A: Tikhonov(A), 0.9),
        (lambda A: Tikhonov(A, criterion="evidence"), 0.9),
        # No better than what the blur left, but what the blur hides is not made up either.
        (lambda A: WaveletRestoration(A, sigma=0.02), 1.2),
        (lambda A: TotalVariation(A, sigma=0.02), 0.9),
    ],
)
def test_deblurring(estimator, share):
    truth, _ = blocks(32)
    A = inverse.convolution(truth.shape, inverse.gaussian_kernel(1.2))
    blurred = A(truth) + 0.02 * np.random.default_rng(0).standard_normal(truth.shape)
    assert mse(estimator(A).fit_restore(blurred), truth) < share * mse(blurred, truth)
    # The same operator without its transform, as a user would write it.
    hidden = inverse.as_operator(User(A), truth.shape, truth.shape)
    if estimator(A).criterion != "evidence":
        assert mse(estimator(hidden).fit_restore(blurred), truth) < (share + 0.05) * mse(blurred, truth)


def test_inpainting():
    truth, _ = blocks(32)
    seen = np.random.default_rng(0).random(truth.shape) < 0.6
    A = inverse.mask(seen)
    b = A(truth) + 0.02 * np.random.default_rng(1).standard_normal(A.shape[0])
    restored = TotalVariation(A, sigma=0.02).fit_restore(b)
    assert restored.shape == truth.shape
    assert mse(restored, truth) < 0.01


def test_tikhonovs_hypergradient_is_that_of_the_solved_problem():
    from bilevel import _core

    A, b, L = random_problem()
    terms = [inverse.as_operator(m)._core for m in (L, np.eye(20))]
    problem = _core.Restoration.tikhonov(inverse.as_operator(A)._core, b, terms)
    lam, target = np.array([0.3, 0.05]), np.linspace(0, 1, 20)

    def value(lam):
        error = problem.solve(lam, 1e-13) - target
        return error @ error

    slope = problem.adjoint(2 * (problem.solve(lam, 1e-13) - target))[0]
    for k in range(2):
        step = np.eye(2)[k] * 1e-5
        assert slope[k] == pytest.approx((value(lam + step) - value(lam - step)) / 2e-5, rel=1e-6)


def test_the_noise_is_estimated():
    _, noisy = blocks(64, sigma=0.2)
    assert inverse.estimate_noise(noisy) == pytest.approx(0.2, rel=0.1)
    assert inverse.denoise_wavelet(np.dstack([noisy, noisy])).sigma == pytest.approx([0.2, 0.2], rel=0.1)
