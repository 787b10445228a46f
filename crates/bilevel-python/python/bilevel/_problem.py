"""The bilevel problem itself: Φ(θ), its hypergradient, one-sided slopes and certificate."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from bilevel import _core
from bilevel._functions import Lower, Upper
from bilevel._matrix import numbers_fit
from bilevel._problem_results import Hypergradient, PointCertificate, Slopes
from bilevel._results import Certificate
from bilevel._smooth import SmoothProblem
from bilevel._smooth_results import SmoothHypergradient
from bilevel._solve import Solution
from bilevel._splits import refuse_class, row_splits
from bilevel._training import Training, in_range, one_of, ridge_parameter, tolerance, training

Floats = NDArray[np.float64]

#: Step of central differences in θ: their error is about its square.
STEP = 1e-4


class Problem:
    """A training problem, splits that judge it, and hyperparameters θ to learn.

    Φ(θ) is the mean over the splits of the validation loss of the model trained at
    ``lambda_j = factors_j * exp(theta_k)``. Solutions are kept: each call starts from the last
    one's, and asking again at the same θ solves no training problem again.

    ``Problem(lower=..., upper=..., y0=..., theta0=...)`` makes a :class:`bilevel.SmoothProblem` instead, from
    functions that you write.

    Parameters
    ----------
    X : array or sparse matrix of shape (n_samples, n_features)
        As for the estimators: read where it lies in Fortran order or CSC, and not to be written to.
    y : array of shape (n_samples,)
        Numbers; with ``loss="logistic"`` two labels, of which the larger one is the positive class.
    splits : int, splitter, pair, list of pairs, or "holdout"
        Folds, a scikit-learn splitter, (training, validation) rows (one pair, or a list of them), or a
        quarter of the rows at random.
    loss : {"squared", "logistic"}
        ``(y - z)²/2`` or ``log(1 + exp(-y z))`` with y = ±1.
    penalty : {"l1", "elasticnet", "group"}
        ``Σ lambda_j |w_j|`` or ``Σ lambda_g ||w_g||``; ``l2`` goes with all of them.
    weights : {"scalar", "group", "feature"}
        One θ for all features, one for each group of ``feature_groups``, or one for each feature.
    l2 : float or "learned"
        Ridge parameter; ``"learned"`` makes its logarithm the last entry of θ.
    factors : array of shape (n_features,)
        Fixed factors of the weights (one for each group with ``penalty="group"``); by default 1.
    feature_groups : array of shape (n_features,)
        A label for each feature, for ``penalty="group"`` or ``weights="group"``.
    fit_intercept : bool
        Fit an intercept, which is never penalized.
    sample_weight : array of shape (n_samples,)
        A weight of 2 is the row twice, 0 is no row.
    groups : array of shape (n_samples,)
        For a splitter that keeps the rows of a group together.
    bounds : (float, float)
        Box of all θ, for :func:`bilevel.minimize` and the verdict of a certificate. By default up to
        ``log(lambda_max)`` and down to 1e-4 of it for one λ; ten times up and 1e-6 down for several.

    Attributes
    ----------
    n_parameters : int
    lambda_max : float
        The smallest ``exp(theta)``, the same for all, at which all coefficients are zero.
    bounds : (ndarray, ndarray)
        The box of θ.

    Examples
    --------
    >>> import numpy as np
    >>> from bilevel import Problem, datasets
    >>> data = datasets.regression(80, 20, 3)
    >>> problem = Problem(data.X, data.y, splits=5)
    >>> theta = np.log([0.1])
    >>> value, gradient = problem.value_and_gradient(theta)
    >>> higher, lower = problem.value(theta + 1e-4), problem.value(theta - 1e-4)
    >>> bool(abs((higher - lower) / 2e-4 - gradient[0]) < 1e-6 * abs(gradient[0]))
    True
    """

    @overload
    def __new__(
        cls,
        X: Any,
        y: Any,
        *,
        splits: Any = 5,
        loss: str = "squared",
        penalty: str = "l1",
        weights: str = "scalar",
        l2: float | str = 0.0,
        factors: Any = None,
        feature_groups: Any = None,
        fit_intercept: bool = True,
        sample_weight: Any = None,
        groups: Any = None,
        bounds: tuple[float, float] | None = None,
    ) -> Problem: ...
    @overload
    def __new__(  # type: ignore[misc]  # Not a subclass: it shares a few methods, not what they return.
        cls,
        *,
        lower: Callable[[Any, Any], Any] | Lower,
        upper: Callable[[Any, Any], Any] | Upper,
        y0: Any,
        theta0: Any,
        backend: str = "auto",
        bounds: Any = None,
        constants: Any = None,
    ) -> SmoothProblem: ...
    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Make a :class:`SmoothProblem` where a lower level is given, or else a problem of this class."""
        if "lower" in kwargs or "upper" in kwargs:
            return SmoothProblem(*args, **kwargs)
        return object.__new__(cls)

    def _set_up(
        self,
        X: Any,
        y: Any,
        *,
        splits: Any = 5,
        loss: str = "squared",
        penalty: str = "l1",
        weights: str = "scalar",
        l2: float | str = 0.0,
        factors: Any = None,
        feature_groups: Any = None,
        fit_intercept: bool = True,
        sample_weight: Any = None,
        groups: Any = None,
        bounds: tuple[float, float] | None = None,
    ) -> None:
        one_of("weights", weights, ("scalar", "group", "feature"))
        if isinstance(l2, str) and l2 != "learned":
            raise ValueError(f"setting `l2`: found {l2!r}; expected a number or 'learned'")
        ridge = None if isinstance(l2, str) else ridge_parameter(l2)
        checked = training(
            X, y, loss=loss, penalty=penalty, feature_groups=feature_groups, sample_weight=sample_weight
        )
        if weights == "group" and checked.groups is None:
            raise ValueError("setting `feature_groups`: found None; expected a label for each feature")
        if weights == "feature" and checked.group_penalty:
            raise ValueError(
                "setting `weights`: found 'feature'; expected 'scalar' or 'group' with penalty='group'"
            )
        rows = np.broadcast_to(0.0, (checked.n_samples, 1))
        refuse_class("splits", splits)
        self._pairs = row_splits(
            splits if isinstance(splits, str) else "cv",
            rows,
            checked.target,
            groups,
            cv=5 if isinstance(splits, str) else splits,
            validation_fraction=0.25,
            classifier=checked.classes,
            random_state=0,
        )
        self._weights = weights
        self._group_names = _labels(feature_groups) if weights == "group" else None
        self._learns_l2 = ridge is None
        self._core = _core.Problem(
            checked.matrix,
            checked.target,
            self._pairs,
            checked.block_values("factors", factors, 1.0),
            classes=checked.classes,
            group_penalty=checked.group_penalty,
            weights=weights,
            groups=checked.groups,
            ridge=ridge,
            intercept=bool(fit_intercept),
            sample_weight=checked.sample_weight,
            bounds=_interval(bounds),
        )
        self.lambda_max: float = self._core.lambda_max
        self.bounds: tuple[Floats, Floats] = self._core.bounds
        self.n_parameters: int = len(self.bounds[0])
        self._shape = _shape(checked)
        self._arguments = {
            "X": X,
            "y": y,
            "splits": self._pairs,
            "loss": loss,
            "penalty": penalty,
            "weights": weights,
            "l2": l2,
            "factors": factors,
            "feature_groups": feature_groups,
            "fit_intercept": fit_intercept,
            "sample_weight": sample_weight,
            "bounds": bounds,
        }

    # To a type checker it is `__new__` that says what a call makes.
    if not TYPE_CHECKING:
        __init__ = _set_up
        __new__ = functools.wraps(_set_up, assigned=(), updated=())(__new__)

    def __getstate__(self) -> dict[str, Any]:
        return self._arguments

    def __setstate__(self, arguments: dict[str, Any]) -> None:
        self._set_up(**arguments)

    def __repr__(self) -> str:
        return (
            f"Problem({self._shape}, {len(self._pairs)} splits, weights={self._weights!r}, "
            f"{self.n_parameters} parameters)"
        )

    def start(self, fraction: float = 0.1) -> Floats:
        """Return the θ at which every λ is this fraction of ``lambda_max``."""
        share = in_range("fraction", fraction, sys.float_info.min, 1.0, "a positive number of at most 1")
        scale = self.lambda_max if self.lambda_max > 0.0 else 1.0
        return np.full(self.n_parameters, np.log(share * scale))

    def parameter_name(self, k: int) -> str:
        """Return what entry k of θ is."""
        if self._learns_l2 and k == self.n_parameters - 1:
            return "log l2"
        if self._group_names is not None:
            return f"log lambda of group {self._group_names[k]}"
        return "log lambda" if self._weights == "scalar" else f"log lambda of feature {k}"

    def hyperparameters(self, theta: Any) -> tuple[Floats, float]:
        """Return λ of each feature (or group of the penalty) and the ridge parameter at θ."""
        return self._core.hyperparameters(self._point(theta))

    def value(self, theta: Any, *, tol: float = 1e-10) -> float:
        """Return Φ(θ), from training problems solved to a relative duality gap of ``tol``."""
        return self._core.evaluate(self._point(theta), "null", 0.0, tolerance(tol), False)[0]

    def value_and_gradient(
        self, theta: Any, *, policy: str = "self-consistent", band: float = 1e-8, tol: float = 1e-10
    ) -> tuple[float, Floats]:
        """Return Φ(θ) and its gradient: what ``scipy.optimize.minimize(..., jac=True)`` takes.

        Parameters are those of :meth:`hypergradient`.
        """
        found = self.hypergradient(theta, policy=policy, band=band, tol=tol)
        return found.value, found.gradient

    def hypergradient(
        self, theta: Any, *, policy: str = "self-consistent", band: float = 1e-8, tol: float = 1e-10
    ) -> Hypergradient:
        """Φ(θ), its gradient, and how exact that is.

        Parameters
        ----------
        theta : array of shape (n_parameters,)
        policy : {"self-consistent", "descent-aligned", "null", "all"}
            Which biactive coefficients (zero, but on the edge of not being so) enter the linear system: those
            that move the way the descent wants and agree with it afterwards, those that start that way,
            none, or all. They only differ at kinks.
        band : float
            How near to its kink, relatively, a coefficient counts as biactive.
        tol : float
            Relative duality gap of the training problems.

        Returns
        -------
        Hypergradient
        """
        width = in_range("band", band, 0.0, 1.0, "a relative width from 0 to below 1")
        value, error, gradient, bound, gap, support, biactive = self._core.evaluate(
            self._point(theta), str(policy), width, tolerance(tol), True
        )
        return Hypergradient(value, gradient, bound, biactive, error, gap, support, policy)

    def solve(self, theta: Any, *, tol: float = 1e-10) -> list[Solution]:
        """Return the models trained at θ, one for each split."""
        return [Solution(*parts) for parts in self._core.solve(self._point(theta), tolerance(tol))]

    def slopes(self, theta: Any) -> Slopes:
        """Return the one-sided derivatives of Φ along every coordinate, exact also at kinks.

        Raises
        ------
        RuntimeError
            Where a training problem has no unique solution, or more than 128 coefficients are on a kink.
        """
        return Slopes(*self._core.slopes(self._point(theta)))

    def certificate(
        self, theta: Any, *, policy: str = "self-consistent", band: float = 1e-8
    ) -> PointCertificate:
        """Return what is proven about θ: gaps, error bounds, kinks, slopes, and a verdict."""
        point = self._point(theta)
        width = in_range("band", band, 0.0, 1.0, "a relative width from 0 to below 1")
        text, biactive = self._core.certify(point, str(policy), width)
        record = json.loads(text)
        if record["verdict"]["kind"] == "descends":
            record["verdict"]["name"] = self.parameter_name(record["verdict"]["parameter"])
        general = Certificate._from_record(record)
        try:
            slopes = self.slopes(point)
        except RuntimeError:
            slopes = None
        return PointCertificate(
            **{field.name: getattr(general, field.name) for field in fields(Certificate)},
            value=self.value(point),
            biactive_features=tuple(np.array(blocks, dtype=np.int64) for blocks in biactive),
            slopes=slopes,
        )

    def forget(self) -> None:
        """Forget the solutions at hand: what comes next starts cold, and depends on nothing else."""
        self._core.forget()

    @numbers_fit()
    def _point(self, theta: Any) -> Floats:
        point = np.ascontiguousarray(np.atleast_1d(np.asarray(theta, dtype=np.float64)))
        if point.ndim != 1:
            raise ValueError(
                f"theta: found an array of shape {point.shape}; expected one of ({self.n_parameters},)"
            )
        return point


