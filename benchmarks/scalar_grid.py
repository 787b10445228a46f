"""How long a grid over one weight takes with scikit-learn: what `bilevel fit` is to be compared with.

    python benchmarks/scalar_grid.py phishing.svm --test-fraction 0.2

Keeps a random part of the rows for the test, cross-validates L1-penalized logistic regression over
a geometric grid of C, and prints the seconds, the test F1 and the number of nonzero coefficients.
liblinear is scikit-learn's fastest solver for this problem; its stopping rule is left at the
default, which is looser than bilevel's.
"""

import argparse
import time

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.datasets import load_svmlight_file
from sklearn.linear_model import LogisticRegressionCV
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split


def largest_weight(design: csr_matrix, signs: np.ndarray) -> float:
    """The smallest weight at which all coefficients are zero, for the mean logistic loss."""
    residual = signs * 0.5 - 0.5 * signs.mean()
    return np.abs(design.T @ residual).max() / len(signs)


def main() -> None:
    """Reads, searches, prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data")
    parser.add_argument("--positive", type=float, help="label of the positive class, against all others")
    parser.add_argument("--test-fraction", type=float, default=0.2)
    parser.add_argument("--points", type=int, default=60)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    design, target = load_svmlight_file(args.data)
    positive = target.max() if args.positive is None else args.positive
    labels = (target == positive).astype(int)
    train, test, b_train, b_test = train_test_split(
        design, labels, test_size=args.test_fraction, stratify=labels, random_state=args.seed
    )
    weights = largest_weight(train, 2.0 * b_train - 1.0) * np.logspace(0, -4, args.points)
    started = time.perf_counter()
    model = LogisticRegressionCV(
        Cs=1.0 / (weights * train.shape[0]),
        cv=args.folds,
        penalty="l1",
        solver="liblinear",
        scoring="neg_log_loss",
        n_jobs=-1,
        max_iter=1000,
    ).fit(train, b_train)
    seconds = time.perf_counter() - started
    score = f1_score(b_test, model.predict(test))
    print(f"{args.data}: {seconds:.1f} s, test F1 {score:.4f}, {np.count_nonzero(model.coef_)} features")


if __name__ == "__main__":
    main()
