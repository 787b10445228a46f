"""One λ for ‖Ax - b‖² + λ‖Lx‖², and what is known about it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse

from bilevel import _core
from bilevel._matrix import to_matrix
from bilevel.inverse._arrays import Floats, floats, positive, vector
from bilevel.inverse._operators import Operator, as_operator, identity, matrix

#: Rules that a decomposition can be asked for.
RULES = (
    "gcv",
    "robust-gcv",
    "strong-robust-gcv",
    "modified-gcv",
    "sure",
    "gsure",
    "evidence",
    "discrepancy",
    "l-curve",
    "quasi-optimality",
    "ncp",
)
#: Rules that a Krylov space can be asked for.
KRYLOV_RULES = ("gcv", "discrepancy", "hold-out", "l-curve")
#: Rules that probes can be asked for.
PROBED_RULES = ("gcv", "sure", "discrepancy")


@dataclass(frozen=True)
class LambdaChoice:
    """What a rule chose, and how far it can be trusted.

    Attributes
    ----------
    method : str
        The rule.
    lambda_ : float
        λ, the weight of ‖Lx‖².
    x : ndarray
        The solution at λ, in the input shape of an operator.
    value : float
        The criterion at λ.
    curve : ndarray of shape (n, 2)
        λ and the criterion where it was looked at, λ increasing; empty for rules that minimize nothing.
    minima : list of float
        The λ of all local minima found, the lowest first.
    degrees_of_freedom : float or None
        tr ∂(Ax)/∂b, where the method knows it.
    residual_norm : float
        ‖Ax - b‖.
    penalty_norm : float
        ‖Lx‖.
    sigma : float or None
        The noise level that the residual speaks of, ‖Ax - b‖/√(n - df).
    verdict : str
        ``"clear"``, ``"flat"``, ``"ambiguous"``, ``"at-lower-end"``, ``"at-upper-end"`` or, where only
        the solver knows more, ``"not-converged"``.
    warning : str or None
        A sentence, where the choice is not clear.
    solver : str
        ``"decomposition"`` (singular values), ``"transform"`` (Fourier or cosine), ``"krylov"`` or
        ``"probes"``.
    """

    method: str
    lambda_: float
    x: Floats = field(repr=False)
    value: float
    curve: Floats = field(repr=False)
    minima: list[float] = field(repr=False)
    degrees_of_freedom: float | None
    residual_norm: float
    penalty_norm: float
    sigma: float | None
    verdict: str
    warning: str | None
    solver: str

    @property
    def root_lambda(self) -> float:
        """√λ: the parameter of those who write ‖Ax - b‖² + λ²‖Lx‖²."""
        return math.sqrt(self.lambda_)


@dataclass(frozen=True)
class Consensus:
    """What all rules choose.

    Attributes
    ----------
    choices : list of LambdaChoice
        Each rule's.
    lambda_ : float
        The median of the robust rules, in log λ.
    x : ndarray
        The solution there.
    n_near : int
        How many choices are within a factor of 3 of it, in √λ.
    agreement : {"strong", "weak", "none"}
        At least three quarters of the rules, at least half of them, or fewer.
    warnings : list of str
        What speaks against single choices, and which rules stand apart.
    """

    choices: list[LambdaChoice] = field(repr=False)
    lambda_: float
    x: Floats = field(repr=False)
    n_near: int
    agreement: str
    warnings: list[str]


def choose_lambda(
    A: Any,
    b: Any,
    L: Any = None,
    method: str = "gcv",
    sigma: float | None = None,
    *,
    truth: Any = None,
    held_out: Any = None,
    max_steps: int = 300,
    tol: float = 1e-4,
    seed: int = 0,
) -> LambdaChoice:
    """Choose λ for ``‖Ax - b‖² + λ‖Lx‖²``, and solve.

    Dense matrices are decomposed once, and every rule is exact. So it is for operators that a Fourier or a
    cosine transform diagonalizes (periodic convolutions and differences; reflective ones with symmetric
    kernels). For sparse matrices and other operators without L, one Krylov space serves all λ. With an L that
    is not the identity, λ is searched with a solve for each, and degrees of freedom come from a random probe.

    Parameters
    ----------
    A : array, sparse matrix or operator
        Dense arrays in Fortran order are read where they lie.
    b : array
        Data, of any shape with as many entries as A has rows.
    L : array, sparse matrix or operator
        By default the identity.
    method : str
        With a decomposition or a transform: gcv, robust-gcv, strong-robust-gcv, modified-gcv, sure, gsure,
        evidence, discrepancy, l-curve, quasi-optimality or ncp. From a Krylov space: gcv, discrepancy,
        hold-out or l-curve. From probes: gcv, sure or discrepancy.
    sigma : float
        Standard deviation of the noise in each entry of b; sure, gsure and discrepancy need it.
    truth : array
        The true x, for study: λ then has the smallest error (``method`` is ignored).
    held_out : sequence of int
        Rows of A that ``method="hold-out"`` judges by.
    max_steps : int
        Largest size of the Krylov space.
    tol : float
        Largest gradient at the solution, relative to that at 0, of iterative solvers.
    seed : int
        Of the probe.

    Returns
    -------
    LambdaChoice

    Raises
    ------
    ValueError, TypeError
        One sentence: sizes that do not fit, NaN, an L with a null space that A does not see, a rule without
        what it needs.

    Examples
    --------
    >>> import numpy as np
    >>> from bilevel.inverse import choose_lambda
    >>> A = np.vander(np.linspace(0, 1, 40), 12)
    >>> noise = 1e-3 * np.random.default_rng(0).standard_normal(40)
    >>> choice = choose_lambda(A, A.sum(axis=1) + noise)
    >>> choice.verdict, bool(np.abs(A @ choice.x - A.sum(axis=1)).max() < 2e-3)
    ('clear', True)
    """
    level = None if sigma is None else positive("sigma", sigma)
    if truth is None:
        _known(method, (*RULES, "hold-out"))
    spectrum, solver, shape = _spectrum(A, b, L)
    if spectrum is not None and method != "hold-out":
        true = None if truth is None else [float(t) for t in floats("truth", truth).reshape(-1)]
        return _told(spectrum.choose(method, level, true), solver, shape)
    if truth is not None:
        raise ValueError("truth: found an operator without a decomposition; expected a dense matrix A and L")
    operator = as_operator(A)
    data = vector("b", b, operator.shape[0])
    if L is None and method in KRYLOV_RULES:
        return _krylov(operator, data, method, level, held_out, int(max_steps), positive("tol", tol))
    from bilevel.inverse._probes import choose_by_probes

    kind = "an operator without a transform that diagonalizes it and L"
    if method not in PROBED_RULES:
        expected = (*KRYLOV_RULES, "sure") if L is None else PROBED_RULES
        raise ValueError(f"setting `method`: found '{method}' with {kind}; expected one of {_list(expected)}")
    regularizer = identity(operator.shape[1]) if L is None else as_operator(L)
    return choose_by_probes(operator, data, regularizer, method, level, int(seed), positive("tol", tol))


def consensus(A: Any, b: Any, L: Any = None, sigma: float | None = None) -> Consensus:
    """Ask every rule for λ, and take the median of those that were made to be robust.

    Rules that need the noise level are asked only if ``sigma`` is given. For dense matrices, and operators
    that a Fourier or cosine transform diagonalizes.

    Parameters
    ----------
    A, b, L, sigma
        As for :func:`choose_lambda`.

    Returns
    -------
    Consensus

    Examples
    --------
    >>> import numpy as np
    >>> from bilevel.inverse import consensus
    >>> A = np.vander(np.linspace(0, 1, 40), 12)
    >>> noise = 1e-3 * np.random.default_rng(0).standard_normal(40)
    >>> consensus(A, A.sum(axis=1) + noise, sigma=1e-3).agreement
    'weak'
    """
    level = None if sigma is None else positive("sigma", sigma)
    spectrum, solver, shape = _spectrum(A, b, L)
    if spectrum is None:
        raise TypeError(
            "operator A: found one that no transform diagonalizes together with L; expected dense matrices, "
            "or operators with periodic or reflective boundaries"
        )
    choices, lambda_, x, near, agreement, warnings = spectrum.consensus(level)
    told = [_told(choice, solver, shape) for choice in choices]
    return Consensus(told, lambda_, x.reshape(shape or x.shape), near, agreement, warnings)


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(names[:-1]) + " or " + names[-1]


def _known(method: Any, methods: tuple[str, ...]) -> None:
    if method not in methods:
        raise ValueError(f"setting `method`: found {method!r}; expected {_list(methods)}")


def _is_dense(A: Any) -> bool:
    return isinstance(A, (np.ndarray, list, tuple))


def _spectrum(A: Any, b: Any, L: Any) -> tuple[_core.Spectrum | None, str, tuple[int, ...] | None]:
    """The problem in coordinates in which it is diagonal, where there are such."""
    if _is_dense(A):
        a = matrix("A", A)
        data = vector("b", b, a.shape[0])
        penalty = None if L is None else to_matrix(dense_penalty(L, a.shape[1]))
        return _core.Spectrum.dense(to_matrix(a), data, penalty), "decomposition", None
    if not isinstance(A, Operator) or not A._core.is_spectral:
        return None, "", None
    regularizer = identity(A.shape[1]) if L is None else L
    if not isinstance(regularizer, Operator) or regularizer.shape[1] != A.shape[1]:
        return None, "", None
    data = vector("b", b, A.shape[0])
    if A.shape[0] != A.shape[1]:
        return None, "", None
    return _core.Spectrum.common(A._core, data, regularizer._core), "transform", A.shape_in


def dense_penalty(L: Any, columns: int) -> Floats:
    """L as a dense matrix."""
    if sparse.issparse(L):
        L = L.toarray()
    elif not _is_dense(L):
        operator = as_operator(L)
        if operator.shape[1] == columns:
            L = operator.matmat(np.eye(columns))
        else:
            raise ValueError(f"operator L: found {operator.shape[1]} columns; expected {columns}, as A has")
    dense: Floats = matrix("L", L)
    return dense


def _told(chosen: _core.Chosen, solver: str, shape: tuple[int, ...] | None) -> LambdaChoice:
    method, lambda_, x, value, curve, minima, freedom, residual, penalty, sigma, verdict, warning = chosen
    return LambdaChoice(
        method=method,
        lambda_=lambda_,
        x=x.reshape(shape or x.shape),
        value=value,
        curve=np.column_stack(curve),
        minima=minima,
        degrees_of_freedom=freedom,
        residual_norm=residual,
        penalty_norm=penalty,
        sigma=sigma,
        verdict=verdict,
        warning=warning,
        solver=solver,
    )


def _krylov(
    operator: Operator,
    data: Floats,
    method: str,
    sigma: float | None,
    held_out: Any,
    max_steps: int,
    tol: float,
) -> LambdaChoice:
    rows = None if held_out is None else [int(row) for row in held_out]
    lambda_, x, value, curve, freedom, residual, slope, _, steps, _, edge, end = _core.choose_krylov(
        operator._core,
        data,
        method=method,
        sigma=sigma,
        held_out=rows,
        lambda_=None,
        max_steps=max_steps,
        tolerance=tol,
    )
    verdict, warning = edge or "clear", None
    if edge is not None:
        which = "smallest" if edge == "at-lower-end" else "largest"
        warning = f"{method} chose the {which} λ of its range ({lambda_:.3e}); do not trust it"
    elif end == "out of steps":
        verdict = "not-converged"
        warning = f"after {steps} steps the gradient is still {slope:.1e} of that at 0; give more `max_steps`"
    seen = len(data) - (0 if rows is None else len(set(rows)))
    left = None if freedom is None else seen - freedom
    return LambdaChoice(
        method=method,
        lambda_=lambda_,
        x=x.reshape(operator.shape_in),
        value=value,
        curve=np.column_stack(curve),
        minima=[lambda_],
        degrees_of_freedom=freedom,
        residual_norm=residual,
        penalty_norm=float(np.linalg.norm(x)),
        sigma=None if left is None or left <= 0 else residual / math.sqrt(left),
        verdict=verdict,
        warning=warning,
        solver="krylov",
    )
