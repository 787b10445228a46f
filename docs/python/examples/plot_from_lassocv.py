"""
From LassoCV
============

``SparseRegressor(weights="scalar")`` solves the same problem as scikit-learn's ``LassoCV``, with
the same folds. What is different: λ is searched between the points of a grid as well, and the
answer comes with a certificate.
"""

# %%
# Equivalents
# -----------
# =================================  ==================================================================
# ``LassoCV``, ``ElasticNetCV``      ``SparseRegressor(weights="scalar")``
# =================================  ==================================================================
# ``alphas=[...]``                   ``grid=[...]``; left out, λ is searched
# ``cv=5``, a splitter, pairs        ``cv=5``; or the splitter or the pairs as ``criterion``
# ``fit_intercept``                  ``fit_intercept``
# ``n_jobs``                         ``n_jobs``
# ``l1_ratio`` (``ElasticNetCV``)    ``penalty="elasticnet"``; the ridge part ``l2`` is learned, or given
# ``alpha_``                         ``lambda_``
# ``mse_path_``                      ``criterion_curve_.value``: the mean over the folds, halved
# ``alphas_`` (decreasing)           ``criterion_curve_.lambda_`` (increasing)
# ``dual_gap_``                      ``certificate_.relative_gap``
# ``coef_``, ``intercept_``          the same
# =================================  ==================================================================
#
# Elastic nets are written in other letters: ``alpha * l1_ratio`` is our λ, ``alpha * (1 -
# l1_ratio)`` our ``l2``.
#
# The same curve
# --------------
# On the same values of λ and the same folds the two curves are one.
import time

import matplotlib.pyplot as plt
import numpy as np
from bilevel import SparseRegressor, plot
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LassoCV
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

X, y = load_diabetes(return_X_y=True)
X = StandardScaler().fit_transform(PolynomialFeatures(2, include_bias=False).fit_transform(X))
alphas = np.geomspace(0.5, 30, 40)

theirs = LassoCV(alphas=alphas, cv=5, tol=1e-9, max_iter=100_000).fit(X, y)
ours = SparseRegressor(grid=alphas, cv=5).fit(X, y)

their_curve = theirs.mse_path_.mean(axis=1)[::-1] / 2
difference = np.abs(ours.criterion_curve_.value / their_curve - 1).max()
print(f"largest relative difference of the curves: {difference:.1e}")
print(f"chosen: {theirs.alpha_:.6g} and {ours.lambda_:.6g}")

# %%
# Between the points
# ------------------
# Without a grid the minimum is found wherever it lies.
started = time.perf_counter()
searched = SparseRegressor(weights="scalar", cv=5).fit(X, y)
print(f"searched in {time.perf_counter() - started:.2f} s: λ = {searched.lambda_:.6g}")
print(f"½ CV error: {their_curve.min():.4f} on the grid, {searched.criterion_value_:.4f} searched")

_, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
plot.criterion(searched, ax)
ax.plot(alphas[::-1], their_curve[::-1], "x", color="black", markersize=4, label="LassoCV, its grid")
ax.legend(frameon=False)
