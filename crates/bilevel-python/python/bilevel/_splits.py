"""Which rows train and which validate: scikit-learn's words for it, as pairs of row indices."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    ShuffleSplit,
    StratifiedShuffleSplit,
    check_cv,
)

Rows = NDArray[np.int64]


def row_splits(
    criterion: Any,
    X: Any,
    y: Any,
    groups: Any,
    *,
    cv: Any,
    validation_fraction: float,
    classifier: bool,
    random_state: Any,
) -> list[tuple[Rows, Rows]]:
    """The (training, validation) rows that a criterion asks for."""
    refuse_class("criterion", criterion)
    refuse_class("cv", cv)
    if isinstance(criterion, str):
        if criterion == "holdout":
            splitter = _holdout(validation_fraction, groups, classifier, random_state)
        elif criterion == "cv":
            splitter = _folds(cv, y, groups, classifier)
        else:
            raise ValueError(
                f"setting `criterion`: found {criterion!r}; expected 'cv', 'holdout', a splitter, "
                "or (training, validation) rows"
            )
    elif _is_pair(criterion):
        splitter = check_cv([criterion])
    else:
        splitter = check_cv(criterion, y, classifier=classifier)
    n = X.shape[0]
    if sparse.issparse(X):
        # A splitter would make it CSR, to no use: it reads the number of rows.
        X = np.broadcast_to(0.0, (n, 1))
    splits = [(_rows(train, n), _rows(test, n)) for train, test in splitter.split(X, y, groups)]
    if not splits:
        raise ValueError("setting `criterion`: found no splits; expected at least one")
    return splits


def refuse_class(name: str, splitter: Any) -> None:
    """Refuse a splitter's class where an object of it is meant."""
    if isinstance(splitter, type):
        kind = splitter.__name__
        raise TypeError(f"setting `{name}`: found the class {kind}; expected an object of it, {kind}(...)")


def _folds(cv: Any, y: Any, groups: Any, classifier: bool) -> Any:
    if _is_pair(cv):
        return check_cv([cv])
    if groups is not None and isinstance(cv, (int, np.integer)):
        # Rows of one group belong together: that is what groups are given for.
        return GroupKFold(int(cv))
    return check_cv(cv, y, classifier=classifier)


def _holdout(fraction: float, groups: Any, classifier: bool, random_state: Any) -> Any:
    ungrouped = StratifiedShuffleSplit if classifier else ShuffleSplit
    kind = ungrouped if groups is None else GroupShuffleSplit
    return kind(n_splits=1, test_size=fraction, random_state=random_state)


def _is_pair(value: Any) -> bool:
    """Whether it is one (training, validation) pair of rows, and not a list of such pairs."""
    return isinstance(value, (tuple, list)) and len(value) == 2 and all(_are_rows(part) for part in value)


def _are_rows(value: Any) -> bool:
    try:
        array = np.asarray(value)
    except ValueError:  # a ragged list: a pair of unequal parts
        return False
    return array.ndim == 1 and (array.size == 0 or array.dtype.kind in "iub")


def _rows(rows: Any, n: int) -> Rows:
    """Row numbers, from numbers (also negative ones, counted from the end) or from a mask."""
    rows = np.asarray(rows)
    if rows.dtype == bool:
        if len(rows) != n:
            raise ValueError(f"rows of a split: found a mask of {len(rows)}; expected one of {n}")
        return np.flatnonzero(rows)
    if rows.size == 0:
        return np.empty(0, dtype=np.int64)
    if rows.dtype.kind not in "iu":
        raise ValueError(
            f"rows of a split: found values of type {rows.dtype}; expected row numbers or a mask"
        )
    numbers: Rows = rows.astype(np.int64)
    wrong = (numbers < -n) | (numbers >= n)
    if wrong.any():
        raise ValueError(f"rows of a split: found row {numbers[wrong][0]}; expected rows below {n}")
    return np.where(numbers < 0, numbers + n, numbers)
