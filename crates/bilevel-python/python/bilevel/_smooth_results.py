"""What a smooth problem answers: solutions, hypergradients, and derivatives that are wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class SmoothSolution:
    """A solution of a smooth lower level.

    Attributes
    ----------
    coefficients : ndarray of y's shape
    gradient_norm : float
        ‖∇_y F‖ there.
    steps, gradients, hessian_products : int
        What it took.
    status : {"converged", "max-steps", "stalled"}
        ``"stalled"``: no step makes the gradient smaller, because of rounding or a lower level that is not
        convex.
    """

    coefficients: Floats
    gradient_norm: float
    steps: int
    gradients: int
    hessian_products: int
    status: str

    def __repr__(self) -> str:
        return (
            f"SmoothSolution({self.status} after {self.steps} steps, "
            f"gradient of norm {self.gradient_norm:.1e})"
        )


@dataclass(frozen=True, eq=False, repr=False)
class SmoothHypergradient:
    """Φ(θ) and its gradient, with what is known about its error.

    Attributes
    ----------
    value : float
        L(y, θ) at ``coefficients``.
    gradient : ndarray
        ∇Φ(θ), flat.
    coefficients : ndarray of y's shape
        Where the criterion was taken: the solution, or where the unrolled iteration ended.
    adjoint : ndarray of y's shape, or None
        q of the implicit methods.
    error_bound : float or None
        The gradient is wrong by at most this (Euclidean norm); None where nothing is known.
    proven : bool
        Whether the bound follows from constants that were given and exact linear algebra; otherwise it rests
        on estimates around y.
    method : str
    terms, products, steps, stored_states : int
        Terms of a series or differentiated steps; products with second derivatives; steps of an iteration,
        repeated ones among them; the most states that were kept at a time.
    """

    value: float
    gradient: Floats
    coefficients: Floats
    adjoint: Floats | None
    error_bound: float | None
    proven: bool
    method: str
    terms: int
    products: int
    steps: int
    stored_states: int

    def __repr__(self) -> str:
        norm = float(np.linalg.norm(self.gradient))
        wrong = "" if self.error_bound is None else f" wrong by at most {self.error_bound:.1e}"
        if wrong and not self.proven:
            wrong += " (estimated)"
        return (
            f"SmoothHypergradient(value {self.value:.6g}, gradient of norm {norm:.3g}{wrong}, "
            f"method {self.method})"
        )


@dataclass(frozen=True)
class Mismatch:
    """The first derivative that does not agree with differences.

    Attributes
    ----------
    product : str
        Which derivative: ``"hessian product"``, ``"criterion gradient by y"``, ...
    component : int
        Which entry of it.
    found, expected : float
        What the problem says, and what central differences say.
    """

    product: str
    component: int
    found: float
    expected: float

    def __str__(self) -> str:
        return (
            f"{self.product}, component {self.component}: found {self.found:.6g}; "
            f"central differences give {self.expected:.6g}"
        )
