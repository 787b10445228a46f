"""The data sets: files of a folder that the user names, sets that come with bilevel, and generated ones.

Each is kept as one `.npz` file, so that every program reads the same numbers: dense in Fortran order, or CSC
with int32 indices. Sets that are more than 30 % full are dense.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

OPENERS = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
DENSE_ABOVE = 0.3


@dataclass(frozen=True, eq=False)
class DataSet:
    """A design with a target for each loss."""

    name: str
    x: Any
    y: np.ndarray

    def target(self, loss: str) -> np.ndarray:
        """The target as the loss wants it: centred, or -1 and +1 for the larger of two labels (or halves)."""
        if loss == "squared":
            return self.y - self.y.mean()
        labels = np.unique(self.y)
        return np.where(self.y > (labels[0] if len(labels) == 2 else np.median(self.y)), 1.0, -1.0)

    @property
    def is_classes(self) -> bool:
        """Whether the target is a label."""
        return len(np.unique(self.y[:1000])) == 2

    @property
    def shape(self) -> str:
        """Rows by columns, and nonzeros where they are fewer."""
        n, p = self.x.shape
        return f"{n} × {p}" + (f", {self.x.nnz} nonzeros" if sparse.issparse(self.x) else "")


def standardized(x: np.ndarray) -> np.ndarray:
    """Columns of mean 0 and variance 1."""
    scale = x.std(axis=0)
    return (x - x.mean(axis=0)) / np.where(scale > 0, scale, 1.0)


def from_svm(path: Path) -> tuple[Any, np.ndarray]:
    """A LIBSVM file, compressed or not."""
    from sklearn.datasets import load_svmlight_file

    with OPENERS.get(path.suffix, open)(path, "rb") as file:
        return load_svmlight_file(file)


def from_csv(path: Path) -> tuple[Any, np.ndarray]:
    """A table with a header; the target is the column named y, else the last one."""
    with OPENERS.get(path.suffix, open)(path, "rt") as file:
        names = [name.strip().strip('"') for name in file.readline().split(",")]
        table = np.loadtxt(file, delimiter=",")
    at = names.index("y") if "y" in names else len(names) - 1
    return np.delete(table, at, axis=1), table[:, at]


def read_mnist(path: Path) -> tuple[Any, np.ndarray]:
    """Pixels from 0 to 1."""
    x, y = from_svm(path)
    return x / 255.0, y


def read_riboflavin(path: Path) -> tuple[Any, np.ndarray]:
    """Standardized: gene expressions have a mean far from 0."""
    x, y = from_csv(path)
    return standardized(x), y


def read_news20(path: Path) -> tuple[Any, np.ndarray]:
    """The first of the twenty groups against the rest."""
    x, y = from_svm(path)
    return x, np.where(y == 1, 1.0, -1.0)


#: Sets that need a file: its name without what a compressor adds, and how to read it.
FILES: dict[str, tuple[str, Callable[[Path], tuple[Any, np.ndarray]]]] = {
    "leu": ("leu.svm", from_svm),
    "colon-cancer": ("colon-cancer.svm", from_svm),
    "riboflavin": ("riboflavin.csv", read_riboflavin),
    "a9a": ("a9a.svm", from_svm),
    "mnist01": ("mnist01.svm", read_mnist),
    "rcv1sub.binary": ("rcv1sub.binary.svm", from_svm),
    "news20": ("news20.svm", read_news20),
}


def made_sparse(n: int, p: int, density: float, exponent: float | None) -> tuple[Any, np.ndarray]:
    """A sparse linear model with 100 coefficients, signal to noise 3."""
    from bilevel import datasets

    made = datasets.sparse_regression(n, p, 100, density=density, exponent=exponent, snr=3.0)
    return made.X, made.y


def made_dense(n: int, p: int) -> tuple[Any, np.ndarray]:
    """A dense linear model with 100 coefficients, signal to noise 3."""
    from bilevel import datasets

    made = datasets.regression(n, p, 100, snr=3.0)
    return made.X, made.y


def diabetes() -> tuple[Any, np.ndarray]:
    """The set that comes with the command."""
    from bilevel import datasets

    table = datasets.load_diabetes()
    return standardized(table.X), table.y


def phishing() -> tuple[Any, np.ndarray]:
    """The set that comes with the command."""
    from bilevel import datasets

    table = datasets.load_phishing()
    return table.X, table.y


def degenerate() -> tuple[Any, np.ndarray]:
    """The four groups, for one weight per feature."""
    from bilevel import datasets

    made = datasets.degenerate_four_groups(500, 750)
    return made.X, made.y


MADE: dict[str, Callable[[], tuple[Any, np.ndarray]]] = {
    "diabetes": diabetes,
    "phishing": phishing,
    "dense-1000x2000": lambda: made_dense(1_000, 2_000),
    "dense-10000x1000": lambda: made_dense(10_000, 1_000),
    "sparse-1e4x5e4-uniform": lambda: made_sparse(10_000, 50_000, 1e-3, None),
    "sparse-1e4x5e4-zipf": lambda: made_sparse(10_000, 50_000, 1e-3, 1.0),
    "sparse-2e4x1.36e6": lambda: made_sparse(20_000, 1_360_000, 9.1e6 / (2e4 * 1.36e6), 1.0),
    "degenerate-500x750": degenerate,
}
#: The same model with more and more columns, of which as many matter.
GROWTH = [f"growth-{p}" for p in (12_500, 25_000, 50_000, 100_000, 200_000, 400_000)]
MADE |= {name: partial(made_sparse, 10_000, int(name.split("-")[1]), 1e-3, None) for name in GROWTH}


def available(folder: Path | None) -> list[str]:
    """The names of the sets that can be had, in the order of the report."""
    return [name for name in FILES if folder and find(folder, FILES[name][0])] + list(MADE)


def find(folder: Path, file: str) -> Path | None:
    """The file, compressed or not."""
    for ending in ("", *OPENERS):
        if (path := folder / (file + ending)).exists():
            return path
    return None


def prepare(name: str, folder: Path | None, cache: Path) -> Path:
    """Makes or reads the set once; returns where it is kept."""
    kept = cache / f"{name}.npz"
    if kept.exists():
        return kept
    if name in MADE:
        x, y = MADE[name]()
    else:
        file, read = FILES[name]
        path = find(folder, file) if folder else None
        if path is None:
            raise FileNotFoundError(f"{name}: no file {file} (or compressed) in the folder of --data-dir")
        x, y = read(path)
    if sparse.issparse(x) and x.nnz > DENSE_ABOVE * x.shape[0] * x.shape[1]:
        x = x.toarray()
    cache.mkdir(parents=True, exist_ok=True)
    beside = cache / f"{name}.part.npz"
    if sparse.issparse(x):
        x = sparse.csc_array(x)
        x.sort_indices()
        np.savez(beside, y=y, values=x.data, rows=x.indices, starts=x.indptr, shape=x.shape)
    else:
        np.savez(beside, y=y, x=np.asfortranarray(x, dtype=np.float64))
    beside.rename(kept)
    return kept


def load(path: Path) -> DataSet:
    """A set that `prepare` has kept."""
    with np.load(path) as kept:
        y = kept["y"].astype(np.float64)
        if "x" in kept:
            return DataSet(path.stem, np.asfortranarray(kept["x"]), y)
        parts = (kept["values"], kept["rows"].astype(np.int32), kept["starts"].astype(np.int32))
        # celer and skglm look for SciPy's older class
        return DataSet(path.stem, sparse.csc_matrix(parts, shape=tuple(kept["shape"])), y)
