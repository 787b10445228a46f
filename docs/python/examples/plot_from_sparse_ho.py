"""
From sparse-ho
==============

sparse-ho differentiates through the Lasso as well. In it a search is put together from a model, a
criterion, an algorithm for the hypergradient and an optimizer; here these are settings of an
estimator, and a fit ends with a model on all rows and a certificate.
"""

# %%
# Equivalents
# -----------
# =============================================  ============================================================
# sparse-ho                                      bilevel
# =============================================  ============================================================
# ``models.Lasso``                               ``SparseRegressor(weights="scalar")``
# ``models.WeightedLasso``                       ``SparseRegressor(weights="feature")``
# ``models.ElasticNet`` (two hyperparameters)    ``SparseRegressor("elasticnet", weights="scalar")``
# ``models.SparseLogreg``                        ``SparseClassifier(weights="scalar")``
# ``criterion.HeldOutMSE(idx_train, idx_val)``   ``criterion=(idx_train, idx_val)``; the value here is halved
# ``criterion.HeldOutLogistic(...)``             the same pair, with ``SparseClassifier``
# ``criterion.CrossVal(criterion, cv=kf)``       ``criterion=kf``
# ``ImplicitForward``, ``Implicit``,             none to choose: the implicit derivative on the support, by a
# ``Forward``, ``Backward``                      factorization, with a bound on its error
# ``optimizers.LineSearch``,                     ``outer="auto"``; or ``"ntrba"``, ``"nba"``, ``"lbfgs"``,
# ``GradientDescent``, ``Adam``                  ``"gauss-newton"``
# ``alpha0`` (the start)                         none: one λ is searched globally and is where weights start
# ``utils.Monitor``                              ``history_``, or a ``callback``
# ``models.SVM``, ``models.SVR``, SURE           not here
# =============================================  ============================================================
#
# Where a zero coefficient sits exactly at the edge of becoming nonzero the derivative does not
# exist. Leaving such features out of the linear system is ``policy="null"`` here; the default asks
# for each of them whether taking it in is coherent.
#
# A weighted Lasso on a hold-out set
# ----------------------------------
import warnings

import matplotlib.pyplot as plt
import numpy as np
from bilevel import SparseRegressor, plot
from sklearn.datasets import make_regression
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

X, y = make_regression(400, 200, n_informative=15, noise=30, random_state=2)
X, X_test, y, y_test = train_test_split(X, y, test_size=0.5, random_state=0)
idx_train, idx_val = train_test_split(np.arange(len(y)), test_size=0.5, random_state=0)

models = {}
for weights in ("scalar", "adaptive", "feature"):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # two hundred weights need more than 60 steps
        model = SparseRegressor(weights=weights, criterion=(idx_train, idx_val)).fit(X, y)
    models[weights] = model
    test = np.mean((y_test - model.predict(X_test)) ** 2)
    print(
        f"{weights:9} validation MSE {2 * model.criterion_value_:7.1f}, test MSE {test:7.1f}, "
        f"{np.count_nonzero(model.coef_):3} features"
    )

# %%
# Weights for each feature halve the error on the validation rows, and the test rows hardly notice:
# with more knobs than rows to turn them by, the hold-out set is used up. ``weights="auto"`` keeps
# such weights only if rows that did not choose them agree.
_, axes = plt.subplots(1, 2, figsize=(12, 4.2), layout="constrained")
plot.weights(models["feature"], axes[0])
plot.history(models["feature"], axes[1])
