"""Wavelet coefficients by PyWavelets 1.8, for the tests: `python make.py > pywavelets.json`."""

import json

import numpy as np
import pywt

MODES = {"periodic": "periodization", "symmetric": "symmetric"}


def samples(*shape):
    """Multiples of 1/64 that any language reproduces exactly."""
    i = np.arange(np.prod(shape))
    return ((37 * i * i + 11 * i + 5) % 101 / 64).reshape(shape)


def case(name, mode, levels, x):
    """One transform, its coefficients flat."""
    transform = pywt.wavedec if x.ndim == 1 else pywt.wavedec2
    coefficients = transform(x, name, MODES[mode], levels)
    flat = np.concatenate(coefficients) if x.ndim == 1 else pywt.ravel_coeffs(coefficients)[0]
    if x.ndim == 2:  # from coarse to fine: horizontal, vertical, diagonal
        flat = np.concatenate([coefficients[0].ravel()] + [d.ravel() for t in coefficients[1:] for d in t])
    return {
        "wavelet": name,
        "extension": mode,
        "levels": levels,
        "shape": list(x.shape),
        "coefficients": flat.tolist(),
    }


def cases():
    """Every wavelet once with each extension, some with several levels and in two dimensions."""
    names = (
        [f"db{n}" for n in range(1, 21)]
        + [f"sym{n}" for n in range(2, 21)]
        + [f"coif{n}" for n in range(1, 6)]
    )
    for mode in MODES:
        for name in names:
            yield case(name, mode, 1, samples(12))
        for name in ("db1", "db2", "db4", "sym8", "coif2"):
            yield case(name, mode, 3, samples(21))
        for name, shape in (("db1", (6, 8)), ("db2", (9, 7)), ("sym4", (16, 10))):
            yield case(name, mode, 2, samples(*shape))


if __name__ == "__main__":
    print("[\n" + ",\n".join(json.dumps(c) for c in cases()) + "\n]")
