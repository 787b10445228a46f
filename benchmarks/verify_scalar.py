"""Checks a one-weight logistic answer of `bilevel fit --validation` by brute force, with a solver of its own.

    bilevel fit a9a.svm --validation a9a.t.svm --weights scalar --output a9a
    python benchmarks/verify_scalar.py a9a a9a.svm a9a.t.svm

The validation log-loss is computed on a fine grid of lambda, again finer around the best of them, by
proximal Newton (NumPy; the quadratic models are minimized by scikit-learn's coordinate descent) and Newton on
the support. Then the model that bilevel wrote is put into the objective, the optimality conditions and the
duality gap.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from scipy.special import expit, xlogy
from sklearn.datasets import load_svmlight_file
from sklearn.linear_model import Lasso

GRID, DECADES = 400, 3.5
FINE, FINE_WIDTH = 200, 0.15  # +- in log lambda


def log_loss(b: np.ndarray, z: np.ndarray) -> float:
    """Mean of log(1 + exp(-b z))."""
    return float(np.mean(np.logaddexp(0, -b * z)))


class Problem:
    """l1 logistic regression with an unpenalized intercept; the last column is the constant."""

    def __init__(self, x: np.ndarray, b: np.ndarray) -> None:
        """Dense training data, targets +-1."""
        self.x, self.b, self.n = np.column_stack([x, np.ones(len(b))]), b, len(b)

    def gradient(self, w: np.ndarray) -> np.ndarray:
        """Of the mean loss."""
        return self.x.T @ (-self.b * expit(-self.b * (self.x @ w))) / self.n

    def hessian(self, w: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Of the mean loss, on some columns."""
        z = self.x @ w
        rows = self.x[:, columns]
        return rows.T @ ((expit(z) * expit(-z) / self.n)[:, None] * rows)

    def violation(self, w: np.ndarray, lam: float) -> float:
        """Largest violation of the optimality conditions."""
        g, y = self.gradient(w), w[:-1]
        off = np.maximum(np.abs(g[:-1]) - lam, 0)
        return float(max(np.where(y != 0, np.abs(g[:-1] + lam * np.sign(y)), off).max(), abs(g[-1])))

    def solve(self, lam: float, w: np.ndarray) -> np.ndarray:
        """To a violation of 1e-12, from a nearby solution."""
        for _ in range(100):
            w = self.newton_on_support(w, lam)
            if self.violation(w, lam) < 1e-12:
                return w
            w = self.proximal_newton_step(w, lam)
        raise RuntimeError(f"lambda {lam}: violation {self.violation(w, lam)}")

    def newton_on_support(self, w: np.ndarray, lam: float) -> np.ndarray:
        """Newton with the signs held; where a coefficient would change its sign it stops at zero."""
        w, whole_steps = w.copy(), 0
        while whole_steps < 3:
            on = np.append(np.flatnonzero(w[:-1]), len(w) - 1)
            rest = self.gradient(w)[on] + lam * np.append(np.sign(w[on[:-1]]), 0)
            step = -np.linalg.lstsq(self.hessian(w, on), rest, rcond=1e-12)[0]
            shrinks = (w[on] * step < 0) & (on < len(w) - 1)
            crossing = np.where(shrinks, -w[on] / np.where(shrinks, step, 1), np.inf)
            length = min(1.0, crossing.min())
            w[on] += length * step
            w[on[crossing == length]] = 0
            whole_steps += length == 1
        return w

    def proximal_newton_step(self, w: np.ndarray, lam: float) -> np.ndarray:
        """The minimizer of the quadratic model; from the warm starts here a whole step descends."""
        h = self.hessian(w, np.arange(len(w)))
        linear = h @ w - self.gradient(w)
        # the intercept is eliminated: Schur complement
        schur = h[:-1, :-1] - np.outer(h[:-1, -1], h[-1, :-1]) / h[-1, -1]
        reduced = linear[:-1] - h[:-1, -1] * linear[-1] / h[-1, -1]
        # a square root of the Schur complement is a design with this Gram matrix
        values, vectors = np.linalg.eigh(schur)
        keep = values > 1e-14 * values.max()
        root = np.sqrt(values[keep])[:, None] * vectors[:, keep].T
        target = (vectors[:, keep].T @ reduced) / np.sqrt(values[keep])
        inner = Lasso(alpha=lam / len(target), fit_intercept=False, tol=1e-13, max_iter=1_000_000)
        y = inner.fit(root, target).coef_
        return np.append(y, (linear[-1] - h[-1, :-1] @ y) / h[-1, -1])

    def duality_gap(self, w: np.ndarray, lam: float) -> float:
        """Objective minus the dual value at the scaled, centred slopes."""
        z = self.x @ w
        u = -self.b * expit(-self.b * z)
        u -= u.mean()
        u *= min(1.0, lam / np.abs(self.x[:, :-1].T @ u / self.n).max())
        s = np.clip(-u * self.b, 0, 1)  # the conjugate is s log s + (1 - s) log(1 - s)
        dual = -float(np.mean(xlogy(s, s) + xlogy(1 - s, 1 - s)))
        return log_loss(self.b, z) + lam * float(np.abs(w[:-1]).sum()) - dual


