"""The compiled part of the package: conversions, no mathematics."""

from collections.abc import Callable, Sequence
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
    def report(self, title: str, call: str, classes: tuple[str, str] | None) -> str:
        """The report as HTML; `call` fits again, `classes` are the labels of -1 and +1."""
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

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Columns = tuple[NDArray[np.int64], NDArray[np.int64], Floats]
Generated = tuple[NDArray[np.int64], NDArray[np.int32], Floats, Floats, Floats]

def path(
    matrix: Matrix,
    target: Floats,
    factors: Floats,
    given: Floats | None,
    *,
    count: int,
    smallest: float,
    ridge: float,
    classes: bool,
    groups: Sequence[int] | None,
    sample_weight: Floats,
    intercept: bool,
    tolerance: float,
) -> tuple[Floats, Columns, Columns, Floats, Floats, Floats, Floats, NDArray[np.int64]]:
    """λ, coefficients and derivatives (CSC), intercepts and derivatives, gaps, relative gaps, iterations."""

@final
class Problem:
    """Lower level, splits and parametrization; solutions are kept from call to call."""

    def __init__(
        self,
        matrix: Matrix,
        target: Floats,
        splits: Sequence[tuple[Rows, Rows]],
        factors: Floats,
        *,
        classes: bool,
        group_penalty: bool,
        weights: str,
        groups: Sequence[int] | None,
        ridge: float | None,
        intercept: bool,
        sample_weight: Floats | None,
        bounds: tuple[float, float] | None,
    ) -> None: ...
    @property
    def lambda_max(self) -> float:
        """The smallest e^θ, the same for all, that gives zero coefficients."""
    @property
    def bounds(self) -> tuple[Floats, Floats]:
        """The box of θ."""
    def evaluate(
        self, theta: Floats, policy: str, band: float, tolerance: float, gradient: bool
    ) -> tuple[float, float, Floats, float, float, float, int]:
        """Value, standard error, gradient, bound on its error, relative gap, support size, biactive."""
    def solve(self, theta: Floats, tolerance: float) -> list[tuple[Floats, float, float, float, float, int]]:
        """For each split: coefficients, intercept, objective, gap, relative gap, iterations."""
    def hyperparameters(self, theta: Floats) -> tuple[Floats, float]:
        """λ of each block and the ridge parameter."""
    def slopes(self, theta: Floats) -> tuple[Floats, Floats, int]:
        """Derivatives along -e_k and e_k, and the number of biactive coordinates."""
    def certify(self, theta: Floats, policy: str, band: float) -> tuple[str, list[list[int]]]:
        """The certificate's record as JSON, and the biactive blocks of each split."""
    def forget(self) -> None:
        """Forget the solutions."""

def minimize(
    objective: Problem | Callable[[Floats], tuple[float, Floats]],
    start: Floats,
    lower: Floats,
    upper: Floats,
    *,
    method: str,
    options: str,
    record: Callable[..., bool],
) -> tuple[Floats, float, Floats, float, int, int, int, str]:
    """θ, value, gradient, bound on its error, biactive, steps, evaluations, reason."""

def generate_linear_model(
    n_samples: int,
    n_features: int,
    n_informative: int,
    *,
    noise: float,
    classes: bool,
    density: float | None,
    exponent: float | None,
    seed: int,
) -> Generated:
    """Column starts, rows, values, target, coefficients; no starts if dense."""

def generate_four_groups(
    n_samples: int, n_features: int, rho: float, seed: int
) -> tuple[Generated, list[str], list[int]]:
    """The data, the role of each feature, the distractor of each hidden one."""

def embedded(name: str) -> bytes:
    """The file of an embedded data set."""
