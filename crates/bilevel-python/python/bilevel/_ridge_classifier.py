"""Logistic regression with a ridge penalty that learns its regularization."""

from __future__ import annotations

from typing import Any

from bilevel._estimator import a_number, one_of
from bilevel._linear_classifier import LinearClassifier
from bilevel._ridge import WEIGHTS


class RidgeClassifier(LinearClassifier):
    """Logistic regression with one or several weight decays that are learned from the data.

    Minimizes ``1/n Σ log(1 + exp(-b_i (x_i·w + c))) + ½ Σ λ_j w_j²`` with b = ±1, and chooses λ, one for all
    features, one for each group or one for each feature, by descending on the validation log-loss along its
    exact derivative. scikit-learn's ``LogisticRegression`` has the same solution at ``C = 1/(n λ)``. With
    more than two classes one such model is fitted for each class against the rest.

    Parameters
    ----------
    weights : {"auto", "scalar", "group", "feature"}
        What is learned: one λ; one for each group; one for each feature. ``"auto"`` climbs from the first to
        the last (groups only if there are ``feature_groups``) and keeps a step only if it lowers the
        criterion by more than its standard error.
    criterion : {"cv", "holdout"}, splitter, or rows
        What judges the hyperparameters, as in :class:`SparseClassifier`.
    cv : int, splitter or list of pairs
        The folds of ``criterion="cv"``, as in scikit-learn.
    validation_fraction : float
        The fraction of rows that validate with ``criterion="holdout"``.
    pull : float
        Strength of the pull of each feature's log λ to the mean of its group (of all, without groups),
        where each learns its own: 0 leaves them free to fit the validation rows by heart. By default the
        strength that serves validation rows best that had no part in choosing the λ.
    feature_groups : array of length n_features
        A label for each feature: those with the same label are one group.
    standardize : bool
        Scale features to unit standard deviation (without a copy); coefficients are in the units of the data.
    fit_intercept : bool
        Fit an intercept, which is never penalized.
    outer : {"auto", "scalar", "ntrba", "nba", "lbfgs", "gauss-newton", "grid"}
        The method that moves the hyperparameters, as in :class:`RidgeRegressor`.
    grid : array
        Values of λ to choose from, instead of a search; ``weights="auto"`` then means ``"scalar"``.
    max_outer, tol, time_limit, n_jobs, random_state, callback, verbose
        As in :class:`SparseClassifier`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    coef_ : ndarray of shape (1, n_features) for two classes, else (n_classes, n_features)
    intercept_ : ndarray of shape (1,) or (n_classes,)
    lambda_ : float, or ndarray
        The learned λ (of standardized features, if ``standardize``), or the parameter of each feature in the
        units of the data; with several models, one for each class, an array with an entry or a row for each.
    criterion_value_, criterion_curve_, certificate_, history_, n_iter_, stage_, stages_
        As in :class:`SparseClassifier`.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from bilevel import RidgeClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> X = (X - X.mean(axis=0)) / X.std(axis=0)
    >>> model = RidgeClassifier(weights="scalar").fit(X, y)
    >>> same = LogisticRegression(C=1 / (len(y) * model.lambda_), tol=1e-8, max_iter=1000).fit(X, y)
    >>> bool(abs(model.coef_ - same.coef_).max() < 1e-4)
    True
    """

    _regressor = "RidgeRegressor"

    def __init__(
        self,
        *,
        weights: str = "auto",
        criterion: Any = "cv",
        cv: Any = 5,
        validation_fraction: float = 0.25,
        pull: float | None = None,
        feature_groups: Any = None,
        standardize: bool = False,
        fit_intercept: bool = True,
        outer: str = "auto",
        grid: Any = None,
        max_outer: int = 60,
        tol: float = 1e-10,
        time_limit: float | None = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        callback: Any = None,
        verbose: bool | int = False,
    ) -> None:
        super().__init__(
            weights=weights,
            criterion=criterion,
            cv=cv,
            validation_fraction=validation_fraction,
            feature_groups=feature_groups,
            standardize=standardize,
            fit_intercept=fit_intercept,
            outer=outer,
            grid=grid,
            max_outer=max_outer,
            tol=tol,
            time_limit=time_limit,
            n_jobs=n_jobs,
            random_state=random_state,
            callback=callback,
            verbose=verbose,
        )
        self.pull = pull

    def _penalty_settings(self) -> dict[str, Any]:
        return {
            "penalty": "ridge",
            "weights": one_of("weights", self.weights, WEIGHTS),
            "pull": None if self.pull is None else a_number("pull", self.pull),
        }
