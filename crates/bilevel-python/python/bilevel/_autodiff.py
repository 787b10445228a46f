"""The functions of a smooth problem by JAX or PyTorch, which are imported only where they are used."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bilevel._functions import Functions, Lower, NumpyFunctions, Shape, Upper, number, vector

Floats = NDArray[np.float64]

BACKENDS = ("auto", "numpy", "jax", "torch")

_FRAMEWORKS = {"jax": "jax", "jaxlib": "jax", "torch": "torch"}


def framework_of(value: Any) -> str | None:
    """Whose array a value is, without importing anything."""
    names = (kind.__module__.partition(".")[0] for kind in type(value).__mro__)
    return next((_FRAMEWORKS[name] for name in names if name in _FRAMEWORKS), None)


def to_numpy(what: str, value: Any) -> Floats:
    """An array of any of the frameworks, as float64."""
    if framework_of(value) == "torch":
        value = value.detach().cpu().numpy()
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise TypeError(
            f"{what}: found {type(value).__name__}; expected an array of numbers ({error})"
        ) from error
    if not np.isfinite(array).all():
        raise ValueError(f"{what}: found values that are not finite; expected finite numbers")
    return np.array(array)


def functions(
    lower: Any, upper: Any, y0: Any, theta0: Any, shapes: tuple[Shape, Shape], backend: str, constants: Any
) -> Functions:
    """By the backend asked for, or that of the arrays, or of what `lower` returns."""
    if isinstance(lower, Lower) or isinstance(upper, Upper) or backend == "numpy":
        return _from_numpy(lower, upper, shapes, backend, constants)
    for name, function in (("lower", lower), ("upper", upper)):
        if not callable(function):
            raise TypeError(
                f"{name}: found {type(function).__name__}; "
                f"expected a function (y, theta), or a bilevel.{name.capitalize()}"
            )
    if backend == "auto":
        backend = _guessed(lower, y0, theta0, shapes)
    if backend == "jax":
        return JaxFunctions(lower, upper, *shapes, constants)
    device = next((x.device for x in (y0, theta0) if framework_of(x) == "torch"), "cpu")
    return TorchFunctions(lower, upper, *shapes, constants, device)


def _from_numpy(
    lower: Any, upper: Any, shapes: tuple[Shape, Shape], backend: str, constants: Any
) -> NumpyFunctions:
    if backend not in ("auto", "numpy"):
        raise ValueError(f"setting `backend`: found {backend!r} with a bilevel.Lower; expected 'numpy'")
    for name, given, kind in (("lower", lower, Lower), ("upper", upper, Upper)):
        if not isinstance(given, kind):
            raise TypeError(
                f"{name}: found {type(given).__name__}; NumPy has no derivatives, so expected a "
                f"bilevel.{kind.__name__} that gives them"
            )
    return NumpyFunctions(lower, upper, *shapes, constants)


def _guessed(lower: Any, y0: Any, theta0: Any, shapes: tuple[Shape, Shape]) -> str:
    found = {framework_of(y0), framework_of(theta0)} - {None}
    if len(found) == 2:
        raise ValueError("y0 and theta0: found arrays of JAX and of PyTorch; expected both of one framework")
    if not found:
        y, theta = (np.array(to_numpy("", x)).reshape(s) for x, s in zip((y0, theta0), shapes, strict=True))
        answer = lower(y, theta)
        found = {framework_of(answer)} - {None}
        if not found:
            raise TypeError(
                f"lower: returned {type(answer).__name__} for NumPy arrays, and NumPy has no derivatives; "
                "expected a bilevel.Lower that gives them, or backend='jax' or 'torch'"
            )
    return str(found.pop())


def _imported(name: str, package: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"backend={package!r} needs the package {package!r}, which cannot be imported ({error}); "
            f"install it with `pip install {package}`"
        ) from error


class JaxFunctions(Functions):
    """Gradients, forward-over-reverse products and their transposes by JAX, compiled, in float64."""

    def __init__(self, lower: Any, upper: Any, y_shape: Shape, theta_shape: Shape, constants: Any) -> None:
        super().__init__(y_shape, theta_shape, constants)
        jax = _imported("jax", "jax")
        gradient = jax.grad(lower, argnums=0)

        def along_y(y: Any, theta: Any, v: Any) -> Any:
            return jax.jvp(lambda at: gradient(at, theta), (y,), (v,))[1]

        def along_theta(y: Any, theta: Any, u: Any) -> Any:
            return jax.jvp(lambda at: gradient(y, at), (theta,), (u,))[1]

        def transposed(y: Any, theta: Any, v: Any) -> Any:
            return jax.vjp(lambda at: gradient(y, at), theta)[1](v)[0]

        self._gradient = jax.jit(gradient)
        self._hessian_product = jax.jit(along_y)
        self._mixed_product = jax.jit(along_theta)
        self._mixed_adjoint = jax.jit(transposed)
        self._value = jax.jit(upper)
        self._upper_gradient = jax.jit(jax.grad(upper, argnums=(0, 1)))
        # The switch moved from `jax.experimental` to `jax`; either is local to the thread and the block.
        if hasattr(jax, "enable_x64"):
            self._double: Callable[[], Any] = lambda: jax.enable_x64(True)
        else:
            self._double = _imported("jax.experimental", "jax").enable_x64

    def _call(self, function: Any, y: Floats, theta: Floats, *directions: Floats) -> Any:
        with self._double():
            return function(y.reshape(self.y_shape), theta.reshape(self.theta_shape), *directions)

    def lower_gradient(self, y: Floats, theta: Floats) -> Floats:
        answer = self._call(self._gradient, y, theta)
        return vector("gradient of lower", answer, self.y_shape, finite=False)

    def hessian_product(self, y: Floats, theta: Floats, v: Floats) -> Floats:
        answer = self._call(self._hessian_product, y, theta, v.reshape(self.y_shape))
        return vector("second derivative of lower in y", answer, self.y_shape)

    def mixed_product(self, y: Floats, theta: Floats, u: Floats) -> Floats:
        answer = self._call(self._mixed_product, y, theta, u.reshape(self.theta_shape))
        return vector("mixed derivative of lower", answer, self.y_shape)

    def mixed_adjoint(self, y: Floats, theta: Floats, v: Floats) -> Floats:
        answer = self._call(self._mixed_adjoint, y, theta, v.reshape(self.y_shape))
        return vector("mixed derivative of lower", answer, self.theta_shape)

    def upper_value(self, y: Floats, theta: Floats) -> float:
        return number("upper", self._call(self._value, y, theta))

    def upper_gradient(self, y: Floats, theta: Floats) -> tuple[Floats, Floats]:
        by_y, by_theta = self._call(self._upper_gradient, y, theta)
        return (
            vector("gradient of upper by y", by_y, self.y_shape),
            vector("gradient of upper by theta", by_theta, self.theta_shape),
        )


class TorchFunctions(Functions):
    """Gradients and products by PyTorch's autograd, in float64; a point's graph serves all its products."""

    def __init__(
        self, lower: Any, upper: Any, y_shape: Shape, theta_shape: Shape, constants: Any, device: Any
    ) -> None:
        super().__init__(y_shape, theta_shape, constants)
        self.torch = _imported("torch", "torch")
        self.lower = lower
        self.upper = upper
        self.device = device
        self._point: tuple[bytes, bytes, Any, Any, Any] | None = None

    def _tensor(self, array: Floats, shape: Shape) -> Any:
        # A view on the CPU: NumPy's memory is the tensor's.
        return self.torch.from_numpy(array).reshape(shape).to(self.device)

    def _inputs(self, y: Floats, theta: Floats) -> tuple[Any, Any]:
        return (
            self._tensor(y, self.y_shape).requires_grad_(),
            self._tensor(theta, self.theta_shape).requires_grad_(),
        )

    def _derivative(self, output: Any, inputs: Any, direction: Any = None, *, again: bool = False) -> Any:
        """Derivatives of a tensor along a direction of it; zeros where it does not depend on the input."""
        if not output.requires_grad:
            return [self.torch.zeros_like(x) for x in inputs]
        found = self.torch.autograd.grad(
            output, inputs, direction, create_graph=again, retain_graph=True, allow_unused=True
        )
        return [self.torch.zeros_like(x) if g is None else g for g, x in zip(found, inputs, strict=True)]

    def _at(self, y: Floats, theta: Floats) -> tuple[Any, Any, Any]:
        """y, θ and ∇_y F with its graph."""
        keys = (y.tobytes(), theta.tobytes())
        point = self._point
        if point is None or point[:2] != keys:
            inputs = self._inputs(y, theta)
            value = self.lower(*inputs)
            self._one_number("lower", value)
            gradient = self._derivative(value, inputs[:1], again=True)[0]
            point = self._point = (*keys, *inputs, gradient)
        return point[2:]

    def _one_number(self, what: str, value: Any) -> None:
        if framework_of(value) != "torch":
            raise TypeError(f"{what}: returned {type(value).__name__}; expected a tensor of one number")
        if value.numel() != 1:
            raise ValueError(f"{what}: returned a tensor of shape {tuple(value.shape)}; expected one number")

    def _vector(self, what: str, tensor: Any, shape: Shape, *, finite: bool = True) -> Floats:
        return vector(what, tensor.detach().cpu().numpy(), shape, finite=finite)

    def lower_gradient(self, y: Floats, theta: Floats) -> Floats:
        with self.torch.enable_grad():
            gradient = self._at(y, theta)[2]
        return self._vector("gradient of lower", gradient, self.y_shape, finite=False)

    def hessian_product(self, y: Floats, theta: Floats, v: Floats) -> Floats:
        with self.torch.enable_grad():
            at_y, _, gradient = self._at(y, theta)
            product = self._derivative(gradient, [at_y], self._tensor(v, self.y_shape))[0]
        return self._vector("second derivative of lower in y", product, self.y_shape)

    def mixed_adjoint(self, y: Floats, theta: Floats, v: Floats) -> Floats:
        with self.torch.enable_grad():
            _, at_theta, gradient = self._at(y, theta)
            product = self._derivative(gradient, [at_theta], self._tensor(v, self.y_shape))[0]
        return self._vector("mixed derivative of lower", product, self.theta_shape)

    def mixed_product(self, y: Floats, theta: Floats, u: Floats) -> Floats:
        # (∂²F/∂y∂θ)ᵀ w is linear in w: its transpose is its derivative in w, at any w.
        with self.torch.enable_grad():
            _, at_theta, gradient = self._at(y, theta)
            w = self.torch.zeros_like(gradient, requires_grad=True)
            transposed = self._derivative(gradient, [at_theta], w, again=True)[0]
            product = self._derivative(transposed, [w], self._tensor(u, self.theta_shape))[0]
        return self._vector("mixed derivative of lower", product, self.y_shape)

    def upper_value(self, y: Floats, theta: Floats) -> float:
        with self.torch.no_grad():
            value = self.upper(self._tensor(y, self.y_shape), self._tensor(theta, self.theta_shape))
        self._one_number("upper", value)
        return number("upper", value.item())

    def upper_gradient(self, y: Floats, theta: Floats) -> tuple[Floats, Floats]:
        with self.torch.enable_grad():
            inputs = self._inputs(y, theta)
            value = self.upper(*inputs)
            self._one_number("upper", value)
            by_y, by_theta = self._derivative(value, inputs)
        return (
            self._vector("gradient of upper by y", by_y, self.y_shape),
            self._vector("gradient of upper by theta", by_theta, self.theta_shape),
        )
