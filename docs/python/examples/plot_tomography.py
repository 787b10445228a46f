"""
Tomography of a phantom
=======================

Few views, noisy line integrals, and the question that every such reconstruction begins with: how much to
smooth. The projections are a linear operator with an exact adjoint; the rest is as for any other operator.
"""

import os

import matplotlib.pyplot as plt
import numpy as np
from bilevel.inverse import TotalVariation, choose_lambda, dot_test, radon

SHORT = os.environ.get("BILEVEL_SHORT_EXAMPLES") == "1"
n, n_views = (24, 12) if SHORT else (96, 48)

# %%
# A phantom of ellipses: (value, centre, half axes, angle).
ELLIPSES = [
    (1.0, (0.0, 0.0), (0.69, 0.92), 0.0),
    (-0.8, (0.0, -0.02), (0.66, 0.87), 0.0),
    (-0.2, (0.22, 0.0), (0.11, 0.31), -18.0),
    (-0.2, (-0.22, 0.0), (0.16, 0.41), 18.0),
    (0.3, (0.0, 0.35), (0.21, 0.25), 0.0),
    (0.3, (0.0, -0.1), (0.08, 0.08), 0.0),
    (0.4, (-0.1, -0.6), (0.1, 0.07), 0.0),
]
y, x = np.mgrid[1 : -1 : n * 1j, -1 : 1 : n * 1j]
phantom = np.zeros((n, n))
for value, centre, axes, angle in ELLIPSES:
    turn = np.deg2rad(angle)
    along = (x - centre[0]) * np.cos(turn) + (y - centre[1]) * np.sin(turn)
    across = (y - centre[1]) * np.cos(turn) - (x - centre[0]) * np.sin(turn)
    phantom[(along / axes[0]) ** 2 + (across / axes[1]) ** 2 < 1] += value

# %%
# The scan
# --------
scan = radon(phantom.shape, np.linspace(0, 180, n_views, endpoint=False))
print(f"{scan.shape[0]} measurements of {scan.shape[1]} pixels; dot test {dot_test(scan):.0e}")
exact = scan(phantom)
sigma = 0.01 * exact.max()
sinogram = exact + sigma * np.random.default_rng(0).standard_normal(exact.shape)

# %%
# Reconstructions
# ---------------
# One Krylov space serves all λ of ``‖Ax - b‖² + λ‖x‖²``. Total variation costs more and knows that bodies
# have edges; its weight comes from SURE with one random probe.
smooth = choose_lambda(scan, sinogram, method="gcv")
print(f"GCV: λ = {smooth.lambda_:.3g}, {smooth.degrees_of_freedom:.0f} degrees of freedom, {smooth.verdict}")
tv = TotalVariation(scan, sigma=sigma, non_negative=True, tol=1e-3)
edges = tv.fit_restore(sinogram)


def error(image):
    """Relative to the phantom."""
    return np.linalg.norm(image - phantom) / np.linalg.norm(phantom)


fig, axs = plt.subplots(1, 4, figsize=(13, 3.6), layout="constrained")
axs[0].imshow(sinogram, cmap="gray", aspect="auto")
axs[0].set_xlabel("detector")
axs[0].set_ylabel("view")
axs[0].set_title("sinogram")
pictures = {
    "phantom": phantom,
    f"λ‖x‖² by GCV: error {error(smooth.x):.2f}": smooth.x,
    f"total variation by SURE: error {error(edges):.2f}": edges,
}
for ax, (title, image) in zip(axs[1:], pictures.items(), strict=True):
    ax.imshow(image, cmap="gray", vmin=0, vmax=1)
    ax.set_title(title, fontsize=9)
    ax.set_axis_off()

# %%
# The estimated error of total variation along its weight.
fig, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
ax.semilogx(*tv.curve_.T, "o-", markersize=4)
ax.axvline(tv.lambda_, color="black", linewidth=1)
ax.set_xlabel("weight of total variation")
ax.set_ylabel("SURE, per measurement")
ax.set_title("The estimate has one clear minimum")
