"""Kernels of blur, for ``convolution``."""

from __future__ import annotations

from bilevel import _core
from bilevel.inverse._arrays import Floats, positive


def _kernel(kind: str, first: float, second: float = 0.0, n_axes: int = 2) -> Floats:
    shape, values = _core.blur_kernel(kind, (first, second), n_axes)
    return values.reshape(shape)


def gaussian_kernel(sigma: float, n_axes: int = 2) -> Floats:
    """A Gaussian of standard deviation ``sigma`` pixels, up to 4 σ along each of one to three axes; sum 1.

    Examples
    --------
    >>> from bilevel.inverse import gaussian_kernel
    >>> gaussian_kernel(1.0).shape
    (9, 9)
    """
    return _kernel("gaussian", positive("sigma", sigma), n_axes=int(n_axes))


def motion_kernel(length: float, angle: float) -> Floats:
    """A straight motion over ``length`` pixels, ``angle`` degrees counter-clockwise from the right; sum 1.

    Examples
    --------
    >>> from bilevel.inverse import motion_kernel
    >>> motion_kernel(4, 0).round(3)
    array([[0.125, 0.25 , 0.25 , 0.25 , 0.125]])
    """
    return _kernel("motion", positive("length", length), float(angle))


def disk_kernel(radius: float) -> Floats:
    """Out of focus: a disk, in each pixel the share that it covers; sum 1.

    Examples
    --------
    >>> from bilevel.inverse import disk_kernel
    >>> disk_kernel(3).shape
    (7, 7)
    """
    return _kernel("disk", positive("radius", radius))
