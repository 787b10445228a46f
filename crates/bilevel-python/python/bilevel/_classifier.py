"""Sparse logistic regression that learns its regularization."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from bilevel._estimator import SparseModel, Told, one_of
from bilevel._matrix import STORAGE, numbers_fit, refuse_corrupt


class SparseClassifier(ClassifierMixin, SparseModel):  # type: ignore[misc]
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

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> SparseClassifier:
        """Learn the regularization and fit.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            Read without a copy if float64 or float32, in Fortran order or CSC with int32 indices. Must not be
            written to by another thread meanwhile.
        y : array of shape (n_samples,)
            Labels of two or more classes.
        sample_weight : array of shape (n_samples,)
            A weight of 2 is the row twice, 0 is no row.
        groups : array of shape (n_samples,)
            For the splitter: rows of one group stay together.
        """
        one_of("multi_class", self.multi_class, ("ovr", "multinomial"))
        with numbers_fit():
            X, y = validate_data(
                self,
                refuse_corrupt(X),
                y,
                accept_sparse="csc",
                dtype=STORAGE,
                order="F",
                ensure_all_finite=False,  # the core does, once
            )
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        n_classes = len(self.classes_)
        if n_classes < 2:
            raise ValueError(
                f"target: found one class only ({self.classes_.tolist()[0]!r}); expected at least 2 classes"
            )
        self._multinomial = self.multi_class == "multinomial" and n_classes > 2
        if self._multinomial:
            targets = [labels.astype(np.float64)]
        else:
            positive = [1] if n_classes == 2 else range(n_classes)
            targets = [np.where(labels == k, 1.0, -1.0) for k in positive]
        try:
            fits = self._search(
                X,
                labels,
                targets,
                sample_weight,
                groups,
                loss="logistic",
                n_classes=n_classes if self._multinomial else None,
            )
        except ValueError as error:
            # Rounded measurements look like classes, of which the folds then miss some.
            if self.classes_.dtype.kind not in "fiu" or n_classes <= 10 or len(labels) >= 10 * n_classes:
                raise
            raise ValueError(
                f"{error}. The target has {n_classes} different numbers in {len(labels)} rows: "
                "for a regression take SparseRegressor"
            ) from error
        if len(fits) < len(targets):
            raise RuntimeError(
                f"stopped after {len(fits)} of {n_classes} classes; there is no answer for the others"
            )
        told = [Told(fit) for fit in fits]
        self._tell(told)
        self._fits = fits
        for one, label in zip(told, self.classes_ if len(told) > 1 else [None], strict=True):
            one.warn(self, None if label is None else str(label))
        return self

    def _tell(self, told: list[Told]) -> None:
        """Sets the fitted attributes."""
        self.coef_: NDArray[np.float64] = np.vstack([one.coef for one in told])
        self.intercept_: NDArray[np.float64] = np.hstack([one.intercept for one in told])
        self.criterion_value_ = float(np.mean([one.criterion_value for one in told]))
        self.n_iter_ = sum(one.n_steps for one in told)
        if len(told) == 1:
            (one,) = told
            self.lambda_: float | NDArray[np.float64] = one.lambda_
            self.l2_: float | NDArray[np.float64] = one.l2
            self.criterion_curve_: Any = one.criterion_curve
            self.certificate_: Any = one.certificate
            self.history_: Any = one.history
            self.stage_: Any = one.stage.name
            self.stages_: Any = one.stages
        else:
            scalar = all(isinstance(one.lambda_, float) for one in told)
            self.lambda_ = np.array([one.lambda_ if scalar else one.feature_weights for one in told])
            self.l2_ = np.array([one.l2 for one in told])
            self.criterion_curve_ = [one.criterion_curve for one in told]
            self.certificate_ = [one.certificate for one in told]
            self.history_ = [one.history for one in told]
            self.stage_ = [one.stage.name for one in told]
            self.stages_ = [one.stages for one in told]

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Log-odds of the second class; with more than two, of each class against the rest.

        Of a multinomial model the scores whose softmax is the probabilities.
        """
        check_is_fitted(self)
        X = refuse_corrupt(X, for_product=True)
        X = validate_data(self, X, accept_sparse=["csr", "csc"], dtype=STORAGE, reset=False)
        scores: NDArray[np.float64] = X @ self.coef_.T + self.intercept_
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the class of each row of X."""
        scores = self.decision_function(X)
        indices = (scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1)
        classes: NDArray[Any] = self.classes_[indices]
        return classes

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities of the classes, of shape (n_samples, n_classes).

        Those of one class against the rest are scaled to sum to 1.
        """
        scores = self.decision_function(X)
        if scores.ndim == 1:
            return np.column_stack([expit(-scores), expit(scores)])
        logs = scores if self._multinomial else -np.logaddexp(0.0, -scores)
        # Divided by the largest first, so that a row of tiny probabilities does not vanish.
        odds = np.exp(logs - logs.max(axis=1, keepdims=True))
        probabilities: NDArray[np.float64] = odds / odds.sum(axis=1, keepdims=True)
        return probabilities

    def predict_log_proba(self, X: Any) -> NDArray[np.float64]:
        """Logarithms of the probabilities of the classes."""
        scores = self.decision_function(X)
        if scores.ndim == 1:
            return -np.logaddexp(0.0, np.column_stack([scores, -scores]))
        logs = scores if self._multinomial else -np.logaddexp(0.0, -scores)
        logs = logs - logs.max(axis=1, keepdims=True)
        normalized: NDArray[np.float64] = logs - np.log(np.exp(logs).sum(axis=1, keepdims=True))
        return normalized

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
