"""
Tomography of a tooth
=====================

Real projections of a tooth, a third of the views, and the question that every reconstruction begins with: how
much to smooth. The projections are a linear operator with an exact adjoint; the rest is as for any other
operator. There is no true image here. The views that were left out say which reconstruction predicts them.
"""

import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from bilevel.inverse import TotalVariation, choose_lambda, dot_test, radon

SHORT = os.environ.get("BILEVEL_SHORT_EXAMPLES") == "1"
every, bins = (12, 8) if SHORT else (3, 2)

# %%
# The data: one row of a detector at 181 angles, flat and dark fields taken out, four pixels in one (TomoPy's
# tooth; its origin and licence are in ``data/README.md`` of the repository).
here = Path(globals().get("__file__", "plot_tomography.py")).resolve()
with np.load(here.parents[3] / "data" / "tooth.npz") as tooth:
    sinogram = tooth["sinogram"].astype(float)
    degrees = tooth["degrees"].astype(float)
sinogram = sinogram.reshape(len(degrees), -1, bins).mean(axis=2)
n = sinogram.shape[1]
seen = np.arange(len(degrees)) % every == 0
print(f"{seen.sum()} views of {n} detectors to reconstruct from, {(~seen).sum()} to judge by")


# %%
# The axis of rotation
# --------------------
# The tooth did not turn around the middle of the detector. With a wrong axis no image explains the data, and
# what is left over looks like noise: the axis is where the noise that the fit speaks of is smallest.
def scan(views, axis):
    """The projections of these views around this axis."""
    return radon((n, n), degrees[views], detectors=n, axis=axis)


def left_over(axis):
    """The noise level that the smooth reconstruction around this axis speaks of."""
    few = seen & (np.arange(len(degrees)) % (2 * every) == 0)
    return choose_lambda(scan(few, axis), sinogram[few], method="gcv", tol=1e-2).sigma


axes = np.linspace(0.45, 0.475, 6) * n
levels = [left_over(axis) for axis in axes]
axis = axes[np.argmin(levels)]
A = scan(seen, axis)
print(f"axis at detector {axis:.1f} of {n}; dot test {dot_test(A):.0e}")

# %%
# Reconstructions
# ---------------
# One Krylov space serves all λ of ``‖Ax - b‖² + λ‖x‖²``. Total variation costs more and knows that bodies
# have edges; its weight comes from SURE with one random probe, at the noise level that the first fit speaks
# of.
smooth = choose_lambda(A, sinogram[seen], method="gcv")
print(f"GCV: λ = {smooth.lambda_:.3g}, {smooth.degrees_of_freedom:.0f} degrees of freedom, {smooth.verdict}")
tv = TotalVariation(A, sigma=smooth.sigma, non_negative=True, tol=1e-3)
edges = tv.fit_restore(sinogram[seen])
print(f"SURE: weight of total variation = {tv.lambda_:.3g}")

others = scan(~seen, axis)


def error(image):
    """Of the views that were left out, relative to them."""
    return np.linalg.norm(others(image) - sinogram[~seen]) / np.linalg.norm(sinogram[~seen])


fig, axs = plt.subplots(1, 3, figsize=(11, 4), layout="constrained")
axs[0].imshow(sinogram, cmap="gray", aspect="auto", extent=(0, n, degrees[-1], degrees[0]))
axs[0].set_xlabel("detector")
axs[0].set_ylabel("angle, degrees")
axs[0].set_title("all projections", fontsize=10)
pictures = {
    f"λ‖x‖² by GCV: other views off by {100 * error(smooth.x):.1f} %": smooth.x,
    f"total variation by SURE: {100 * error(edges):.1f} %": edges,
}
for ax, (title, image) in zip(axs[1:], pictures.items(), strict=True):
    ax.imshow(image, cmap="gray", vmin=0, vmax=np.quantile(edges, 0.999))
    ax.set_title(title, fontsize=10)
    ax.set_axis_off()

# %%
# How the two choices were made: the axis by what is left over, the weight by the estimated error.
fig, axs = plt.subplots(1, 2, figsize=(10, 3.5), layout="constrained")
axs[0].plot(axes, levels, "o-", markersize=4)
axs[0].axvline(axis, color="black", linewidth=1)
axs[0].set_xlabel("axis of rotation, detectors")
axs[0].set_ylabel("noise level left over")
axs[0].set_title("The data show where the tooth turned")
axs[1].semilogx(*tv.curve_.T, "o-", markersize=4)
axs[1].axvline(tv.lambda_, color="black", linewidth=1)
axs[1].set_xlabel("weight of total variation")
axs[1].set_ylabel("SURE, per measurement")
axs[1].set_title("The estimate has one clear minimum")
