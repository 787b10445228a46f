"""
Layers from echoes: seismic deconvolution
=========================================

A stacked seismic section shows where the impedance of the ground changes, blurred by the wavelet that was
sent down. What is wanted is the impedance itself. The wavelet has no slow part, so the echoes alone do not
tell the level of a layer: a well, where the impedance was measured, does. How much to smooth between the
two is found from the data by Stein's unbiased estimate of the error.
"""

import os

import matplotlib.pyplot as plt
import numpy as np
from bilevel.inverse import Tikhonov, TotalVariation, convolution, difference, dot_test, mask, stack

SHORT = os.environ.get("BILEVEL_SHORT_EXAMPLES") == "1"
n_times, n_traces = (40, 32) if SHORT else (72, 60)


# %%
# The ground
# ----------
# Folded layers of constant impedance, a fault across them, and flat younger layers on top of both: a made-up
# section, so that the answer is known.
def ground(n_times, n_traces, seed=3):
    """The logarithm of the impedance, times (down) by traces."""
    rng = np.random.default_rng(seed)
    depth, place = np.mgrid[0 : 1 : n_times * 1j, 0 : 1 : n_traces * 1j]
    throw = 0.09 * (place > 0.62 - 0.15 * depth)
    old = depth + 0.07 * np.sin(5 * place + 0.6) + throw
    young = depth - 0.02 * place
    section = np.empty_like(depth)
    beds = ((old, np.sort(rng.uniform(0.25, 1.2, 11))), (young, np.array([0.0, 0.12, 0.21])))
    for level, edges in beds:
        count = len(edges) + 1
        values = 8.6 + 0.55 * np.arange(count) / (count - 1) + 0.16 * rng.standard_normal(count)
        layers = values[np.searchsorted(edges, level)]
        section = layers if level is old else np.where(young < 0.3, layers - 0.35, section)
    return section


truth = ground(n_times, n_traces)

# %%
# The experiment
# --------------
# An echo is half the jump of the logarithm of the impedance; a Ricker wavelet makes a trace of the echoes.
# The operator is written as one would say it: first differences down each trace, then a convolution.
step = 0.004
t = step * np.arange(-16, 17)
ricker = (1 - 2 * (np.pi * 25 * t) ** 2) * np.exp(-((np.pi * 25 * t) ** 2))
shape = truth.shape
echoes = 0.5 * convolution(shape, ricker[:, None], boundary="zero") @ difference(shape, axis=0)

well = np.zeros(shape, dtype=bool)
well[:, n_traces // 5] = True
rng = np.random.default_rng(0)
section = echoes(truth)
sigma = 0.1 * section.std()
section += sigma * rng.standard_normal(shape)
log = truth[well] + 0.02 * rng.standard_normal(n_times)

# %%
# Both measurements in one operator, the well in units of the section's noise. What is subtracted first, the
# mean of the well, makes the unknown small where nothing is known.
mean = log.mean()
A = stack([echoes, sigma / 0.02 * mask(well)])
data = np.concatenate([section.ravel(), sigma / 0.02 * (log - mean)])
print(f"{A.shape[0]} numbers measured of {A.shape[1]} unknown; dot test {dot_test(A):.0e}")


# %%
# Smooth, and in layers
# ---------------------
# Layers go on sideways far longer than they are thick. So a smooth solution gets two weights, one for its
# slope down and one for its slope across, which the estimate's hypergradient moves at once. Total variation
# has one: it likes layers as they are.
def score(x):
    """The error relative to the variation of the true section, in percent."""
    return 100 * np.linalg.norm(x + mean - truth) / np.linalg.norm(truth - truth.mean())


down, across = difference(shape, axis=0), difference(shape, axis=1)
models = {
    "one weight for both slopes": Tikhonov(A, criterion="sure", sigma=sigma, shape=shape),
    "a weight for each slope": Tikhonov(
        A, regularizer=[down, across], criterion="sure", sigma=sigma, shape=shape
    ),
    "total variation": TotalVariation(A, sigma=sigma, shape=shape, tol=1e-3),
}
restored = {}
for name, model in models.items():
    restored[name] = model.fit_restore(data)
    weights = ", ".join(f"{weight:.2e}" for weight in np.atleast_1d(model.lambda_))
    print(f"{name:28} error {score(restored[name]):4.1f} %   λ = {weights}")

fig, axs = plt.subplots(2, 3, figsize=(11, 7), layout="constrained")
extent = (0, n_traces, 1000 * step * n_times, 0)
low, high = truth.min(), truth.max()
pictures = {"the impedance (logarithm)": truth, **{name: x + mean for name, x in restored.items()}}
most = 3 * section.std()
axs[0, 1].imshow(section, cmap="gray", vmin=-most, vmax=most, extent=extent, aspect="auto")
axs[0, 1].axvline(n_traces // 5, color="C1")
axs[0, 1].set_title("what was measured: echoes, and a well", fontsize=10)
places = [axs[0, 0], *axs[1]]
for ax, (name, x) in zip(places, pictures.items(), strict=True):
    shown = ax.imshow(x, vmin=low, vmax=high, cmap="viridis", extent=extent, aspect="auto")
    ax.set_title(name if x is truth else f"{name}: {score(x - mean):.0f} %", fontsize=10)
for ax in axs[:, 0]:
    ax.set_ylabel("time, ms")
for ax in axs[1]:
    ax.set_xlabel("trace")
# One trace, far from the well.
trace = 3 * n_traces // 4
times = 1000 * step * np.arange(n_times)
axs[0, 2].plot(truth[:, trace], times, color="black", label="true")
for name, color in (("a weight for each slope", "C1"), ("total variation", "C0")):
    axs[0, 2].plot(restored[name][:, trace] + mean, times, color=color, label=name)
axs[0, 2].invert_yaxis()
axs[0, 2].set_title(f"trace {trace}, {trace - n_traces // 5} from the well", fontsize=10)
axs[0, 2].legend(fontsize=8, loc="lower left")
fig.colorbar(
    shown, ax=axs[1, :], shrink=0.8, location="bottom", aspect=50, label="logarithm of the impedance"
)
