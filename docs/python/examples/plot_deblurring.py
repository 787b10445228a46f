"""
Deblurring without a slider
===========================

A blurred and noisy picture, three ideas of what pictures look like, and no knob turned by hand: each idea has
a weight, and a criterion finds it from the blurred picture alone.
"""

import os

import matplotlib.pyplot as plt
import numpy as np
from bilevel.inverse import (
    Tikhonov,
    TotalVariation,
    WaveletRestoration,
    choose_lambda,
    convolution,
    gaussian_kernel,
    gradient,
)

SHORT = os.environ.get("BILEVEL_SHORT_EXAMPLES") == "1"
n = 48 if SHORT else 192

# %%
# A picture of edges, a ramp and a texture; a Gaussian blur; noise of one percent.
i, j = np.mgrid[:n, :n] / n
picture = 0.2 + 0.3 * j
picture[(i - 0.35) ** 2 + (j - 0.35) ** 2 < 0.05] = 0.9
picture[(abs(i - 0.7) < 0.12) & (abs(j - 0.65) < 0.2)] = 0.1
stripes = (i > 0.8) & (j < 0.4)
picture[stripes] = 0.5 + 0.3 * np.sign(np.sin(40 * j[stripes]))

blur = convolution(picture.shape, gaussian_kernel(1.5))
rng = np.random.default_rng(0)
blurred = blur(picture) + 0.01 * rng.standard_normal(picture.shape)


def psnr(x):
    """Decibels, for a picture with values from 0 to 1."""
    return -10 * np.log10(np.mean((x - picture) ** 2))


# %%
# Three restorations
# ------------------
# Tikhonov's weight comes from generalized cross-validation, which does not need to know the noise; the
# others' come from Stein's unbiased estimate of the error, with the noise level estimated.
models = {
    "Tikhonov, by GCV": Tikhonov(blur),
    "wavelets, by SURE": WaveletRestoration(blur, levels=3),
    "total variation, by SURE": TotalVariation(blur),
}
restored = {name: model.fit_restore(blurred) for name, model in models.items()}
print(f"{'blurred':25} PSNR {psnr(blurred):.2f} dB")
for name, model in models.items():
    print(f"{name:25} PSNR {psnr(restored[name]):.2f} dB   λ = {model.lambda_:.2e}")

fig, axes = plt.subplots(2, 2, figsize=(8, 8), layout="constrained")
for ax, (name, image) in zip(axes.flat, {"blurred": blurred, **restored}.items(), strict=True):
    ax.imshow(image, cmap="gray", vmin=0, vmax=1)
    ax.set_title(f"{name}: {psnr(image):.2f} dB")
    ax.set_axis_off()

# %%
# How good was the choice?
# ------------------------
# With the true picture at hand, the best possible weight can be computed, and compared.
fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for color, name in zip(("C0", "C1"), ("gcv", "sure"), strict=True):
    choice = choose_lambda(blur, blurred, gradient(picture.shape), name, sigma=0.01)
    spread = choice.curve[:, 1] / choice.value
    ax.loglog(choice.curve[:, 0], np.maximum(spread - 1, 1e-6) + 1, color=color, label=name)
    ax.axvline(choice.lambda_, color=color, linewidth=1)
oracle = choose_lambda(blur, blurred, gradient(picture.shape), truth=picture)
ax.axvline(oracle.lambda_, color="black", linestyle="dashed", label="smallest true error")
ax.set_xlabel("λ")
ax.set_ylabel("criterion, relative to its minimum")
ax.set_ylim(0.9, 30)
ax.set_title("Both criteria find a λ near the best one, without seeing the picture")
ax.legend()
print(f"PSNR at the best λ: {psnr(oracle.x):.2f} dB")
