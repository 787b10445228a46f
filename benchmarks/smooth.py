"""Ridge-penalized logistic regression: what tuning costs, and what a weight decay for each feature gains.

    python benchmarks/smooth.py 20ng_pcmac.svm.xz

The rows are divided in three, class by class: 60 % train, 20 % are the hold-out set that the hyperparameters
are judged by, 20 % are the test set that nobody sees. Each method chooses on the same two parts:

- bilevel, one lambda, and one for each feature (`RidgeClassifier` with the split as its criterion); the
  features' lambdas are pulled to their mean as strongly as validation rows want that had no part in them;
- HOAG's way: gradient descent on log lambda with a step that grows while it succeeds and is halved where it
  fails, the lower level by L-BFGS to a tolerance that tightens, the hypergradient by conjugate gradients
  (Pedregosa, ICML 2016; written out here on SciPy);
- scikit-learn's `LogisticRegressionCV` on the same split, with its default grid of ten.

The last two rows are the same with five folds of training and hold-out rows, as most people run it; there
the hold-out set is part of the folds, and its loss is a check only.

Methods take turns, five times, and the medians are printed as a Markdown table. Losses are those of the
coefficients that were trained on the training part, computed here for all of them: one code says what each is
worth. bilevel's time includes its final fit on all rows; scikit-learn refits on all rows too, HOAG does not.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
from bilevel import RidgeClassifier
from scipy import sparse
from scipy.optimize import minimize
from scipy.sparse.linalg import LinearOperator, cg
from scipy.special import expit
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.model_selection import train_test_split
from suite.data import from_svm

ROUNDS, SEED = 5, 0
TRAIN, HOLD_OUT = 0.6, 0.2
# Outer steps of HOAG, and its first step in units of 1/|slope| at a loss of order 1.
HOAG_STEPS, SCALE = 30, 20.0


class Data:
    """The three parts of a data set."""

    def __init__(self, path: Path) -> None:
        """Reads a LIBSVM file of two classes."""
        x, y = from_svm(path)
        rows, target = np.arange(len(y)), np.where(y > y.mean(), 1.0, -1.0)
        rest, self.test = train_test_split(
            rows, test_size=1 - TRAIN - HOLD_OUT, stratify=target, random_state=SEED
        )
        self.train, self.hold_out = train_test_split(
            rest, test_size=HOLD_OUT / (TRAIN + HOLD_OUT), stratify=target[rest], random_state=SEED
        )
        self.x, self.target = sparse.csc_array(x), target

    def part(self, rows: np.ndarray) -> tuple[sparse.csr_array, np.ndarray]:
        """Rows of the design and their targets."""
        return sparse.csr_array(self.x)[rows], self.target[rows]

    def searched(self) -> tuple[sparse.csc_array, np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """The rows that a search sees, and the split of these."""
        both = np.concatenate([self.train, self.hold_out])
        n = len(self.train)
        return sparse.csc_array(self.x[both]), self.target[both], (np.arange(n), np.arange(n, len(both)))

    def loss(self, rows: np.ndarray, coefficients: np.ndarray, intercept: float) -> float:
        """Mean log-loss of a model."""
        x, b = self.part(rows)
        return float(np.mean(np.logaddexp(0, -b * (x @ coefficients + intercept))))


def train(data: Data, decay: np.ndarray | float) -> tuple[np.ndarray, float]:
    """scikit-learn's model of the training part at given decays: columns are scaled by 1/sqrt(decay)."""
    x, b = data.part(data.train)
    root = np.sqrt(len(b) * np.broadcast_to(decay, x.shape[1]))
    model = LogisticRegression(C=1.0, tol=1e-8, max_iter=10_000)
    model.fit(sparse.csr_array(x @ sparse.diags_array(1 / root)), b)
    return model.coef_[0] / root, float(model.intercept_[0])


def bilevel(weights: str, folds: int | None = None) -> Callable[[Data], np.ndarray | float]:
    """The decays that bilevel learns, on the split or on folds."""

    def search(data: Data) -> np.ndarray | float:
        x, b, split = data.searched()
        criterion = {"criterion": split} if folds is None else {"cv": folds}
        return RidgeClassifier(weights=weights, **criterion).fit(x, b).lambda_

    return search


