"""Coefficients along λ, with their derivatives."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from bilevel import _core
from bilevel._matrix import numbers_fit
from bilevel._training import in_range, ridge_parameter, tolerance, training

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Path:
    """Solutions of the training problem along λ.

    Attributes
    ----------
    lambdas : ndarray of shape (n_lambdas,)
        λ, decreasing.
    coefs : ndarray or scipy.sparse.csc_array of shape (n_features, n_lambdas)
        Coefficients; sparse if X was.
    intercepts : ndarray of shape (n_lambdas,)
    derivatives : ndarray or scipy.sparse.csc_array of shape (n_features, n_lambdas)
        d coefs/dλ, from the linear system on the support. At a λ where a coefficient enters or leaves it is
        the derivative towards the side on which that coefficient stays zero. ``None`` if not asked for, as
        are those of the intercepts.
    intercept_derivatives : ndarray of shape (n_lambdas,)
    dual_gaps, relative_gaps : ndarray of shape (n_lambdas,)
        The objective is at most ``dual_gaps`` above its minimum; relative to that of the model without
        features.
    n_iters : ndarray of shape (n_lambdas,)
        Working sets solved.
    feature_names : list of str, or None
        The columns of a table; ``None`` of an array.
    """

    lambdas: Floats
    coefs: Any
    intercepts: Floats
    derivatives: Any
    intercept_derivatives: Floats | None
    dual_gaps: Floats
    relative_gaps: Floats
    n_iters: NDArray[np.int64]
    feature_names: list[str] | None = None

    @property
    def support_sizes(self) -> NDArray[np.int64]:
        """How many coefficients are not zero at each λ."""
        return np.asarray((self.coefs != 0).sum(axis=0)).ravel()

    def predict(self, X: Any) -> Floats:
        """Linear predictors of each row of X, a column for each λ."""
        product = X @ self.coefs
        dense = product.toarray() if sparse.issparse(product) else np.asarray(product)
        predicted: Floats = dense + self.intercepts
        return predicted

    def __len__(self) -> int:
        return len(self.lambdas)

    def __repr__(self) -> str:
        sizes = self.support_sizes
        return (
            f"Path({len(self)} values of λ from {self.lambdas[0]:.3g} to {self.lambdas[-1]:.3g}, "
            f"{sizes[0]} to {sizes[-1]} of {self.coefs.shape[0]} coefficients not zero, "
            f"largest relative gap {self.relative_gaps.max():.1e})"
        )


def path(
    X: Any,
    y: Any,
    lambdas: Any = None,
    *,
    n_lambdas: int = 100,
    eps: float = 1e-3,
    loss: str = "squared",
    penalty: str = "l1",
    l2: float = 0.0,
    factors: Any = None,
    feature_groups: Any = None,
    fit_intercept: bool = True,
    sample_weight: Any = None,
    derivatives: bool = True,
    tol: float = 1e-10,
) -> Path:
    """Minimize ``mean loss + lambda Σ f_j |w_j| + l2/2 ||w||²`` for many λ, one after the other.

    Parameters
    ----------
    X : array or sparse matrix of shape (n_samples, n_features)
        As for the estimators.
    y : array of shape (n_samples,)
        Numbers; with ``loss="logistic"`` two labels, of which the larger one is the positive class.
    lambdas : array of shape (n_lambdas,)
        Values of λ; they are put in decreasing order. By default ``n_lambdas`` of them, evenly spaced in
        log λ, from the smallest λ that gives zero coefficients down to ``eps`` times that.
    n_lambdas : int
        How many, if they are not given.
    eps : float
        The last λ over the first, if they are not given.
    loss : {"squared", "logistic"}
        As for :func:`bilevel.solve`.
    penalty : {"l1", "elasticnet", "group"}
        ``"group"`` takes ``lambda Σ f_g ||w_g||``.
    l2 : float
        Ridge parameter, the same for all λ.
    factors : array of shape (n_features,)
        ``f``, or with ``penalty="group"`` one for each group: 0 leaves a feature unpenalized, infinity
        excludes it; by default 1.
    feature_groups : array of shape (n_features,)
        A label for each feature, for ``penalty="group"``.
    fit_intercept : bool
        Fit an intercept, which is never penalized.
    sample_weight : array of shape (n_samples,)
        Weights of the rows; only their proportions matter.
    derivatives : bool
        Compute d coefs/dλ too: a linear system on the support for each λ.
    tol : float
        Relative duality gap to reach at every λ.

    Returns
    -------
    Path

    Examples
    --------
    >>> import numpy as np
    >>> from bilevel import path
    >>> found = path(np.array([[1.0], [-1.0]]), [3.0, -3.0], [1.0, 2.0], fit_intercept=False)
    >>> found.lambdas, found.coefs, found.derivatives
    (array([2., 1.]), array([[1., 2.]]), array([[-1., -1.]]))
    """
    ridge, gap = ridge_parameter(l2), tolerance(tol)
    if isinstance(n_lambdas, bool) or not isinstance(n_lambdas, (int, np.integer)):
        raise TypeError(f"setting `n_lambdas`: found {n_lambdas!r}; expected a whole number")
    if not 1 <= n_lambdas <= 1_000_000:
        raise ValueError(f"setting `n_lambdas`: found {n_lambdas}; expected a number from 1 to 1000000")
    smallest = in_range("eps", eps, sys.float_info.min, 1.0, "a positive number of at most 1")
    checked = training(
        X, y, loss=loss, penalty=penalty, feature_groups=feature_groups, sample_weight=sample_weight
    )
    given = None if lambdas is None else _decreasing(lambdas)
    (
        told,
        coefs,
        slopes,
        intercepts,
        intercept_slopes,
        gaps,
        relative_gaps,
        iterations,
    ) = _core.path(
        checked.matrix,
        checked.target,
        checked.block_values("factors", factors, 1.0),
        given,
        count=int(n_lambdas),
        smallest=smallest,
        ridge=ridge,
        classes=checked.classes,
        groups=checked.groups if checked.group_penalty else None,
        sample_weight=checked.shares(),
        intercept=bool(fit_intercept),
        derivatives=bool(derivatives),
        tolerance=gap,
    )
    shape = (checked.n_features, len(told))

    def matrix(columns: tuple[NDArray[np.int64], NDArray[np.int64], Floats]) -> Any:
        starts, rows, values = columns
        compressed = sparse.csc_array((values, rows, starts), shape=shape)
        return compressed if checked.is_sparse else compressed.toarray(order="F")

    return Path(
        lambdas=told,
        coefs=matrix(coefs),
        intercepts=intercepts,
        derivatives=matrix(slopes) if derivatives else None,
        intercept_derivatives=intercept_slopes if derivatives else None,
        dual_gaps=gaps,
        relative_gaps=relative_gaps,
        n_iters=iterations,
        feature_names=None if checked.names is None else [str(name) for name in checked.names],
    )


@numbers_fit()
def _decreasing(lambdas: Any) -> Floats:
    numbers = np.asarray(lambdas, dtype=np.float64)
    if numbers.ndim != 1 or numbers.size == 0:
        raise ValueError(
            f"lambdas: found an array of shape {numbers.shape}; expected a list of at least one number"
        )
    wrong = ~(np.isfinite(numbers) & (numbers >= 0.0))
    if wrong.any():
        raise ValueError(f"lambdas: found {numbers[wrong][0]}; expected finite numbers of at least 0")
    return np.sort(numbers)[::-1].copy()
