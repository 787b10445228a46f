"""What the restorations share: shapes, planes of colour, examples and the search for weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from bilevel import _core
from bilevel.inverse._arrays import Floats, described, floats, positive
from bilevel.inverse._operators import Operator, as_operator
from bilevel.inverse._probes import Searched, Trial, scale_of, search
from bilevel.inverse._wavelet import estimate_noise


class Restorer(BaseEstimator):  # type: ignore[misc]
    """A restoration: ``fit`` learns its weights, ``restore`` applies them."""

    operator: Any
    shape: Any
    sigma: Any
    criterion: str
    tol: float
    seed: int

    def fit(self, degraded: Any, clean: Any = None) -> Any:
        """Learn the weights.

        Parameters
        ----------
        degraded : array, or a list of arrays
            What was measured: images (rows, columns) or (rows, columns, colours), or with an operator, data
            in its output shape (with colours as a last axis).
        clean : array, or a list of arrays
            The true images. Without them the criterion is estimated from the data alone.

        Returns
        -------
        self
        """
        images = list(degraded) if isinstance(degraded, (list, tuple)) else [degraded]
        truths: list[Any] = [None] * len(images)
        if clean is not None:
            truths = list(clean) if isinstance(clean, (list, tuple)) else [clean]
        if not images or len(truths) != len(images):
            raise ValueError(
                f"images: found {len(images)} degraded and {len(truths)} clean; expected as many of each"
            )
        if self.criterion not in self._criteria:
            raise ValueError(
                f"setting `criterion`: found {self.criterion!r}; expected one of {', '.join(self._criteria)}"
            )
        self._learn([self._planes(image, "degraded image") for image in images], truths, images)
        return self

    def restore(self, degraded: Any) -> Floats:
        """Restore an image with the weights that were learned.

        Parameters
        ----------
        degraded : array
            As for :meth:`fit`.

        Returns
        -------
        ndarray
            The image, with colours as a last axis if there are any.
        """
        check_is_fitted(self, "lambda_")
        data, shape = self._planes(degraded, "degraded image")
        weights = np.atleast_1d(np.asarray(self.lambda_, dtype=np.float64))
        restored = [self._solved(plane, shape, weights) for plane in data]
        return self._joined(restored, shape, degraded)

    def fit_restore(self, degraded: Any) -> Floats:
        """Learn the weights from one degraded image alone, and restore it."""
        restored: Floats = self.fit(degraded).restore(degraded)
        return restored

    _criteria: tuple[str, ...] = ("sure", "gcv", "discrepancy")

    def _make(self, data: Floats, shape: tuple[int, ...]) -> _core.Restoration:
        raise NotImplementedError

    def _interval(self, noise: float) -> tuple[float, float]:
        raise NotImplementedError

    def _tolerance(self, several: bool) -> float:
        return positive("tol", self.tol)

    def _solved(self, plane: Floats, shape: tuple[int, ...], weights: Floats) -> Floats:
        return self._make(plane, shape).solve(weights, self._tolerance(len(weights) > 1))

    def _operator(self) -> Operator | None:
        if self.operator is None:
            return None
        if isinstance(self.operator, Operator) and self.shape is None:
            return self.operator
        return as_operator(self.operator, self.shape)

    def _norm(self) -> float:
        """About ‖A‖, which weights of penalties grow with."""
        operator = self._operator()
        return 1.0 if operator is None else float(np.sqrt(scale_of(operator, 0)))

    def _planes(self, degraded: Any, what: str) -> tuple[list[Floats], tuple[int, ...]]:
        """Flat vectors of data, one for each colour, and the shape of an image."""
        array, operator = floats(what, degraded), self._operator()
        if operator is None:
            if array.ndim not in (2, 3) or 0 in array.shape:
                raise ValueError(
                    f"{what}: found {described(array.shape)}; expected (rows, columns), or (rows, columns, "
                    "colours)"
                )
            shape, expected = array.shape[:2], array.shape[:2]
        else:
            shape, expected = operator.shape_in, operator.shape_out
        if array.shape == expected or array.shape == (operator.shape[0] if operator else -1,):
            return [array.reshape(-1)], shape
        if array.shape[:-1] == expected:
            moved = np.moveaxis(array, -1, 0)
            return [np.ascontiguousarray(plane).reshape(-1) for plane in moved], shape
        raise ValueError(
            f"{what}: found {described(array.shape)}; expected {expected}, the output of the operator, or "
            "that with colours as a last axis"
        )

    def _truths(self, clean: Any, shape: tuple[int, ...], count: int) -> list[Floats]:
        array = floats("clean image", clean)
        if count == 1 and array.shape == shape:
            return [array.reshape(-1)]
        if array.shape != (*shape, count):
            expected = shape if count == 1 else (*shape, count)
            raise ValueError(f"clean image: found {described(array.shape)}; expected {expected}")
        moved = np.moveaxis(array, -1, 0)
        return [np.ascontiguousarray(plane).reshape(-1) for plane in moved]

    def _joined(self, restored: list[Floats], shape: tuple[int, ...], degraded: Any) -> Floats:
        images = [plane.reshape(shape) for plane in restored]
        operator = self._operator()
        axes = len(shape) if operator is None else len(operator.shape_out)
        return np.stack(images, axis=-1) if np.ndim(degraded) > axes else images[0]

    def _noise(self, image: Any) -> float | None:
        """σ, as given or, if the criterion needs it, as estimated."""
        if self.sigma is not None:
            return positive("sigma", self.sigma)
        operator = self._operator()
        axes = 2 if operator is None else len(operator.shape_out)
        needed = self.criterion in ("sure", "gsure", "discrepancy")
        if axes == 2 and np.ndim(image) >= 2:
            estimate = estimate_noise(image)
            # Below this it is rounding.
            estimate = estimate if estimate > 1e-12 * float(np.abs(image).max()) else 0.0
            if needed and estimate == 0:
                raise ValueError(
                    f"setting `sigma`: found an estimate of 0; expected noise, which `{self.criterion}` needs"
                )
            return estimate or None
        if needed:
            raise ValueError(
                f"setting `sigma`: found None; expected the noise level, which `{self.criterion}` needs and "
                "which can only be estimated from data in two dimensions"
            )
        return None

    def _learn(
        self, data: list[tuple[list[Floats], tuple[int, ...]]], truths: list[Any], images: list[Any]
    ) -> None:
        operator, trials, levels = self._operator(), [], []
        for (columns, shape), truth, image in zip(data, truths, images, strict=True):
            true: list[Any] = [None] * len(columns)
            level = None
            if truth is None:
                level = self._noise(image)
            else:
                true = self._truths(truth, shape, len(columns))
            for column, target in zip(columns, true, strict=True):
                if target is not None:
                    fitted = target if operator is None else operator.matvec(target)
                    level = float(np.sqrt(np.mean((fitted - column) ** 2)))
                levels.append(level if level else 0.05 * float(np.std(column)))
                trials.append(
                    Trial(
                        lambda b, shape=shape: self._make(b, shape),  # type: ignore[misc]
                        column,
                        operator=operator,
                        truth=target,
                        sigma=level,
                        seed=int(self.seed),
                    )
                )
        noise = max(float(np.sqrt(np.mean(np.square(levels)))), 1e-12)
        tol = self._tolerance(trials[0].n_weights > 1)
        supervised = truths[0] is not None
        found = search(trials, "supervised" if supervised else self.criterion, self._interval(noise), tol)
        self._keep(found, supervised, noise)

    def _keep(self, found: Searched, supervised: bool, noise: float) -> None:
        self.lambda_ = float(found.weights[0]) if len(found.weights) == 1 else found.weights
        self.criterion_ = "supervised" if supervised else self.criterion
        self.criterion_value_ = found.value
        self.curve_ = np.array(found.curve)
        self.sigma_ = noise
        self.n_evaluations_ = found.n_evaluations
        self.warning_ = None
        if found.at_edge is not None:
            which = "largest" if found.at_edge == "at-upper-end" else "smallest"
            self.warning_ = f"the {which} weight of the range was chosen ({found.weights[0]:.3e})"


def image_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """The same shape, if it is one of an image."""
    if len(shape) != 2:
        raise ValueError(
            f"setting `shape`: found {shape}, the input of the operator; expected (rows, columns)"
        )
    return (shape[0], shape[1])
