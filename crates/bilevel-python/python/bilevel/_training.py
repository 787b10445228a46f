"""What the functions of a training problem check alike: matrix, target, weights, groups."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.validation import (
    _check_sample_weight,
    _get_feature_names,
    check_array,
    check_consistent_length,
    column_or_1d,
)

from bilevel._core import Matrix
from bilevel._matrix import STORAGE, group_numbers, numbers_fit, refuse_corrupt, to_matrix

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Training:
    """Checked input of a training problem, in the core's terms."""

    matrix: Matrix
    names: Any
    n_samples: int
    n_features: int
    is_sparse: bool
    target: Floats
    classes: bool
    sample_weight: Floats | None
    groups: list[int] | None
    group_penalty: bool

    @property
    def n_blocks(self) -> int:
        """Number of weights of the penalty: one for each feature, or for each group."""
        if self.group_penalty and self.groups is not None:
            return max(self.groups) + 1
        return self.n_features

    def shares(self) -> Floats:
        """Sample weights that sum to 1."""
        weights = np.ones(self.n_samples) if self.sample_weight is None else self.sample_weight
        shares: Floats = weights / weights.sum()
        return shares

    @numbers_fit()
    def block_values(self, name: str, values: Any, default: float | None = None) -> Floats:
        """A number for each block of the penalty, from one for all or one for each."""
        numbers = np.asarray(default if values is None else values, dtype=np.float64)
        if numbers.shape not in ((), (self.n_blocks,)):
            kind = "group" if self.group_penalty else "feature"
            raise ValueError(
                f"{name}: found an array of shape {numbers.shape}; "
                f"expected a number or one for each of {self.n_blocks} {kind}s"
            )
        wrong = np.isnan(numbers) | (numbers < 0.0)
        if wrong.any():
            raise ValueError(f"{name}: found {numbers[wrong].flat[0]}; expected numbers of at least 0")
        return np.ascontiguousarray(np.broadcast_to(numbers, (self.n_blocks,)))


@numbers_fit()
def training(X: Any, y: Any, *, loss: str, penalty: str, feature_groups: Any, sample_weight: Any) -> Training:
    """Check the input of a training problem."""
    one_of("loss", loss, ("squared", "logistic"))
    one_of("penalty", penalty, ("l1", "elasticnet", "group"))
    names = _get_feature_names(X)
    X = check_array(refuse_corrupt(X), accept_sparse="csc", dtype=STORAGE, order="F", ensure_all_finite=False)
    classes = loss == "logistic"
    target = _signs(column_or_1d(y)) if classes else _numbers(y)
    check_consistent_length(X, target)
    if sample_weight is not None:
        sample_weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        if not sample_weight.sum() > 0.0:
            raise ValueError("sample_weight: found no positive weight; expected at least one")
    if penalty == "group" and feature_groups is None:
        raise ValueError("setting `feature_groups`: found None; expected a label for each feature")
    return Training(
        matrix=to_matrix(X, names),
        names=names,
        n_samples=X.shape[0],
        n_features=X.shape[1],
        is_sparse=bool(sparse.issparse(X)),
        target=target,
        classes=classes,
        sample_weight=sample_weight,
        groups=None if feature_groups is None else group_numbers(feature_groups, X.shape[1]),
        group_penalty=penalty == "group",
    )


def one_of(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    """Refuse a value that is not one of those allowed."""
    if not isinstance(value, str) or value not in allowed:
        listed = ", ".join(repr(word) for word in allowed)
        raise ValueError(f"setting `{name}`: found {value!r}; expected one of {listed}")


def in_range(name: str, value: Any, low: float, high: float, expected: str) -> float:
    """The value as a float, if it is a number with low < value <= high, or low itself where that is 0."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"setting `{name}`: found {value!r}; expected {expected}")
    if not low <= value <= high:
        raise ValueError(f"setting `{name}`: found {value!r}; expected {expected}")
    return float(value)


def ridge_parameter(l2: Any) -> float:
    """The ridge parameter, if it is one."""
    return in_range("l2", l2, 0.0, sys.float_info.max, "a finite number of at least 0")


def tolerance(tol: Any) -> float:
    """The relative duality gap to reach, if it can be one."""
    return in_range("tol", tol, sys.float_info.min, 1e-2, "a positive relative gap of at most 0.01")


def _numbers(y: Any) -> Floats:
    y = check_array(y, ensure_2d=False, dtype=np.float64, ensure_all_finite=False, input_name="y")
    return np.ascontiguousarray(column_or_1d(y))


def _signs(y: NDArray[Any]) -> Floats:
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise ValueError("target: found a value that is not finite; expected 2 classes")
    labels = np.unique(y)
    if len(labels) != 2:
        raise ValueError(f"target: found {len(labels)} classes; expected 2")
    signs: Floats = np.where(y == labels[1], 1.0, -1.0)
    return signs
