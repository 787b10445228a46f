"""
Back in time: the heat equation
===============================

A rod is warm in places; some time later its temperature is measured, with noise. What was it before? Heat
forgets, so that the answer must be regularized, and a rule must say how much. The operator is a simulation of
the user's own: an object with ``shape``, ``matvec`` and ``rmatvec``.
"""

import os

import matplotlib.pyplot as plt
import numpy as np
from bilevel.inverse import as_operator, choose_lambda, consensus, difference, dot_test
from scipy.sparse import diags
from scipy.sparse.linalg import splu

SHORT = os.environ.get("BILEVEL_SHORT_EXAMPLES") == "1"
n, n_steps = (60, 20) if SHORT else (200, 100)


class Heat:
    """``n_steps`` implicit Euler steps of the heat equation, both ends held at 0."""

    def __init__(self, n, time, n_steps):
        """Factorize one step."""
        rate = time / n_steps * (n + 1) ** 2
        step = diags([-rate, 1 + 2 * rate, -rate], [-1, 0, 1], shape=(n, n), format="csc")
        self.step, self.n_steps, self.shape = splu(step), n_steps, (n, n)

    def matvec(self, temperature):
        """The temperature after all steps."""
        for _ in range(self.n_steps):
            temperature = self.step.solve(temperature)
        return temperature

    def rmatvec(self, y):
        """The adjoint: the same steps, transposed."""
        for _ in range(self.n_steps):
            y = self.step.solve(y, trans="T")
        return y


# %%
# The experiment
# --------------
heat = Heat(n, 0.001, n_steps)
print(f"dot test of the simulation: {dot_test(heat):.0e}")
place = np.arange(1, n + 1) / (n + 1)
before = np.exp(-(((place - 0.3) / 0.06) ** 2)) + 0.6 * (abs(place - 0.7) < 0.1)
sigma = 0.01
after = heat.matvec(before) + sigma * np.random.default_rng(0).standard_normal(n)

# %%
# Any rule, one line
# ------------------
# The simulation is only ever applied: one Krylov space serves all λ.
known = choose_lambda(heat, after, method="discrepancy", sigma=sigma)
unknown = choose_lambda(heat, after, method="gcv")
for choice in (known, unknown):
    error = np.linalg.norm(choice.x - before) / np.linalg.norm(before)
    print(f"{choice.method:12} λ = {choice.lambda_:.2e}   relative error {error:.2f}   {choice.verdict}")

# %%
# All rules
# ---------
# A problem of this size may as well be written as a matrix. Then every rule can be asked, here with the
# derivative in the penalty: how far they agree says how far one may be trusted.
A = as_operator(heat).matmat(np.eye(n))
L = difference(n)
agreed = consensus(A, after, L, sigma=sigma)
print(f"{agreed.n_near} of {len(agreed.choices)} rules near λ = {agreed.lambda_:.2e}: {agreed.agreement}")
for warning in agreed.warnings:
    print(" -", warning)

fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
left.plot(place, before, color="black", label="before")
left.plot(place, after, ".", color="0.6", markersize=4, label="measured, after")
left.plot(place, known.x, label="λ‖x‖², discrepancy principle")
left.plot(place, agreed.x, label="λ‖Lx‖², consensus")
left.set_xlabel("place")
left.set_ylabel("temperature")
left.set_title("The temperature before, from that after")
left.legend()

oracle = choose_lambda(A, after, L, truth=before)
for k, choice in enumerate(agreed.choices):
    right.plot([choice.lambda_], [k], "o", color="C0")
right.set_yticks(range(len(agreed.choices)), [choice.method for choice in agreed.choices])
right.axvline(agreed.lambda_, color="C1", label="consensus")
right.axvline(oracle.lambda_, color="black", linestyle="dashed", label="smallest true error")
right.set_xscale("log")
right.set_xlabel("λ")
right.set_title("What each rule chooses")
right.legend()
