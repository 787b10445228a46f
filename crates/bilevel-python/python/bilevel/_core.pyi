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

def fit(
    matrix: Matrix,
    target: NDArray[np.float64],
    settings: str,
    *,
    classes: bool = False,
    groups: Sequence[int] | None = None,
    watcher: Watcher | None = None,
) -> Fit:
    """Learn the regularization; settings as JSON, the target real or of -1 and +1."""