def scikit_learn(folds: int | None = None) -> Callable[[Data], float]:
    """The decay that `LogisticRegressionCV` chooses, in units of the mean loss."""

    def search(data: Data) -> float:
        x, b, split = data.searched()
        model = LogisticRegressionCV(
            Cs=10,
            cv=[split] if folds is None else folds,
            scoring="neg_log_loss",
            max_iter=1000,
            l1_ratios=(0.0,),
            use_legacy_attributes=False,
        )
        model.fit(x, b)
        trained = len(split[0]) if folds is None else len(b) * (folds - 1) / folds
        return 1.0 / (trained * float(np.ravel(model.C_)[0]))

    return search


def hoag(data: Data) -> float:
    """The decay that HOAG's gradient descent reaches."""
    (x, b), (x_out, b_out) = data.part(data.train), data.part(data.hold_out)
    x, x_out = (sparse.hstack([part, np.ones((part.shape[0], 1))], format="csr") for part in (x, x_out))
    penalized = np.append(np.ones(x.shape[1] - 1), 0.0)
    w, step, tolerance = np.zeros(x.shape[1]), 1.0, 1e-2
    theta, last = np.log(1.0 / len(b)), np.inf

    def solve(decay: float, start: np.ndarray, tolerance: float) -> np.ndarray:
        def lower(w: np.ndarray) -> tuple[float, np.ndarray]:
            z = b * (x @ w)
            slope = x.T @ (-b * expit(-z)) / len(b) + decay * penalized * w
            return np.mean(np.logaddexp(0, -z)) + 0.5 * decay * (penalized * w) @ w, slope

        return minimize(
            lower, start, jac=True, method="L-BFGS-B", options={"gtol": tolerance, "maxiter": 1000}
        ).x

    for _ in range(HOAG_STEPS):
        decay = np.exp(theta)
        w = solve(decay, w, tolerance)
        h = expit(x @ w) * expit(-(x @ w)) / len(b)
        hessian = LinearOperator(
            (len(w), len(w)), matvec=lambda v, h=h, d=decay: x.T @ (h * (x @ v)) + d * penalized * v
        )
        z = b_out * (x_out @ w)
        value = np.mean(np.logaddexp(0, -z))
        q, _ = cg(hessian, -(x_out.T @ (-b_out * expit(-z)) / len(b_out)), rtol=tolerance, maxiter=500)
        slope = decay * (penalized * w) @ q
        # A success lets the step grow, a failure halves it; the tolerance falls geometrically.
        step *= 1.05 if value <= last else 0.5
        last, tolerance = value, max(0.7 * tolerance, 1e-8)
        move = float(np.clip(SCALE * step * slope, -1.0, 1.0))
        theta -= move
        if abs(move) < 1e-3:
            break
    return float(np.exp(theta))


METHODS: dict[str, Callable[[Data], np.ndarray | float]] = {
    "bilevel, one decay": bilevel("scalar"),
    "bilevel, one for each feature": bilevel("feature"),
    "HOAG, one decay": hoag,
    "LogisticRegressionCV, 10 decays": scikit_learn(),
    "bilevel, one decay, 5 folds": bilevel("scalar", folds=5),
    "LogisticRegressionCV, 10 decays, 5 folds": scikit_learn(folds=5),
}


def main() -> None:
    """Runs all methods in turn and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="LIBSVM file of two classes, compressed or not")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each method runs (%(default)s)")
    options = parser.parse_args()
    data = Data(options.data)
    seconds: dict[str, list[float]] = {name: [] for name in METHODS}
    learned: dict[str, np.ndarray | float] = {}
    for _ in range(options.rounds):
        for name, search in METHODS.items():
            begun = time.perf_counter()
            learned[name] = search(data)
            seconds[name].append(time.perf_counter() - begun)
    print("| method | seconds | hold-out log-loss | test log-loss | decay |")
    print("|---|---:|---:|---:|---|")
    for name in METHODS:
        coefficients, intercept = train(data, learned[name])
        losses = [data.loss(rows, coefficients, intercept) for rows in (data.hold_out, data.test)]
        decay = np.ravel(learned[name])
        shown = f"{decay[0]:.3g}" if len(decay) == 1 else f"{decay.min():.2g} to {decay.max():.2g}"
        print(f"| {name} | {median(seconds[name]):.2f} | {losses[0]:.4f} | {losses[1]:.4f} | {shown} |")


if __name__ == "__main__":
    main()
