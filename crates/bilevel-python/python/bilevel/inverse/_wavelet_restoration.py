"""Restoration with wavelets as an estimator."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from bilevel import _core
from bilevel.inverse._arrays import Floats, positive
from bilevel.inverse._operators import Operator, convolution
from bilevel.inverse._restorer import Restorer, image_shape
from bilevel.inverse._wavelet import denoise_wavelet

#: Shifts of the basis that a restoration behind an operator is averaged over, beside none.
SHIFTS = ((5, 3), (10, 6), (15, 9))


def _shifted(shape: tuple[int, ...], shift: tuple[int, int]) -> Operator:
    """The operator that moves an image down and to the right, around the edges."""
    point = np.zeros((shift[0] + 1, shift[1] + 1))
    point[shift] = 1.0
    return convolution(shape, point, boundary="periodic", centre=(0, 0))


class WaveletRestoration(Restorer):
    """Restoration by ``½‖A W y - b‖² + Σ λ_i |y_i|``, y the wavelet coefficients of the image.

    With an operator and the orthogonal transform, an image is restored in four shifts of the basis at the
    weights that one of them chose, and the mean taken: one basis leaves marks of its own grid.

    Without operator and clean images, and with ``weights="auto"``, it is :func:`denoise_wavelet`, which needs
    no search.

    Parameters
    ----------
    operator : array, sparse matrix or operator
        A; by default the identity, for denoising.
    wavelet : str
        haar, db1 to db20, sym2 to sym20 or coif1 to coif5.
    levels : int
        Fewer where the image is smaller than 2^levels.
    undecimated : bool
        All shifts of the wavelets: better images where noise is removed by SURE alone, and the default there.
        Elsewhere the default is the orthogonal transform: without operator it is solved by one threshold, and
        with one, the approximations of all shifts, which have no weight, hold what a blur hides.
    weights : {"auto", "image", "level", "subband"}
        What has a λ of its own. By default subbands where there are clean images, otherwise one λ.
    criterion : {"sure", "gcv", "discrepancy"}
        How weights are chosen without clean images.
    sigma, shape, seed
        As for :class:`Tikhonov`.
    tol : float
        Largest gap of the solver, relative to ½‖b‖².

    Attributes
    ----------
    lambda_ : float or ndarray
        The learned weights, from coarse to fine; NaN where every coefficient has a shrinkage of its own.
    criterion_value_, curve_, sigma_, warning_
        As for :class:`Tikhonov`.

    Examples
    --------
    >>> import numpy as np
    >>> from bilevel.inverse import WaveletRestoration
    >>> truth = np.add.outer(np.arange(64) > 20, np.arange(64) > 30) / 2
    >>> noise = 0.1 * np.random.default_rng(0).standard_normal((2, 64, 64))
    >>> model = WaveletRestoration().fit(truth + noise[0], truth)
    >>> bool(np.mean((model.restore(truth + noise[1]) - truth) ** 2) < 0.3 * 0.1**2)
    True
    """

    def __init__(
        self,
        operator: Any = None,
        *,
        wavelet: str = "haar",
        levels: int = 4,
        undecimated: bool | None = None,
        weights: str = "auto",
        criterion: str = "sure",
        sigma: float | None = None,
        shape: tuple[int, ...] | None = None,
        tol: float = 1e-5,
        seed: int = 0,
    ) -> None:
        self.operator = operator
        self.wavelet = wavelet
        self.levels = levels
        self.undecimated = undecimated
        self.weights = weights
        self.criterion = criterion
        self.sigma = sigma
        self.shape = shape
        self.tol = tol
        self.seed = seed

    def _make(self, data: Floats, shape: tuple[int, ...]) -> _core.Restoration:
        return self._behind(self._operator(), data, shape)

    def _solved(self, plane: Floats, shape: tuple[int, ...], weights: Floats) -> Floats:
        image = super()._solved(plane, shape, weights)
        operator = self._operator()
        if operator is None or self.undecimated:
            return image
        # One orthogonal basis leaves marks of its grid: the mean over a few shifts of it has them no more.
        images, tol = [image], self._tolerance(len(weights) > 1)
        for rows, columns in SHIFTS:
            shift = (rows % shape[0], columns % shape[1])
            moved = operator @ _shifted(shape, shift)
            found = self._behind(moved, plane, shape).solve(weights, tol)
            images.append(np.roll(found.reshape(shape), shift, (0, 1)).reshape(-1))
        mean: Floats = np.mean(images, axis=0)
        return mean

    def _behind(self, operator: Operator | None, data: Floats, shape: tuple[int, ...]) -> _core.Restoration:
        rows, columns = image_shape(shape)
        most = max(int(np.log2(min(rows, columns))), 1)
        return _core.Restoration.wavelet(
            None if operator is None else operator._core,
            data,
            (rows, columns),
            wavelet=str(self.wavelet),
            levels=min(int(self.levels), most),
            undecimated=bool(self.undecimated),
            per=self._per,
        )

    def _interval(self, noise: float) -> tuple[float, float]:
        low, high = (0.05, 30.0) if self.operator is None else (1e-3, 10.0)
        return low * noise * self._norm(), high * noise * self._norm()

    def _tolerance(self, several: bool) -> float:
        return min(positive("tol", self.tol), 1e-8 if several else 1.0)

    def _learn(
        self, data: list[tuple[list[Floats], tuple[int, ...]]], truths: list[Any], images: list[Any]
    ) -> None:
        if self.weights not in ("auto", "image", "level", "subband"):
            found = f"setting `weights`: found {self.weights!r}"
            raise ValueError(f"{found}; expected 'auto', 'image', 'level' or 'subband'")
        supervised = truths[0] is not None
        self._closed = self.weights == "auto" and not supervised and self.operator is None
        if self._closed:
            if self.criterion != "sure":
                found = f"setting `criterion`: found '{self.criterion}' with weights='auto'"
                raise ValueError(f"{found}; expected 'sure', or weights='image'")
            denoised = [self._denoised(image) for image in images]
            self.lambda_ = float("nan")
            self.criterion_ = "sure"
            self.criterion_value_ = float(np.mean([one.mean_squared_error for one in denoised]))
            self.curve_ = np.empty((0, 2))
            self.sigma_ = float(np.mean([one.sigma.mean() for one in denoised]))
            self.n_evaluations_, self.warning_ = 1, None
            return
        automatic = "subband" if supervised else "image"
        self._per = automatic if self.weights == "auto" else self.weights
        super()._learn(data, truths, images)

    def _denoised(self, image: Any) -> Any:
        return denoise_wavelet(
            image,
            self.sigma,
            wavelet=self.wavelet,
            levels=self.levels,
            undecimated=self.undecimated is not False,
        )

    def restore(self, degraded: Any) -> Floats:
        """Restore an image with the weights that were learned.

        Parameters
        ----------
        degraded : array
            As for :meth:`fit`.

        Returns
        -------
        ndarray
        """
        check_is_fitted(self, "lambda_")
        if self._closed:
            image: Floats = self._denoised(degraded).image
            return image
        return super().restore(degraded)
