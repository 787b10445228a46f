"""What the estimators share: their settings, and the way from checked arrays to a fit of the core."""

from __future__ import annotations

import json
import warnings
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import _check_sample_weight

from bilevel import _core
from bilevel._matrix import group_numbers, numbers_fit, to_matrix
from bilevel._results import Certificate, CriterionCurve, OuterStep
from bilevel._shown import Shown
from bilevel._splits import row_splits
from bilevel._stages import Stage
from bilevel._watch import watch

PENALTIES = {"l1": "l1", "elasticnet": "elastic-net", "group": "group-l1"}
WEIGHTS = ("auto", "scalar", "adaptive", "group", "feature")
OUTER = ("auto", "scalar", "ntrba", "nba", "lbfgs", "gauss-newton", "grid")
POLICIES = ("self-consistent", "descent-aligned", "null", "all")


def one_of(name: str, value: Any, allowed: Any) -> Any:
    """The value, if it is one of those allowed."""
    if not isinstance(value, str) or value not in allowed:
        listed = ", ".join(repr(word) for word in allowed)
        raise ValueError(f"setting `{name}`: found {value!r}; expected one of {listed}")
    return value


def a_number(name: str, value: Any, *, whole: bool = False) -> Any:
    """The value as a plain number, if it is one."""
    kinds = (int, np.integer) if whole else (int, float, np.integer, np.floating)
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, kinds):
        wanted = "a whole number" if whole else "a number"
        raise ValueError(f"setting `{name}`: found {value!r}; expected {wanted}")
    if not whole and not np.isfinite(value):
        raise ValueError(f"setting `{name}`: found {value!r}; expected a finite number")
    if whole and abs(int(value)) >= 2**63:
        raise ValueError(f"setting `{name}`: found {value!r}; expected a number below 2**63")
    return int(value) if whole else float(value)


def threads(n_jobs: int | None) -> int | None:
    """Threads of a fit; ``None`` is all cores, but one in a worker of joblib: its siblings use the rest."""
    if n_jobs is None:
        backend, _ = joblib.parallel.get_active_backend()
        return 1 if (backend.nesting_level or 0) > 0 else None
    return int(joblib.effective_n_jobs(n_jobs))


class LearnedModel(Shown, BaseEstimator):  # type: ignore[misc]
    """Parameters of all estimators, and the fit that they share."""

    def __init__(
        self,
        *,
        weights: str,
        criterion: Any,
        cv: Any,
        validation_fraction: float,
        feature_groups: Any,
        standardize: bool,
        fit_intercept: bool,
        outer: str,
        grid: Any,
        max_outer: int,
        tol: float,
        time_limit: float | None,
        n_jobs: int | None,
        random_state: Any,
        callback: Any,
        verbose: bool | int,
    ) -> None:
        self.weights = weights
        self.criterion = criterion
        self.cv = cv
        self.validation_fraction = validation_fraction
        self.feature_groups = feature_groups
        self.standardize = standardize
        self.fit_intercept = fit_intercept
        self.outer = outer
        self.grid = grid
        self.max_outer = max_outer
        self.tol = tol
        self.time_limit = time_limit
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.callback = callback
        self.verbose = verbose

    def _penalty_settings(self) -> dict[str, Any]:
        """Those settings of the core that say what is penalized, and with how many weights."""
        raise NotImplementedError

    def _loss_settings(self) -> dict[str, Any]:
        """Those settings of the core that a loss has beside its name."""
        return {}

    def _fewer_weights(self) -> str:
        """What ``weights`` may be if there are too many hyperparameters to search."""
        return "scalar"

    @numbers_fit()
    def _settings(self, loss: str) -> str:
        """The settings of the core."""
        settings: dict[str, Any] = {
            "loss": loss,
            **self._loss_settings(),
            **self._penalty_settings(),
            "outer": one_of("outer", self.outer, OUTER),
            "standardize": bool(self.standardize),
            "intercept": bool(self.fit_intercept),
            "max_outer": a_number("max_outer", self.max_outer, whole=True),
            "tolerance": a_number("tol", self.tol),
            "time_limit": None
            if self.time_limit in (None, np.inf)
            else a_number("time_limit", self.time_limit),
            "threads": threads(self.n_jobs),
        }
        if self.grid is not None:
            settings["grid"] = [float(point) for point in np.asarray(self.grid, dtype=float).ravel()]
        if settings["max_outer"] < 0:
            raise ValueError(f"setting `max_outer`: found {self.max_outer}; expected at least 1 outer step")
        return json.dumps(settings)

    def _search(
        self,
        X: Any,
        y: Any,
        targets: list[NDArray[np.float64]],
        sample_weight: Any,
        groups: Any,
        *,
        loss: str,
        n_classes: int | None = None,
    ) -> list[_core.Fit | _core.MultinomialFit]:
        """One fit for each target; they share the matrix and the splits.

        Targets are real or, with the logistic loss, -1 and +1; with ``n_classes``, class numbers of a
        multinomial model.
        """
        settings = self._settings(loss)
        labels = self.feature_groups
        for name in ("penalty", "weights"):
            if labels is None and getattr(self, name, None) == "group":
                raise ValueError(
                    "setting `feature_groups`: found None; expected a label for each feature, "
                    f'which {name}="group" needs'
                )
        feature_groups = None if labels is None else group_numbers(labels, X.shape[1])
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        names = getattr(self, "feature_names_in_", None)
        matrix = to_matrix(X, names)
        splits = row_splits(
            self.criterion,
            X,
            y,
            groups,
            cv=self.cv,
            validation_fraction=self.validation_fraction,
            classifier=loss == "logistic",
            random_state=self.random_state,
        )
        fits: list[_core.Fit | _core.MultinomialFit] = []
        for number, target in enumerate(targets):
            label = type(self).__name__ + (f" {number + 1}/{len(targets)}" if len(targets) > 1 else "")
            with watch(self.callback, self.verbose, label) as watcher:
                watched = self.callback is not None or watcher.progress is not None
                rest: dict[str, Any] = {
                    "groups": feature_groups,
                    "feature_names": None if names is None else [str(name) for name in names],
                    "sample_weight": sample_weight,
                    "splits": splits,
                    "watcher": watcher if watched else None,
                }
                if n_classes is not None:
                    fits.append(_core.fit_multinomial(matrix, target, settings, n_classes=n_classes, **rest))
                else:
                    fits.append(_core.fit(matrix, target, settings, classes=loss == "logistic", **rest))
            if watcher.stopped:
                break
        return fits


