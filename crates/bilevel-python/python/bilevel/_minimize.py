"""The outer methods, for any function of Python's that returns its value and a (sub)gradient."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bilevel import _core
from bilevel._matrix import numbers_fit
from bilevel._problem import Problem
from bilevel._smooth import METHODS as WAYS
from bilevel._smooth import UNROLLED, SmoothProblem
from bilevel._training import in_range, one_of

Floats = NDArray[np.float64]

METHODS = ("ntrba", "nba", "lbfgs", "scalar", "gauss-newton")

#: Points whose values are remembered: methods ask again at the current and the best one.
REMEMBERED = 8

_REASONS = {
    "stationary": "the projected gradient is as good as zero",
    "small-step": "the step fell below its smallest length",
    "plateau": "the value has not improved for several steps",
    "search-complete": "the whole interval was searched",
    "max-steps": "the largest number of steps was reached",
    "cancelled": "the callback asked to stop",
}


@dataclass(frozen=True, eq=False)
class MinimizeStep:
    """Where a method stands after a step: what callbacks see.

    Attributes
    ----------
    step, n_evaluations : int
        Steps and evaluations so far.
    theta : ndarray of shape (n_parameters,)
        The current point.
    value : float
        The objective there.
    gradient_norm : float
        Of the gradient projected to the box; NaN if it was not asked for.
    gradient_error_bound : float or None
        None where nothing is known, as of a function.
    radius : float or None
        Trust radius or step length.
    accepted : bool
    support_size, biactive : float, int
        Of a :class:`bilevel.Problem`: nonzero coefficients, and those on a kink.
    """

    step: int
    n_evaluations: int
    theta: Floats = field(repr=False)
    value: float
    gradient_norm: float
    gradient_error_bound: float | None
    radius: float | None
    accepted: bool
    support_size: float
    biactive: int


@dataclass(frozen=True, eq=False, repr=False)
class MinimizeResult:
    """What an outer method found.

    Attributes
    ----------
    theta : ndarray of shape (n_parameters,)
        The best point seen; never worse than the start.
    value : float
        The objective there.
    gradient : ndarray of shape (n_parameters,)
        The (sub)gradient there. At a kink it need not be small.
    gradient_error_bound : float or None
        The gradient is wrong by at most this; None where nothing is known, as of a function.
    n_steps, n_evaluations : int
        Outer steps, and calls of the objective.
    reason : str
        Why it ended: ``"stationary"``, ``"small-step"``, ``"plateau"``, ``"search-complete"``,
        ``"max-steps"`` or ``"cancelled"``.
    history : list of MinimizeStep
        Empty unless ``keep_history``.
    """

    theta: Floats
    value: float
    gradient: Floats
    gradient_error_bound: float | None
    n_steps: int
    n_evaluations: int
    reason: str
    history: list[MinimizeStep]

    @property
    def converged(self) -> bool:
        """Whether the method ended by itself, not by a limit or the callback."""
        return self.reason not in ("max-steps", "cancelled")

    def __repr__(self) -> str:
        return (
            f"MinimizeResult(value {self.value:.6g} after {self.n_steps} steps and "
            f"{self.n_evaluations} evaluations: {_REASONS.get(self.reason, self.reason)})"
        )


def minimize(
    objective: Callable[[Floats], tuple[float, Any]] | Problem | SmoothProblem,
    theta0: Any = None,
    method: str | None = None,
    *,
    bounds: Any = None,
    max_steps: int | None = None,
    policy: str = "self-consistent",
    band: float = 1e-8,
    hypergradient: str | dict[str, Any] = "implicit",
    solver: str = "newton-cg",
    callback: Callable[[MinimizeStep], Any] | None = None,
    keep_history: bool = True,
    options: dict[str, Any] | None = None,
) -> MinimizeResult:
    """Minimize a function over a box, from its values and (sub)gradients; it need not be smooth.

    Parameters
    ----------
    objective : callable, Problem or SmoothProblem
        A function of θ (a fresh array) that returns (value, gradient). A value of +infinity says that θ is
        out of its domain; NaN is an error. What it raises ends the search and is raised here.
    theta0 : array of shape (n_parameters,)
        Where to start; may be left out for a problem (``problem.start()``), and with ``method="scalar"``.
    method : {"ntrba", "nba", "lbfgs", "scalar", "gauss-newton"}
        Trust region for functions with kinks; normalized subgradient steps; projected L-BFGS with a line
        search that stands kinks; global search over one bounded parameter; trust-region Gauss-Newton, for a
        :class:`bilevel.Problem` only. By default ``"lbfgs"`` for a smooth problem, else ``"ntrba"``.
    bounds : list of (low, high) pairs, or scipy.optimize.Bounds
        ``None`` for a bound that is not there. A problem has its own by default.
    max_steps : int
        Largest number of outer steps (refinements of ``"scalar"``); by default the method's.
    policy, band
        At the kinks of a :class:`bilevel.Problem`, as for :meth:`bilevel.Problem.hypergradient`.
    hypergradient : str or dict
        Of a smooth problem: the method of :meth:`bilevel.SmoothProblem.hypergradient`, or a dict of
        ``method`` and its settings, ``{"method": "reverse", "steps": 50}``. Through steps it is the criterion
        where they end that is minimized; a step that is not given is set where the search starts.
    solver : str
        Of a smooth problem's lower level, as for :meth:`bilevel.SmoothProblem.solve`. It is solved as exactly
        as the method asks, from zero and then from the last solution.
    callback : callable
        Is called with a :class:`MinimizeStep` after each step; returning ``True`` ends the search.
    keep_history : bool
        Keep the steps, each with its θ.
    options : dict
        Settings of the method by their names in the library, such as ``{"initial_radius": 0.5}``; a wrong
        name is answered with the list of the right ones.

    Returns
    -------
    MinimizeResult

    Examples
    --------
    A kink at 0 and a bound at 2:

    >>> import numpy as np
    >>> from bilevel import minimize
    >>> def objective(theta):
    ...     value = abs(theta[0]) + (theta[1] - 3) ** 2 / 2
    ...     return value, np.array([np.sign(theta[0]), theta[1] - 3])
    >>> found = minimize(objective, [0.7, -1.0], "lbfgs", bounds=[(None, None), (None, 2.0)])
    >>> bool(abs(found.value - 0.5) < 1e-8)
    True
    """
    if method is None:
        method = "lbfgs" if isinstance(objective, SmoothProblem) else "ntrba"
    one_of("method", method, METHODS)
    settings = _settings(method, max_steps, policy, band, options)
    if isinstance(objective, SmoothProblem):
        return _minimize_smooth(
            objective, theta0, method, bounds, settings, hypergradient, solver, callback, keep_history
        )
    if isinstance(objective, Problem):
        source: Any = objective._core
        default = np.empty(0) if method == "scalar" else objective.start()
        start = default if theta0 is None else objective._point(theta0)
        lower, upper = objective.bounds if bounds is None else _box(bounds, objective.n_parameters)
    else:
        if not callable(objective):
            raise TypeError(f"objective: found {type(objective).__name__}; expected a callable or a Problem")
        if method == "gauss-newton":
            raise ValueError("setting `method`: found 'gauss-newton' with a function; expected a Problem")
        start = _start(theta0, method)
        lower, upper = _box(bounds, max(len(start), 1))
        source = _Function(objective, len(lower))
        # The rule that ends a walk along λ early knows nothing of other functions.
        if method == "scalar":
            settings.setdefault("early_stop", None)
    history: list[MinimizeStep] = []
    record = _recorder(history, callback, keep_history)
    theta, value, gradient, bound, _, steps, evaluations, reason = _core.minimize(
        source, start, lower, upper, method=method, options=_json(settings), record=record
    )
    calls = source.calls if isinstance(source, _Function) else evaluations
    return MinimizeResult(theta, value, gradient, bound, steps, calls, reason, history)


def _minimize_smooth(
    problem: SmoothProblem,
    theta0: Any,
    method: str,
    bounds: Any,
    settings: dict[str, Any],
    hypergradient: str | dict[str, Any],
    solver: str,
    callback: Callable[[MinimizeStep], Any] | None,
    keep_history: bool,
) -> MinimizeResult:
    if method == "gauss-newton":
        raise ValueError(
            "setting `method`: found 'gauss-newton' with a smooth problem; "
            "expected a method that takes its gradient"
        )
    given = {"method": hypergradient} if isinstance(hypergradient, str) else dict(hypergradient)
    way = given.pop("method", "implicit")
    one_of("hypergradient", way, tuple(name for name in WAYS if name != "differences"))
    length, text = problem._settings(given)
    if length > problem.n_parameters and way not in UNROLLED:
        raise ValueError(
            f"setting `hypergradient`: found learned rates with {way!r}; expected one of {UNROLLED}"
        )
    if theta0 is None and length == problem.n_parameters:
        start = np.empty(0) if method == "scalar" else problem.start()
    else:
        start = problem._point(theta0, length)
    if bounds is None:
        free = np.full(length - problem.n_parameters, np.inf)
        lower, upper = (
            np.append(side, sign * free) for side, sign in zip(problem.bounds, (-1, 1), strict=True)
        )
    else:
        lower, upper = _box(bounds, length)
    if method == "scalar":
        settings.setdefault("early_stop", None)
    history: list[MinimizeStep] = []
    theta, value, gradient, bound, _, steps, evaluations, reason = _core.minimize_smooth(
        problem._core,
        start,
        lower,
        upper,
        y=problem.y0.reshape(-1).copy(),
        way=way,
        way_settings=text,
        solver=json.dumps(problem._solver(1e-10, solver, 10_000)),
        method=method,
        options=_json(settings),
        record=_recorder(history, callback, keep_history),
    )
    return MinimizeResult(theta, value, gradient, bound, steps, evaluations, reason, history)


def _recorder(
    history: list[MinimizeStep], callback: Callable[[MinimizeStep], Any] | None, keep_history: bool
) -> Callable[..., bool]:
    def record(*parts: Any) -> bool:
        step = MinimizeStep(*parts)
        if keep_history:
            history.append(step)
        return callback is not None and bool(callback(step))

    return record


class _Function:
    """A function of Python's, its answers checked and the last few of them remembered."""

    def __init__(self, function: Callable[[Floats], Any], n_parameters: int) -> None:
        self.function = function
        self.n_parameters = n_parameters
        self.calls = 0
        self.known: OrderedDict[bytes, tuple[float, Floats]] = OrderedDict()

    def __call__(self, theta: Floats) -> tuple[float, Floats]:
        key = theta.tobytes()
        if key not in self.known:
            self.calls += 1
            self.known[key] = self._checked(self.function(theta), np.frombuffer(key))
            if len(self.known) > REMEMBERED:
                self.known.popitem(last=False)
        self.known.move_to_end(key)
        return self.known[key]

    def _checked(self, answer: Any, theta: Floats) -> tuple[float, Floats]:
        if not (isinstance(answer, (tuple, list)) and len(answer) == 2):
            raise TypeError(f"objective: returned {type(answer).__name__}; expected a pair (value, gradient)")
        number = _floats("value", answer[0])
        if number.size != 1:
            raise ValueError(f"objective: returned a value of shape {number.shape}; expected one number")
        value = float(number.reshape(()))
        if np.isnan(value) or value == -np.inf:
            raise ValueError(f"objective: returned the value {value} at {_short(theta)}; expected a number")
        gradient = np.ascontiguousarray(_floats("gradient", answer[1]))
        if gradient.shape != (self.n_parameters,) and not (gradient.size == 1 == self.n_parameters):
            raise ValueError(
                f"objective: returned a gradient of shape {gradient.shape}; expected ({self.n_parameters},)"
            )
        if value < np.inf and not np.isfinite(gradient).all():
            raise ValueError(
                f"objective: returned a gradient that is not finite at {_short(theta)}; expected numbers"
            )
        # A copy: the function may use its array again.
        return value, np.array(gradient, dtype=np.float64).reshape(self.n_parameters)


