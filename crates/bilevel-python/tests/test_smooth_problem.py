"""Smooth problems that users write, with NumPy, JAX and PyTorch."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from bilevel import Lower, Problem, SmoothProblem, Upper, hypergradient, minimize
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import check_grad

RNG = np.random.default_rng(0)
A, B = RNG.standard_normal((30, 5)), RNG.standard_normal(30)
A_VAL, B_VAL = RNG.standard_normal((20, 5)), RNG.standard_normal(20)
THETA = np.array([-1.0, 0.3, 0.0, -0.5, 0.7])
BACKENDS = ("numpy", "jax", "torch")
AT_SOLUTION = ("implicit", "dense", "cg", "minres", "newton")


def scalar_tikhonov(a=1.0, b=3.0, scale=1.0, target=1.0, **changed):
    """F = ½(ay - b)² + ½θ(sy)², L = ½(y - z)²: the best θ is (ab/z - a²)/s²."""
    lower = Lower(
        gradient=lambda y, theta: a * (a * y - b) + theta * scale**2 * y,
        hessian_product=lambda y, theta, v: (a**2 + theta * scale**2) * v,
        mixed_adjoint=lambda y, theta, v: scale**2 * y * v,
    )
    upper = Upper(value=lambda y, _: (y - target) ** 2 / 2, gradient=lambda y, _: (y - target, None))
    return Problem(
        **{"lower": lower, "upper": upper, "y0": 0.0, "theta0": 0.5, "bounds": (1e-6, 1e6), **changed}
    )


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def numpy_functions(products="exact"):
    """Logistic regression, one weight decay exp(θ_j) for each feature; L depends on θ as well."""
    n = len(B)

    def gradient(y, theta):
        return A.T @ (sigmoid(A @ y) - (B > 0)) / n + np.exp(theta) * y

    def hessian_product(y, theta, v):
        s = sigmoid(A @ y)
        return A.T @ (s * (1 - s) * (A @ v)) / n + np.exp(theta) * v

    def value(y, theta):
        return np.mean((A_VAL @ y - B_VAL) ** 2) / 2 + 0.01 * theta @ theta

    upper = Upper(value, lambda y, theta: (A_VAL.T @ (A_VAL @ y - B_VAL) / len(B_VAL), 0.02 * theta))
    if products == "differences":
        return Lower(gradient, "differences", "differences"), upper

    def mixed(y, theta, v):
        return np.exp(theta) * y * v

    return Lower(gradient, hessian_product, **{products.replace("exact", "mixed_adjoint"): mixed}), upper


def jax_functions():
    jnp = pytest.importorskip("jax.numpy")

    def lower(y, theta):
        z = A @ y
        return jnp.mean(jnp.logaddexp(0, z) - (B > 0) * z) + jnp.sum(jnp.exp(theta) * y**2) / 2

    def upper(y, theta):
        return jnp.mean((A_VAL @ y - B_VAL) ** 2) / 2 + 0.01 * jnp.dot(theta, theta)

    return lower, upper


def torch_functions():
    torch = pytest.importorskip("torch")
    a, b, a_val, b_val = map(torch.from_numpy, (A, (B > 0).astype(float), A_VAL, B_VAL))

    def lower(y, theta):
        z = a @ y
        return (torch.logaddexp(torch.zeros_like(z), z) - b * z).mean() + (theta.exp() * y**2).sum() / 2

    def upper(y, theta):
        return ((a_val @ y - b_val) ** 2).mean() / 2 + 0.01 * theta @ theta

    return lower, upper


def problem(backend="numpy", **more):
    functions = {"numpy": numpy_functions, "jax": jax_functions, "torch": torch_functions}[backend]
    lower, upper = functions()
    return Problem(lower=lower, upper=upper, y0=np.zeros(5), theta0=THETA, backend=backend, **more)


@pytest.mark.parametrize(("a", "scale", "target"), [(1.0, 1.0, 1.0), (2.0, 0.5, 0.7), (0.8, 2.0, 0.1)])
def test_the_best_weight_of_a_scalar_problem_is_the_one_in_closed_form(a, scale, target):
    best = (a * 3.0 / target - a**2) / scale**2
    made = scalar_tikhonov(a, 3.0, scale, target)
    assert isinstance(made, SmoothProblem)
    # Where Φ is flat, what is found is as exact as the square root of the value.
    for found in (minimize(made), minimize(made, [1.0], "scalar", bounds=[(1e-3, 1e3)])):
        assert found.theta[0] == pytest.approx(best, rel=1e-4)
        assert made.solve(found.theta).coefficients == pytest.approx(target, rel=1e-4)


def test_the_hypergradient_of_a_scalar_problem_is_the_one_in_closed_form():
    # y* = 3/(1 + θ), Φ = ½(y* - 1)²: Φ' = -(y* - 1) 3/(1 + θ)².
    theta = 0.5
    expected = -(2.0 - 1.0) * 3 / 1.5**2
    for method in (*AT_SOLUTION, "neumann", "differences"):
        found = hypergradient(scalar_tikhonov(), theta, method=method)
        assert found.value == pytest.approx(0.5)
        assert found.gradient == pytest.approx([expected], rel=1e-7)
        assert found.coefficients.shape == ()
        assert found.coefficients == pytest.approx(2.0)
        assert found.method == method


@pytest.mark.parametrize("backend", BACKENDS)
def test_all_backends_and_methods_give_the_gradient_of_the_solved_problem(backend):
    made = problem(backend)
    assert made.gradcheck() is None
    expected = problem().hypergradient(THETA, "differences").gradient
    solution = made.solve(THETA)
    assert solution.status == "converged"
    for method in AT_SOLUTION:
        found = made.hypergradient(THETA, method)
        np.testing.assert_allclose(found.gradient, expected, rtol=1e-6, atol=1e-9)
        assert found.error_bound < 1e-6
        assert np.linalg.norm(found.gradient - problem().hypergradient(THETA).gradient) < 1e-9
    exact = made.hypergradient(THETA).gradient
    for method, how in (
        ("neumann", {"terms": 2000}),
        ("forward", {"steps": 2000}),
        ("reverse", {"steps": 2000}),
        ("truncated", {"steps": 2000, "last": 1000}),
    ):
        found = made.hypergradient(THETA, method, **how)
        np.testing.assert_allclose(found.gradient, exact, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("backend", ("jax", "torch"))
def test_the_products_of_a_framework_are_those_written_by_hand(backend):
    ours, theirs = problem()._functions, problem(backend)._functions
    rng = np.random.default_rng(3)
    y, v, u = rng.standard_normal((3, 5))
    for name, direction in (("hessian_product", v), ("mixed_product", u), ("mixed_adjoint", v)):
        expected = getattr(ours, name)(y, THETA, direction)
        np.testing.assert_allclose(
            getattr(theirs, name)(y, THETA, direction), expected, rtol=1e-12, atol=1e-14
        )
    np.testing.assert_allclose(theirs.lower_gradient(y, THETA), ours.lower_gradient(y, THETA), rtol=1e-12)
    assert theirs.upper_value(y, THETA) == pytest.approx(ours.upper_value(y, THETA), rel=1e-13)
    for mine, other in zip(ours.upper_gradient(y, THETA), theirs.upper_gradient(y, THETA), strict=True):
        np.testing.assert_allclose(other, mine, rtol=1e-12)


@pytest.mark.parametrize("products", ["mixed_product", "differences"])
def test_products_that_are_not_written_follow_from_the_others(products):
    lower, upper = numpy_functions(products)
    made = Problem(lower=lower, upper=upper, y0=np.zeros(5), theta0=THETA)
    exact = problem()
    assert made.gradcheck() is None
    for method in (*AT_SOLUTION, "forward", "reverse"):
        found, expected = made.hypergradient(THETA, method), exact.hypergradient(THETA, method)
        np.testing.assert_allclose(found.gradient, expected.gradient, rtol=1e-8, atol=1e-10)


def test_differences_are_never_silent():
    def gradient(y, theta):
        return y

    with pytest.raises(TypeError, match=r"lower\.hessian_product: not given; .* 'differences'"):
        Lower(gradient)
    with pytest.raises(TypeError, match=r"lower\.mixed_adjoint: not given, and no mixed_product"):
        Lower(gradient, "differences")
    with pytest.raises(TypeError, match=r"lower\.hessian_product: found 'exact'; expected a function or"):
        Lower(gradient, "exact", "differences")
    with pytest.raises(TypeError, match=r"lower\.gradient: found None; expected a function"):
        Lower(None, "differences", "differences")


def test_the_framework_is_told_by_arrays_and_answers():
    pytest.importorskip("jax")
    lower, upper = jax_functions()
    assert "Jax" in repr(Problem(lower=lower, upper=upper, y0=np.zeros(5), theta0=THETA))
    with pytest.raises(TypeError, match=r"NumPy has no derivatives; expected a bilevel\.Lower"):
        Problem(lower=lambda y, t: y @ y, upper=lambda y, t: y @ y, y0=np.zeros(2), theta0=[1.0])
    with pytest.raises(TypeError, match="lower: found function; NumPy has no derivatives"):
        Problem(lower=lower, upper=upper, y0=np.zeros(5), theta0=THETA, backend="numpy")
    with pytest.raises(ValueError, match=r"found .jax. with a bilevel\.Lower"):
        lower, upper = numpy_functions()
        Problem(lower=lower, upper=upper, y0=np.zeros(5), theta0=THETA, backend="jax")


def test_a_tensor_says_that_the_functions_are_of_pytorch():
    torch = pytest.importorskip("torch")
    lower, upper = torch_functions()
    made = Problem(lower=lower, upper=upper, y0=torch.zeros(5), theta0=torch.from_numpy(THETA))
    assert "Torch" in repr(made)
    np.testing.assert_allclose(
        made.hypergradient(THETA).gradient, problem().hypergradient(THETA).gradient, rtol=1e-9
    )


def test_jax_is_left_in_the_precision_that_it_was_in():
    jnp = pytest.importorskip("jax.numpy")
    before = jnp.ones(2).dtype
    problem("jax").hypergradient(THETA)
    assert jnp.ones(2).dtype == before


def test_data_in_float32_is_no_less_smooth():
    jnp = pytest.importorskip("jax.numpy")
    a = jnp.asarray(A, dtype=jnp.float32)

    def lower(y, theta):
        return jnp.sum((a @ y - 1) ** 2) / 2 + jnp.exp(theta) * jnp.dot(y, y)

    made = Problem(lower=lower, upper=lambda y, theta: jnp.dot(y, y), y0=np.zeros(5), theta0=0.0)
    assert made.solve(0.0).gradient_norm < 1e-8
    assert made.gradcheck() is None


@pytest.mark.parametrize("package", ["jax", "torch"])
def test_a_framework_that_is_missing_is_named_in_one_sentence(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=f"backend='{package}' needs the package '{package}'.*pip install"):
        Problem(lower=lambda y, t: y, upper=lambda y, t: y, y0=0.0, theta0=0.0, backend=package)


def test_no_framework_is_imported_without_need():
    code = (
        "import sys, numpy as np, bilevel\n"
        "f = bilevel.Lower(lambda y, t: y - t, lambda y, t, v: v, lambda y, t, v: -v)\n"
        "g = bilevel.Upper(lambda y, t: y**2, lambda y, t: (2 * y, None))\n"
        "print(bilevel.minimize(bilevel.Problem(lower=f, upper=g, y0=0.0, theta0=1.0)).value)\n"
        "assert not {'jax', 'torch'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_minimize_follows_the_hypergradient_that_it_is_told():
    made = problem(bounds=(-8.0, 8.0))
    best = minimize(made)
    assert best.value < made.value(THETA)
    assert best.gradient_error_bound >= 0.0
    assert best.history[0].value == pytest.approx(made.value(THETA), rel=1e-5)
    for way in ("cg", "minres", "dense", "newton", {"method": "neumann", "epsilon": 1e-8}):
        found = minimize(made, hypergradient=way)
        assert found.value == pytest.approx(best.value, rel=1e-4)
    unrolled = minimize(made, hypergradient={"method": "reverse", "steps": 300, "step": 0.3})
    assert unrolled.value == pytest.approx(best.value, rel=1e-3)
    for outer in ("ntrba", "nba"):
        assert minimize(made, method=outer, max_steps=30).value < made.value(THETA)
    assert minimize(made, solver="lbfgs").value == pytest.approx(best.value, rel=1e-4)


def test_the_callback_of_minimize_sees_steps_and_stops_them():
    seen = []
    found = minimize(problem(), callback=lambda step: seen.append(step) or len(seen) == 2)
    assert found.reason == "cancelled"
    assert len(seen) == 2
    with pytest.raises(ZeroDivisionError):
        minimize(problem(), callback=lambda _: 1 / 0)


def test_value_and_gradient_are_what_scipy_takes():
    made = problem()
    wrong = check_grad(made.value, lambda t: made.value_and_gradient(t)[1], THETA)
    assert wrong < 1e-6


def test_one_step_and_learned_rates():
    made = scalar_tikhonov(theta0=0.0)
    # One step of gradient descent from 0 on ½(y - 3)²: y = 3s, so dL/ds = (3s - 1) 3 and dL/dθ = 0.
    found = made.hypergradient([0.0, 0.1], "reverse", steps=1, step=slice(1, 2))
    np.testing.assert_allclose(found.gradient, [0.0, -2.1], atol=1e-14)
    assert found.coefficients == pytest.approx(0.3)
    # Ten steps, one rate each, in both modes against differences.
    rates = np.linspace(0.05, 0.4, 10)
    extended = np.append(0.3, rates)
    ways = [
        made.hypergradient(extended, method, steps=10, step=slice(1, 11)).gradient
        for method in ("forward", "reverse")
    ]
    np.testing.assert_allclose(*ways, rtol=1e-12)

    def value(at):
        return made.hypergradient(at, "forward", steps=10, step=slice(1, 11)).value

    assert check_grad(value, lambda _: ways[0], extended) < 1e-6
    learned = minimize(
        made,
        extended,
        hypergradient={"method": "reverse", "steps": 10, "step": slice(1, 11)},
        bounds=[(0.0, 0.0)] + 10 * [(0.0, 1.0)],
    )
    assert learned.value < 1e-8
    assert made.hypergradient(0.3, "one-step").gradient.shape == (1,)


def test_the_error_asked_for_is_kept():
    made = problem()
    exact = made.hypergradient(THETA, tol=1e-13)
    for epsilon in (1e-2, 1e-4, 1e-8):
        for rule in ("running", "a-priori"):
            found = made.hypergradient(THETA, "neumann", epsilon=epsilon, rule=rule, tol=1e-13)
            assert np.linalg.norm(found.gradient - exact.gradient) <= epsilon
            assert found.error_bound <= epsilon * (1 + 1e-9)
    for tol in (1e-2, 1e-4, 1e-6):
        found = made.hypergradient(THETA, tol=tol)
        assert np.linalg.norm(found.gradient - exact.gradient) <= found.error_bound + 1e-12
    assert "estimated" in repr(made.hypergradient(THETA, tol=1e-2))


def test_known_constants_make_the_bound_proven():
    drift = {"hessian": 0.0, "mixed": 1.0, "criterion": 1.0, "criterion_by_lambda": 0.0}

    def known(theta):
        return {"strong_convexity": 1.0 + float(theta), "lipschitz": 1.0 + float(theta), "drift": drift}

    found = scalar_tikhonov(constants=known).hypergradient(0.5, tol=1e-3)
    assert found.proven
    assert found.error_bound < 1e-2
    with pytest.raises(ValueError, match="constants: found 3; expected a dictionary"):
        scalar_tikhonov(constants=3)
    with pytest.raises(ValueError, match=r"constants\['lipschitz'\]: found -1"):
        scalar_tikhonov(constants={"lipschitz": -1})
    with pytest.raises(ValueError, match=r"constants\['drift'\]"):
        scalar_tikhonov(constants={"drift": {}})
    with pytest.raises(ZeroDivisionError):
        scalar_tikhonov(constants=lambda theta: 1 / 0).hypergradient(0.5)


def test_gradcheck_names_the_derivative_that_is_wrong():
    lower, upper = numpy_functions()
    wrong = Lower(lower.gradient, lambda y, t, v: 1.01 * lower.hessian_product(y, t, v), lower.mixed_adjoint)
    found = Problem(lower=wrong, upper=upper, y0=np.zeros(5), theta0=THETA).gradcheck()
    assert found.product == "hessian product"
    assert found.found == pytest.approx(1.01 * found.expected, rel=1e-5)
    assert "central differences give" in str(found)
    half = Upper(upper.value, lambda y, t: (upper.gradient(y, t)[0], 0 * t))
    found = Problem(lower=lower, upper=half, y0=np.zeros(5), theta0=THETA).gradcheck()
    assert found.product == "criterion gradient by lambda"
    assert found.component == 0


class OwnError(Exception):
    pass


NAMES = ("gradient", "hessian_product", "mixed_adjoint", "value", "upper_gradient")


@pytest.mark.parametrize("where", NAMES)
def test_what_a_function_raises_comes_out_unchanged(where):
    error = OwnError("mine")
    for call in (lambda p: p.hypergradient(0.5), lambda p: minimize(p, [0.5])):
        with pytest.raises(OwnError) as raised:
            call(broken(where, lambda *_: (_ for _ in ()).throw(error)))
        assert raised.value is error


@pytest.mark.parametrize("where", NAMES)
@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (None, (TypeError, ValueError), "returned"),
        ("one", TypeError, "returned"),
        (np.ones(3), (ValueError, TypeError), r"returned .*(shape \(3,\)|expected a pair)"),
        (np.nan, (ValueError, TypeError), "NaN|nan|expected a pair"),
    ],
)
def test_answers_that_make_no_sense_are_named(where, answer, error, words):
    with pytest.raises(error, match=words):
        broken(where, lambda *_: answer).hypergradient(0.5)


def broken(where, function):
    """The scalar problem with one function in place of its own."""
    lower = {
        "gradient": lambda y, t: y - 3 + t * y,
        "hessian_product": lambda y, t, v: (1 + t) * v,
        "mixed_adjoint": lambda y, t, v: y * v,
    }
    upper = {"value": lambda y, t: (y - 1) ** 2 / 2, "upper_gradient": lambda y, t: (y - 1, None)}
    (lower if where in lower else upper)[where] = function
    upper = Upper(upper["value"], upper["upper_gradient"])
    return Problem(lower=Lower(**lower), upper=upper, y0=0.0, theta0=0.5)


def test_a_pair_of_the_wrong_length_and_gradients_that_are_not_finite_are_named():
    with pytest.raises(TypeError, match=r"upper\.gradient: returned tuple; expected a pair"):
        broken("upper_gradient", lambda y, t: (y, t, y)).hypergradient(0.5)
    with pytest.raises(ValueError, match=r"upper\.gradient, by theta: returned inf in entry 0"):
        broken("upper_gradient", lambda y, t: (y, np.inf)).hypergradient(0.5)
    with pytest.raises(ValueError, match=r"lower\.hessian_product: returned nan in entry 0"):
        broken("hessian_product", lambda y, t, v: np.nan * v).hypergradient(0.5)


def test_a_lower_level_without_a_solution_is_an_error():
    lower = Lower(lambda y, t: -y + 1 + 0 * t, lambda y, t, v: -v, lambda y, t, v: 0 * v)
    upper = Upper(lambda y, t: y**2, lambda y, t: (2 * y, None))
    made = Problem(lower=lower, upper=upper, y0=0.0, theta0=1.0)
    with pytest.raises((RuntimeError, ValueError), match=r"convex|finite"):
        made.hypergradient(1.0)


def test_searches_step_back_from_where_the_gradient_is_not_defined():
    # F = θy - log y for y > 0: y* = 1/θ.
    with np.errstate(invalid="ignore", divide="ignore"):
        lower = Lower(
            gradient=lambda y, t: np.where(y > 0, t - 1 / np.abs(y), np.nan),
            hessian_product=lambda y, t, v: v / y**2,
            mixed_adjoint=lambda y, t, v: v,
        )
        upper = Upper(lambda y, t: (y - 1) ** 2, lambda y, t: (2 * (y - 1), None))
        made = Problem(lower=lower, upper=upper, y0=5.0, theta0=2.0)
        assert made.solve(2.0).coefficients == pytest.approx(0.5, rel=1e-8)
        assert made.hypergradient(2.0).gradient == pytest.approx([2 * (0.5 - 1) * -0.25], rel=1e-7)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"upper": None}, "upper: not given"),
        ({"y0": None}, "y0: not given"),
        ({"theta0": [np.nan]}, "theta0: found values that are not finite"),
        ({"y0": "zero"}, "y0: found str; expected an array of numbers"),
        ({"y0": []}, "expected at least one number"),
        ({"bounds": (1.0, 0.0)}, "low <= high"),
        ({"bounds": 3}, "setting `bounds`"),
        ({"bounds": [(0, 1), (0, 1)]}, "setting `bounds`"),
        ({"backend": "tensorflow"}, "setting `backend`"),
        ({"lower": 3}, "lower: found int"),
    ],
)
def test_arguments_that_make_no_sense_are_named(wrong, words):
    with pytest.raises((TypeError, ValueError), match=words):
        scalar_tikhonov(**wrong)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda p: p.hypergradient([1.0, 2.0]), r"theta: found an array of shape \(2,\); expected"),
        (lambda p: p.hypergradient(np.nan), "theta: found values that are not finite"),
        (lambda p: p.hypergradient(0.5, "adjoint"), "setting `method`"),
        (lambda p: p.hypergradient(0.5, "cg", steps=3), "method 'cg': unknown field `steps`"),
        (lambda p: p.hypergradient(0.5, "cg", preconditioner="ilu"), "unknown variant `ilu`"),
        (lambda p: p.hypergradient(0.5, "implicit", tolerance=-1.0), "tolerance"),
        (lambda p: p.hypergradient(0.5, "implicit", tolerance=np.inf), "expected a finite number"),
        (lambda p: p.hypergradient(0.5, "reverse", step=slice(0, 1)), "expected slice"),
        (lambda p: p.hypergradient(0.5, "differences", steps=1), "no setting 'steps'"),
        (lambda p: p.hypergradient(0.5, y=[1.0, 2.0]), r"y: found an array of shape \(2,\)"),
        (lambda p: p.hypergradient(0.5, tol=0.0), "setting `tol`"),
        (lambda p: p.solve(0.5, solver="adam"), "setting `solver`"),
        (lambda p: p.solve(0.5, max_steps=0), "setting `max_steps`"),
        (lambda p: minimize(p, method="gauss-newton"), "gauss-newton"),
        (lambda p: minimize(p, hypergradient="differences"), "setting `hypergradient`"),
        (lambda p: minimize(p, hypergradient={"method": "one-step", "step": slice(1, 2)}), "learned rates"),
        (lambda p: minimize(p, bounds=[(0, 1), (0, 1)]), "bounds"),
    ],
)
def test_calls_that_make_no_sense_are_named(call, words):
    with pytest.raises((TypeError, ValueError), match=words):
        call(scalar_tikhonov())


def test_a_sparse_problem_stays_as_it_was():
    made = Problem(A, B, splits=3)
    assert type(made) is Problem
    assert hypergradient(made, made.start()).policy == "self-consistent"
    with pytest.raises(TypeError, match="only a smooth problem"):
        hypergradient(made, made.start(), steps=3)
    again = pickle.loads(pickle.dumps(made))
    np.testing.assert_array_equal(again.start(), made.start())
    with pytest.raises(TypeError, match="missing"):
        Problem(A)


def _gradient(y, theta):
    return y - theta


def _first(y, theta, v):
    return v


def _minus(y, theta, v):
    return -v


def _square(y, theta):
    return y @ y


def _twice(y, theta):
    return 2 * y, None


def test_problems_of_named_functions_are_pickled():
    made = Problem(
        lower=Lower(_gradient, _first, _minus),
        upper=Upper(_square, _twice),
        y0=np.zeros(2),
        theta0=np.ones(2),
    )
    again = pickle.loads(pickle.dumps(made))
    assert repr(again) == repr(made) == "SmoothProblem(2 coefficients, 2 parameters, Numpy)"
    np.testing.assert_array_equal(again.hypergradient([1.0, 2.0]).gradient, [2.0, 4.0])


@given(
    y_shape=st.lists(st.integers(1, 3), max_size=3),
    theta_shape=st.lists(st.integers(1, 3), max_size=2),
    dtype=st.sampled_from([np.float64, np.float32, np.int64, bool]),
    answers=st.sampled_from([np.float64, np.float32, list]),
)
@settings(max_examples=60, deadline=None)
def test_functions_see_the_shapes_that_they_were_given_and_may_answer_in_any_type(
    y_shape, theta_shape, dtype, answers
):
    y_shape, theta_shape = tuple(y_shape), tuple(theta_shape)

    def told(array):
        return np.asarray(array).tolist() if answers is list else np.asarray(array, dtype=answers)

    def seen(function):
        def checked(y, theta, *v):
            assert y.shape == y_shape
            assert theta.shape == theta_shape
            assert y.dtype == theta.dtype == np.float64
            answer = function(y, theta, *v)
            # What a function does to its arguments is its own business.
            y[...] = np.nan
            theta[...] = np.nan
            return answer

        return checked

    # F = ½‖y‖² - mean(θ) Σ y, L = Σ y + Σ θ: y* = mean(θ), Φ = p mean(θ) + Σ θ.
    size = int(np.prod(theta_shape))
    lower = Lower(
        gradient=seen(lambda y, t: told(y - t.mean())),
        hessian_product=seen(lambda y, t, v: told(v)),
        mixed_adjoint=seen(lambda y, t, v: told(np.full(theta_shape, -v.sum() / size))),
    )
    upper = Upper(
        value=seen(lambda y, t: y.sum() + t.sum()),
        gradient=seen(lambda y, t: (told(np.ones(y_shape)), told(np.ones(theta_shape)))),
    )
    theta = np.ones(theta_shape, dtype=dtype)
    made = Problem(lower=lower, upper=upper, y0=np.zeros(y_shape, dtype=dtype), theta0=theta)
    for point in (theta, theta.reshape(-1)):
        found = made.hypergradient(point)
        p = int(np.prod(y_shape))
        np.testing.assert_allclose(found.gradient, np.full(size, p / size + 1), rtol=1e-6)
        assert found.coefficients.shape == y_shape
        np.testing.assert_allclose(found.coefficients, 1.0, rtol=1e-6)


@given(
    p=st.integers(1, 6),
    m=st.integers(1, 4),
    seed=st.integers(0, 2**32 - 1),
    method=st.sampled_from(AT_SOLUTION),
)
@settings(max_examples=40, deadline=None)
def test_random_quadratics_have_the_gradient_in_closed_form(p, m, seed, method):
    rng = np.random.default_rng(seed)
    root, cross, target = rng.standard_normal((p, p)), rng.standard_normal((p, m)), rng.standard_normal(p)
    hessian = root @ root.T + np.eye(p)
    # F = ½yᵀHy - yᵀCθ, L = ½‖y - z‖²: y* = H⁻¹Cθ, ∇Φ = CᵀH⁻¹(y* - z).
    lower = Lower(
        gradient=lambda y, t: hessian @ y - cross @ t,
        hessian_product=lambda y, t, v: hessian @ v,
        mixed_product=lambda y, t, u: -cross @ u,
    )
    upper = Upper(lambda y, t: np.sum((y - target) ** 2) / 2, lambda y, t: (y - target, None))
    theta = rng.standard_normal(m)
    made = Problem(lower=lower, upper=upper, y0=np.zeros(p), theta0=theta)
    solution = np.linalg.solve(hessian, cross @ theta)
    expected = cross.T @ np.linalg.solve(hessian, solution - target)
    found = made.hypergradient(theta, method)
    np.testing.assert_allclose(found.gradient, expected, rtol=1e-7, atol=1e-8)


def test_threads_may_share_a_problem():
    made = problem()
    points = RNG.uniform(-1, 1, (8, 5))
    expected = [made.hypergradient(point).gradient for point in points]
    found = [None] * len(points)

    def work(k):
        found[k] = made.hypergradient(points[k]).gradient

    threads = [threading.Thread(target=work, args=(k,)) for k in range(len(points))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(found, expected)


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT to itself on Windows")
def test_ctrl_c_ends_a_search():
    calls = []

    def gradient(y, theta):
        calls.append(1)
        if len(calls) == 5:
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.001)
        return y - theta

    lower = Lower(gradient, lambda y, t, v: v, lambda y, t, v: -v)
    upper = Upper(lambda y, t: y**2, lambda y, t: (2 * y, None))
    made = Problem(lower=lower, upper=upper, y0=0.0, theta0=3.0)
    with pytest.raises(KeyboardInterrupt):
        made.hypergradient(3.0, "reverse", steps=100_000, step=1e-3)
    assert len(calls) < 20
