"""
A problem of your own
=====================

The estimators know a few models. Everything else that trains by minimizing a smooth function can be
written down: a lower level F(y, θ), whose minimizer y*(θ) is the trained model, and a criterion
L(y, θ) that judges it. The derivative of L(y*(θ), θ) in all θ at once costs one linear system.

Here: logistic regression with a weight decay of its own for each feature, which is not among the
models of scikit-learn. A quarter of the features tell the class, the others are noise.
"""

import importlib.util
import os

import matplotlib.pyplot as plt
import numpy as np
from bilevel import Lower, Problem, Upper, minimize

SHORT = os.environ.get("BILEVEL_SHORT_EXAMPLES") == "1"
n, p = (150, 16) if SHORT else (400, 60)

rng = np.random.default_rng(0)
truth = np.where(np.arange(p) < p // 4, 1.5 * rng.standard_normal(p), 0.0)


def drawn(n):
    """Features and labels of new rows."""
    X = rng.standard_normal((n, p))
    return X, (rng.random(n) < 1 / (1 + np.exp(-X @ truth))).astype(float)


train, validation, test = drawn(n), drawn(n), drawn(5000)


def loss(y, rows):
    """Mean logistic loss of the coefficients y."""
    X, labels = rows
    return np.mean(np.logaddexp(0, X @ y) - labels * (X @ y))


def slope(y, rows):
    """Its gradient."""
    X, labels = rows
    return X.T @ (1 / (1 + np.exp(-X @ y)) - labels) / len(labels)


# %%
# Written with NumPy
# ------------------
# θ holds the logarithms of the weight decays: F(y, θ) = loss(y) + ½ Σ exp(θ_j) y_j². NumPy has no
# derivatives, so they are given: the gradient of F, its Hessian times a vector, and the derivative of
# the gradient in θ. Where you would rather not write a product, say ``"differences"``.


def hessian_product(y, theta, v):
    """∇²F v."""
    X, labels = train
    s = 1 / (1 + np.exp(-X @ y))
    return X.T @ (s * (1 - s) * (X @ v)) / len(labels) + np.exp(theta) * v


lower = Lower(
    gradient=lambda y, theta: slope(y, train) + np.exp(theta) * y,
    hessian_product=hessian_product,
    mixed_adjoint=lambda y, theta, v: np.exp(theta) * y * v,
)
upper = Upper(
    value=lambda y, theta: loss(y, validation),
    gradient=lambda y, theta: (slope(y, validation), None),
)
problem = Problem(lower=lower, upper=upper, y0=np.zeros(p), theta0=np.full(p, -3.0), bounds=(-8.0, 4.0))

# %%
# Are the derivatives right? Asked before anything else, this saves an afternoon.
print("first derivative that disagrees with differences:", problem.gradcheck())

# %%
# One weight decay, and one for each feature
# ------------------------------------------
# With one θ for all features, the gradient in it is the sum over the features, and the best is found
# by a search. From there, each feature gets its own.


def together(theta):
    """Φ where all θ are equal."""
    value, gradient = problem.value_and_gradient(np.full(p, theta[0]))
    return value, [gradient.sum()]


one = minimize(together, method="scalar", bounds=[(-8.0, 4.0)])
each = minimize(problem, np.full(p, one.theta[0]), max_steps=40)

for name, theta in (("one", np.full(p, one.theta[0])), ("each", each.theta)):
    y = problem.solve(theta).coefficients
    print(f"{name:4} weight decay: validation loss {loss(y, validation):.4f}, test loss {loss(y, test):.4f}")

fig, axis = plt.subplots(figsize=(8, 3.5), layout="constrained")
colours = np.where(truth != 0, "tab:blue", "tab:grey")
axis.scatter(np.arange(p), np.exp(each.theta), c=colours)
axis.axhline(np.exp(one.theta[0]), color="black", linestyle="--", label="one for all")
axis.set(
    yscale="log",
    xlabel="feature (blue: tells the class)",
    ylabel="learned weight decay",
    title="Noise is penalized, features that tell the class are not",
)
axis.legend()

# %%
# How exact is the gradient?
# --------------------------
# The same gradient in other ways: by conjugate gradients, by a series that stops where its error is
# small enough, backwards through the steps of gradient descent, and by differences.
exact = problem.hypergradient(each.theta)
for method, given in (
    ("cg", {}),
    ("neumann", {"epsilon": 1e-6}),
    ("reverse", {"steps": 2000}),
    ("differences", {}),
):
    found = problem.hypergradient(each.theta, method, **given)
    distance = np.linalg.norm(found.gradient - exact.gradient)
    bound = "no bound" if found.error_bound is None else f"bound {found.error_bound:.1e}"
    print(f"{method:12} {found.products:5} products, {distance:.1e} from the exact one, {bound}")

# %%
# The same in four lines of JAX
# -----------------------------
# Functions of JAX or PyTorch bring their derivatives along; nothing else changes.
if importlib.util.find_spec("jax"):
    import jax.numpy as jnp

    def of_jax(y, rows):
        """Mean logistic loss."""
        X, labels = rows
        return jnp.mean(jnp.logaddexp(0, X @ y) - labels * (X @ y))

    in_jax = Problem(
        lower=lambda y, theta: of_jax(y, train) + jnp.sum(jnp.exp(theta) * y**2) / 2,
        upper=lambda y, theta: of_jax(y, validation),
        y0=np.zeros(p),
        theta0=np.full(p, -3.0),
    )
    difference = in_jax.hypergradient(each.theta).gradient - exact.gradient
    print(f"JAX and NumPy differ by {np.linalg.norm(difference):.1e}")
else:
    print("JAX is not installed here.")
