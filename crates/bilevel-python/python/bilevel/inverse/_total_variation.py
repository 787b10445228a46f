"""Total variation as an estimator."""

from __future__ import annotations

from typing import Any

from bilevel import _core
from bilevel.inverse._arrays import Floats, positive, sides
from bilevel.inverse._probes import Searched
from bilevel.inverse._restorer import Restorer, image_shape


class TotalVariation(Restorer):
    """Restoration by ``½‖Au - b‖² + Σ α_i |(Du)_i|``, isotropic, D forward differences.

    Without an operator the solution is exact, and differentiated in its weights, of which there may be many.

    Parameters
    ----------
    operator : array, sparse matrix or operator
        A; by default the identity, for denoising.
    weights : "scalar" or (rows, columns)
        One α, or one for each of rows × columns patches (without operator only).
    smooth : bool
        Patches pass smoothly into each other: α is bilinear between their nodes.
    non_negative : bool
        The image may not be negative.
    criterion, sigma, shape, seed
        As for :class:`WaveletRestoration`.
    tol : float
        Relative gap (without operator), or residual (with one) of the solver.

    Attributes
    ----------
    lambda_ : float or ndarray of shape (rows, columns)
        α.
    criterion_value_, curve_, sigma_, warning_
        As for :class:`Tikhonov`.

    Examples
    --------
    >>> import numpy as np
    >>> from bilevel.inverse import TotalVariation
    >>> truth = np.add.outer(np.arange(32) > 12, np.arange(32) > 20) / 2
    >>> noisy = truth + 0.1 * np.random.default_rng(0).standard_normal((32, 32))
    >>> restored = TotalVariation(sigma=0.1).fit_restore(noisy)
    >>> bool(np.mean((restored - truth) ** 2) < 0.1 * 0.1**2)
    True
    """

    def __init__(
        self,
        operator: Any = None,
        *,
        weights: Any = "scalar",
        smooth: bool = False,
        non_negative: bool = False,
        criterion: str = "sure",
        sigma: float | None = None,
        shape: tuple[int, ...] | None = None,
        tol: float = 1e-4,
        seed: int = 0,
    ) -> None:
        self.operator = operator
        self.weights = weights
        self.smooth = smooth
        self.non_negative = non_negative
        self.criterion = criterion
        self.sigma = sigma
        self.shape = shape
        self.tol = tol
        self.seed = seed

    def _patches(self) -> tuple[int, int]:
        if isinstance(self.weights, str):
            if self.weights == "scalar":
                return (1, 1)
            found = f"setting `weights`: found '{self.weights}'"
            raise ValueError(f"{found}; expected 'scalar', or (rows, columns) of patches")
        patches = sides(self.weights)
        if len(patches) != 2:
            raise ValueError(
                f"setting `weights`: found {self.weights!r}; expected (rows, columns) of patches"
            )
        return (patches[0], patches[1])

    def _make(self, data: Floats, shape: tuple[int, ...]) -> _core.Restoration:
        image, operator, patches = image_shape(shape), self._operator(), self._patches()
        if operator is None:
            return _core.Restoration.total_variation(
                data, image, patches=patches, smooth=bool(self.smooth), non_negative=bool(self.non_negative)
            )
        if patches != (1, 1):
            raise ValueError("setting `weights`: found patches with an operator; expected 'scalar'")
        return _core.Restoration.blurred_total_variation(
            operator._core, data, image, bool(self.non_negative), self._norm()
        )

    def _interval(self, noise: float) -> tuple[float, float]:
        low, high = (0.03, 10.0) if self.operator is None else (1e-3, 1.0)
        return low * noise * self._norm(), high * noise * self._norm()

    def _tolerance(self, several: bool) -> float:
        tol = positive("tol", self.tol)
        return tol if self.operator is not None else min(tol, 1e-8 if several else 1e-5)

    def _keep(self, found: Searched, supervised: bool, noise: float) -> None:
        super()._keep(found, supervised, noise)
        if len(found.weights) > 1:
            self.lambda_ = found.weights.reshape(self._patches())

    def _solved(self, plane: Floats, shape: tuple[int, ...], weights: Floats) -> Floats:
        return super()._solved(plane, shape, weights.reshape(-1))
