"""
Coefficients along λ, and where they are going
==============================================

Between two kinks a Lasso coefficient is a smooth function of λ; with the squared loss even a straight line.
``bilevel.path`` solves for many λ and returns the derivative with each solution: the same implicit
derivative, on the support only, by which the estimators learn.
"""

import bilevel
import numpy as np
from bilevel import SparseRegressor, plot

data = bilevel.datasets.load_diabetes()
found = bilevel.path(data.X, data.y, n_lambdas=100)
print(found)

# %%
# The path
# --------
# With the λ that five folds choose.
chosen = SparseRegressor(weights="scalar").fit(data.X, data.y).lambda_
ax = plot.path(found, chosen=chosen, feature_names=data.feature_names)

# %%
# The derivative
# --------------
# At twelve values of λ a black line goes where the derivative points. It stays on the path until a
# feature enters or leaves.
smooth = bilevel.path(data.X, data.y, n_lambdas=300, eps=0.05)
few = bilevel.path(data.X, data.y, n_lambdas=12, eps=0.05)
ax = plot.path(smooth, feature_names=data.feature_names)
ax.set_xscale("linear")
for k, lam in enumerate(few.lambdas[:-1]):
    step = -0.15 * lam
    for j in np.flatnonzero(few.coefs[:, k]):
        ends = [few.coefs[j, k], few.coefs[j, k] + step * few.derivatives[j, k]]
        ax.plot([lam, lam + step], ends, color="black", linewidth=1)
        ax.plot([lam], ends[:1], ".", color="black", markersize=5)

# %%
# It is the derivative, and not an approximation of it: central differences of the solutions agree.
h = 1e-5
lam = 0.5
above, here, below = (bilevel.path(data.X, data.y, [value]) for value in (lam + h, lam, lam - h))
differences = (above.coefs - below.coefs) / (2 * h)
print(f"largest difference: {np.abs(differences - here.derivatives).max():.1e}")
print(f"largest derivative: {np.abs(here.derivatives).max():.1f}")
