"""bilevel itself, and the programs that search hyperparameters by descent."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from scipy import sparse

from .peers import Peer


class Bilevel(Peer):
    """bilevel, its own way: a global search over one lambda, descent over many."""

    name, module, tuned_search = "bilevel", "bilevel", False
    loosest = 1e-2

    def fit(self, x: Any, y: Any, loss: str, lam: float, l2: float, tol: float) -> np.ndarray:
        import bilevel

        return bilevel.solve(x, y, lam, loss=loss, l2=l2, fit_intercept=False, tol=tol).coef

    def path(self, x: Any, y: Any, loss: str, lambdas: np.ndarray, l2: float, tol: float) -> Any:
        import bilevel

        settings = {"fit_intercept": False, "derivatives": False, "tol": tol}
        found = bilevel.path(x, y, lambdas, loss=loss, l2=l2, **settings)
        return found.coefs.toarray() if sparse.issparse(found.coefs) else found.coefs

    def estimator(self, loss: str, threads: int, **settings: Any) -> Any:
        """The estimator of a loss."""
        import bilevel

        kind = bilevel.SparseClassifier if loss == "logistic" else bilevel.SparseRegressor
        return kind(fit_intercept=False, n_jobs=threads, **settings)

    def cv(
        self, x: Any, y: Any, loss: str, lambdas: Any, splits: Any, tol: float, threads: int
    ) -> dict[str, Any]:
        model = self.estimator(loss, threads, weights="scalar", cv=splits)
        return {"lam": float(model.fit(x, y).lambda_)}

    def holdout(
        self, x: Any, y: Any, loss: str, lambdas: Any, split: Any, tol: float, threads: int
    ) -> dict[str, Any]:
        model = self.estimator(loss, threads, weights="scalar", criterion=split)
        return {"lam": float(model.fit(x, y).lambda_)}

    def features(self, x: Any, y: Any, loss: str, split: Any, steps: int, threads: int) -> dict[str, Any]:
        """One weight for each feature, by descent from a tenth of lambda_max."""
        import bilevel

        problem = bilevel.Problem(x, y, splits=split, loss=loss, weights="feature", fit_intercept=False)
        found = bilevel.minimize(problem, max_steps=steps, keep_history=False)
        return {"lam": np.exp(found.theta), "steps": found.n_steps}

    def elastic_net(
        self, x: Any, y: Any, loss: str, lambdas: Any, split: Any, tol: float, threads: int
    ) -> dict[str, Any]:
        """Both hyperparameters of the elastic net, by one split."""
        model = self.estimator(loss, threads, penalty="elasticnet", weights="scalar", criterion=split)
        model.fit(x, y)
        return {"lam": float(model.lambda_), "l2": float(model.l2_)}


class BilevelEstimator(Bilevel):
    """bilevel's estimator, which also fits all rows in the end."""

    name = "bilevel estimator"

    def features(self, x: Any, y: Any, loss: str, split: Any, steps: int, threads: int) -> dict[str, Any]:
        model = self.estimator(loss, threads, weights="feature", criterion=split, max_outer=steps)
        model.fit(x, y)
        return {"lam": np.asarray(model.lambda_), "steps": model.n_iter_}


class BilevelGrid(Bilevel):
    """bilevel on the grid that the others search."""

    name = "bilevel, same grid"

    def cv(
        self, x: Any, y: Any, loss: str, lambdas: Any, splits: Any, tol: float, threads: int
    ) -> dict[str, Any]:
        model = self.estimator(loss, threads, weights="scalar", outer="grid", grid=lambdas, cv=splits)
        return {"lam": float(model.fit(x, y).lambda_)}

    def holdout(
        self, x: Any, y: Any, loss: str, lambdas: Any, split: Any, tol: float, threads: int
    ) -> dict[str, Any]:
        model = self.estimator(loss, threads, weights="scalar", outer="grid", grid=lambdas, criterion=split)
        return {"lam": float(model.fit(x, y).lambda_)}


class BilevelWithoutProof(Bilevel):
    """bilevel without the proof that no other lambda is better, which the others do not give."""

    name = "bilevel, no proof"

    def estimator(self, loss: str, threads: int, **settings: Any) -> Any:
        return super().estimator(loss, threads, certify=0, **settings)


def weighted_celer(problem: Any, weights: Any, tol: float = 1e-6) -> Any:
    """celer as a solver of sparho's, for one weight per feature."""
    import celer
    import sparho

    model = celer.Lasso(alpha=1.0, weights=weights, fit_intercept=False, tol=tol)
    coef = model.fit(problem.design, problem.target).coef_
    return sparho.SolverResult(coef, np.flatnonzero(coef), float(model.dual_gap_), int(model.n_iter_))


class Sparho(Peer):
    """sparho: HOAG with implicit differentiation, on celer's or scikit-learn's solvers."""

    name, module, has_path, tuned_search = "sparho", "sparho", False, False

    def search(self, x: Any, y: Any, loss: str, split: Any, penalty: Any, start: Any, **settings: Any) -> Any:
        """The search that its documentation recommends, with its defaults, from the given start."""
        import sparho

        adapters = sparho.adapters
        if loss == "logistic":
            solver, criterion = adapters.SklearnLogisticRegression, sparho.HeldOutLogistic
            datafit = sparho.LogisticLoss()
        else:
            # its own adapter of weights takes scikit-learn, which is slower
            weighted = isinstance(penalty, sparho.WeightedL1)
            solver = partial(adapters.as_solver, weighted_celer) if weighted else adapters.CelerLasso
            criterion, datafit = sparho.HeldOutMSE, sparho.SquaredLoss()
        problem = sparho.Problem(datafit, penalty, x, y)
        return sparho.hoag_search(problem, start, solver=solver(), criterion=criterion(*split), **settings)

    def holdout(
        self, x: Any, y: Any, loss: str, lambdas: Any, split: Any, tol: float, threads: int
    ) -> dict[str, Any]:
        import sparho

        # its logistic loss is a sum
        scale = len(split[0]) if loss == "logistic" else 1
        found = self.search(x, y, loss, split, sparho.L1(), float(lambdas[0]) / 10 * scale)
        return {"lam": float(found.best_hyperparam) / scale, "steps": found.n_iter}

    def features(self, x: Any, y: Any, loss: str, split: Any, steps: int, threads: int) -> dict[str, Any]:
        """One weight for each feature, from a tenth of lambda_max."""
        import sparho

        train = split[0]
        slopes = y[train] if loss == "squared" else y[train] / 2
        start = np.full(x.shape[1], np.abs(x[train].T @ slopes).max() / len(train) / 10)
        found = self.search(x, y, loss, split, sparho.WeightedL1(), start, n_iter=steps)
        return {"lam": found.best_hyperparam, "steps": found.n_iter}
