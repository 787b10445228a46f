"""One fitted model as pictures, reports and notebooks show it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bilevel._results import Certificate, CriterionCurve, OuterStep, number

CRITERIA = {
    "squared": "½ mean squared validation error",
    "logistic": "validation log-loss",
    "pseudo-huber": "validation pseudo-Huber loss",
}


@dataclass(frozen=True)
class View:
    """What can be shown of a model for one target.

    Attributes
    ----------
    one_lambda : float or None
        λ, where there is one for all features.
    weights : ndarray of shape (n_features,)
        The weight of each feature; infinite where it is excluded.
    kind : str
        ``scalar``, ``adaptive``, ``group`` or ``feature``.
    steepest : float or None
        How steeply a hyperparameter, changed alone, still lowers the criterion; ``None`` if not known.
    """

    coef: NDArray[np.float64]
    weights: NDArray[np.float64]
    one_lambda: float | None
    kind: str
    value: float
    standard_error: float
    criterion_name: str
    curve: CriterionCurve
    certificate: Certificate
    steepest: float | None
    history: list[OuterStep]
    names: list[str]

    @property
    def n_kept(self) -> int:
        """Features with a nonzero coefficient."""
        return int(np.count_nonzero(self.coef))


def position(model: Any, which: Any) -> int:
    """Which of the model's fits shows the class ``which``."""
    from sklearn.utils.validation import check_is_fitted

    if hasattr(model, "fit"):
        check_is_fitted(model)
    if not hasattr(model, "_fits"):
        raise TypeError(
            f"model: found {type(model).__name__}; expected a fitted estimator of bilevel "
            "(of a pipeline, its step: `pipeline[-1]`)"
        )
    n_fits = len(model._fits)
    if n_fits == 1:
        if which is not None and which not in list(getattr(model, "classes_", [])):
            raise ValueError(f"which: found {which!r}; expected None, since there is one model only")
        return 0
    classes = list(model.classes_)
    if which is None or which not in classes:
        listed = ", ".join(str(label) for label in classes)
        raise ValueError(
            f"which: found {which!r}; expected one of the {n_fits} classes that have a model each: {listed}"
        )
    return classes.index(which)


def one_class(model: Any, which: Any) -> tuple[Any, str | None]:
    """The class to show, the first if none is asked for, and a title; both None where there is one model."""
    if len(getattr(model, "_fits", [])) < 2:
        return which, None
    classes = list(model.classes_)
    if which is not None:
        return which, f"class {which} against the rest"
    return classes[0], f"class {classes[0]} against the rest (which= shows another of {len(classes)})"


def view(model: Any, which: Any = None) -> View:
    """The model, or that of the class ``which``, as it is shown; a view stays what it is."""
    if isinstance(model, View):
        return model
    chosen = position(model, which)
    fit = model._fits[chosen]
    record = json.loads(fit.record)
    weights, criterion = record["weights"], record["criterion"]
    names = getattr(model, "feature_names_in_", None)
    # Of a multinomial model the size over the classes: zero where it is zero in all of them.
    coef = fit.coef if fit.coef.ndim == 1 else np.linalg.norm(fit.coef, axis=0)
    return View(
        coef=coef,
        weights=fit.feature_weights,
        one_lambda=None if weights["lambda"] is None else float(weights["lambda"]),
        kind=str(weights["kind"]),
        value=float(criterion["value"]),
        standard_error=number(criterion["standard_error"]),
        criterion_name=CRITERIA.get(record["loss"], str(criterion["name"])),
        curve=CriterionCurve._from_record(record["curve"]),
        certificate=Certificate._from_record(record["certificate"]),
        steepest=_steepest(record["certificate"]["verdict"]),
        history=[OuterStep._from_record(step) for step in record["trace"]],
        names=[str(j) for j in range(len(coef))] if names is None else [str(name) for name in names],
    )


def _steepest(verdict: dict[str, Any]) -> float | None:
    slopes: dict[str, float | None] = {
        "stationary": 0.0,
        "within": verdict.get("epsilon"),
        "descends": None if verdict.get("slope") is None else abs(verdict["slope"]),
    }
    return slopes.get(verdict["kind"])


def path_names(path: Any, feature_names: Any) -> Any:
    """Names of the features of a path: those given, else those of the table that it was computed on."""
    return getattr(path, "feature_names", None) if feature_names is None else feature_names


def path_arrays(
    lambdas: Any, coefs: Any
) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.float64]]:
    """λ, the features that are ever nonzero, and their coefficients, a row each."""
    if coefs is None:
        if not (hasattr(lambdas, "lambdas") and hasattr(lambdas, "coefs")):
            raise TypeError(
                f"path: found {type(lambdas).__name__} without `coefs`; expected the result of bilevel.path, "
                "or values of λ and a column of coefficients for each"
            )
        lambdas, coefs = lambdas.lambdas, lambdas.coefs
    values = np.asarray(lambdas, dtype=np.float64)
    if not hasattr(coefs, "tocsr"):
        coefs = np.asarray(coefs, dtype=np.float64)
    if values.ndim != 1 or coefs.ndim != 2 or coefs.shape[1] != len(values) or len(values) == 0:
        raise ValueError(
            f"path: found λ of shape {values.shape} and coefficients of shape {coefs.shape}; "
            "expected a column of coefficients for each λ"
        )
    if not (values > 0).all():
        raise ValueError(
            f"path: found λ = {values.min():g}; expected positive values, for a logarithmic axis"
        )
    # Sparse coefficients of a million features have few rows that are not empty.
    features = np.flatnonzero(np.asarray((coefs != 0).sum(axis=1)).ravel())
    rows = coefs.tocsr()[features].toarray() if hasattr(coefs, "tocsr") else coefs[features]
    return values, features, np.asarray(rows, dtype=np.float64)
