"""Data cleaning: a weight for each training sample, learned from a few samples that are known to be right."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bilevel import _core
from bilevel._results import OuterStep, number

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

LOSSES = ("auto", "squared", "logistic")
MAPS = ("sigmoid", "clipped")


@dataclass(frozen=True, eq=False, repr=False)
class Cleaning:
    """A weight for each training sample, and the model trained with them.

    Attributes
    ----------
    sample_weight : ndarray of shape (n_training,)
        From 0 to 1, in the order of the training rows; 0.5 is where all start.
    flagged : ndarray of bool of shape (n_training,)
        Whether each looks wrong: its weight is below ``threshold``.
    rows : ndarray of int of shape (n_training,)
        The training rows: ``rows[flagged]`` are rows of ``X`` that look wrong.
    coef : ndarray of shape (n_features,), or (n_classes, n_features) for more than two classes
    intercept : float, or ndarray of shape (n_classes,)
    classes : ndarray of shape (n_classes,), or None
        The labels, where the target is a class.
    l2 : float
        The ridge parameter of the model.
    criterion : tuple of float
        The loss on the clean rows that steer: with equal weights, and with the learned ones. Optimized, so
        optimistic.
    watched : tuple of float, or None
        The same on the clean rows that only watch, if any do.
    hypergradient_norm, hypergradient_error_bound : float
        How steep the criterion still is in the parameters of the weights, and how wrong that may be: None
        where this is not known, with more than two classes. A search that the watching rows end is meant to
        end before it is flat.
    relative_gap : float
        Relative duality gap of the model.
    n_iter, n_evaluations : int
        Outer steps and evaluations of the criterion.
    stop_reason : str
        Why the search ended; ``"plateau"`` also where the watching rows ended it.
    record : dict
        All that is known about how it came about.
    """

    sample_weight: Floats
    flagged: NDArray[np.bool_]
    rows: Rows
    coef: Floats
    intercept: float | Floats
    classes: NDArray[Any] | None
    l2: float
    criterion: tuple[float, float]
    watched: tuple[float, float] | None
    hypergradient_norm: float
    hypergradient_error_bound: float | None
    relative_gap: float
    n_iter: int
    n_evaluations: int
    stop_reason: str
    record: dict[str, Any] = field(default_factory=dict)

    def decision_function(self, X: Any) -> Floats:
        """The linear predictor: log-odds of the second of two classes, or a score for each of more."""
        from sklearn.utils.validation import check_array

        from bilevel._matrix import STORAGE, refuse_corrupt

        X = check_array(refuse_corrupt(X, for_product=True), accept_sparse=["csr", "csc"], dtype=STORAGE)
        if X.shape[1] != self.coef.shape[-1]:
            raise ValueError(f"X: found {X.shape[1]} features; expected {self.coef.shape[-1]}")
        scores: Floats = X @ self.coef.T + self.intercept
        return scores

    def predict(self, X: Any) -> NDArray[Any]:
        """The class of each row of X, or its value where the target is not a class."""
        scores = self.decision_function(X)
        if self.classes is None:
            return scores
        best = scores.argmax(axis=1) if scores.ndim == 2 else (scores > 0.0).astype(np.intp)
        predicted: NDArray[Any] = self.classes[best]
        return predicted

    def __repr__(self) -> str:
        before, after = self.criterion
        return (
            f"Cleaning({self.flagged.sum():,} of {len(self.flagged):,} samples look wrong; loss on clean "
            f"rows {before:.5g} with equal weights, {after:.5g} with the learned ones)"
        )


def clean(
    X: Any,
    y: Any,
    *,
    rows: Any = None,
    X_val: Any = None,
    y_val: Any = None,
    loss: str = "auto",
    map: str = "sigmoid",
    l2: float | None = None,
    pull: float = 0.02,
    watching: float = 0.25,
    slack: float = 1.0,
    threshold: float = 0.25,
    fit_intercept: bool = True,
    max_outer: int = 60,
    tol: float = 1e-8,
    time_limit: float | None = None,
    random_state: Any = 0,
    callback: Callable[[OuterStep], Any] | None = None,
    verbose: bool | int = False,
) -> Cleaning:
    """Learn how far each training sample can be trusted, from a few samples that are known to be right.

    Trains ``1/m Σ w_i f(y_i, x_i·v + c) + l2/2 ||v||²`` on weighted samples, and descends on the mean loss of
    the clean rows along its exact derivative in all weights w at once. A wrong label makes the model worse
    there, so its weight falls. Some of the clean rows only watch: the answer is the earliest point at which
    their loss was as low as it ever got, within its standard error.

    Parameters
    ----------
    X : array or sparse matrix of shape (n_samples, n_features)
        As for the estimators.
    y : array of shape (n_samples,)
        Numbers, or labels of two or more classes.
    rows : pair of arrays
        (training, clean): which rows of ``X`` are to be weighed, and which are known to be right; row numbers
        or masks. Either this, or ``X_val`` and ``y_val``.
    X_val, y_val : arrays
        Clean samples; all rows of ``X`` are then to be weighed.
    loss : {"auto", "squared", "logistic"}
        ``(y - z)²/2`` or ``log(1 + exp(-y z))`` with y = ±1, for more classes ``log Σ exp(z_k) - z_y``;
        ``"auto"`` takes the latter where there are two labels, or words. With ``"squared"`` the target must
        be numbers, and with ``"logistic"`` numbers are classes.
    map : {"sigmoid", "clipped"}
        How parameters become weights: ``1/(1 + exp(-θ))``, or θ itself in [0, 1].
    l2 : float
        Ridge parameter, above 0; ``None`` takes a hundredth of the loss's largest curvature.
    pull : float
        Strength of ``pull/(2m) Σ (θ_i - θ⁰)²``, which draws weights that make little difference back to 0.5;
        relative to the loss on the clean rows at the start.
    watching : float
        Fraction of the clean rows that only watch, from 0 to below 1. With fewer than 20 clean rows none do.
    slack : float
        The watched loss at the answer may be this many standard errors above the lowest.
    threshold : float
        A sample of a smaller weight looks wrong.
    fit_intercept : bool
        Fit an intercept, which is never penalized.
    max_outer : int
        The largest number of outer steps.
    tol : float
        The search ends where the hypergradient, relative to the criterion at the start, is below this.
    time_limit : float
        Seconds after which the search ends with the best answer so far.
    random_state : int, RandomState instance or None
        Draws the rows that watch.
    callback : callable
        Is called with an :class:`OuterStep` after each outer step; returning ``True`` ends the search.
    verbose : bool
        Show progress, with tqdm if it is installed.

    Returns
    -------
    Cleaning

    Examples
    --------
    >>> import numpy as np
    >>> from bilevel import clean
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(400, 5))
    >>> y = np.where(X @ [2.0, -1.0, 0.0, 1.0, 0.5] > 0, "yes", "no")
    >>> y[:60] = np.where(y[:60] == "yes", "no", "yes")  # the first sixty are wrong
    >>> answer = clean(X, y, rows=(np.arange(300), np.arange(300, 400)))
    >>> bool(answer.sample_weight[:60].mean() < 0.7 * answer.sample_weight[60:].mean())
    True
    """
    from bilevel._training import training
    from bilevel._watch import watch

    settings = _settings(
        loss=loss,
        map=map,
        ridge=l2,
        pull=pull,
        watching=watching,
        slack=slack,
        threshold=threshold,
        intercept=fit_intercept,
        max_outer=max_outer,
        tolerance=tol,
        time_limit=time_limit,
        random_state=random_state,
    )
    X, y, pair = _together(X, y, rows, X_val, y_val)
    labels, numbers = _labels(y, loss)
    several = labels is not None and len(labels) > 2
    kind = "squared" if labels is None or several else "logistic"
    checked = training(
        X, numbers if several else y, loss=kind, penalty="l1", feature_groups=None, sample_weight=None
    )
    with watch(callback, verbose, "clean") as watcher:
        watched = callback is not None or watcher.progress is not None
        coef, intercept, weights, flagged, told = _core.clean(
            checked.matrix,
            checked.target,
            pair,
            settings,
            n_classes=0 if labels is None else len(labels),
            watcher=watcher if watched else None,
        )
    record = json.loads(told)
    first, last = record["criterion"]
    seen = record["watched"]
    norm, bound = record["hypergradient"]
    return Cleaning(
        sample_weight=weights,
        flagged=flagged,
        rows=pair[0],
        coef=coef.reshape(len(intercept), -1) if several else coef,
        intercept=intercept if several else float(intercept[0]),
        classes=labels,
        l2=float(record["ridge"]),
        criterion=(number(first), number(last)),
        watched=None if seen is None else (number(seen[0]), number(seen[1])),
        hypergradient_norm=number(norm),
        hypergradient_error_bound=None if bound is None else float(bound),
        relative_gap=number(record["relative_gap"]),
        n_iter=int(record["steps"]),
        n_evaluations=int(record["evaluations"]),
        stop_reason=str(record["stop_reason"]),
        record=record,
    )


def _settings(
    *,
    loss: Any,
    map: Any,
    max_outer: Any,
    intercept: Any,
    random_state: Any,
    ridge: Any,
    time_limit: Any,
    **numbers: Any,
) -> str:
    """The settings of the core."""
    from sklearn.utils import check_random_state

    from bilevel._estimator import a_number, one_of

    names = {"tolerance": "tol"}
    settings: dict[str, Any] = {
        "loss": one_of("loss", loss, LOSSES),
        "map": one_of("map", map, MAPS),
        "intercept": bool(intercept),
        "max_outer": a_number("max_outer", max_outer, whole=True),
        "ridge": None if ridge is None else a_number("l2", ridge),
        "time_limit": None if time_limit in (None, np.inf) else a_number("time_limit", time_limit),
        **{name: a_number(names.get(name, name), value) for name, value in numbers.items()},
    }
    if settings["max_outer"] < 0:
        raise ValueError(f"setting `max_outer`: found {max_outer}; expected at least 1 outer step")
    if isinstance(random_state, (int, np.integer)) and random_state >= 0:
        settings["seed"] = int(random_state)
    else:
        settings["seed"] = int(check_random_state(random_state).randint(2**31 - 1))
    return json.dumps(settings)


def _together(X: Any, y: Any, rows: Any, X_val: Any, y_val: Any) -> tuple[Any, Any, tuple[Rows, Rows]]:
    """All samples in one matrix and one target, and which of them train and which are clean."""
    from sklearn.utils.validation import check_consistent_length, column_or_1d

    from bilevel._splits import _is_pair, _rows

    if (X_val is None) != (y_val is None):
        raise ValueError("clean samples: found one of X_val and y_val; expected both")
    if (rows is None) == (X_val is None):
        found = "neither rows nor X_val" if rows is None else "both rows and X_val"
        raise ValueError(f"clean samples: found {found}; expected one of them")
    y = column_or_1d(y)
    check_consistent_length(X, y)
    n = len(y)
    if rows is not None:
        if not _is_pair(rows):
            raise ValueError("rows: found something else; expected a pair of (training, clean) rows")
        return X, y, (_rows(rows[0], n), _rows(rows[1], n))
    y_val = column_or_1d(y_val)
    check_consistent_length(X_val, y_val)
    every = np.arange(n + len(y_val), dtype=np.int64)
    return _stacked(X, X_val), np.concatenate([y, y_val]), (every[:n], every[n:])


def _stacked(X: Any, X_val: Any) -> Any:
    """The rows of both, in CSC format if either is sparse."""
    from scipy import sparse
    from sklearn.utils.validation import check_array

    from bilevel._matrix import STORAGE, refuse_corrupt

    parts = [
        check_array(refuse_corrupt(part), accept_sparse="csc", dtype=STORAGE, ensure_all_finite=False)
        for part in (X, X_val)
    ]
    first, second = (part.shape[1] for part in parts)
    if first != second:
        raise ValueError(f"X_val: found {second} features; expected {first}, as in X")
    if any(sparse.issparse(part) for part in parts):
        return sparse.vstack([sparse.csc_array(part) for part in parts], format="csc")
    return np.vstack(parts)


def _labels(y: NDArray[Any], loss: str) -> tuple[NDArray[Any] | None, NDArray[Any]]:
    """The labels of a target whose values are classes, and their numbers."""
    labels, numbers = np.unique(y, return_inverse=True)
    are_words = y.dtype.kind in "US" or (
        y.dtype.kind == "O" and any(isinstance(label, str) for label in labels)
    )
    if loss == "squared" or (loss == "auto" and len(labels) != 2 and not are_words):
        return None, numbers
    is_whole = y.dtype.kind != "f" or bool(np.isfinite(y).all() and (y == np.round(y)).all())
    if len(labels) < 2 or (len(labels) > 2 and not is_whole):
        found = "one class" if len(labels) < 2 else "numbers that are not whole"
        raise ValueError(f"target: found {found}; expected 2 classes, or more with labels or whole numbers")
    return labels, numbers
