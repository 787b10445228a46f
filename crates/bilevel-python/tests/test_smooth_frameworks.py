"""Smooth problems written with JAX, PyTorch and NumPy: the same answers, and no framework without need."""

import subprocess
import sys

import numpy as np
import pytest
from bilevel import Problem
from smooth_problems import AT_SOLUTION, THETA, A, jax_functions, numpy_functions, problem, torch_functions

BACKENDS = ("numpy", "jax", "torch")


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
