"""The functions of a smooth problem as the compiled part calls them, and those written with NumPy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Shape = tuple[int, ...]

DIFFERENCES = "differences"

#: Step of fourth-order differences: rounding (1e-16/h) and truncation (h^4) balance near it.
STEP = 1e-3


@dataclass(frozen=True)
class Lower:
    """A lower level F(y, θ) written with NumPy: its gradient, and products with its second derivatives.

    All functions get ``y`` and ``theta`` as float64 arrays of the shapes of ``y0`` and ``theta0``, which are
    theirs to keep or change.

    Attributes
    ----------
    gradient : callable (y, theta) -> array of y's shape
        ∇_y F. A value of F is never asked for.
    hessian_product : callable (y, theta, v) -> array of y's shape, or "differences"
        ∇²_yy F v. ``"differences"`` takes fourth-order differences of the gradient, four gradients for each
        product; it is never chosen silently.
    mixed_adjoint : callable (y, theta, v) -> array of theta's shape, or "differences"
        (∂²F/∂y∂θ)ᵀ v: the derivative of ∇_y Fᵀ v in θ. Differences take four gradients for each θ.
    mixed_product : callable (y, theta, u) -> array of y's shape, or "differences"
        (∂²F/∂y∂θ) u. One of the two is enough: the other is put together from it, exactly, with a call for
        each entry of y (or θ).

    Examples
    --------
    Ridge, F = ½‖Ay - b‖² + ½θ‖y‖²:

    >>> import numpy as np
    >>> from bilevel import Lower
    >>> A, b = np.eye(2), np.ones(2)
    >>> ridge = Lower(
    ...     gradient=lambda y, theta: A.T @ (A @ y - b) + theta * y,
    ...     hessian_product=lambda y, theta, v: A.T @ (A @ v) + theta * v,
    ...     mixed_adjoint=lambda y, theta, v: y @ v,
    ... )
    """

    gradient: Callable[[Floats, Floats], Any]
    hessian_product: Callable[[Floats, Floats, Floats], Any] | Literal["differences"] | None = None
    mixed_adjoint: Callable[[Floats, Floats, Floats], Any] | Literal["differences"] | None = None
    mixed_product: Callable[[Floats, Floats, Floats], Any] | Literal["differences"] | None = None

    def __post_init__(self) -> None:
        _must_be_callable("lower.gradient", self.gradient)
        for name in ("hessian_product", "mixed_adjoint", "mixed_product"):
            given = getattr(self, name)
            if given is not None and given != DIFFERENCES:
                _must_be_callable(f"lower.{name}", given, " or 'differences'")
        if self.hessian_product is None:
            raise TypeError(
                "lower.hessian_product: not given; expected a function (y, theta, v), "
                "or 'differences' for differences of the gradient"
            )
        if self.mixed_adjoint is None and self.mixed_product is None:
            raise TypeError(
                "lower.mixed_adjoint: not given, and no mixed_product; expected a function (y, theta, v), "
                "or 'differences' for differences of the gradient"
            )


@dataclass(frozen=True)
class Upper:
    """A criterion L(y, θ) written with NumPy.

    Attributes
    ----------
    value : callable (y, theta) -> float
    gradient : callable (y, theta) -> (array of y's shape, array of theta's shape or None)
        ∇_y L and ∇_θ L; None for the latter says that L does not depend on θ directly.
    """

    value: Callable[[Floats, Floats], Any]
    gradient: Callable[[Floats, Floats], Any]

    def __post_init__(self) -> None:
        _must_be_callable("upper.value", self.value)
        _must_be_callable("upper.gradient", self.gradient)


def _must_be_callable(what: str, given: Any, also: str = "") -> None:
    if not callable(given):
        raise TypeError(f"{what}: found {given!r}; expected a function{also}")


class Functions(ABC):
    """The functions of a smooth problem: flat float64 arrays in, flat contiguous float64 arrays out."""

    def __init__(self, y_shape: Shape, theta_shape: Shape, constants: Any) -> None:
        self.y_shape = y_shape
        self.theta_shape = theta_shape
        self.known = constants

    @abstractmethod
    def lower_gradient(self, y: Floats, theta: Floats) -> Floats:
        """∇_y F; may hold NaN where F is not defined, which searches step back from."""

    @abstractmethod
    def hessian_product(self, y: Floats, theta: Floats, v: Floats) -> Floats:
        """∇²_yy F v."""

    @abstractmethod
    def mixed_product(self, y: Floats, theta: Floats, u: Floats) -> Floats:
        """(∂²F/∂y∂θ) u."""

    @abstractmethod
    def mixed_adjoint(self, y: Floats, theta: Floats, v: Floats) -> Floats:
        """(∂²F/∂y∂θ)ᵀ v."""

    @abstractmethod
    def upper_value(self, y: Floats, theta: Floats) -> float:
        """L."""

    @abstractmethod
    def upper_gradient(self, y: Floats, theta: Floats) -> tuple[Floats, Floats]:
        """∇_y L and ∇_θ L."""

    def constants(self, theta: Floats) -> tuple[Any, Any, Any]:
        """What is known for all y: strong convexity, Lipschitz constant, drift."""
        known = self.known
        if callable(known):
            known = _constants(known(theta.reshape(self.theta_shape)))
        return known if known is not None else (None, None, None)


_DRIFT = ("hessian", "mixed", "criterion", "criterion_by_lambda")


def checked_constants(given: Any) -> Any:
    """A function as it is, or what a dictionary of constants says."""
    return given if callable(given) or given is None else _constants(given)


def _constants(given: Any) -> tuple[float | None, float | None, tuple[float, ...] | None]:
    expected = "a dictionary with 'strong_convexity', 'lipschitz' and 'drift', each optional"
    if not isinstance(given, dict) or set(given) - {"strong_convexity", "lipschitz", "drift"}:
        raise ValueError(f"constants: found {given!r}; expected {expected}")

    def number(name: str, value: Any) -> float:
        if isinstance(value, (bool, str)) or not np.isscalar(value) or not 0.0 <= float(value) < np.inf:  # type: ignore[arg-type]
            raise ValueError(f"constants[{name!r}]: found {value!r}; expected a finite number of at least 0")
        return float(value)  # type: ignore[arg-type]

    def optional(name: str) -> float | None:
        return None if given.get(name) is None else number(name, given[name])

    drift = given.get("drift")
    if drift is not None:
        if not isinstance(drift, dict) or set(drift) != set(_DRIFT):
            raise ValueError(
                f"constants['drift']: found {drift!r}; expected a dictionary with {', '.join(_DRIFT)}"
            )
        drift = tuple(number(name, drift[name]) for name in _DRIFT)
    return optional("strong_convexity"), optional("lipschitz"), drift


def vector(what: str, answer: Any, shape: Shape, *, finite: bool = True) -> Floats:
    """What a function returned, flat and contiguous, if it is a float array of this shape."""
    array = _array(what, answer)
    # One number is one number, whether it comes as a scalar, in a list, or as a 1×1 matrix.
    if array.shape != shape and not (array.size == 1 and shape in ((), (1,))):
        raise ValueError(f"{what}: returned an array of shape {array.shape}; expected {shape}")
    flat = np.ascontiguousarray(array.reshape(-1))
    if finite and not np.isfinite(flat).all():
        k = int(np.flatnonzero(~np.isfinite(flat))[0])
        raise ValueError(f"{what}: returned {flat[k]} in entry {k}; expected finite numbers")
    return flat


def number(what: str, answer: Any) -> float:
    """What a function returned, if it is one number."""
    array = _array(what, answer)
    if array.size != 1:
        raise ValueError(f"{what}: returned an array of shape {array.shape}; expected one number")
    value = float(array.reshape(()))
    if np.isnan(value) or value == -np.inf:
        raise ValueError(f"{what}: returned {value}; expected a number")
    return value


def _array(what: str, answer: Any) -> Floats:
    try:
        # NumPy would read None as NaN; it is what a function returns that forgot to.
        if answer is None:
            raise TypeError("did it forget to return?")
        return np.asarray(answer, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        found = f"{what}: returned {type(answer).__name__}, which is not numeric ({error})"
        raise TypeError(found) from error


class NumpyFunctions(Functions):
    """Those of a :class:`Lower` and an :class:`Upper`."""

    def __init__(
        self, lower: Lower, upper: Upper, y_shape: Shape, theta_shape: Shape, constants: Any
    ) -> None:
        super().__init__(y_shape, theta_shape, constants)
        self.lower = lower
        self.upper = upper

    def lower_gradient(self, y: Floats, theta: Floats) -> Floats:
        answer = self.lower.gradient(y.reshape(self.y_shape), theta.reshape(self.theta_shape))
        return vector("lower.gradient", answer, self.y_shape, finite=False)

    def hessian_product(self, y: Floats, theta: Floats, v: Floats) -> Floats:
        given = self.lower.hessian_product
        if given == DIFFERENCES:
            return _difference("lower.gradient", lambda at: self.lower_gradient(at, theta.copy()), y, v)
        return self._product("hessian_product", given, y, theta, v, self.y_shape, self.y_shape)

    def mixed_product(self, y: Floats, theta: Floats, u: Floats) -> Floats:
        given = self.lower.mixed_product
        if given == DIFFERENCES:
            return _difference("lower.gradient", lambda at: self.lower_gradient(y.copy(), at), theta, u)
        if given is not None:
            return self._product("mixed_product", given, y, theta, u, self.theta_shape, self.y_shape)
        if self.lower.mixed_adjoint == DIFFERENCES:
            return _difference("lower.gradient", lambda at: self.lower_gradient(y.copy(), at), theta, u)
        rows = (self.mixed_adjoint(y.copy(), theta.copy(), unit) @ u for unit in np.eye(y.size))
        return np.fromiter(rows, np.float64, y.size)

    def mixed_adjoint(self, y: Floats, theta: Floats, v: Floats) -> Floats:
        given = self.lower.mixed_adjoint
        if given is not None and given != DIFFERENCES:
            return self._product("mixed_adjoint", given, y, theta, v, self.y_shape, self.theta_shape)
        columns = (self._mixed_column(y, theta, unit) @ v for unit in np.eye(theta.size))
        return np.fromiter(columns, np.float64, theta.size)

    def _mixed_column(self, y: Floats, theta: Floats, unit: Floats) -> Floats:
        if self.lower.mixed_adjoint == DIFFERENCES:
            return _difference("lower.gradient", lambda at: self.lower_gradient(y.copy(), at), theta, unit)
        return self.mixed_product(y.copy(), theta.copy(), unit)

    def upper_value(self, y: Floats, theta: Floats) -> float:
        answer = self.upper.value(y.reshape(self.y_shape), theta.reshape(self.theta_shape))
        return number("upper.value", answer)

    def upper_gradient(self, y: Floats, theta: Floats) -> tuple[Floats, Floats]:
        answer = self.upper.gradient(y.reshape(self.y_shape), theta.reshape(self.theta_shape))
        if not (isinstance(answer, (tuple, list)) and len(answer) == 2):
            raise TypeError(
                f"upper.gradient: returned {type(answer).__name__}; "
                "expected a pair, by y and by theta (or None)"
            )
        by_y, by_theta = answer
        if by_theta is None:
            by_theta = np.zeros(self.theta_shape)
        return (
            vector("upper.gradient, by y", by_y, self.y_shape),
            vector("upper.gradient, by theta", by_theta, self.theta_shape),
        )

    def _product(
        self, name: str, function: Any, y: Floats, theta: Floats, v: Floats, shape: Shape, out: Shape
    ) -> Floats:
        answer = function(y.reshape(self.y_shape), theta.reshape(self.theta_shape), v.reshape(shape))
        return vector(f"lower.{name}", answer, out)


def _difference(what: str, function: Callable[[Floats], Floats], x: Floats, v: Floats) -> Floats:
    """The derivative of a function along v, by fourth-order central differences."""
    length = float(np.linalg.norm(v))
    if length == 0.0:
        return np.zeros_like(function(x.copy()))
    step = STEP * (1.0 + float(np.linalg.norm(x)) / np.sqrt(max(x.size, 1)))
    far_below, below, above, far_above = (
        function(x + (t * step / length) * v) for t in (-2.0, -1.0, 1.0, 2.0)
    )
    slope: Floats = (8.0 * (above - below) - (far_above - far_below)) * (length / (12.0 * step))
    return vector(f"{what}, its differences", slope, slope.shape)
