"""The compiled part of the package: conversions, no mathematics."""

from collections.abc import Sequence
from typing import Any, Protocol, final

import numpy as np
from numpy.typing import NDArray

__version__: str

class Watcher(Protocol):
    """Sees a fit while it runs, on the thread that started it."""

    def stage(self, name: str, n_parameters: int) -> object:
        """A stage begins."""
    def step(self, step: str) -> object:
        """An outer step (as JSON) is complete; a true answer ends the search."""

@final
class Matrix:
    """A design matrix that has been checked."""

    @staticmethod
    def dense(array: NDArray[np.floating[Any]]) -> Matrix:
        """From float64 or float32 in Fortran order."""
    @staticmethod
    def sparse(
        n_rows: int, starts: NDArray[np.int32], rows: NDArray[np.int32], values: NDArray[np.floating[Any]]
    ) -> Matrix:
        """From the three arrays of a CSC matrix, int32 and float64 or float32."""
    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
    @property
    def addresses(self) -> list[int]:
        """Where the matrix reads its values (and row indices)."""

@final
class Fit:
    """A fitted model and the record of how it came about."""

    @property
    def coef(self) -> NDArray[np.float64]:
        """Coefficients, length p."""
    @property
    def intercept(self) -> float:
        """Intercept."""
    @property
    def feature_weights(self) -> NDArray[np.float64]:
        """The learned weight of each feature, length p; infinite where it is excluded."""
    @property
    def record(self) -> str:
        """The record as JSON."""
    @staticmethod
    def restore(fit: str, feature_weights: NDArray[np.float64], predictions: str) -> Fit:
        """The inverse of pickling."""

@final
class MultinomialFit:
    """A fitted multinomial model and the record of how it came about."""

    @property
    def coef(self) -> NDArray[np.float64]:
        """Coefficients, of shape (n_classes, p)."""
    @property
    def intercept(self) -> NDArray[np.float64]:
        """Intercepts, of length n_classes."""
    @property
    def feature_weights(self) -> NDArray[np.float64]:
        """The learned weight of each feature, length p; infinite where it is excluded."""
    @property
    def record(self) -> str:
        """The record as JSON."""
    @staticmethod
    def restore(fit: str, feature_weights: NDArray[np.float64]) -> MultinomialFit:
        """The inverse of pickling."""

def fit(
    matrix: Matrix,
    target: NDArray[np.float64],
    settings: str,
    *,
    classes: bool = False,
    groups: Sequence[int] | None = None,
    feature_names: Sequence[str] | None = None,
    sample_weight: NDArray[np.float64] | None = None,
    splits: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]] | None = None,
    watcher: Watcher | None = None,
) -> Fit:
    """Learn the regularization; settings as JSON, the target real or of -1 and +1."""

def fit_multinomial(
    matrix: Matrix,
    target: NDArray[np.float64],
    settings: str,
    *,
    n_classes: int,
    groups: Sequence[int] | None = None,
    feature_names: Sequence[str] | None = None,
    sample_weight: NDArray[np.float64] | None = None,
    splits: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]] | None = None,
    watcher: Watcher | None = None,
) -> MultinomialFit:
    """Learn the regularization; the target holds class numbers from 0."""

def solve(
    matrix: Matrix,
    target: NDArray[np.float64],
    lambda_: NDArray[np.float64],
    *,
    ridge: float,
    classes: bool,
    groups: Sequence[int] | None,
    sample_weight: NDArray[np.float64],
    intercept: bool,
    tolerance: float,
) -> tuple[NDArray[np.float64], float, float, float, float, int]:
    """Coefficients, intercept, objective, duality gap, relative gap, iterations for given hyperparameters."""