@overload
def hypergradient(
    problem: Problem,
    theta: Any,
    policy: str = "self-consistent",
    *,
    method: str = "implicit",
    band: float = 1e-8,
    tol: float = 1e-10,
) -> Hypergradient: ...
@overload
def hypergradient(
    problem: SmoothProblem, theta: Any, *, method: str = "implicit", tol: float = 1e-10, **settings: Any
) -> SmoothHypergradient: ...
def hypergradient(
    problem: Problem | SmoothProblem,
    theta: Any,
    policy: str = "self-consistent",
    *,
    method: str = "implicit",
    band: float = 1e-8,
    tol: float = 1e-10,
    **settings: Any,
) -> Hypergradient | SmoothHypergradient:
    """Φ(θ) and its gradient, through the solution of the training problem.

    Parameters
    ----------
    problem : Problem or SmoothProblem
    theta : array of shape (n_parameters,)
    policy : {"self-consistent", "descent-aligned", "null", "all"}
        As for :meth:`Problem.hypergradient`; a smooth problem has no kinks and no policy.
    method : {"implicit", "differences"}
        ``"differences"`` takes central differences of the solved problem, two solves for each parameter: to
        check the other with. It has neither policy nor error bound. A smooth problem has many more, with
        settings of their own: see :meth:`SmoothProblem.hypergradient`.
    band, tol : float
        As for :meth:`Problem.hypergradient`.
    **settings
        Of a smooth problem's method.

    Returns
    -------
    Hypergradient or SmoothHypergradient

    Examples
    --------
    >>> import numpy as np
    >>> from bilevel import Problem, datasets, hypergradient
    >>> data = datasets.regression(80, 20, 3)
    >>> problem = Problem(data.X, data.y, weights="feature")
    >>> exact = hypergradient(problem, problem.start())
    >>> check = hypergradient(problem, problem.start(), method="differences")
    >>> bool(np.abs(exact.gradient - check.gradient).max() < 1e-6)
    True
    """
    if isinstance(problem, SmoothProblem):
        return problem.hypergradient(theta, method, tol=tol, **settings)
    _must_be_problem(problem)
    if settings:
        raise TypeError(f"hypergradient: found the setting {min(settings)!r}; only a smooth problem has more")
    one_of("method", method, ("implicit", "differences"))
    found = problem.hypergradient(theta, policy=policy, band=band, tol=tol)
    if method == "implicit":
        return found
    point = problem._point(theta)
    gradient = np.empty_like(point)
    for k in range(len(point)):
        step = np.zeros_like(point)
        step[k] = STEP
        values = [problem.value(point + sign * step, tol=1e-13) for sign in (1.0, -1.0)]
        gradient[k] = (values[0] - values[1]) / (2.0 * STEP)
    told = {field.name: getattr(found, field.name) for field in fields(Hypergradient)}
    return Hypergradient(**{**told, "gradient": gradient, "error_bound": None})


