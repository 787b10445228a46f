"""What a bilevel problem answers: its hypergradient, one-sided slopes and certificate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bilevel._results import Certificate

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Hypergradient:
    """Φ(θ) and its gradient.

    Attributes
    ----------
    value : float
    gradient : ndarray of shape (n_parameters,)
        ∇Φ(θ); where coordinates are biactive, the element of the enlarged subdifferential that the policy
        selects.
    error_bound : float or None
        The gradient is wrong by at most this (Euclidean norm) because problems were solved to a finite
        accuracy; None for ``method="differences"``, which has no bound.
    biactive : int
        Coefficients on a kink, over all splits.
    standard_error : float
        Of the value, over the validation rows.
    relative_gap : float
        Largest relative duality gap of the training problems.
    support_size : float
        Nonzero coefficients, mean over the splits.
    policy : str
    """

    value: float
    gradient: Floats
    error_bound: float | None
    biactive: int
    standard_error: float
    relative_gap: float
    support_size: float
    policy: str

    def __repr__(self) -> str:
        norm = float(np.linalg.norm(self.gradient))
        wrong = "" if self.error_bound is None else f" wrong by at most {self.error_bound:.1e}"
        return (
            f"Hypergradient(value {self.value:.6g}, gradient of norm {norm:.3g}{wrong}, "
            f"{self.biactive} biactive, policy {self.policy})"
        )


@dataclass(frozen=True, eq=False, repr=False)
class Slopes:
    """One-sided derivatives of Φ along the coordinates, exact also at kinks.

    Attributes
    ----------
    down, up : ndarray of shape (n_parameters,)
        lim (Φ(θ ∓ t e_k) - Φ(θ))/t as t falls to 0: how Φ starts to change as θ_k is lowered, or raised. A
        negative number is a way down.
    biactive : int
        Coefficients on a kink, over all splits.
    """

    down: Floats
    up: Floats
    biactive: int

    @property
    def kinks(self) -> NDArray[np.intp]:
        """The parameters at which Φ is not differentiable: their two slopes do not add up to zero."""
        size = np.maximum(np.abs(self.down), np.abs(self.up))
        return np.flatnonzero(np.abs(self.down + self.up) > 1e-8 * size)

    def __repr__(self) -> str:
        steepest = min(self.down.min(), self.up.min(), 0.0)
        return f"Slopes({len(self.up)} parameters, steepest {steepest:.3g}, {self.biactive} biactive)"


@dataclass(frozen=True, eq=False, repr=False)
class PointCertificate(Certificate):
    """What is proven about a problem at a θ.

    ``relative_gap`` and ``residual`` are the largest over the splits.

    Attributes
    ----------
    value : float
        Φ(θ).
    biactive_features : tuple of ndarray
        For each split, the features (with ``penalty="group"`` the groups) on a kink.
    slopes : Slopes or None
        One-sided slopes along every parameter; None where a solution is not unique.
    """

    value: float
    biactive_features: tuple[NDArray[np.int64], ...]
    slopes: Slopes | None

    def __repr__(self) -> str:
        first, *rest = super().__repr__().split("\n")
        return "\n".join([first, f"  criterion                 {self.value:.6g}", *rest])