class SparseModel(LearnedModel):
    """Parameters of the sparse estimators."""

    def __init__(
        self,
        penalty: str = "l1",
        *,
        weights: str = "auto",
        criterion: Any = "cv",
        cv: Any = 5,
        validation_fraction: float = 0.25,
        feature_groups: Any = None,
        l2: float | None = None,
        standardize: bool = False,
        fit_intercept: bool = True,
        outer: str = "auto",
        policy: str = "self-consistent",
        grid: Any = None,
        max_outer: int = 60,
        tol: float = 1e-10,
        certify: float | None = None,
        time_limit: float | None = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        callback: Any = None,
        verbose: bool | int = False,
    ) -> None:
        super().__init__(
            weights=weights,
            criterion=criterion,
            cv=cv,
            validation_fraction=validation_fraction,
            feature_groups=feature_groups,
            standardize=standardize,
            fit_intercept=fit_intercept,
            outer=outer,
            grid=grid,
            max_outer=max_outer,
            tol=tol,
            time_limit=time_limit,
            n_jobs=n_jobs,
            random_state=random_state,
            callback=callback,
            verbose=verbose,
        )
        self.penalty = penalty
        self.l2 = l2
        self.policy = policy
        self.certify = certify

    def _penalty_settings(self) -> dict[str, Any]:
        return {
            "penalty": PENALTIES[one_of("penalty", self.penalty, PENALTIES)],
            "weights": one_of("weights", self.weights, WEIGHTS),
            "policy": one_of("policy", self.policy, POLICIES),
            "l2": None if self.l2 is None else a_number("l2", self.l2),
            "certify": None if self.certify is None else a_number("certify", self.certify),
        }

    def _fewer_weights(self) -> str:
        return "adaptive"


class Told:
    """The record of one fit, in Python's terms."""

    def __init__(self, fit: _core.Fit | _core.MultinomialFit) -> None:
        record = json.loads(fit.record)
        weights = record["weights"]
        self.coef = fit.coef
        self.intercept: float | NDArray[np.float64] = fit.intercept
        self.feature_weights = fit.feature_weights
        self.lambda_: float | NDArray[np.float64] = (
            fit.feature_weights if weights["lambda"] is None else float(weights["lambda"])
        )
        self.l2 = float(weights["ridge"])
        self.delta = None if record.get("delta") is None else float(record["delta"])
        self.criterion_value = float(record["criterion"]["value"])
        self.criterion_curve = CriterionCurve._from_record(record["curve"])
        self.certificate = Certificate._from_record(record["certificate"])
        self.history = [OuterStep._from_record(step) for step in record["trace"]]
        self.n_steps = int(record["outer"]["steps"])
        self.stages = [Stage._from_record(stage) for stage in record["stages"]]
        (self.stage,) = (stage for stage in self.stages if stage.kept)
        # Of the stage that was kept: another one that was cut short is no part of the answer.
        self.stop_reason = str(record["outer"]["stop_reason"])

    def warn(self, estimator: LearnedModel, label: str | None = None) -> None:
        """Warns of an answer whose search was cut short by a limit; with the class that it is for."""
        if self.stop_reason not in ("max-steps", "time-limit"):
            return
        by_steps = self.stop_reason == "max-steps"
        steps, seconds = estimator.max_outer, estimator.time_limit
        took = f"all max_outer={steps} outer steps" if by_steps else f"time_limit={seconds} seconds"
        advice = f"Try max_outer={max(200, 4 * steps)}" if by_steps else "Raise time_limit"
        fewer = estimator._fewer_weights()
        if self.stage.n_parameters > 2 and fewer != estimator.weights:
            advice += f', or weights="{fewer}", which has fewer hyperparameters'
        warnings.warn(
            f"{'' if label is None else f'Class {label}: '}The search over hyperparameters "
            f'(stage "{self.stage.name}") took {took} and did not converge (hypergradient norm '
            f"{self.certificate.hypergradient_norm:.1e}); the best point so far is returned. {advice}.",
            ConvergenceWarning,
            stacklevel=3,
        )
