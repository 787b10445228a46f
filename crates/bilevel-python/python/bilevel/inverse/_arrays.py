"""Arguments as contiguous arrays of float64: as they are where they are so, otherwise copied once."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def floats(what: str, values: Any) -> Floats:
    """A contiguous array of float64, all of it finite.

    Raises
    ------
    TypeError
        If they are no real numbers.
    ValueError
        If one is NaN or infinite; the sentence says where.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{what}: found {array.dtype} values; expected real numbers")
    array = np.ascontiguousarray(array, dtype=np.float64).reshape(array.shape)
    if not np.isfinite(array).all():
        at = tuple(int(k) for k in np.argwhere(~np.isfinite(array))[0])
        place = at[0] if len(at) == 1 else at
        raise ValueError(f"{what}, at {place}: found {array[at]}; expected finite numbers")
    return array


def vector(what: str, values: Any, length: int) -> Floats:
    """The same as a flat vector, of an array of any shape with so many entries."""
    array = floats(what, values)
    if array.size != length:
        raise ValueError(f"{what}: found {described(array.shape)}; expected {length} numbers")
    return array.reshape(-1)


def described(shape: tuple[int, ...]) -> str:
    """A shape in words."""
    return f"an array of shape {shape}"


def positive(name: str, value: Any) -> float:
    """A finite number above 0."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise TypeError(f"setting `{name}`: found {value!r}; expected a number")
    number = float(value)
    if not (number > 0 and math.isfinite(number)):
        raise ValueError(f"setting `{name}`: found {number:g}; expected a finite number above 0")
    return number


def sides(shape: Any) -> tuple[int, ...]:
    """A shape as a tuple of sizes above 0."""
    given = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    if not given or not all(isinstance(n, (int, np.integer)) and n > 0 for n in given):
        raise ValueError(f"setting `shape`: found {shape!r}; expected whole numbers above 0")
    return tuple(int(n) for n in given)
