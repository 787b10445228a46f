"""Logistic regression that learns its regularization, whatever the penalty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from bilevel._estimator import LearnedModel, Told
from bilevel._matrix import STORAGE, numbers_fit, refuse_corrupt

if TYPE_CHECKING:
    from typing_extensions import Self


class LinearClassifier(ClassifierMixin, LearnedModel):  # type: ignore[misc]
    """What linear classifiers share: ``fit``, scores, classes and probabilities."""

    # The estimator for targets that turn out to be numbers.
    _regressor: str

    def _is_multinomial(self) -> bool:
        """Whether more than two classes get one model, not one for each."""
        return False

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
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
        multinomial = self._is_multinomial()
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
        self._multinomial = multinomial and n_classes > 2
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
                f"for a regression take {self._regressor}"
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
