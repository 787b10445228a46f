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

def clean(
    matrix: Matrix,
    target: NDArray[np.float64],
    rows: tuple[NDArray[np.int64], NDArray[np.int64]],
    settings: str,
    *,
    n_classes: int,
    watcher: Watcher | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_], str]:
    """Coefficients, intercepts, weights of the training rows, which look wrong, the record as JSON."""

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
    derivatives: bool,
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
    ) -> tuple[float, float, Floats, float | None, float, float, int]:
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
) -> tuple[Floats, float, Floats, float | None, int, int, int, str]:
    """θ, value, gradient, bound on its error, biactive, steps, evaluations, reason."""

@final
class SmoothProblem:
    """A smooth problem whose functions are the methods of an object."""

    def __init__(self, functions: object, coefficients: int, hyperparameters: int) -> None: ...
    def gradcheck(
        self, y: Floats, lambda_: Floats, tolerance: float, /
    ) -> tuple[str, int, float, float] | None:
        """The derivative that is wrong, its entry, what was found, what differences say."""
    def solve(
        self, lambda_: Floats, start: Floats, settings: str, /
    ) -> tuple[Floats, float, int, int, int, str]:
        """Coefficients, norm of the gradient, steps, gradients, products, how it ended."""
    def hypergradient(
        self, hyper: Floats, y: Floats, method: str, settings: str, /
    ) -> tuple[float, Floats, Floats, Floats, tuple[float, bool] | None, tuple[int, int, int, int]]:
        """Value, gradient, coefficients, adjoint, bound and whether it is proven, and the work.

        That is terms, products, steps and stored states.
        """

def minimize_smooth(
    problem: SmoothProblem,
    start: Floats,
    lower: Floats,
    upper: Floats,
    *,
    y: Floats,
    way: str,
    way_settings: str,
    solver: str,
    method: str,
    options: str,
    record: Callable[..., bool],
) -> tuple[Floats, float, Floats, float | None, int, int, int, str]:
    """As for `minimize`."""

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

#: Rule, λ, x, value, (λ, value) of the curve, minima, df, ‖Ax - b‖, ‖Lx‖, σ, verdict, warning.
Chosen = tuple[
    str,
    float,
    NDArray[np.float64],
    float,
    tuple[NDArray[np.float64], NDArray[np.float64]],
    list[float],
    float,
    float,
    float,
    float,
    str,
    str | None,
]