def certificate(
    problem: Problem, theta: Any, *, policy: str = "self-consistent", band: float = 1e-8
) -> PointCertificate:
    """What is proven about a problem at θ.

    Parameters
    ----------
    problem : Problem
    theta : array of shape (n_parameters,)
    policy, band
        As for :meth:`Problem.hypergradient`.

    Returns
    -------
    PointCertificate

    Examples
    --------
    >>> from bilevel import Problem, certificate, datasets
    >>> data = datasets.regression(80, 20, 3)
    >>> problem = Problem(data.X, data.y)
    >>> certificate(problem, problem.start(0.5)).stationary
    False
    """
    _must_be_problem(problem)
    return problem.certificate(theta, policy=policy, band=band)


def _must_be_problem(problem: Any) -> None:
    if not isinstance(problem, Problem):
        raise TypeError(f"problem: found {type(problem).__name__}; expected a bilevel.Problem")


def _shape(checked: Training) -> str:
    loss = "logistic" if checked.classes else "squared"
    return f"{checked.n_samples} samples, {checked.n_features} features, {loss} loss"


def _labels(feature_groups: Any) -> list[str]:
    return [str(label) for label in np.unique(np.asarray(feature_groups))]


@numbers_fit()
def _interval(bounds: Any) -> tuple[float, float] | None:
    if bounds is None:
        return None
    pair = np.asarray(bounds, dtype=np.float64)
    if pair.shape != (2,) or not pair[0] <= pair[1]:
        raise ValueError(f"setting `bounds`: found {bounds!r}; expected a pair (lowest, highest)")
    return float(pair[0]), float(pair[1])