def read(path: Path, n_features: int) -> tuple[np.ndarray, np.ndarray]:
    """LIBSVM text with two labels, the larger one positive."""
    x, b = load_svmlight_file(str(path), n_features=n_features)
    return x.toarray(), np.where(b == b.max(), 1.0, -1.0)


def main() -> None:
    """Prints the comparison."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("answer", type=Path, help="the directory that `bilevel fit --output` wrote")
    parser.add_argument("train", type=Path)
    parser.add_argument("validation", type=Path)
    options = parser.parse_args()
    written = json.loads((options.answer / "model.json").read_text())
    model, record = written["model"], written["record"]
    p = model["n_features"]
    x, b = read(options.train, p)
    x_validation, b_validation = read(options.validation, p)
    problem = Problem(x, b)

    def validation(w: np.ndarray) -> float:
        return log_loss(b_validation, x_validation @ w[:-1] + w[-1])

    def curve(lambdas: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        solutions = []
        for lam in lambdas:
            w = problem.solve(lam, w)
            solutions.append(w)
        return np.array([validation(w) for w in solutions]), solutions

    null = np.zeros(p + 1)
    null[-1] = np.log((1 + b.mean()) / (1 - b.mean()))
    lambda_max = float(np.abs(problem.gradient(null)[:-1]).max())
    lambdas = lambda_max * np.logspace(0, -DECADES, GRID)
    values, solutions = curve(lambdas, null)
    best = int(values.argmin())
    fine = lambdas[best] * np.exp(np.linspace(FINE_WIDTH, -FINE_WIDTH, FINE))
    fine_values, _ = curve(fine, solutions[best])
    at = int(fine_values.argmin())
    lam, claimed = record["weights"]["lambda"], record["criterion"]["value"]
    ours = validation(problem.solve(lam, solutions[int(np.abs(np.log(lambdas / lam)).argmin())]))
    print(f"best of {GRID} lambdas in {DECADES} decades: {values[best]:.12f} at {lambdas[best]:.8g}")
    print(f"best of {FINE} around it:            {fine_values[at]:.12f} at {fine[at]:.8g}")
    print(f"bilevel claims:                    {claimed:.12f} at {lam:.8g}")
    print(f"this solver at bilevel's lambda:   {ours:.12f}")
    print(f"excess over the best: claimed {claimed - min(values.min(), fine_values.min()):.2e}, ", end="")
    print(f"recomputed {ours - min(values.min(), fine_values.min()):.2e}")

    # the written model is trained on the first file
    w = np.zeros(p + 1)
    w[model["support"]], w[-1] = model["coefficients"], model["intercept"]
    objective = log_loss(problem.b, problem.x @ w) + lam * np.abs(w[:-1]).sum()
    lower = record["lower_level"]
    print(f"final model: objective {objective:.15f}, bilevel claims {lower['objective']:.15f}")
    print(f"duality gap {problem.duality_gap(w, lam):.2e}, bilevel claims {lower['duality_gap']:.2e}")
    print(f"largest violation of the optimality conditions {problem.violation(w, lam):.2e}")


if __name__ == "__main__":
    main()
