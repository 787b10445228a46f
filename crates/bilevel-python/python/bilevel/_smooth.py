"""Smooth bilevel problems that users write: NumPy callables, or functions of JAX or PyTorch."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bilevel import _core
from bilevel._autodiff import BACKENDS, functions, to_numpy
from bilevel._functions import Lower, Upper, checked_constants
from bilevel._smooth_results import Mismatch, SmoothHypergradient, SmoothSolution
from bilevel._training import in_range, one_of

Floats = NDArray[np.float64]

#: Those that differentiate at a solution of the lower level, and those that go through steps from a start.
AT_SOLUTION = ("implicit", "dense", "cg", "minres", "newton", "neumann", "one-step")
UNROLLED = ("forward", "reverse", "truncated")
METHODS = (*AT_SOLUTION, *UNROLLED, "differences")

SOLVERS = ("newton-cg", "lbfgs", "gradient-descent", "heavy-ball", "nesterov")

#: A lower level whose gradient is this small, relatively, counts as solved where rounding stops its solver.
ROUNDING = 1e-8

#: Step of central differences of the solved problem.
STEP = 1e-4


class SmoothProblem:
    """A smooth bilevel problem: Φ(θ) = L(y*(θ), θ) with y*(θ) = argmin_y F(y, θ).

    ``bilevel.Problem(lower=..., upper=...)`` makes one. Every function gets ``y`` and ``theta`` in the shapes
    of ``y0`` and ``theta0``, in float64.

    Parameters
    ----------
    lower : function (y, theta) -> scalar, or Lower
        F, written with JAX or PyTorch, which give all its derivatives; or its gradient and products, written
        with NumPy, as a :class:`bilevel.Lower`. F should be strongly convex in y around its solution.
    upper : function (y, theta) -> scalar, or Upper
        L, likewise.
    y0 : array
        The shape of y, and where the lower level starts.
    theta0 : array
        The shape of θ, and what :meth:`start` returns.
    backend : {"auto", "numpy", "jax", "torch"}
        Whose functions these are. ``"auto"`` goes by the arrays ``y0`` and ``theta0``, and with NumPy arrays
        by what ``lower`` returns for them; PyTorch's functions refuse such arrays, so give a tensor, or say
        ``"torch"``. Neither framework is imported unless it is used. JAX computes in float64 while it
        computes for us, also where this is switched off otherwise; functions that cast to float32 do not
        reach the accuracy that the solver asks for. PyTorch gets float64 tensors, on the device of ``y0``.
    bounds : (low, high), or list of such pairs
        Box of all θ, or of each, for :func:`bilevel.minimize`; ``None`` for no bound.
    constants : dict, or function theta -> dict
        What is known for all y: ``strong_convexity`` μ and ``lipschitz`` (of ∇_y F), and ``drift``, the
        Lipschitz constants in y of the second derivatives and of the criterion's gradient: a dict with
        ``hessian``, ``mixed``, ``criterion``, ``criterion_by_lambda``. What is not known is estimated around
        the solution, and error bounds say so.

    Attributes
    ----------
    n_coefficients, n_parameters : int
        Sizes of y and θ.
    bounds : (ndarray, ndarray)
        The box of θ.

    Examples
    --------
    Ridge with one weight, F = ½(y - 3)² + ½θy² and L = ½(y - 1)²: the best weight is 2, where y* is 1.

    >>> import numpy as np
    >>> from bilevel import Lower, Problem, Upper, minimize
    >>> problem = Problem(
    ...     lower=Lower(
    ...         gradient=lambda y, theta: y - 3 + theta * y,
    ...         hessian_product=lambda y, theta, v: (1 + theta) * v,
    ...         mixed_adjoint=lambda y, theta, v: y * v,
    ...     ),
    ...     upper=Upper(value=lambda y, theta: (y - 1) ** 2 / 2, gradient=lambda y, theta: (y - 1, None)),
    ...     y0=0.0,
    ...     theta0=0.5,
    ...     bounds=(1e-6, 1e6),
    ... )
    >>> problem.gradcheck() is None
    True
    >>> found = minimize(problem)
    >>> bool(abs(found.theta[0] - 2) < 1e-5)
    True
    """

    def __init__(
        self,
        *,
        lower: Callable[[Any, Any], Any] | Lower | None = None,
        upper: Callable[[Any, Any], Any] | Upper | None = None,
        y0: Any = None,
        theta0: Any = None,
        backend: str = "auto",
        bounds: Any = None,
        constants: Any = None,
    ) -> None:
        one_of("backend", backend, BACKENDS)
        for name, given in (("lower", lower), ("upper", upper), ("y0", y0), ("theta0", theta0)):
            if given is None:
                raise TypeError(f"{name}: not given; a smooth problem needs lower, upper, y0 and theta0")
        self.y0 = to_numpy("y0", y0)
        self.theta0 = to_numpy("theta0", theta0)
        self.n_coefficients: int = self.y0.size
        self.n_parameters: int = self.theta0.size
        if self.n_coefficients == 0 or self.n_parameters == 0:
            raise ValueError(
                f"y0 and theta0: found shapes {self.y0.shape} and {self.theta0.shape}; "
                "expected at least one number in each"
            )
        self.bounds: tuple[Floats, Floats] = _box(bounds, self.n_parameters)
        self._functions = functions(
            lower,
            upper,
            y0,
            theta0,
            (self.y0.shape, self.theta0.shape),
            backend,
            checked_constants(constants),
        )
        self._core = _core.SmoothProblem(self._functions, self.n_coefficients, self.n_parameters)
        self._arguments = {
            "lower": lower,
            "upper": upper,
            "y0": y0,
            "theta0": theta0,
            "backend": backend,
            "bounds": bounds,
            "constants": constants,
        }

    def __getstate__(self) -> dict[str, Any]:
        return self._arguments

    def __setstate__(self, arguments: dict[str, Any]) -> None:
        SmoothProblem.__init__(self, **arguments)

    def __repr__(self) -> str:
        backend = type(self._functions).__name__.removesuffix("Functions")
        return f"SmoothProblem({self.n_coefficients} coefficients, {self.n_parameters} parameters, {backend})"

    def start(self) -> Floats:
        """Return ``theta0``, flat."""
        return self.theta0.reshape(-1).copy()

    def parameter_name(self, k: int) -> str:
        """Return what entry k of θ is."""
        place = np.unravel_index(k, self.theta0.shape) if self.theta0.ndim > 1 else (k,)
        return f"theta[{', '.join(str(i) for i in place)}]"

    def solve(
        self,
        theta: Any,
        *,
        y: Any = None,
        tol: float = 1e-10,
        solver: str = "newton-cg",
        max_steps: int = 10_000,
    ) -> SmoothSolution:
        """Solve the lower level, ∇_y F(y, θ) = 0.

        Parameters
        ----------
        theta : array
        y : array of y's shape
            Where to start; by default ``y0``.
        tol : float
            Ends where ‖∇_y F‖ is at most ``tol * (1 + ‖∇_y F(y0, θ)‖)``.
        solver : {"newton-cg", "lbfgs", "gradient-descent", "heavy-ball", "nesterov"}
        max_steps : int

        Returns
        -------
        SmoothSolution
            Which need not have converged: see its ``status``.
        """
        return self._solved(self._point(theta), y, tol, solver, max_steps)[0]

    def value(
        self,
        theta: Any,
        *,
        y: Any = None,
        tol: float = 1e-10,
        solver: str = "newton-cg",
        max_steps: int = 10_000,
    ) -> float:
        """Return Φ(θ), from a lower level solved to ``tol``; parameters are those of :meth:`solve`.

        Raises
        ------
        RuntimeError
            If the lower level is not solved.
        """
        point = self._point(theta)
        solution = self._converged(point, y, tol, solver, max_steps)
        return self._functions.upper_value(solution.coefficients.reshape(-1).copy(), point.copy())

    def value_and_gradient(
        self, theta: Any, method: str = "implicit", **settings: Any
    ) -> tuple[float, Floats]:
        """Return Φ(θ) and its gradient: what ``scipy.optimize.minimize(..., jac=True)`` takes.

        Parameters are those of :meth:`hypergradient`.
        """
        found = self.hypergradient(theta, method, **settings)
        return found.value, found.gradient

    def hypergradient(
        self,
        theta: Any,
        method: str = "implicit",
        *,
        y: Any = None,
        tol: float = 1e-10,
        solver: str = "newton-cg",
        max_steps: int = 10_000,
        **settings: Any,
    ) -> SmoothHypergradient:
        """Φ(θ), its gradient, and how exact that is.

        Parameters
        ----------
        theta : array
            θ; with learned rates (below) a flat array of θ and then the rates.
        method : str
            At the solution of the lower level: ``"implicit"`` (a linear system with ∇²_yy F: by a factor for
            up to 200 coefficients, else by conjugate gradients), ``"dense"``, ``"cg"``, ``"minres"``,
            ``"newton"`` (after one more Newton step), ``"neumann"`` (a series), ``"one-step"`` (the last step
            alone).

            Through the steps of gradient descent from ``y``, the criterion being taken where they end:
            ``"forward"``, ``"reverse"``, ``"truncated"`` (the last steps alone).

            ``"differences"``: central differences of the solved problem, to check the others with.
        y : array of y's shape
            Where to start; by default ``y0``.
        tol, solver, max_steps
            Of the lower level, as for :meth:`solve`; not used by the methods through steps.
        **settings
            ``tolerance`` (1e-12: relative residual of the linear system) and ``bounding`` (True: compute the
            error bound) of ``"implicit"``, ``"dense"``, ``"cg"``, ``"minres"`` and ``"newton"``;
            ``preconditioner`` ("none" or "diagonal") of ``"cg"``.

            ``terms`` (100) of ``"neumann"``, or ``epsilon``, the error that it must not exceed, with ``rule``
            ("running" or "a-priori") and ``max_terms``; ``bounding`` and ``step``.

            ``steps`` (100) of ``"forward"``, ``"reverse"`` and ``"truncated"``, ``last`` (10) of
            ``"truncated"``, ``checkpoints`` ("square-root", "all", or how many states are kept) of the latter
            two; and of these and ``"one-step"`` the rates ``step`` (by default one over the Lipschitz
            constant where it begins), ``momentum``, ``momentum_kind`` ("heavy-ball" or "nesterov") and
            ``weight_decay``. A rate is a number, a list with one for each step, or a ``slice``: entries of
            ``theta`` behind those of the problem, whose derivatives the gradient then holds as well.

        Returns
        -------
        SmoothHypergradient
        """
        one_of("method", method, METHODS)
        if method == "differences":
            if settings:
                raise TypeError(f"hypergradient: method 'differences' has no setting {sorted(settings)[0]!r}")
            return self._differences(self._point(theta), y, tol, solver, max_steps)
        rates, text = self._settings(settings)
        point = self._point(theta, rates)
        if method in UNROLLED:
            start = self._coefficients(y)
        else:
            start = self._converged(
                point[: self.n_parameters], y, tol, solver, max_steps
            ).coefficients.reshape(-1)
        value, gradient, coefficients, adjoint, bound, work = self._core.hypergradient(
            point, start, method, text
        )
        shape = self.y0.shape
        return SmoothHypergradient(
            value,
            gradient,
            coefficients.reshape(shape),
            adjoint.reshape(shape) if adjoint.size else None,
            None if bound is None else bound[0],
            bound is not None and bound[1],
            method,
            *work,
        )

    def gradcheck(self, theta: Any = None, y: Any = None, *, tol: float = 1e-6) -> Mismatch | None:
        """Compare all derivatives with central differences, and return the first that does not agree.

        Parameters
        ----------
        theta : array
            By default ``theta0``.
        y : array of y's shape
            By default ``y0`` plus a random vector, for there is nothing to see where gradients vanish.
        tol : float
            Largest relative difference.

        Returns
        -------
        Mismatch or None
            None: all agree.
        """
        point = self.start() if theta is None else self._point(theta)
        at = self._coefficients(y)
        if y is None:
            at = at + np.random.default_rng(0).standard_normal(at.size)
        wrong = self._core.gradcheck(
            at, point, in_range("tol", tol, sys.float_info.min, 1.0, "a positive number")
        )
        return None if wrong is None else Mismatch(*wrong)

    def _solved(
        self, point: Floats, y: Any, tol: float, solver: str, max_steps: int
    ) -> tuple[SmoothSolution, float]:
        start = self._coefficients(y)
        settings, scale = self._solver(tol, solver, max_steps), self._scale(point)
        settings["tolerance"] *= scale
        found = self._core.solve(point, start, json.dumps(settings))
        return SmoothSolution(found[0].reshape(self.y0.shape), *found[1:]), scale

    def _converged(self, point: Floats, y: Any, tol: float, solver: str, max_steps: int) -> SmoothSolution:
        solution, scale = self._solved(point, y, tol, solver, max_steps)
        if solution.status != "converged" and not solution.gradient_norm <= max(ROUNDING, tol) * scale:
            raise RuntimeError(
                f"gradient norm of the lower level: found {solution.gradient_norm:.1e} after "
                f"{solution.steps} steps ({solution.status}); expected at most {tol * scale:.1e} "
                "(is it convex and bounded below?)"
            )
        return solution

    def _solver(self, tol: float, solver: str, max_steps: int) -> dict[str, Any]:
        one_of("solver", solver, SOLVERS)
        if isinstance(max_steps, (bool, np.bool_)) or not isinstance(max_steps, (int, np.integer)):
            raise TypeError(f"setting `max_steps`: found {max_steps!r}; expected a whole number")
        if max_steps < 1:
            raise ValueError(f"setting `max_steps`: found {max_steps}; expected at least 1")
        tolerance = in_range("tol", tol, sys.float_info.min, 1.0, "a positive number of at most 1")
        return {"solver": solver, "tolerance": tolerance, "max_steps": int(max_steps)}

    def _scale(self, point: Floats) -> float:
        gradient = self._functions.lower_gradient(self.y0.reshape(-1).copy(), point.copy())
        size = float(np.linalg.norm(gradient))
        # Not finite: the library's sentence about the start is the better one.
        return 1.0 + size if np.isfinite(size) else 1.0

    def _differences(
        self, point: Floats, y: Any, tol: float, solver: str, max_steps: int
    ) -> SmoothHypergradient:
        how = {"y": y, "tol": min(tol, 1e-12), "solver": solver, "max_steps": max_steps}
        solution = self._converged(point, y, tol, solver, max_steps)
        gradient = np.empty_like(point)
        for k in range(point.size):
            step = np.zeros_like(point)
            step[k] = STEP * max(1.0, abs(point[k]))
            higher, lower = (self.value(point + sign * step, **how) for sign in (1.0, -1.0))
            gradient[k] = (higher - lower) / (2.0 * step[k])
        flat = solution.coefficients.reshape(-1).copy()
        value = self._functions.upper_value(flat, point.copy())
        return SmoothHypergradient(
            value, gradient, solution.coefficients, None, None, False, "differences", 0, 0, 0, 0
        )

    def _settings(self, settings: dict[str, Any]) -> tuple[int, str]:
        """How long θ is with the rates that it holds, and the settings as JSON."""
        length = self.n_parameters
        told: dict[str, Any] = {}
        for name, given in settings.items():
            if given is None:
                continue
            if isinstance(given, slice):
                begin, end = self._places(name, given)
                length = max(length, end)
                told[name] = {"learned": [begin, end]}
            else:
                told[name] = _plain(name, given)
        return length, json.dumps(told, allow_nan=False)

    def _places(self, name: str, given: slice) -> tuple[int, int]:
        begin = self.n_parameters if given.start is None else given.start
        end = begin if given.stop is None else given.stop
        if given.step not in (None, 1) or not self.n_parameters <= begin < end:
            raise ValueError(
                f"setting `{name}`: found {given}; expected slice(begin, end) with "
                f"{self.n_parameters} <= begin < end: entries of theta behind the problem's"
            )
        return int(begin), int(end)

    def _point(self, theta: Any, length: int | None = None) -> Floats:
        expected = self.n_parameters if length is None else length
        point = to_numpy("theta", theta)
        extended = expected > self.n_parameters
        fits = point.shape in ((expected,), () if expected == 1 else (expected,))
        if not fits and (extended or point.shape != self.theta0.shape):
            shapes = {(expected,)} if extended else {(expected,), self.theta0.shape}
            listed = " or ".join(str(shape) for shape in sorted(shapes))
            raise ValueError(f"theta: found an array of shape {point.shape}; expected {listed}")
        return np.ascontiguousarray(point.reshape(-1))

    def _coefficients(self, y: Any) -> Floats:
        if y is None:
            return self.y0.reshape(-1).copy()
        start = to_numpy("y", y)
        if start.shape not in (self.y0.shape, (self.n_coefficients,)):
            raise ValueError(f"y: found an array of shape {start.shape}; expected {self.y0.shape}")
        return np.ascontiguousarray(start.reshape(-1))


def _plain(name: str, given: Any) -> Any:
    """A setting as JSON has it."""
    if isinstance(given, (str, bool, int, float)):
        plain: Any = given
    elif isinstance(given, np.generic):
        plain = given.item()
    else:
        plain = to_numpy(f"setting `{name}`", given).tolist()
    if isinstance(plain, float) and not np.isfinite(plain):
        raise ValueError(f"setting `{name}`: found {plain}; expected a finite number")
    return plain


def _box(bounds: Any, n_parameters: int) -> tuple[Floats, Floats]:
    """One pair for all θ, or a pair for each; None for a side without a bound."""
    expected = f"a pair (low, high), or {n_parameters} of them"
    pairs: list[Any] = (
        [(None, None)] if bounds is None else list(np.atleast_2d(np.array(bounds, dtype=object)))
    )
    if len(pairs) == 1:
        pairs = pairs * n_parameters
    if len(pairs) != n_parameters or any(len(pair) != 2 for pair in pairs):
        raise ValueError(f"setting `bounds`: found {bounds!r}; expected {expected}")
    try:
        lower = np.array([-np.inf if low is None else float(low) for low, _ in pairs])
        upper = np.array([np.inf if high is None else float(high) for _, high in pairs])
    except (TypeError, ValueError):
        raise ValueError(f"setting `bounds`: found {bounds!r}; expected {expected}") from None
    if not (lower <= upper).all():
        raise ValueError(f"setting `bounds`: found {bounds!r}; expected low <= high")
    return lower, upper
