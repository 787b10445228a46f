"""The smooth problems that several tests share."""

import numpy as np
import pytest
from bilevel import Lower, Problem, Upper

RNG = np.random.default_rng(0)
A, B = RNG.standard_normal((30, 5)), RNG.standard_normal(30)
A_VAL, B_VAL = RNG.standard_normal((20, 5)), RNG.standard_normal(20)
THETA = np.array([-1.0, 0.3, 0.0, -0.5, 0.7])
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
