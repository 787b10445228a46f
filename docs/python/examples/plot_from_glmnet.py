"""
From glmnet
===========

R's ``cv.glmnet`` for people who now work in Python: which option is which, and where the defaults
differ.

glmnet minimizes, for Gaussian responses, ::

    1/(2n) ‖y - Xβ - β₀‖²  +  lambda ((1 - alpha)/2 ‖β‖² + alpha ‖β‖₁)

so that with ``alpha = 1`` its λ is ours, if the features are standardized in the same way.
"""

# %%
# Equivalents
# -----------
# ===================================  =======================================================================
# glmnet                               bilevel
# ===================================  =======================================================================
# ``standardize = TRUE`` (default)     ``standardize=True``; the default here is ``False``
# ``alpha = 1`` (default)              ``penalty="l1"`` (default)
# ``alpha`` between 0 and 1            ``penalty="elasticnet"``: λ is ``lambda * alpha``, ``l2`` is
#                                      ``lambda * (1 - alpha)``; ``l2=None`` learns it
# ``family = "gaussian"``              ``SparseRegressor``
# ``family = "binomial"``              ``SparseClassifier``
# ``nfolds = 10`` (default)            ``cv=10``; the default here is 5
# ``foldid``                           ``criterion=PredefinedSplit(foldid)``
# folds are drawn at random            folds are blocks of rows; ``KFold(10, shuffle=True, random_state=0)``
# ``lambda``                           ``grid=...``; left out, λ is searched between the points as well
# ``weights``                          ``sample_weight`` in ``fit``
# ``penalty.factor``                   learned: ``weights="adaptive"``, ``"group"`` or ``"feature"``
# ``intercept = TRUE``                 ``fit_intercept=True``
# ``lambda.min``                       ``lambda_``
# ``lambda.1se``                       from ``criterion_curve_``, see below
# ``cvm``, ``cvsd``, ``nzero``         ``criterion_curve_``: ``value`` (halved), ``standard_error`` (over
#                                      rows), ``support_size`` (of the folds' models)
# ``coef(fit, s = "lambda.min")``      ``intercept_``, ``coef_``
# ===================================  =======================================================================
#
# With ``alpha < 1`` compare on a standardized response: for the Gaussian family glmnet scales ``y`` to unit
# variance before anything else, which the ridge part notices.
#
# Two differences of principle: glmnet's criterion for Gaussian responses is the mean squared error,
# ours half of it (as in training); and ``penalty.factor`` is an input, while weights are what
# bilevel learns.
import numpy as np
from bilevel import SparseRegressor, plot, solve
from sklearn.datasets import load_diabetes
from sklearn.model_selection import KFold

X, y = load_diabetes(return_X_y=True, as_frame=True)
folds = KFold(10, shuffle=True, random_state=0)
model = SparseRegressor(weights="scalar", standardize=True, criterion=folds).fit(X, y)
print(f"lambda.min = {model.lambda_:.4g}, {np.count_nonzero(model.coef_)} features")

# %%
# ``lambda.1se``
# --------------
# The largest λ whose criterion is within one standard error of the smallest: a sparser model that
# is not clearly worse. The curve has all that it takes.
curve = model.criterion_curve_
lowest = np.argmin(curve.value)
within = curve.value <= curve.value[lowest] + curve.standard_error[lowest]
one_se = curve.lambda_[within].max()
sparser = solve(X / X.std(ddof=0), y, one_se)
print(f"lambda.1se = {one_se:.4g}, {np.count_nonzero(sparser.coef)} features")

ax = plot.criterion(model)
ax.axvline(one_se, color="black", linewidth=1, linestyle=":", label=f"λ.1se = {one_se:.3g}")
ax.legend(frameon=False)