def _floats(what: str, value: Any) -> Floats:
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise TypeError(f"objective: returned a {what} that is not numeric ({error})") from error


def _short(theta: Floats) -> str:
    return "theta = " + np.array2string(theta, threshold=6, precision=6)


@numbers_fit()
def _start(theta0: Any, method: str) -> Floats:
    if theta0 is None:
        if method == "scalar":
            return np.empty(0)
        raise ValueError("theta0: found None; expected where to start")
    start = np.ascontiguousarray(np.atleast_1d(np.asarray(theta0, dtype=np.float64)))
    if start.ndim != 1 or start.size == 0 or not np.isfinite(start).all():
        raise ValueError(f"theta0: found {theta0!r}; expected a list of at least one finite number")
    return start


@numbers_fit()
def _box(bounds: Any, n_parameters: int) -> tuple[Floats, Floats]:
    if bounds is None:
        return np.full(n_parameters, -np.inf), np.full(n_parameters, np.inf)
    if hasattr(bounds, "lb") and hasattr(bounds, "ub"):
        low, high = (np.asarray(side, dtype=np.float64) for side in (bounds.lb, bounds.ub))
        if not all(side.size in (1, n_parameters) for side in (low, high)):
            raise ValueError(f"bounds: found {low.size} and {high.size}; expected {n_parameters} of each")
        sides = (np.broadcast_to(side.ravel(), (n_parameters,)).copy() for side in (low, high))
        lower, upper = sides
        return lower, upper
    try:
        pairs = [(low, high) for low, high in bounds]
    except (TypeError, ValueError):
        raise ValueError(
            f"bounds: found {bounds!r}; expected a (low, high) pair for each parameter"
        ) from None
    if len(pairs) != n_parameters:
        raise ValueError(f"bounds: found {len(pairs)} pairs; expected {n_parameters}, one for each parameter")
    lower = np.array([-np.inf if low is None else low for low, _ in pairs], dtype=np.float64)
    upper = np.array([np.inf if high is None else high for _, high in pairs], dtype=np.float64)
    return lower, upper


def _settings(
    method: str, max_steps: Any, policy: Any, band: Any, options: dict[str, Any] | None
) -> dict[str, Any]:
    one_of("policy", policy, ("self-consistent", "descent-aligned", "null", "all"))
    width = in_range("band", band, 0.0, 1.0, "a relative width from 0 to below 1")
    settings: dict[str, Any] = {"selection": {"policy": policy, "band": width}}
    if max_steps is not None:
        if isinstance(max_steps, (bool, np.bool_)) or not isinstance(max_steps, (int, np.integer)):
            raise TypeError(f"setting `max_steps`: found {max_steps!r}; expected a whole number")
        if max_steps < 1:
            raise ValueError(f"setting `max_steps`: found {max_steps}; expected at least 1")
        settings["max_refinements" if method == "scalar" else "max_steps"] = int(max_steps)
    return {**settings, **(options or {})}


def _json(settings: dict[str, Any]) -> str:
    try:
        return json.dumps(settings, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"setting `options`: {error}; expected numbers, words and None") from error
