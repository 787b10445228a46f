"""
What a certificate tells
========================

A search that stops has not yet found anything. Each fit therefore ends with what is *proven* about
it: numbers that are computed from the data at the answer, whatever the search did before.
"""

import warnings

import matplotlib.pyplot as plt
from bilevel import SparseRegressor, plot
from sklearn.datasets import load_diabetes, make_regression

X, y = load_diabetes(return_X_y=True, as_frame=True)

# %%
# A minimum at a kink
# -------------------
# The cross-validation error is not smooth in λ: wherever a feature enters or leaves in one of the
# folds, it has a kink. The minimum often lies just there, and a search that waits for a small
# derivative waits in vain. The certificate has both slopes: the criterion falls towards the answer
# from either side.
one = SparseRegressor(weights="scalar").fit(X, y)
print(one.certificate_)
plot.certificate(one)

# %%
# More than one knob
# ------------------
# With more hyperparameters there is no curve to look at. What is proven is that the training
# problem is solved (the duality gap bounds how far its objective is from the smallest possible),
# how wrong the hypergradient can be, and whether any hyperparameter, moved alone to either side,
# would lower the criterion. That last question is answered by one-sided derivatives, which are
# exact at kinks.
several = SparseRegressor(weights="adaptive").fit(X, y)
print(several.certificate_)
plot.certificate(several)

# %%
# A search that was cut short
# ---------------------------
# After three steps with one weight for each feature there is a good deal left to descend. A warning
# says so, and the certificate names the weight to change and the slope that is left.
many, target = make_regression(100, 300, n_informative=10, noise=10, random_state=0)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    short = SparseRegressor(weights="feature", max_outer=3).fit(many, target)
print(caught[0].category.__name__)
print(short.certificate_)
_, axes = plt.subplots(1, 2, figsize=(12, 4), layout="constrained")
plot.certificate(short, axes[0])
plot.history(short, axes[1])

# %%
# What it does not tell
# ---------------------
# That the model predicts new data well. The criterion was minimized, so its value is too good; rows
# that took no part in any of it are what to judge by. Nor that a kept feature is a cause, nor, with
# many weights, that no better minimum lies elsewhere: for one λ the interval was searched from end
# to end, for more the search is local.
