"""Arrays as design matrices: Fortran order and CSC are read where they lie, others copied once."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from bilevel._core import Matrix

#: Storage types of the core: what scikit-learn's ``check_array`` is asked for.
STORAGE = [np.float64, np.float32]


def to_matrix(array: Any) -> Matrix:
    """A checked array (float64 or float32; dense, or sparse in CSC format) as a design matrix.

    Raises
    ------
    ValueError
        If a value is NaN or infinite.
    """
    if sparse.issparse(array):
        return _sparse(array)
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
