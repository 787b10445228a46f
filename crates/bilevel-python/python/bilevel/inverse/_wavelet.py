"""Denoising in one call."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bilevel import _core
from bilevel.inverse._arrays import Floats, described, floats, positive


@dataclass(frozen=True)
class SubbandChoice:
    """What was done to a subband.

    Attributes
    ----------
    plane, level : int
        Colour, from 0, and level, 1 for the finest.
    orientation : str
        approximation, horizontal, vertical or diagonal.
    rule : {"kept", "soft", "neighbourhood"}
    parameter : float
        The threshold, or the factor of the neighbourhood's energy.
    radius : int
        Of the neighbourhood; 0 for the other rules.
    risk : float
        SURE: the estimated squared error of its coefficients, summed.
    """

    plane: int
    level: int
    orientation: str
    rule: str
    parameter: float
    radius: int
    risk: float


@dataclass(frozen=True)
class Denoised:
    """A denoised image and what was chosen for it.

    Attributes
    ----------
    image : ndarray
        As large as the noisy one.
    sigma : ndarray
        Standard deviation of the noise that was taken, for each plane.
    mean_squared_error : float
        Estimated, without the truth; an upper bound for the undecimated transform.
    subbands : list of SubbandChoice
    """

    image: Floats = field(repr=False)
    sigma: Floats
    mean_squared_error: float
    subbands: list[SubbandChoice] = field(repr=False)


def planes(what: str, image: Any) -> Floats:
    """An image (rows, columns) or (rows, columns, colours) as an array of planes, (planes, rows, columns)."""
    array = floats(what, image)
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise ValueError(
            f"{what}: found {described(array.shape)}; expected (rows, columns), or (rows, columns, colours)"
        )
    if array.ndim == 2:
        return array[np.newaxis]
    return np.ascontiguousarray(np.moveaxis(array, -1, 0))


def like(image: Any, restored: Floats) -> Floats:
    """Planes in the layout of the image that they come from."""
    return restored[0] if np.ndim(image) == 2 else np.ascontiguousarray(np.moveaxis(restored, 0, -1))


def denoise_wavelet(
    image: Any,
    sigma: float | None = None,
    *,
    wavelet: str = "haar",
    levels: int = 4,
    undecimated: bool = True,
    weights: str = "neighbourhood",
) -> Denoised:
    """Remove white Gaussian noise; all that is chosen minimizes an unbiased estimate of the error (SURE).

    Parameters
    ----------
    image : array of shape (rows, columns) or (rows, columns, colours)
    sigma : float
        Standard deviation of the noise in units of the image; estimated if not given.
    wavelet : str
        haar, db1 to db20, sym2 to sym20 or coif1 to coif5.
    levels : int
        Fewer where the image is smaller than 2^levels.
    undecimated : bool
        All shifts, which is 1 to 2 dB better than an orthogonal transform.
    weights : {"neighbourhood", "subband"}
        Each coefficient is shrunk by the energy around it, or there is one threshold in each subband.

    Returns
    -------
    Denoised

    Examples
    --------
    >>> import numpy as np
    >>> from bilevel.inverse import denoise_wavelet
    >>> truth = np.add.outer(np.arange(64) > 20, np.arange(64) > 30) / 2
    >>> noisy = truth + 0.1 * np.random.default_rng(0).standard_normal((64, 64))
    >>> denoised = denoise_wavelet(noisy)
    >>> bool(np.mean((denoised.image - truth) ** 2) < 0.1 * 0.1**2)
    True
    """
    stack = planes("image", image)
    level = None if sigma is None else positive("sigma", sigma)
    flat, noise, subbands, error = _core.denoise_wavelet(
        stack.reshape(-1),
        (stack.shape[1], stack.shape[2]),
        sigma=level,
        wavelet=str(wavelet),
        levels=int(levels),
        undecimated=bool(undecimated),
        shrinkage=str(weights),
    )
    choices = [SubbandChoice(*parts) for parts in subbands]
    return Denoised(like(image, flat.reshape(stack.shape)), np.array(noise), error, choices)


def estimate_noise(image: Any) -> float:
    """Standard deviation of white noise on an image: the median of its finest wavelet coefficients.

    Of a colour image the mean over its planes (of the variances).

    Examples
    --------
    >>> import numpy as np
    >>> from bilevel.inverse import estimate_noise
    >>> noisy = 3.0 + 0.1 * np.random.default_rng(0).standard_normal((128, 128))
    >>> round(estimate_noise(noisy), 2)
    0.1
    """
    stack = planes("image", image)
    shape = (stack.shape[1], stack.shape[2])
    variances = [_core.estimate_noise(plane.reshape(-1), shape) ** 2 for plane in stack]
    return float(np.sqrt(np.mean(variances)))
