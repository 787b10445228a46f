"""Weights by criteria that only solve: a random probe for the degrees of freedom, a search for the weight.

With a standard normal probe δ and a step ε, df ≈ δᵀ(Ax(b + εδ) - Ax(b))/ε, for any solver; then

    SURE = ‖Ax - b‖²/n - σ² + 2σ² df/n,      GCV = n‖Ax - b‖²/(n - df)².

Sources: Ramani, Blu, Unser, "Monte-Carlo SURE" (2008); Deledalle, Vaiter, Fadili, Peyré, "Stein unbiased
gradient estimator of the risk (SUGAR)" (2014), for the step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from bilevel import _core
from bilevel.inverse._arrays import Floats
from bilevel.inverse._choice import LambdaChoice
from bilevel.inverse._operators import Operator

#: Weights looked at before the best of them is refined.
GRID = 13
#: How exactly log λ is found: the criterion is flat around its minimum.
WIDTH = 0.02


@dataclass
class Searched:
    """The best of the weights that were looked at."""

    weights: Floats
    value: float
    curve: list[tuple[float, float]] = field(default_factory=list)
    at_edge: str | None = None
    n_evaluations: int = 0


class Trial:
    """One measured image: its restoration, that of the probed data, and what a criterion says of both.

    ``make`` makes a restoration of flat data; the operator is A, ``None`` for the identity.
    """

    def __init__(
        self,
        make: Callable[[Floats], _core.Restoration],
        data: Floats,
        *,
        operator: Operator | None,
        truth: Floats | None = None,
        sigma: float | None = None,
        seed: int = 0,
    ) -> None:
        self.data, self.truth, self.sigma = data, truth, sigma
        self._operator = operator
        self._plain = make(data)
        self._probe: Floats | None = None
        self.freedom = math.nan
        self.image: Floats = data
        self.fitted: Floats = data
        if truth is None:
            self._probe = np.random.default_rng(seed).standard_normal(len(data))
            noise = sigma if sigma is not None else max(float(np.std(data)) * 0.05, 1e-300)
            self._step = 2.0 * noise / len(data) ** 0.3
            self._probed = make(data + self._step * self._probe)

    @property
    def n_weights(self) -> int:
        """How many weights the restoration has."""
        return self._plain.n_weights

    def _forward(self, x: Floats) -> Floats:
        return x if self._operator is None else self._operator.matvec(x)

    def _back(self, y: Floats) -> Floats:
        return y if self._operator is None else self._operator.rmatvec(y)

    def evaluate(
        self, criterion: str, weights: Floats, tol: float, *, slopes: bool = False
    ) -> tuple[float, Floats]:
        """The criterion, and its derivatives in the weights if asked for."""
        x = self.image = self._plain.solve(weights, tol)
        if self._probe is None:
            assert self.truth is not None
            error = x - self.truth
            value = float(error @ error) / len(error)
            if not slopes:
                return value, np.empty(0)
            return value, self._plain.adjoint(2.0 / len(error) * error)[0]
        n, probe, step = len(self.data), self._probe, self._step
        self.fitted = self._forward(x)
        residual = self.fitted - self.data
        square = float(residual @ residual)
        moved = self._forward(self._probed.solve(weights, tol))
        self.freedom = float(probe @ (moved - self.fitted)) / step
        if criterion == "discrepancy":
            assert self.sigma is not None
            return square / n - self.sigma**2, np.empty(0)
        if criterion == "sure":
            assert self.sigma is not None
            variance = self.sigma**2
            value = square / n - variance + 2.0 * variance * self.freedom / n
            by_square, by_freedom = 1.0 / n, 2.0 * variance / n
        else:
            left = n - self.freedom
            if left <= 0:
                return math.inf, np.zeros(self.n_weights)
            value = n * square / left**2
            by_square, by_freedom = n / left**2, 2.0 * n * square / left**3
        if not slopes:
            return value, np.empty(0)
        through = self._back(2.0 * by_square * residual - by_freedom / step * probe)
        beside = self._back(by_freedom / step * probe)
        return value, self._plain.adjoint(through)[0] + self._probed.adjoint(beside)[0]


def search(trials: Sequence[Trial], criterion: str, interval: tuple[float, float], tol: float) -> Searched:
    """The weights with the smallest mean criterion: one for all first, then each by its slope."""
    n_weights = trials[0].n_weights
    one = _search_one(trials, criterion, interval, tol)
    if n_weights == 1 or criterion == "discrepancy":
        return one
    from bilevel._minimize import minimize

    log_low, log_high = math.log(interval[0]) - 3.0, math.log(interval[1]) + 3.0
    count = one.n_evaluations

    def objective(theta: Floats) -> tuple[float, Floats]:
        nonlocal count
        count += 1
        weights = np.exp(theta)
        parts = [trial.evaluate(criterion, weights, tol, slopes=True) for trial in trials]
        mean = sum(value for value, _ in parts) / len(parts)
        slope = np.sum([slope for _, slope in parts], axis=0) / len(parts)
        return mean, slope * weights

    start = np.clip(np.log(one.weights), log_low, log_high)
    found = minimize(
        objective, start, "lbfgs", bounds=[(log_low, log_high)] * n_weights, max_steps=30, keep_history=False
    )
    if not found.value < one.value:
        return one
    return Searched(np.exp(found.theta), found.value, one.curve, one.at_edge, count)


def _search_one(
    trials: Sequence[Trial], criterion: str, interval: tuple[float, float], tol: float
) -> Searched:
    n_weights = trials[0].n_weights
    known: dict[float, float] = {}

    def value(t: float) -> float:
        if t not in known:
            weights = np.full(n_weights, math.exp(t))
            parts = [trial.evaluate(criterion, weights, tol)[0] for trial in trials]
            known[t] = sum(parts) / len(parts)
        return known[t] ** 2 if criterion == "discrepancy" else known[t]

    # From the smooth side, whose solutions are the easier starts.
    grid = np.linspace(math.log(interval[1]), math.log(interval[0]), GRID).tolist()
    values = [value(t) for t in grid]
    best = int(np.argmin(values))
    bracket = (grid[min(best + 1, GRID - 1)], grid[max(best - 1, 0)])
    refined = minimize_scalar(
        value, bounds=bracket, method="bounded", options={"xatol": WIDTH, "maxiter": 12}
    )
    at = min(known, key=value)
    edge = None
    if refined.fun >= values[best] and best in (0, GRID - 1):
        edge = "at-upper-end" if best == 0 else "at-lower-end"
    curve = sorted((math.exp(t), float(v)) for t, v in known.items())
    return Searched(np.full(n_weights, math.exp(at)), known[at], curve, edge, len(known))


def choose_by_probes(
    operator: Operator,
    data: Floats,
    regularizer: Operator,
    method: str,
    sigma: float | None,
    seed: int,
    tol: float,
) -> LambdaChoice:
    """One λ of ‖Ax - b‖² + λ‖Lx‖² for any operators A and L."""
    if regularizer.shape[1] != operator.shape[1]:
        count = regularizer.shape[1]
        raise ValueError(f"operator L: found {count} columns; expected {operator.shape[1]}, as A has")
    if method in ("sure", "discrepancy") and sigma is None:
        raise ValueError(f"setting `sigma`: found None; expected the noise level, which `{method}` needs")

    def make(b: Floats) -> _core.Restoration:
        return _core.Restoration.tikhonov(operator._core, b, [regularizer._core])

    trial = Trial(make, data, operator=operator, sigma=sigma, seed=seed)
    scale = scale_of(operator, seed) / scale_of(regularizer, seed)
    found = search([trial], method, (1e-10 * scale, 10.0 * scale), tol)
    lambda_ = float(found.weights[0])
    value, _ = trial.evaluate(method, found.weights, tol)
    residual = float(np.linalg.norm(trial.fitted - data))
    left = len(data) - trial.freedom
    warning = None
    if found.at_edge is not None:
        which = "largest" if found.at_edge == "at-upper-end" else "smallest"
        warning = f"{method} chose the {which} λ of its range ({lambda_:.3e}); do not trust it"
    return LambdaChoice(
        method=method,
        lambda_=lambda_,
        x=trial.image.reshape(operator.shape_in),
        value=value,
        curve=np.array(found.curve),
        minima=[lambda_],
        degrees_of_freedom=trial.freedom,
        residual_norm=residual,
        penalty_norm=float(np.linalg.norm(regularizer.matvec(trial.image))),
        sigma=residual / math.sqrt(left) if left > 0 else None,
        verdict=found.at_edge or "clear",
        warning=warning,
        solver="probes",
    )


def scale_of(operator: Any, seed: int) -> float:
    """About ‖A‖², by a few steps of the power method."""
    x = np.random.default_rng(seed).standard_normal(operator.shape[1])
    size = 1.0
    for _ in range(8):
        x /= max(float(np.linalg.norm(x)), 1e-300)
        x = operator.rmatvec(operator.matvec(x))
        size = float(np.linalg.norm(x))
    return max(size, 1e-300)
