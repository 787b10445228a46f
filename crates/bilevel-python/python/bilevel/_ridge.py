"""Ridge regression that learns its regularization."""

from __future__ import annotations

from typing import Any

from bilevel._estimator import a_number, one_of
from bilevel._regressor import LinearRegressor

WEIGHTS = ("auto", "scalar", "group", "feature")


class RidgeRegressor(LinearRegressor):
    """Ridge regression with one or several parameters that are learned from the data.

    Minimizes ``1/(2n) ||y - Xw - c||² + ½ Σ λ_j w_j²``, and chooses λ, one for all features, one for each
    group or one for each feature, by descending on a validation criterion along its exact derivative.
    scikit-learn's ``Ridge`` has the same solution at ``alpha = n λ``.

    Parameters
    ----------
    weights : {"auto", "scalar", "group", "feature"}
        What is learned: one λ; one for each group; one for each feature. ``"auto"`` climbs from the first to
        the last (groups only if there are ``feature_groups``) and keeps a step only if it lowers the
        criterion by more than its standard error.
    criterion : {"cv", "holdout"}, splitter, or rows
        What judges the hyperparameters, as in :class:`SparseRegressor`.
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
    loss, delta
        ``"squared"`` or ``"huber"``, as in :class:`SparseRegressor`.
    standardize : bool
        Scale features to unit standard deviation (without a copy); coefficients are in the units of the data.
    fit_intercept : bool
        Fit an intercept, which is never penalized.
    outer : {"auto", "scalar", "ntrba", "nba", "lbfgs", "gauss-newton", "grid"}
        The method that moves the hyperparameters. The default is right for nearly everybody; the others are
        for comparing methods: ``"scalar"`` (a global search) takes one number to learn, ``"grid"`` one or
        two, the others descend from a starting point. ``outer="scalar"`` is a method;
        ``weights="scalar"`` says that one λ is learned.
    grid : array
        Values of λ to choose from, instead of a search; ``weights="auto"`` then means ``"scalar"``.
    max_outer, tol, time_limit, n_jobs, random_state, callback, verbose
        As in :class:`SparseRegressor`.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
    intercept_ : float
    lambda_ : float, or ndarray of shape (n_features,)
        The learned λ (of standardized features, if ``standardize``), or the parameter of each feature in the
        units of the data.
    delta_ : float or None
        ``delta`` of the Huber loss.
    criterion_value_, criterion_curve_, certificate_, history_, n_iter_, stage_, stages_
        As in :class:`SparseRegressor`.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import Ridge
    >>> from bilevel import RidgeRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = RidgeRegressor(weights="scalar").fit(X, y)
    >>> same = Ridge(alpha=len(y) * model.lambda_).fit(X, y)
    >>> bool(abs(model.coef_ - same.coef_).max() < 1e-6)
    True
    """

    def __init__(
        self,
        *,
        weights: str = "auto",
        criterion: Any = "cv",
        cv: Any = 5,
        validation_fraction: float = 0.25,
        pull: float | None = None,
        feature_groups: Any = None,
        loss: str = "squared",
        delta: float | None = None,
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
        self.loss = loss
        self.delta = delta

    def _penalty_settings(self) -> dict[str, Any]:
        return {
            "penalty": "ridge",
            "weights": one_of("weights", self.weights, WEIGHTS),
            "pull": None if self.pull is None else a_number("pull", self.pull),
        }
