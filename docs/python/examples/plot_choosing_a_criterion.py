"""
Choosing a criterion
====================

The criterion is what the knobs are turned by. It has to ask the question that you will ask of the
model: if new rows come from new patients, the rows that validate must come from patients that the
training rows do not hold.

Here forty patients were measured ten times each. A hundred features are the patient's own (they
hardly change between visits), and the outcome has a part that belongs to the patient as well.
"""

import matplotlib.pyplot as plt
import numpy as np
from bilevel import SparseRegressor, plot
from sklearn.model_selection import KFold

rng = np.random.default_rng(0)
n_patients, n_visits, n_features = 40, 10, 100
patient = np.repeat(np.arange(n_patients), n_visits)


def measured(rng):
    """Rows of new patients: features, outcome."""
    own = rng.standard_normal((n_patients, n_features))
    X = own[patient] + 0.1 * rng.standard_normal((len(patient), n_features))
    y = X[:, 0] - X[:, 1] + 2 * rng.standard_normal(n_patients)[patient] + rng.standard_normal(len(patient))
    return X, y


X, y = measured(rng)
X_new, y_new = measured(rng)

# %%
# Rows at random
# --------------
# With folds of rows, the same patient trains and validates. Features that recognize the patient
# look useful, the chosen λ is small, and the criterion promises far too much.
shuffled = KFold(5, shuffle=True, random_state=0)
by_rows = SparseRegressor(weights="scalar", criterion=shuffled).fit(X, y)

# %%
# Whole patients
# --------------
# Given ``groups``, the folds of ``criterion="cv"`` keep the rows of a patient together.
by_patients = SparseRegressor(weights="scalar").fit(X, y, groups=patient)

for name, model in (("rows", by_rows), ("patients", by_patients)):
    error = np.mean((model.predict(X_new) - y_new) ** 2) / 2
    print(
        f"folds of {name:8}: λ = {model.lambda_:.3g}, {np.count_nonzero(model.coef_):3} features, "
        f"promised {model.criterion_value_:.2f}, on new patients {error:.2f}"
    )

_, axes = plt.subplots(1, 2, figsize=(12, 4), layout="constrained")
plot.criterion(by_rows, axes[0]).set_ylabel("½ mean squared error, same patients")
plot.criterion(by_patients, axes[1]).set_ylabel("½ mean squared error, other patients")

# %%
# Other questions, other criteria
# -------------------------------
# =====================================  =================================================================
# the rows are                           ``criterion=``
# =====================================  =================================================================
# exchangeable, and few                  ``"cv"`` (with ``cv=5``, or any number)
# exchangeable, and many                 ``"holdout"``: one split, a fifth of the work
# several of one person, place or day    ``"cv"``, and ``groups`` in ``fit``
# in order of time                       ``TimeSeriesSplit(5)``
# already split                          the pair ``(train_rows, validation_rows)``, or ``PredefinedSplit``
# =====================================  =================================================================
