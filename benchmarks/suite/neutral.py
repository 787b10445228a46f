"""The judge: objective, dual value and held-out loss of an answer, in plain NumPy, whoever gave the answer.

All problems are

    P(w) = mean loss + sum_j lam_j |w_j| + l2/2 ||w||^2,    loss (y - z)^2/2 or log(1 + exp(-y z)), z = X w,

without intercept, so that every peer can be asked for the same thing. A dual point is made from the slopes of
the loss at an answer, scaled until it is feasible; its value bounds the minimum from below whatever it was
made from. An answer's gap is therefore measured against the best dual value that anybody's answer gave: a
program is not blamed for an answer that is better than the dual point that comes with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, xlogy


@dataclass(frozen=True, eq=False)
class Problem:
    """A training problem."""

    x: Any
    y: np.ndarray
    loss: str
    lam: float | np.ndarray
    l2: float = 0.0

    def predictor(self, w: np.ndarray) -> np.ndarray:
        """X w, from the nonzero coefficients."""
        on = np.flatnonzero(w)
        return np.asarray(self.x[:, on] @ w[on]).ravel()

    def objective(self, w: np.ndarray, z: np.ndarray | None = None) -> float:
        """P(w)."""
        z = self.predictor(w) if z is None else z
        penalty = float(np.sum(self.lam * np.abs(w))) + self.l2 / 2 * float(w @ w)
        return mean_loss(self.loss, self.y, z) + penalty

    def null_loss(self) -> float:
        """P(0), to which gaps are relative."""
        return mean_loss(self.loss, self.y, np.zeros(len(self.y)))

    def lambda_max(self) -> float:
        """The smallest lambda, one for all features, at which w = 0."""
        slopes = self.y if self.loss == "squared" else self.y / 2
        return float(np.abs(self.x.T @ slopes).max()) / len(self.y)

    def dual(self, z: np.ndarray) -> float:
        """A lower bound of the minimum, from the slopes of the loss at the predictor z."""
        n = len(self.y)
        slopes = self.y - z if self.loss == "squared" else self.y * expit(-self.y * z)
        inner = np.abs(self.x.T @ slopes) / n
        if self.l2 > 0:
            scale = 1.0
        else:
            with np.errstate(divide="ignore", invalid="ignore"):
                scale = float(np.nanmin(np.where(inner > 0, self.lam / inner, np.inf)))
        excess = 0.0
        if self.loss == "squared":
            norm = float(slopes @ slopes)
            best = float(self.y @ slopes) / norm if norm > 0 else 1.0
            scale = 1.0 if self.l2 > 0 else float(np.clip(best, -scale, scale))
            value = (scale * float(self.y @ slopes) - scale**2 / 2 * norm) / n
        else:
            share = min(1.0, scale) * expit(-self.y * z)
            value = -float(np.mean(xlogy(share, share) + xlogy(1 - share, 1 - share)))
        if self.l2 > 0:
            excess = float(np.sum(np.maximum(inner - self.lam, 0) ** 2)) / (2 * self.l2)
        return value - excess

    def judge(self, w: np.ndarray) -> tuple[float, float]:
        """Objective and dual value of an answer; a non-finite answer is worth nothing."""
        if not np.isfinite(w).all():
            return np.inf, -np.inf
        z = self.predictor(w)
        return self.objective(w, z), self.dual(z)


def mean_loss(loss: str, y: np.ndarray, z: np.ndarray) -> float:
    """Half the mean squared error, or the mean log-loss."""
    if loss == "squared":
        return float(np.mean((y - z) ** 2)) / 2
    return float(np.mean(np.logaddexp(0.0, -y * z)))
