"""Inverse problems: images, signals and simulations, restored with weights that are chosen or learned.

``choose_lambda`` finds the λ of ``‖Ax - b‖² + λ‖Lx‖²`` in one line, and says how far it can be trusted;
``consensus`` asks every rule. ``Tikhonov``, ``WaveletRestoration`` and ``TotalVariation`` restore images,
their weights learned from pairs of clean and degraded images, or from degraded images alone. The operators
(``convolution``, ``gradient``, ``radon``, ...) are SciPy ``LinearOperator`` objects; whatever has ``shape``,
``matvec`` and ``rmatvec``, as SciPy's and PyLops' operators do, may stand in their place.

scikit-learn is imported when a restoration is first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from bilevel.inverse._choice import Consensus, LambdaChoice, choose_lambda, consensus
from bilevel.inverse._kernels import disk_kernel, gaussian_kernel, motion_kernel
from bilevel.inverse._operators import (
    Operator,
    as_operator,
    convolution,
    cosine,
    diagonal,
    difference,
    dot_test,
    gradient,
    identity,
    laplacian,
    mask,
    radon,
    stack,
    travel_time,
    undecimated_wavelet,
    wavelet,
)
from bilevel.inverse._wavelet import Denoised, SubbandChoice, denoise_wavelet, estimate_noise

if TYPE_CHECKING:
    from bilevel.inverse._tikhonov import Tikhonov
    from bilevel.inverse._total_variation import TotalVariation
    from bilevel.inverse._wavelet_restoration import WaveletRestoration

__all__ = [
    "Consensus",
    "Denoised",
    "LambdaChoice",
    "Operator",
    "SubbandChoice",
    "Tikhonov",
    "TotalVariation",
    "WaveletRestoration",
    "as_operator",
    "choose_lambda",
    "consensus",
    "convolution",
    "cosine",
    "denoise_wavelet",
    "diagonal",
    "difference",
    "disk_kernel",
    "dot_test",
    "estimate_noise",
    "gaussian_kernel",
    "gradient",
    "identity",
    "laplacian",
    "mask",
    "motion_kernel",
    "radon",
    "stack",
    "travel_time",
    "undecimated_wavelet",
    "wavelet",
]

_HOMES = {
    "Tikhonov": "_tikhonov",
    "TotalVariation": "_total_variation",
    "WaveletRestoration": "_wavelet_restoration",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'bilevel.inverse' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"bilevel.inverse.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
