"""Linear regression that learns its regularization; with sparse penalties."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from bilevel._estimator import LearnedModel, SparseModel, Told, a_number, one_of
from bilevel._matrix import STORAGE, numbers_fit, refuse_corrupt

if TYPE_CHECKING:
    from typing_extensions import Self


LOSSES = {"squared": "squared", "huber": "pseudo-huber"}


class LinearRegressor(RegressorMixin, LearnedModel):  # type: ignore[misc]
    """What linear regressors share: ``fit`` and ``predict``."""

    loss: str
    delta: float | None

    def _loss_settings(self) -> dict[str, Any]:
        return {"delta": None if self.delta is None else a_number("delta", self.delta)}

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Learn the regularization and fit.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            Read without a copy if float64 or float32, in Fortran order or CSC with int32 indices. Must not be
            written to by another thread meanwhile.
        y : array of shape (n_samples,)
        sample_weight : array of shape (n_samples,)
            A weight of 2 is the row twice, 0 is no row.
        groups : array of shape (n_samples,)
            For the splitter: rows of one group stay together.
        """
        with numbers_fit():
            X, y = validate_data(
                self,
                refuse_corrupt(X),
                y,
                accept_sparse="csc",
                dtype=STORAGE,
                order="F",
                y_numeric=True,
                ensure_all_finite=False,  # the core does, once
            )
        target = np.ascontiguousarray(y, dtype=np.float64)
        loss = LOSSES[one_of("loss", self.loss, LOSSES)]
        (fit,) = self._search(X, y, [target], sample_weight, groups, loss=loss)
        told = Told(fit)
        self.coef_: NDArray[np.float64] = told.coef
        self.intercept_ = float(told.intercept)
        self.lambda_ = told.lambda_
        self.delta_ = told.delta
        self._tell_penalty(told)
        self.criterion_value_ = told.criterion_value
        self.criterion_curve_ = told.criterion_curve
        self.certificate_ = told.certificate
        self.history_ = told.history
        self.n_iter_ = told.n_steps
        self.stage_ = told.stage.name
        self.stages_ = told.stages
        self._fits = [fit]
        told.warn(self)
        return self

    def _tell_penalty(self, told: Told) -> None:
        """Sets the attributes that only some penalties have."""

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Predict the target of each row of X."""
        check_is_fitted(self)
        X = refuse_corrupt(X, for_product=True)
        X = validate_data(self, X, accept_sparse=["csr", "csc"], dtype=STORAGE, reset=False)
        predicted: NDArray[np.float64] = X @ self.coef_ + self.intercept_
        return predicted

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class SparseRegressor(LinearRegressor, SparseModel):
    """Lasso, elastic net or group Lasso whose regularization is learned from the data.

    Minimizes ``1/(2n) ||y - Xw - c||² + Σ λ_j |w_j|`` (as scikit-learn's ``Lasso``), and chooses λ, one for
    all features or one for each, by descending on a validation criterion along its exact derivative.

    Parameters
    ----------
    penalty : {"l1", "elasticnet", "group"}
        ``Σ λ_j |w_j|``; the same with a ridge part ``l2/2 ||w||²``; or ``Σ λ_g ||w_g||`` over
        ``feature_groups``.
    weights : {"auto", "scalar", "adaptive", "group", "feature"}
        What is learned: one λ; two numbers that make λ_j smaller where a first fit found large coefficients;
        one λ for each group; one for each feature. ``"auto"`` climbs from the first to the last and keeps a
        step only if it lowers the criterion by more than its standard error.
    criterion : {"cv", "holdout"}, splitter, or rows
        What judges the hyperparameters: cross-validation over ``cv``; the error on ``validation_fraction``
        of the rows; any scikit-learn splitter; one pair of (training, validation) rows, or a list of such
        pairs. The final model is fitted on all rows.
    cv : int, splitter or list of pairs
        The folds of ``criterion="cv"``, as in scikit-learn: a number means ``KFold`` without shuffling, or
        ``GroupKFold`` if ``fit`` is given groups.
    validation_fraction : float
        The fraction of rows that validate with ``criterion="holdout"``.
    feature_groups : array of length n_features
        A label for each feature: those with the same label are one group.
    l2 : float
        The ridge part of ``penalty="elasticnet"``; ``None`` learns it.
    loss : {"squared", "huber"}
        ``½(y - z)²``, or the smooth (pseudo-)Huber loss ``delta² (sqrt(1 + ((y - z)/delta)²) - 1)``: squared
        for residuals below ``delta``, absolute above it, so that wild targets cannot pull far. It judges
        the validation rows as well.
    delta : float
        In units of the target; ``None`` takes 1.345 times the scale of the residuals on validation rows.
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
    coef_ : ndarray of shape (n_features,)
    intercept_ : float
    lambda_ : float, or ndarray of shape (n_features,)
        The learned λ (of standardized features, if ``standardize``), or the weight of each feature in the
        units of the data.
    l2_ : float
        The ridge part.
    delta_ : float or None
        ``delta`` of the Huber loss.
    criterion_value_ : float
        The criterion at the answer. It was minimized, so it is no estimate of the error to expect.
    criterion_curve_ : CriterionCurve
        The criterion over one λ.
    certificate_ : Certificate
        What is proven about the answer.
    history_ : list of OuterStep
    n_iter_ : int
        Outer steps over all stages.
    stage_ : str
        The stage that was kept, such as ``"adaptive, round 1"``.
    stages_ : list of Stage
        All stages, in their order: the name, how many hyperparameters, the criterion, whether it was kept.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from bilevel import SparseRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = SparseRegressor(weights="scalar").fit(X, y)
    >>> bool(model.certificate_.stationary)
    True
    """

    def __init__(
        self,
        penalty: str = "l1",
        *,
        weights: str = "auto",
        criterion: Any = "cv",
        cv: Any = 5,
        validation_fraction: float = 0.25,
        feature_groups: Any = None,
        l2: float | None = None,
        loss: str = "squared",
        delta: float | None = None,
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
        self.loss = loss
        self.delta = delta

    def _tell_penalty(self, told: Told) -> None:
        self.l2_ = told.l2
