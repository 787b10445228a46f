"""
Filling in what is missing
==========================

Two of three pixels of a picture were lost, and the rest are noisy. Each idea of what pictures look like
fills the holes in its own way; how strongly the idea is held to is found from the pixels that are left. A
few of these may be hidden on purpose, and tell how good the filling is.
"""

import os

import matplotlib.pyplot as plt
import numpy as np
from bilevel.inverse import Tikhonov, TotalVariation, WaveletRestoration, mask

SHORT = os.environ.get("BILEVEL_SHORT_EXAMPLES") == "1"
n = 48 if SHORT else 160

# %%
# A picture of edges, a ramp and a soft spot; two of three pixels are lost at random, and a scratch runs
# across it.
i, j = np.mgrid[:n, :n] / n
picture = 0.25 + 0.35 * j
picture[(i - 0.35) ** 2 + (j - 0.33) ** 2 < 0.05] = 0.9
picture[(abs(i - 0.72) < 0.13) & (abs(j - 0.62) < 0.22)] = 0.08
picture += 0.3 * np.exp(-((i - 0.3) ** 2 + (j - 0.78) ** 2) / 0.012)

rng = np.random.default_rng(1)
seen = rng.random(picture.shape) < 1 / 3
seen[abs(i - 0.55 - 0.25 * (j - 0.5)) < 0.02] = False
sigma = 0.03
noisy = picture + sigma * rng.standard_normal(picture.shape)

# %%
# A tenth of the pixels that are left is set aside. The operator of the rest is a mask; what it measures is
# a list of pixels.
aside = seen & (rng.random(picture.shape) < 0.1)
M = mask(seen & ~aside)
data = noisy[seen & ~aside]
print(f"{len(data)} of {picture.size} pixels are seen, {aside.sum()} more judge the result")

# %%
# Three fillings
# --------------
# The weights come from Stein's unbiased estimate of the error of the pixels that were seen. It knows
# nothing of the holes; the pixels set aside do.
models = {
    "‖∇x‖²": Tikhonov(M, criterion="sure", sigma=sigma),
    "wavelets": WaveletRestoration(M, sigma=sigma, levels=4),
    "total variation": TotalVariation(M, sigma=sigma, tol=3e-4),
}


def psnr(x):
    """Decibels, against the true picture."""
    return -10 * np.log10(np.mean((x - picture) ** 2))


filled = {}
for name, model in models.items():
    filled[name] = model.fit_restore(data)
    missed = np.sqrt(np.mean((filled[name] - noisy)[aside] ** 2))
    print(f"{name:16} PSNR {psnr(filled[name]):.2f} dB   off by {missed:.3f} where pixels were set aside")

fig, axs = plt.subplots(2, 3, figsize=(11, 7.4), layout="constrained")
holes = np.ma.masked_where(~seen, noisy)
shown = {"true picture": picture, "what is left of it": holes}
shown |= {f"{name}: {psnr(x):.2f} dB": x for name, x in filled.items()}
for ax, (title, image) in zip(axs.flat, shown.items(), strict=False):
    ax.set_facecolor("#b04a5a")
    ax.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.set_title(title, fontsize=10)
    ax.set_xticks([])
    ax.set_yticks([])
row = int(0.35 * n)
axs[1, 2].plot(picture[row], color="black", label="true")
for (name, x), color in zip(filled.items(), ("C0", "C2", "C1"), strict=True):
    axs[1, 2].plot(x[row], color=color, linewidth=1, label=name)
axs[1, 2].plot(np.flatnonzero(seen[row]), noisy[row][seen[row]], ".", color="0.5", markersize=4, label="seen")
axs[1, 2].set_xlabel("column")
axs[1, 2].set_title(f"row {row}", fontsize=10)
axs[1, 2].legend(fontsize=8)
