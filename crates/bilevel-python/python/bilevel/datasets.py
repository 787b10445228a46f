"""Data to try things on: synthetic sets with a known truth, and two small real ones.

Every generator is a formula and a seed: the same seed gives the same data everywhere. Dense designs are in
Fortran order, sparse ones in CSC format, as the solvers read them.
"""

from __future__ import annotations

import io
import lzma
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from bilevel import _core

__all__ = [
    "FourGroups",
    "Synthetic",
    "Table",
    "classification",
    "degenerate_four_groups",
    "load_diabetes",
    "load_phishing",
    "regression",
    "sparse_classification",
    "sparse_regression",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Synthetic:
    """Data with the coefficients that generated them.

    Attributes
    ----------
    X : ndarray (Fortran order) or scipy.sparse.csc_array of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
        Numbers, or the classes -1 and 1.
    coef : ndarray of shape (n_features,)
        The truth; there is no intercept.
    """

    X: Any
    y: Floats
    coef: Floats

    @property
    def support(self) -> NDArray[np.intp]:
        """The features with a nonzero true coefficient."""
        return np.flatnonzero(self.coef)

    def __repr__(self) -> str:
        """Say how large it is."""
        n, p = self.X.shape
        return f"{type(self).__name__}({n} samples, {p} features, {len(self.support)} informative)"


@dataclass(frozen=True, eq=False, repr=False)
class FourGroups(Synthetic):
    """The degenerate four groups, see :func:`degenerate_four_groups`.

    Attributes
    ----------
    roles : ndarray of str, of shape (n_features,)
        ``"easy"``, ``"distractor"``, ``"hidden"`` or ``"noise"``.
    distractor_of : ndarray of int
        For each hidden feature, the distractor that it is correlated with.
    """

    roles: NDArray[np.str_]
    distractor_of: NDArray[np.int64]


@dataclass(frozen=True, eq=False, repr=False)
class Table:
    """A real data set.

    Attributes
    ----------
    X : ndarray (Fortran order) or scipy.sparse.csc_array of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
    feature_names : tuple of str
    description : str
    """

    X: Any
    y: Floats
    feature_names: tuple[str, ...]
    description: str

    def __repr__(self) -> str:
        """Say how large it is."""
        n, p = self.X.shape
        return f"Table({n} samples, {p} features: {self.description})"


def regression(
    n_samples: int, n_features: int, n_informative: int, *, snr: float = 10.0, seed: int = 0
) -> Synthetic:
    """Linear regression: ``y = X @ coef + noise`` with normal entries and coefficients.

    Parameters
    ----------
    n_samples, n_features, n_informative : int
    snr : float
        ``||X @ coef|| / ||noise||``, exactly; infinite for no noise.
    seed : int

    Returns
    -------
    Synthetic

    Examples
    --------
    >>> from bilevel import datasets
    >>> datasets.regression(50, 20, 3)
    Synthetic(50 samples, 20 features, 3 informative)
    """
    return _linear_model(n_samples, n_features, n_informative, snr, False, seed)


def classification(
    n_samples: int, n_features: int, n_informative: int, *, noise: float = 0.1, seed: int = 0
) -> Synthetic:
    """Two classes: the sign of ``X @ coef + noise``, as in :func:`regression`.

    Parameters
    ----------
    n_samples, n_features, n_informative : int
    noise : float
        ``||noise|| / ||X @ coef||``, exactly.
    seed : int

    Returns
    -------
    Synthetic

    Examples
    --------
    >>> from bilevel import datasets
    >>> sorted(set(datasets.classification(50, 20, 3).y.tolist()))
    [-1.0, 1.0]
    """
    return _linear_model(n_samples, n_features, n_informative, noise, True, seed)


def sparse_regression(
    n_samples: int,
    n_features: int,
    n_informative: int,
    *,
    density: float = 0.01,
    exponent: float | None = None,
    snr: float = 10.0,
    seed: int = 0,
) -> Synthetic:
    """Linear regression on a sparse design.

    Parameters
    ----------
    n_samples, n_features, n_informative : int
    density : float
        Expected fraction of stored entries.
    exponent : float
        How uneven the columns are: the r-th most frequent one has an entry in a row with a probability
        proportional to ``r**-exponent``, like the words of a text (about 1). By default all are alike.
    snr : float
        ``||X @ coef|| / ||noise||``, exactly.
    seed : int

    Returns
    -------
    Synthetic

    Examples
    --------
    >>> from bilevel import datasets
    >>> datasets.sparse_regression(200, 1000, 5, density=0.02).X.format
    'csc'
    """
    return _linear_model(n_samples, n_features, n_informative, snr, False, seed, density, exponent)


def sparse_classification(
    n_samples: int,
    n_features: int,
    n_informative: int,
    *,
    density: float = 0.01,
    exponent: float | None = None,
    noise: float = 0.1,
    seed: int = 0,
) -> Synthetic:
    """Two classes on a sparse design: the sign of the model of :func:`sparse_regression`.

    Parameters
    ----------
    n_samples, n_features, n_informative : int
    density, exponent : float
        As in :func:`sparse_regression`.
    noise : float
        ``||noise|| / ||X @ coef||``, exactly.
    seed : int

    Returns
    -------
    Synthetic

    Examples
    --------
    >>> from bilevel import datasets
    >>> datasets.sparse_classification(200, 1000, 5, exponent=1.0)
    Synthetic(200 samples, 1000 features, 5 informative)
    """
    return _linear_model(n_samples, n_features, n_informative, noise, True, seed, density, exponent)


def degenerate_four_groups(
    n_samples: int = 200, n_features: int = 300, *, rho: float = 0.9, seed: int = 0
) -> FourGroups:
    """Features that help but hide behind correlated ones that do not.

    Easy features (independent, coefficient ±1), distractors (coefficient 0), hidden features (coefficient ±1,
    each correlated with a distractor) and noise. The choice at biactive coordinates decides whether the
    hidden features are ever found.

    Parameters
    ----------
    n_samples, n_features : int
        At least 16 features.
    rho : float
        Correlation of a hidden feature with its distractor.
    seed : int

    Returns
    -------
    FourGroups

    Examples
    --------
    >>> from bilevel import datasets
    >>> data = datasets.degenerate_four_groups(100, 150)
    >>> int((data.roles == "hidden").sum())
    6
    """
    shape = (_count("n_samples", n_samples), _count("n_features", n_features))
    _room(*shape)
    generated, roles, distractor_of = _core.generate_four_groups(
        *shape, _real("rho", rho), _count("seed", seed)
    )
    X, y, coef = _assemble(generated, shape)
    return FourGroups(X, y, coef, np.array(roles), np.array(distractor_of, dtype=np.int64))


def load_diabetes() -> Table:
    """Return the diabetes data of Efron, Hastie, Johnstone and Tibshirani (2004), standardized.

    Returns
    -------
    Table

    Examples
    --------
    >>> from bilevel import datasets
    >>> datasets.load_diabetes().X.shape
    (442, 10)
    """
    text = _core.embedded("diabetes").decode("utf-8")
    header, _, body = text.partition("\n")
    values = np.loadtxt(io.StringIO(body), delimiter=",")
    return Table(
        X=np.asfortranarray(values[:, 1:]),
        y=values[:, 0].copy(),
        feature_names=tuple(name.strip() for name in header.split(",")[1:]),
        description="disease progression one year after baseline",
    )


def load_phishing() -> Table:
    """Return the phishing web sites of Mohammad and McCluskey (2015, CC BY 4.0): 1 is legitimate, 0 a trap.

    Returns
    -------
    Table

    Examples
    --------
    >>> from bilevel import datasets
    >>> datasets.load_phishing().X.shape
    (11055, 68)
    """
    from sklearn.datasets import load_svmlight_file

    file = io.BytesIO(lzma.decompress(_core.embedded("phishing")))
    X, y = load_svmlight_file(file, n_features=68, zero_based=False)
    return Table(
        X=sparse.csc_array(X),
        y=y,
        feature_names=tuple(str(j) for j in range(1, 69)),
        description="binary features of web sites, legitimate (1) or phishing (0)",
    )


def _linear_model(
    n_samples: int,
    n_features: int,
    n_informative: int,
    noise: float,
    classes: bool,
    seed: int,
    density: float | None = None,
    exponent: float | None = None,
) -> Synthetic:
    shape = (_count("n_samples", n_samples), _count("n_features", n_features))
    share = None if density is None else _real("density", density)
    _room(*shape, 1.0 if share is None else share)
    generated = _core.generate_linear_model(
        *shape,
        _count("n_informative", n_informative),
        noise=_real("noise" if classes else "snr", noise),
        classes=classes,
        density=share,
        exponent=None if exponent is None else _real("exponent", exponent),
        seed=_count("seed", seed),
    )
    return Synthetic(*_assemble(generated, shape))


def _count(name: str, value: Any) -> int:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"setting `{name}`: found {value!r}; expected a whole number")
    if not 0 <= value < 2**63:
        raise ValueError(f"setting `{name}`: found {value}; expected a whole number from 0 to 2^63 - 1")
    return int(value)


def _real(name: str, value: Any) -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"setting `{name}`: found {value!r}; expected a number")
    return float(value)


def _room(n_samples: int, n_features: int, density: float = 1.0) -> None:
    """Raise MemoryError, as NumPy does, where the data would not fit."""
    entries = int(n_samples * n_features * max(0.0, min(density, 1.0))) if density == density else 0
    wanted = 8 * (entries + n_samples + n_features)
    if wanted >= 2**62:
        raise MemoryError(f"data of {n_samples} samples and {n_features} features do not fit into memory")
    np.empty(wanted, dtype=np.uint8)


def _assemble(
    generated: tuple[NDArray[np.int64], NDArray[np.int32], Floats, Floats, Floats], shape: tuple[int, int]
) -> tuple[Any, Floats, Floats]:
    starts, rows, values, y, coef = generated
    if len(starts) == 0:
        return values.reshape(shape, order="F"), y, coef
    narrow = len(values) <= np.iinfo(np.int32).max
    starts = starts.astype(np.int32 if narrow else np.int64)
    return sparse.csc_array((values, rows, starts), shape=shape), y, coef
