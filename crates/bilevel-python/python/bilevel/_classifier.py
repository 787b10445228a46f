"""Sparse logistic regression that learns its regularization."""

from __future__ import annotations

from typing import Any

from bilevel._estimator import SparseModel, one_of
from bilevel._linear_classifier import LinearClassifier


class SparseClassifier(LinearClassifier, SparseModel):
    """Logistic regression with an l1, elastic-net or group penalty that is learned from the data.

    Minimizes ``1/n Σ log(1 + exp(-b_i (x_i·w + c))) + Σ λ_j |w_j|`` with b = ±1, and chooses λ, one for all
    features or one for each, by descending on the validation log-loss along its exact derivative. With more
    than two classes one such model is fitted for each class against the rest, or one multinomial model,
    ``-1/n Σ log softmax(W x_i + c)[b_i] + Σ_j λ_j Σ_k |w_kj|``, for all of them.

    Parameters
    ----------
    penalty : {"l1", "elasticnet", "group"}
        ``Σ λ_j |w_j|``; the same with a ridge part ``l2/2 ||w||²``; or ``Σ λ_g ||w_g||`` over
        ``feature_groups``.
    multi_class : {"ovr", "multinomial"}
        With more than two classes: a model for each against the rest, or one for all (``penalty`` must be
        ``"l1"`` or ``"elasticnet"``).
    weights : {"auto", "scalar", "adaptive", "group", "feature"}
        What is learned: one λ; two numbers that make λ_j smaller where a first fit found large coefficients;
        one λ for each group; one for each feature. ``"auto"`` climbs from the first to the last and keeps a
        step only if it lowers the criterion by more than its standard error.
    criterion : {"cv", "holdout"}, splitter, or rows
        What judges the hyperparameters: cross-validation over ``cv``; the log-loss on
        ``validation_fraction`` of the rows; any scikit-learn splitter; one pair of (training,
        validation) rows, or a list of such pairs. The final model is fitted on all rows.
    cv : int, splitter or list of pairs
        The folds of ``criterion="cv"``, as in scikit-learn: a number means ``StratifiedKFold`` without
        shuffling, or ``GroupKFold`` if ``fit`` is given groups.
    validation_fraction : float
        The fraction of rows that validate with ``criterion="holdout"``.
    feature_groups : array of length n_features
        A label for each feature: those with the same label are one group.
    l2 : float
        The ridge part of ``penalty="elasticnet"``; ``None`` learns it.
    standardize : bool
        Scale features to unit standard deviation (without a copy); coefficients are in the units of the data.
    fit_intercept : bool
        Fit an intercept, which is never penalized.
    outer : {"auto", "scalar", "ntrba", "nba", "lbfgs", "gauss-newton", "grid"}
        The method that moves the hyperparameters. The default is right for nearly everybody; the others are
        for comparing methods: ``"scalar"`` (a global search) takes one number to learn, ``"grid"`` one or
        two, the others descend from a starting point. ``outer="scalar"`` is a method;
        ``weights="scalar"`` says that one λ is learned.
    policy : {"self-consistent", "descent-aligned", "null", "all"}
        Which coefficients exactly at the edge of the support take part in the derivative. The default is
        right for nearly everybody; the others are for studying kinks: those that a descent step would let
        in, none, or all of them.
    grid : array
        Values of λ to choose from, instead of a search; ``weights="auto"`` then means ``"scalar"``.
    max_outer : int
        The largest number of outer steps in each stage.
    tol : float
        Relative duality gap of the final fit.
    certify : float
        Where one λ is the answer: prove that none in the searched range has a criterion lower by more than
        this part of it; 0 for no proof. ``None`` proves 1e-3 on data that are not large.
    time_limit : float
        Seconds after which the search ends with the best answer so far.
    n_jobs : int
        Threads; ``None`` takes all cores, but one in a worker of joblib.
    random_state : int, RandomState instance or None
        Draws the rows of ``criterion="holdout"``.
    callback : callable
        Is called with an :class:`OuterStep` after each outer step; returning ``True`` ends the search.
    verbose : bool
        Show progress, with tqdm if it is installed.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    coef_ : ndarray of shape (1, n_features) for two classes, else (n_classes, n_features)
    intercept_ : ndarray of shape (1,) or (n_classes,)
    lambda_, l2_, criterion_curve_, certificate_, history_, stage_, stages_
        As in :class:`SparseRegressor`; with several models, one for each class, ``lambda_`` and ``l2_`` are
        arrays, the others lists, with an entry for each.
    criterion_value_ : float
        Mean over the models.
    n_iter_ : int
        Outer steps over all stages and models.
    n_features_in_, feature_names_in_
        As in :class:`SparseRegressor`.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from bilevel import SparseClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = SparseClassifier(weights="scalar", standardize=True).fit(X, y)
    >>> bool(model.score(X, y) > 0.97)
    True
    """

    _regressor = "SparseRegressor"

    def __init__(
        self,
        penalty: str = "l1",
        *,
        multi_class: str = "ovr",
        weights: str = "auto",
        criterion: Any = "cv",
        cv: Any = 5,
        validation_fraction: float = 0.25,
        feature_groups: Any = None,
        l2: float | None = None,
        standardize: bool = False,
        fit_intercept: bool = True,
        outer: str = "auto",
        policy: str = "self-consistent",
        grid: Any = None,
        max_outer: int = 60,
        tol: float = 1e-10,
        certify: float | None = None,
        time_limit: float | None = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        callback: Any = None,
        verbose: bool | int = False,
    ) -> None:
        super().__init__(
            penalty,
            weights=weights,
            criterion=criterion,
            cv=cv,
            validation_fraction=validation_fraction,
            feature_groups=feature_groups,
            l2=l2,
            standardize=standardize,
            fit_intercept=fit_intercept,
            outer=outer,
            policy=policy,
            grid=grid,
            max_outer=max_outer,
            tol=tol,
            certify=certify,
            time_limit=time_limit,
            n_jobs=n_jobs,
            random_state=random_state,
            callback=callback,
            verbose=verbose,
        )
        self.multi_class = multi_class

    def _is_multinomial(self) -> bool:
        return bool(one_of("multi_class", self.multi_class, ("ovr", "multinomial")) == "multinomial")
