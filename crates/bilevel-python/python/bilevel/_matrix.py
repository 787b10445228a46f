"""Arrays as design matrices: Fortran order and CSC are read where they lie, others copied once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from scipy import sparse

from bilevel._core import Matrix

#: Storage types of the core: what scikit-learn's ``check_array`` is asked for.
STORAGE = [np.float64, np.float32]


@contextmanager
def numbers_fit() -> Iterator[None]:
    """Turn the error of a whole number that no float holds into a ValueError; around conversions only."""
    try:
        yield
    except OverflowError as error:
        raise ValueError(f"found a number that is too large ({error}); expected one that fits") from error


def refuse_corrupt(array: Any, *, for_product: bool = False) -> Any:
    """Return what is passed, unless it is a sparse matrix whose indices lead out of its memory.

    SciPy does not look before it converts or multiplies such a matrix, and crashes. The row indices of CSC
    are left to the core, which looks at them anyway, unless it is SciPy that will multiply.

    Raises
    ------
    ValueError
        If the indices make no sense.
    """
    if not sparse.issparse(array):
        return array
    if array.format == "coo":
        for axis, (numbers, size) in enumerate(zip(array.coords, array.shape, strict=True)):
            _refuse_outside(numbers, size, f"index along axis {axis}")
    elif array.format in ("csr", "csc", "bsr"):
        rows, columns = array.shape
        if array.format == "bsr":
            rows, columns = rows // array.blocksize[0], columns // array.blocksize[1]
        major, minor = (columns, rows) if array.format == "csc" else (rows, columns)
        starts, indices = array.indptr, array.indices
        stored = min(len(indices), len(array.data))
        rising = starts.ndim == 1 and len(starts) == major + 1 and bool((np.diff(starts) >= 0).all())
        if not rising or starts[0] != 0 or starts[-1] > stored:
            raise ValueError(
                f"sparse design matrix: found `indptr` that does not fit; expected {major + 1} numbers that "
                f"rise from 0 to at most {stored}"
            )
        if array.format != "csc" or for_product:
            _refuse_outside(indices[: starts[-1]], minor, "index")
    return array


def _refuse_outside(numbers: Any, size: int, what: str) -> None:
    if len(numbers) and not (numbers.min() >= 0 and numbers.max() < size):
        wrong = numbers[(numbers < 0) | (numbers >= size)][0]
        raise ValueError(f"sparse design matrix: found {what} {wrong}; expected one from 0 to {size - 1}")


def to_matrix(array: Any, names: Any = None) -> Matrix:
    """A checked array (float64 or float32; dense, or sparse in CSC format) as a design matrix.

    Raises
    ------
    ValueError
        If a value is NaN or infinite.
    """
    with _places_from_zero(names):
        return _sparse(array) if sparse.issparse(array) else _dense(array)


@contextmanager
def _places_from_zero(names: Any) -> Iterator[None]:
    """The core counts rows and columns from 1, as in files; errors in Python count from 0, as arrays do."""
    try:
        yield
    except ValueError as error:
        place = re.fullmatch(r"(.*), row (\d+), column (\d+): (found (.*); expected .*)", str(error))
        if place is None:
            raise
        row, column = int(place[2]) - 1, int(place[3]) - 1
        name = "" if names is None else f" ({str(names[column])!r})"
        hint = "; impute missing values first" if place[5] == "NaN" else ""
        raise ValueError(
            f"{place[1]}, row {row}, column {column}{name}, counted from 0: {place[4]}{hint}"
        ) from None


def _dense(array: Any) -> Matrix:
    if not (array.flags.f_contiguous and array.flags.aligned):
        array = np.array(array, order="F")
    return Matrix.dense(array)


def _sparse(array: Any) -> Matrix:
    if array.shape[0] > np.iinfo(np.int32).max or array.nnz > np.iinfo(np.int32).max:
        raise ValueError(
            f"sparse design matrix: found {array.shape[0]} rows and {array.nnz} stored values; "
            "expected at most 2147483647 of either"
        )
    if not array.has_canonical_format:
        array = array.copy()
        array.sum_duplicates()
    starts, rows = (np.ascontiguousarray(part, dtype=np.int32) for part in (array.indptr, array.indices))
    # SciPy allows arrays that are longer than what is in use.
    stored = int(starts[-1])
    return Matrix.sparse(array.shape[0], starts, rows[:stored], np.ascontiguousarray(array.data[:stored]))


def group_numbers(labels: Any, n_features: int) -> list[int]:
    """The group of each feature as a number from 0, in the order of the sorted labels."""
    labels = np.asarray(labels)
    if labels.shape != (n_features,):
        raise ValueError(
            f"setting `feature_groups`: found an array of shape {labels.shape}; "
            f"expected a label for each of {n_features} features"
        )
    numbers: list[int] = np.unique(labels, return_inverse=True)[1].tolist()
    return numbers
