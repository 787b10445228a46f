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
    from bilevel._training import ridge_parameter, tolerance, training

    ridge, gap = ridge_parameter(l2), tolerance(tol)
    checked = training(
        X, y, loss=loss, penalty=penalty, feature_groups=feature_groups, sample_weight=sample_weight
    )
    return Solution(
        *_core.solve(
            checked.matrix,
            checked.target,
            checked.block_values("lam", lam),
            ridge=ridge,
            classes=checked.classes,
            groups=checked.groups if checked.group_penalty else None,
            sample_weight=checked.shares(),
            intercept=bool(fit_intercept),
            tolerance=gap,
        )
    )
