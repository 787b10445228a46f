"""Learn the regularization of models from data, by calculus.

The estimators follow scikit-learn: ``SparseRegressor``, ``SparseClassifier``, ``RidgeRegressor`` and
``RidgeClassifier`` learn how strongly to penalize, for all features together or for each of them, while they
fit.

The pieces: ``solve`` and ``path`` fit for given penalties; a ``Problem`` is the objective of the upper
level, with ``hypergradient`` and ``certificate``, or a ``SmoothProblem``, from functions that you write with
NumPy, JAX or PyTorch; ``minimize`` runs the outer methods on them, or on any function. ``clean`` weighs
training samples of which some are wrong. ``bilevel.inverse`` restores images and signals.
``bilevel.datasets`` has data to try them on, ``bilevel.plot`` pictures.

scikit-learn is imported when an estimator is first asked for, so that ``import bilevel`` is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from bilevel._core import __version__

if TYPE_CHECKING:
    from bilevel import datasets, inverse, plot
    from bilevel._classifier import SparseClassifier
    from bilevel._clean import Cleaning, clean
    from bilevel._functions import Lower, Upper
    from bilevel._minimize import MinimizeResult, MinimizeStep, minimize
    from bilevel._path import Path, path
    from bilevel._problem import Problem, certificate, hypergradient
    from bilevel._problem_results import Hypergradient, PointCertificate, Slopes
    from bilevel._regressor import SparseRegressor
    from bilevel._results import Certificate, CriterionCurve, OuterStep, RangeCertificate
    from bilevel._ridge import RidgeRegressor
    from bilevel._ridge_classifier import RidgeClassifier
    from bilevel._smooth import SmoothProblem
    from bilevel._smooth_results import Mismatch, SmoothHypergradient, SmoothSolution
    from bilevel._solve import Solution, solve
    from bilevel._stages import Stage

__all__ = [
    "Certificate",
    "Cleaning",
    "CriterionCurve",
    "Hypergradient",
    "Lower",
    "MinimizeResult",
    "MinimizeStep",
    "Mismatch",
    "OuterStep",
    "Path",
    "PointCertificate",
    "Problem",
    "RangeCertificate",
    "RidgeClassifier",
    "RidgeRegressor",
    "Slopes",
    "SmoothHypergradient",
    "SmoothProblem",
    "SmoothSolution",
    "Solution",
    "SparseClassifier",
    "SparseRegressor",
    "Stage",
    "Upper",
    "__version__",
    "certificate",
    "clean",
    "datasets",
    "hypergradient",
    "inverse",
    "minimize",
    "path",
    "plot",
    "solve",
]

_HOMES = {
    "Certificate": "_results",
    "Cleaning": "_clean",
    "CriterionCurve": "_results",
    "Hypergradient": "_problem_results",
    "Lower": "_functions",
    "MinimizeResult": "_minimize",
    "MinimizeStep": "_minimize",
    "Mismatch": "_smooth_results",
    "OuterStep": "_results",
    "Path": "_path",
    "PointCertificate": "_problem_results",
    "Problem": "_problem",
    "RangeCertificate": "_results",
    "Slopes": "_problem_results",
    "RidgeClassifier": "_ridge_classifier",
    "RidgeRegressor": "_ridge",
    "SmoothHypergradient": "_smooth_results",
    "SmoothProblem": "_smooth",
    "SmoothSolution": "_smooth_results",
    "Solution": "_solve",
    "SparseClassifier": "_classifier",
    "SparseRegressor": "_regressor",
    "Stage": "_stages",
    "Upper": "_functions",
    "certificate": "_problem",
    "clean": "_clean",
    "hypergradient": "_problem",
    "minimize": "_minimize",
    "path": "_path",
    "solve": "_solve",
}

_MODULES = ("datasets", "inverse", "plot")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"bilevel.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'bilevel' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"bilevel.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
