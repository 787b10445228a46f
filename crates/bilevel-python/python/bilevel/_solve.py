"""The training problem alone: coefficients for a given penalty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bilevel import _core


@dataclass(frozen=True)
class Solution:
    """Coefficients for given hyperparameters, and how exact they are.

    Attributes
    ----------
    coef : ndarray of shape (n_features,)
    intercept : float
    objective : float
        Mean loss, ridge part and penalty.
    duality_gap : float
        The objective is at most this far above the minimum.
    relative_gap : float
        The same, relative to the objective of the model without features.
    n_iter : int
        Working sets solved.
    """

    coef: NDArray[np.float64]
    intercept: float
    objective: float
    duality_gap: float
    relative_gap: float
    n_iter: int


def solve(
    X: Any,
    y: Any,
    lam: Any,
    *,
    loss: str = "squared",
    penalty: str = "l1",
    l2: float = 0.0,
    feature_groups: Any = None,
    fit_intercept: bool = True,
    sample_weight: Any = None,
    tol: float = 1e-12,
) -> Solution:
    """Minimize ``mean loss + Σ lam_j |w_j| + l2/2 ||w||²`` for a given penalty.

    Parameters
    ----------
    X : array or sparse matrix of shape (n_samples, n_features)
        As for the estimators.
    y : array of shape (n_samples,)
        Numbers; with ``loss="logistic"`` two labels, of which the larger one is the positive class.
    lam : float or array
        One λ for all features, or one for each (with ``penalty="group"`` one for each group, in the order of
        the sorted labels); infinite excludes a feature.
    loss : {"squared", "logistic"}
        ``(y - z)²/2`` or ``log(1 + exp(-y z))`` with y = ±1.
    penalty : {"l1", "elasticnet", "group"}
        ``"group"`` takes ``Σ lam_g ||w_g||``; the other two differ in name only, ``l2`` goes with all of
        them.
    l2 : float
        Ridge parameter.
    feature_groups : array of length n_features
        A label for each feature, for ``penalty="group"``.
    fit_intercept : bool
        Fit an intercept, which is never penalized.
    sample_weight : array of shape (n_samples,)
        Weights of the rows; only their proportions matter.
    tol : float
        Relative duality gap to reach.

    Returns
    -------
    Solution

    Examples
    --------
    >>> import numpy as np
    >>> from bilevel import solve
    >>> solve(np.array([[1.0], [-1.0]]), [3.0, -3.0], 1.0).coef
    array([2.])
    """
    from sklearn.utils.validation import (
        _check_sample_weight,
        check_array,
        check_consistent_length,
        column_or_1d,
    )

    from bilevel._matrix import STORAGE, group_numbers, to_matrix

    if loss not in ("squared", "logistic"):
        raise ValueError(f"setting `loss`: found {loss!r}; expected 'squared' or 'logistic'")
    if penalty not in ("l1", "elasticnet", "group"):
        raise ValueError(f"setting `penalty`: found {penalty!r}; expected 'l1', 'elasticnet' or 'group'")
    if not 0.0 <= l2 < np.inf:
        raise ValueError(f"setting `l2`: found {l2!r}; expected a finite number of at least 0")
    if not 0.0 < tol <= 1e-2:
        raise ValueError(f"setting `tol`: found {tol!r}; expected a positive relative gap of at most 0.01")
    X = check_array(X, accept_sparse="csc", dtype=STORAGE, order="F", ensure_all_finite=False)
    y = column_or_1d(y)
    check_consistent_length(X, y)
    classes = loss == "logistic"
    target = _signs(y) if classes else np.ascontiguousarray(y, dtype=np.float64)
    weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    total = weights.sum()
    if not total > 0.0:
        raise ValueError("sample_weight: found no positive weight; expected at least one")
    groups = None
    if penalty == "group":
        if feature_groups is None:
            raise ValueError("setting `feature_groups`: found None; expected a label for each feature")
        groups = group_numbers(feature_groups, X.shape[1])
    n_blocks = X.shape[1] if groups is None else max(groups) + 1
    lam = np.asarray(lam, dtype=np.float64)
    if lam.shape not in ((), (n_blocks,)):
        kind = "feature" if groups is None else "group"
        raise ValueError(
            f"lam: found an array of shape {lam.shape}; "
            f"expected a number or one for each of {n_blocks} {kind}s"
        )
    return Solution(
        *_core.solve(
            to_matrix(X),
            target,
            np.ascontiguousarray(np.broadcast_to(lam, (n_blocks,))),
            ridge=float(l2),
            classes=classes,
            groups=groups,
            sample_weight=weights / total,
            intercept=bool(fit_intercept),
            tolerance=float(tol),
        )
    )


def _signs(y: NDArray[Any]) -> NDArray[np.float64]:
    labels = np.unique(y)
    if len(labels) != 2:
        raise ValueError(f"target: found {len(labels)} classes; expected 2")
    signs: NDArray[np.float64] = np.where(y == labels[1], 1.0, -1.0)
    return signs
