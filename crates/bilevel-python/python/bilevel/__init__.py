"""Learn the regularization of models from data, by calculus.

The estimators follow scikit-learn: ``SparseRegressor``, ``SparseClassifier`` and ``RidgeRegressor`` learn how
strongly to penalize, for all features together or for each of them, while they fit. ``solve`` fits for a
given penalty.

scikit-learn is imported when an estimator is first asked for, so that ``import bilevel`` is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from bilevel._core import __version__

if TYPE_CHECKING:
    from bilevel._classifier import SparseClassifier
    from bilevel._regressor import SparseRegressor
    from bilevel._results import Certificate, CriterionCurve, OuterStep
    from bilevel._ridge import RidgeRegressor
    from bilevel._solve import Solution, solve

__all__ = [
    "Certificate",
    "CriterionCurve",
    "OuterStep",
    "RidgeRegressor",
    "Solution",
    "SparseClassifier",
    "SparseRegressor",
    "__version__",
    "solve",
]

_HOMES = {
    "Certificate": "_results",
    "CriterionCurve": "_results",
    "OuterStep": "_results",
    "RidgeRegressor": "_ridge",
    "Solution": "_solve",
    "SparseClassifier": "_classifier",
    "SparseRegressor": "_regressor",
    "solve": "_solve",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'bilevel' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"bilevel.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
