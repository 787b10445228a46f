"""
Tuning a Lasso in one line
==========================

A Lasso has one knob, λ. ``SparseRegressor(weights="scalar")`` fits it and turns the knob while it
fits: it finds the λ with the smallest cross-validation error, not on a grid but to many digits, and
says how it knows.
"""

# %%
# The line
# --------
# Ten measurements of 331 diabetes patients, and how the disease went on; 111 patients are kept for
# the test.
from bilevel import SparseRegressor
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split

X, y = load_diabetes(return_X_y=True, as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)

model = SparseRegressor(weights="scalar").fit(X_train, y_train)
print(f"λ = {model.lambda_:.6g}, features: {', '.join(X.columns[model.coef_ != 0])}")
print(f"R² on the test patients: {model.score(X_test, y_test):.3f}")

# %%
# What it did
# -----------
# The criterion over λ with its standard error, the coefficients at the answer, and the steps of the
# search.
model.plot()

# %%
# The band is wide and the valley flat: many values of λ are about as good. What is certain is the
# position of the minimum itself, and the certificate says so.
print(model.certificate_)

# %%
# More than one knob
# ------------------
# By default (``weights="auto"``) the search goes on from there: to two numbers that make λ smaller
# for features with large coefficients, then to one λ for each feature. It keeps a step only if the
# criterion falls by more than the standard error of the difference. Of these patients there are too
# few for that, and the model stays as it was.
climbed = SparseRegressor().fit(X_train, y_train)
print(f"features: {', '.join(X.columns[climbed.coef_ != 0])}")
print(f"R² on the test patients: {climbed.score(X_test, y_test):.3f}")
climbed.plot()