@final
class Operator:
    """A linear operator on flat vectors of float64."""

    @staticmethod
    def convolution(
        shape: list[int],
        kernel_shape: list[int],
        kernel: NDArray[np.float64],
        centre: list[int] | None,
        boundary: str,
    ) -> Operator:
        """Convolution of arrays of `shape` with a kernel."""
    @staticmethod
    def difference(shape: list[int], axis: int, order: int, boundary: str) -> Operator:
        """First or second differences along an axis."""
    @staticmethod
    def gradient(shape: list[int], boundary: str) -> Operator:
        """Differences along all axes, one after another."""
    @staticmethod
    def laplacian(shape: list[int], boundary: str) -> Operator:
        """Sum of second differences."""
    @staticmethod
    def cosine(shape: list[int]) -> Operator:
        """Orthonormal DCT-II."""
    @staticmethod
    def radon(
        shape: tuple[int, int],
        angles: NDArray[np.float64],
        detectors: int | None,
        spacing: float,
        axis: float | None,
    ) -> tuple[Operator, int]:
        """Parallel-beam projections, angles in radians; and the number of detectors."""
    @staticmethod
    def travel_time(shape: tuple[int, int], ends: NDArray[np.float64]) -> Operator:
        """Travel times through unit cells; (x, y) of source and receiver of each ray."""
    @staticmethod
    def wavelet(name: str, shape: list[int], levels: int, extension: str) -> Operator:
        """Orthogonal wavelet transform of a signal or an image."""
    @staticmethod
    def undecimated_wavelet(name: str, shape: list[int], levels: int) -> Operator:
        """Undecimated wavelet transform of a signal or an image."""
    @staticmethod
    def mask(flags: NDArray[np.bool_]) -> Operator:
        """Keeps what is flagged."""
    @staticmethod
    def diagonal(values: NDArray[np.float64]) -> Operator:
        """Multiplies each entry."""
    @staticmethod
    def identity(size: int) -> Operator:
        """Leaves vectors of a length as they are."""
    @staticmethod
    def matrix(matrix: Matrix) -> Operator:
        """A dense or sparse matrix."""
    @staticmethod
    def foreign(object: object, shape: tuple[int, int]) -> Operator:
        """An object with `matvec` and `rmatvec` on contiguous vectors."""
    def after(self, inner: Operator) -> Operator:
        """This after `inner`."""
    def plus(self, other: Operator) -> Operator:
        """The sum with another."""
    def scaled(self, factor: float) -> Operator:
        """A multiple."""
    def transposed(self) -> Operator:
        """The transpose."""
    @staticmethod
    def stack(operators: list[Operator]) -> Operator:
        """Operators above each other."""
    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
    @property
    def is_spectral(self) -> bool:
        """Whether some transform is known to diagonalize AᵀA."""
    def apply(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """A x."""
    def adjoint(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Aᵀ y."""
    def dot_test(self, seed: int) -> float:
        """|⟨Ax, y⟩ - ⟨x, Aᵀy⟩| relative to the sizes, for random x and y."""

@final
class Spectrum:
    """‖Ax - b‖² + λ‖Lx‖² in coordinates in which it is diagonal."""

    @staticmethod
    def dense(a: Matrix, b: NDArray[np.float64], l: Matrix | None) -> Spectrum:
        """Of dense matrices, by singular values."""
    @staticmethod
    def common(a: Operator, b: NDArray[np.float64], l: Operator) -> Spectrum | None:
        """Of operators that a Fourier or cosine transform diagonalizes."""
    def solve(self, lambda_: float, /) -> NDArray[np.float64]:
        """X at λ."""
    def choose(self, method: str, sigma: float | None, truth: list[float] | None) -> Chosen:
        """The λ of a rule."""
    def consensus(
        self, sigma: float | None
    ) -> tuple[list[Chosen], float, NDArray[np.float64], int, str, list[str]]:
        """Choices, λ, x, how many are near, agreement, warnings."""

@final
class Restoration:
    """A restoration whose weights are searched from Python."""

    @staticmethod
    def tikhonov(a: Operator, b: NDArray[np.float64], terms: list[Operator]) -> Restoration:
        """½‖Ax - b‖² + Σ (λ_k/2)‖L_kx‖²."""
    @staticmethod
    def wavelet(
        a: Operator | None,
        b: NDArray[np.float64],
        shape: tuple[int, int],
        *,
        wavelet: str,
        levels: int,
        undecimated: bool,
        per: str,
    ) -> Restoration:
        """½‖A W y - b‖² + Σ λ_i|y_i|."""
    @staticmethod
    def total_variation(
        b: NDArray[np.float64],
        shape: tuple[int, int],
        *,
        patches: tuple[int, int],
        smooth: bool,
        non_negative: bool,
    ) -> Restoration:
        """Σ ½(u_i - b_i)² + Σ α_i|(Du)_i|."""
    @staticmethod
    def blurred_total_variation(
        a: Operator, b: NDArray[np.float64], shape: tuple[int, int], non_negative: bool, norm: float
    ) -> Restoration:
        """½‖Au - b‖² + α TV(u), with `norm` about ‖A‖."""
    @property
    def n_weights(self) -> int:
        """How many λ there are."""
    def solve(self, lambda_: NDArray[np.float64], tolerance: float, /) -> NDArray[np.float64]:
        """X at λ."""
    def adjoint(self, v: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
        """(∂x/∂λ)ᵀ v at the last solution, and a bound on its error."""

def choose_krylov(
    a: Operator,
    b: NDArray[np.float64],
    *,
    method: str,
    sigma: float | None,
    held_out: list[int] | None,
    lambda_: float | None,
    max_steps: int,
    tolerance: float,
) -> tuple[
    float,
    NDArray[np.float64],
    float,
    tuple[NDArray[np.float64], NDArray[np.float64]],
    float | None,
    float,
    float,
    float,
    int,
    int,
    str | None,
    str,
]:
    """λ, x, criterion, curve, df, ‖Ax - b‖, gradient, error bound, steps, products, edge, end."""

def denoise_wavelet(
    image: NDArray[np.float64],
    shape: tuple[int, int],
    *,
    sigma: float | None,
    wavelet: str,
    levels: int,
    undecimated: bool,
    shrinkage: str,
) -> tuple[NDArray[np.float64], list[float], list[tuple[int, int, str, str, float, int, float]], float]:
    """Image, noise of each plane, subbands, estimated mean squared error."""

def estimate_noise(image: NDArray[np.float64], shape: tuple[int, int]) -> float:
    """The standard deviation of the noise of an image."""

def blur_kernel(
    kind: str, parameters: tuple[float, float], n_axes: int
) -> tuple[list[int], NDArray[np.float64]]:
    """The shape and the values of a kernel."""
