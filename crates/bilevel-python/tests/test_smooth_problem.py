"""Smooth problems that users write: closed forms, hypergradients with their error bounds, searches."""

import pickle

import numpy as np
import pytest
from bilevel import Lower, Problem, SmoothProblem, Upper, hypergradient, minimize
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import check_grad
from smooth_problems import AT_SOLUTION, THETA, A, B, numpy_functions, problem, scalar_tikhonov


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


@pytest.mark.parametrize("products", ["mixed_product", "differences"])
def test_products_that_are_not_written_follow_from_the_others(products):
    lower, upper = numpy_functions(products)
    made = Problem(lower=lower, upper=upper, y0=np.zeros(5), theta0=THETA)
    exact = problem()
    assert made.gradcheck() is None
    for method in (*AT_SOLUTION, "forward", "reverse"):
        found, expected = made.hypergradient(THETA, method), exact.hypergradient(THETA, method)
        np.testing.assert_allclose(found.gradient, expected.gradient, rtol=1e-8, atol=1e-10)


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


def test_where_no_error_bound_is_known_there_is_none():
    made = problem(bounds=(-8.0, 8.0))
    assert made.hypergradient(THETA, bounding=False).error_bound is None
    for method, how in (("differences", {}), ("reverse", {"steps": 50}), ("one-step", {}), ("forward", {})):
        found = made.hypergradient(THETA, method, **how)
        assert found.error_bound is None
        assert not found.proven
        assert "wrong by" not in repr(found)
    through_steps = minimize(made, max_steps=2, hypergradient={"method": "reverse", "steps": 20})
    assert through_steps.gradient_error_bound is None
    assert [step.gradient_error_bound for step in through_steps.history].count(None) > 0
    assert minimize(made, max_steps=2).gradient_error_bound < 1e-3
    of_function = minimize(lambda theta: (theta @ theta, 2 * theta), [1.0, 2.0], "lbfgs")
    assert of_function.gradient_error_bound is None


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
