"""Tikhonov regularization as an estimator."""

from __future__ import annotations

from typing import Any

import numpy as np

from bilevel import _core
from bilevel._matrix import to_matrix
from bilevel.inverse._arrays import Floats
from bilevel.inverse._choice import choose_lambda, dense_penalty
from bilevel.inverse._operators import Operator, as_operator, gradient, identity, laplacian, matrix
from bilevel.inverse._probes import Searched, scale_of
from bilevel.inverse._restorer import Restorer


class Tikhonov(Restorer):
    """Restoration by ``½‖Ax - b‖² + Σ λ_k/2 ‖L_k x‖²``.

    Parameters
    ----------
    operator : array, sparse matrix or operator
        A, as for ``as_operator``; by default the identity, for denoising.
    regularizer : {"gradient", "laplacian", "identity"}, operator, matrix, or a list of these
        L; several in a list have a λ each.
    boundary : {"reflective", "periodic", "zero"}
        Of the gradient and the Laplacian; with that of the blur it is solved by transforms.
    criterion : str
        How λ is chosen without clean images. With one regularizer and one plane, any method of
        ``choose_lambda``; otherwise gcv, sure or discrepancy.
    sigma : float
        Standard deviation of the noise; estimated from images if it is not given and needed.
    shape : tuple
        Of the restored image, where the operator does not know it.
    tol : float
        Largest residual of the solver, relative to the right-hand side.
    seed : int
        Of the probe that counts degrees of freedom.

    Attributes
    ----------
    lambda_ : float or ndarray
        The learned weight, or weights.
    criterion_value_ : float
        The criterion at it: the mean squared error over clean images, or its estimate, or GCV.
    curve_ : ndarray of shape (n, 2)
        λ (the same for all terms) and the criterion.
    sigma_ : float
        The noise level that was taken.
    warning_ : str or None

    Examples
    --------
    >>> import numpy as np
    >>> from bilevel.inverse import Tikhonov, convolution, gaussian_kernel
    >>> A = convolution((64, 64), gaussian_kernel(1.5))
    >>> truth = np.add.outer(np.arange(64) > 20, np.arange(64) > 30) / 2
    >>> blurred = A(truth) + 0.01 * np.random.default_rng(0).standard_normal((64, 64))
    >>> sharp = Tikhonov(A).fit_restore(blurred)
    >>> bool(np.linalg.norm(sharp - truth) < 0.8 * np.linalg.norm(blurred - truth))
    True
    """

    _criteria = (
        "gcv", "robust-gcv", "strong-robust-gcv", "modified-gcv", "sure", "gsure", "evidence",
        "discrepancy", "l-curve", "quasi-optimality", "ncp",
    )  # fmt: skip

    def __init__(
        self,
        operator: Any = None,
        *,
        regularizer: Any = "gradient",
        boundary: str = "reflective",
        criterion: str = "gcv",
        sigma: float | None = None,
        shape: tuple[int, ...] | None = None,
        tol: float = 1e-6,
        seed: int = 0,
    ) -> None:
        self.operator = operator
        self.regularizer = regularizer
        self.boundary = boundary
        self.criterion = criterion
        self.sigma = sigma
        self.shape = shape
        self.tol = tol
        self.seed = seed

    def _regularizers(self, shape: tuple[int, ...]) -> list[Operator]:
        given = self.regularizer
        return [self._regularizer(one, shape) for one in (given if isinstance(given, list) else [given])]

    def _regularizer(self, given: Any, shape: tuple[int, ...]) -> Operator:
        if not isinstance(given, str):
            return as_operator(given)
        if given == "gradient":
            return gradient(shape, self.boundary)
        if given == "laplacian":
            return laplacian(shape, self.boundary)
        if given == "identity":
            return identity(shape)
        raise ValueError(
            f"setting `regularizer`: found '{given}'; expected 'gradient', 'laplacian', 'identity' "
            "or an operator"
        )

    def _make(self, data: Floats, shape: tuple[int, ...]) -> _core.Restoration:
        operator = self._operator() or identity(shape)
        terms = [term._core for term in self._regularizers(shape)]
        return _core.Restoration.tikhonov(operator._core, data, terms)

    def _interval(self, noise: float) -> tuple[float, float]:
        return self._scale * 1e-8, self._scale * 1e3

    def _learn(
        self, data: list[tuple[list[Floats], tuple[int, ...]]], truths: list[Any], images: list[Any]
    ) -> None:
        columns, shape = data[0]
        terms = self._regularizers(shape)
        if len(terms) == 1 and len(data) == 1 and len(columns) == 1 and truths[0] is None:
            needs = self.criterion in ("sure", "gsure", "discrepancy") or self.sigma is not None
            sigma = self._noise(images[0]) if needs else None
            of = self.operator if isinstance(self.operator, np.ndarray) else self._operator()
            a = identity(shape) if of is None else of
            choice = choose_lambda(
                a,
                columns[0],
                terms[0],
                self.criterion,
                sigma,
                seed=int(self.seed),
                tol=self._tolerance(False),
            )
            weights = np.array([choice.lambda_])
            curve = [(float(at), float(value)) for at, value in choice.curve]
            self._keep(Searched(weights, choice.value, curve), False, sigma or choice.sigma or 0.0)
            self.warning_ = choice.warning
            return
        if truths[0] is None and self.criterion not in ("gcv", "sure", "discrepancy"):
            raise ValueError(
                f"setting `criterion`: found '{self.criterion}' with several terms or planes; expected "
                "'gcv', 'sure' or 'discrepancy'"
            )
        operator = self._operator() or identity(shape)
        self._scale = scale_of(operator, 0) / max(scale_of(term, 0) for term in terms)
        super()._learn(data, truths, images)

    def _solved(self, plane: Floats, shape: tuple[int, ...], weights: Floats) -> Floats:
        terms = self._regularizers(shape)
        if isinstance(self.operator, np.ndarray) and len(terms) == 1:
            # Singular values stand a condition that conjugate gradients do not.
            a = matrix("A", self.operator)
            penalty = to_matrix(dense_penalty(terms[0], a.shape[1]))
            return _core.Spectrum.dense(to_matrix(a), plane, penalty).solve(float(weights[0]))
        return super()._solved(plane, shape, weights)
