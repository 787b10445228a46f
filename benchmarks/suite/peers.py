"""The programs that are compared: one lambda, a path, and what the suite needs to know to ask them fairly.

Each class translates the suite's problem (see `neutral`) into its program's terms. `tol` means what the
program takes it to mean; the suite finds, for each program, the loosest one whose answer is exact enough.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from scipy import sparse

#: Shares of the l1 part that scikit-learn's documentation suggests for a search over both.
SHARES = (0.1, 0.5, 0.7, 0.9, 0.95, 0.99, 1)
#: No program may stop because of a small limit on iterations; the clock limits them.
MANY = 1_000_000


def elastic(lam: float, l2: float) -> tuple[float, float]:
    """Strength and share of the l1 part, as scikit-learn and glmnet call them."""
    return lam + l2, lam / (lam + l2)


def held_out_losses(
    peer: Peer, x: Any, y: Any, split: Any, loss: str, lambdas: Any, tol: float
) -> np.ndarray:
    """Mean held-out loss for each lambda, from the path on the training rows."""
    train, held_out = split
    coefs = peer.path(peer.layout(x[train], loss), y[train], loss, lambdas, 0.0, tol)
    z = x[held_out] @ coefs
    b = y[held_out][:, None]
    return (np.logaddexp(0, -b * z) if loss == "logistic" else (b - z) ** 2 / 2).mean(axis=0)


class Peer:
    """A program; the methods that are not overridden search a grid of lambda with its path."""

    name = ""
    module = ""
    distribution = ""
    losses = ("squared", "logistic")
    has_path = True
    tuned_search = True  # whether its search takes a tolerance
    loosest = 1e-1
    hint = ""
    #: Wall and processor seconds of the last call, where the program takes the time itself.
    spent: tuple[float, float] | None = None

    @classmethod
    def version(cls) -> str | None:
        """Of the program; None where it is not installed."""
        if importlib.util.find_spec(cls.module) is None:
            return None
        return importlib.metadata.version(cls.distribution or cls.module)

    def layout(self, x: Any, loss: str) -> Any:
        """A matrix as the program likes it, so that it need not copy."""
        return sparse.csc_matrix(x) if sparse.issparse(x) else np.asfortranarray(x)

    def fit(self, x: Any, y: Any, loss: str, lam: float, l2: float, tol: float) -> np.ndarray:
        """Coefficients for one lambda, from nothing."""
        return self.path(x, y, loss, np.array([lam]), l2, tol)[:, 0]

    def path(self, x: Any, y: Any, loss: str, lambdas: np.ndarray, l2: float, tol: float) -> Any:
        """Coefficients of shape (features, lambdas) for decreasing lambda."""
        raise NotImplementedError

    def cv(
        self, x: Any, y: Any, loss: str, lambdas: Any, splits: Any, tol: float, threads: int
    ) -> dict[str, Any]:
        """Choose lambda by folds, then fit all rows."""
        curves = Parallel(n_jobs=threads)(
            delayed(held_out_losses)(self, x, y, split, loss, lambdas, tol) for split in splits
        )
        lam = float(lambdas[np.mean(curves, axis=0).argmin()])
        self.fit(x, y, loss, lam, 0.0, tol)
        return {"lam": lam}

    def holdout(
        self, x: Any, y: Any, loss: str, lambdas: Any, split: Any, tol: float, threads: int
    ) -> dict[str, Any]:
        """Choose lambda by one split."""
        return {"lam": float(lambdas[held_out_losses(self, x, y, split, loss, lambdas, tol).argmin()])}


class ScikitLearn(Peer):
    """scikit-learn: coordinate descent; liblinear for the logistic loss."""

    name, module, distribution = "scikit-learn", "sklearn", "scikit-learn"

    def layout(self, x: Any, loss: str) -> Any:
        if loss == "squared":
            return super().layout(x, loss)
        return sparse.csr_matrix(x) if sparse.issparse(x) else np.ascontiguousarray(x)

    def fit(self, x: Any, y: Any, loss: str, lam: float, l2: float, tol: float) -> np.ndarray:
        from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression

        if loss == "logistic":
            model = LogisticRegression(
                l1_ratio=1,
                C=1 / (len(y) * lam),
                solver="liblinear",
                fit_intercept=False,
                tol=tol,
                max_iter=MANY,
                random_state=0,
            )
            return model.fit(x, y).coef_.ravel()
        # worth its making only where columns are few: tried on 10000 x 1000 and 11055 x 68
        gram = not sparse.issparse(x) and x.shape[0] > x.shape[1] and x.shape[1] <= 500
        shared = {"fit_intercept": False, "tol": tol, "max_iter": MANY, "precompute": gram, "copy_X": False}
        if l2 > 0:
            strength, share = elastic(lam, l2)
            return ElasticNet(alpha=strength, l1_ratio=share, **shared).fit(x, y).coef_
        return Lasso(alpha=lam, **shared).fit(x, y).coef_

    def path(self, x: Any, y: Any, loss: str, lambdas: np.ndarray, l2: float, tol: float) -> Any:
        from sklearn.linear_model import lasso_path

        if loss == "logistic":
            return np.column_stack([self.fit(x, y, loss, lam, l2, tol) for lam in lambdas])
        return lasso_path(x, y, alphas=lambdas, tol=tol, max_iter=MANY, copy_X=False)[1]

    def cv(
        self, x: Any, y: Any, loss: str, lambdas: Any, splits: Any, tol: float, threads: int
    ) -> dict[str, Any]:
        from sklearn.linear_model import LassoCV

        if loss == "logistic":
            return super().cv(x, y, loss, lambdas, splits, tol, threads)
        model = LassoCV(
            alphas=lambdas,
            cv=splits,
            fit_intercept=False,
            tol=tol,
            max_iter=MANY,
            n_jobs=threads,
            copy_X=False,
        )
        return {"lam": float(model.fit(x, y).alpha_)}

    def elastic_net(
        self, x: Any, y: Any, loss: str, lambdas: Any, split: Any, tol: float, threads: int
    ) -> dict[str, Any]:
        """Both hyperparameters, on a grid of seven shares by 100 strengths."""
        from sklearn.linear_model import ElasticNetCV

        if loss == "logistic":
            raise ValueError("it has no elastic net for this loss that searches both")
        model = ElasticNetCV(
            l1_ratio=SHARES,
            eps=float(lambdas[-1] / lambdas[0]),
            alphas=len(lambdas),
            cv=[split],
            fit_intercept=False,
            tol=tol,
            max_iter=MANY,
            n_jobs=threads,
        ).fit(x, y)
        share, strength = float(model.l1_ratio_), float(model.alpha_)
        return {"lam": share * strength, "l2": (1 - share) * strength}


class Celer(Peer):
    """celer: dual extrapolation and working sets; its prox-Newton for the logistic loss."""

    name, module = "celer", "celer"

    def fit(self, x: Any, y: Any, loss: str, lam: float, l2: float, tol: float) -> np.ndarray:
        import celer

        if loss == "logistic":
            model = celer.LogisticRegression(C=1 / (len(y) * lam), tol=tol, max_iter=1000)
            return model.fit(x, y).coef_.ravel()
        shared = {"fit_intercept": False, "tol": tol, "max_iter": 1000}
        if l2 > 0:
            strength, share = elastic(lam, l2)
            return celer.ElasticNet(alpha=strength, l1_ratio=share, **shared).fit(x, y).coef_
        return celer.Lasso(alpha=lam, **shared).fit(x, y).coef_

    def path(self, x: Any, y: Any, loss: str, lambdas: np.ndarray, l2: float, tol: float) -> Any:
        from celer.homotopy import celer_path

        if loss == "logistic":
            scaled = lambdas * len(y)
            return celer_path(x, y, "logreg", alphas=scaled, tol=tol, max_iter=1000, use_PN=True)[1]
        return celer_path(x, y, "lasso", alphas=lambdas, tol=tol, max_iter=1000, prune=True)[1]

    def cv(
        self, x: Any, y: Any, loss: str, lambdas: Any, splits: Any, tol: float, threads: int
    ) -> dict[str, Any]:
        import celer

        if loss == "logistic":
            return super().cv(x, y, loss, lambdas, splits, tol, threads)
        model = celer.LassoCV(
            alphas=lambdas, cv=splits, fit_intercept=False, tol=tol, max_iter=1000, n_jobs=threads
        )
        return {"lam": float(model.fit(x, y).alpha_)}

    def elastic_net(
        self, x: Any, y: Any, loss: str, lambdas: Any, split: Any, tol: float, threads: int
    ) -> dict[str, Any]:
        """Both hyperparameters, on a grid of seven shares by 100 strengths."""
        from celer import ElasticNetCV

        if loss == "logistic":
            raise ValueError("it has no elastic net for this loss that searches both")
        model = ElasticNetCV(
            l1_ratio=SHARES,
            eps=float(lambdas[-1] / lambdas[0]),
            n_alphas=len(lambdas),
            cv=[split],
            fit_intercept=False,
            tol=tol,
            max_iter=1000,
            n_jobs=threads,
        ).fit(x, y)
        share, strength = float(model.l1_ratio_), float(model.alpha_)
        return {"lam": share * strength, "l2": (1 - share) * strength}


class Skglm(Peer):
    """skglm: Anderson acceleration and working sets; prox-Newton for the logistic loss."""

    name, module = "skglm", "skglm"

    def fit(self, x: Any, y: Any, loss: str, lam: float, l2: float, tol: float) -> np.ndarray:
        import skglm

        shared = {"fit_intercept": False, "tol": tol, "max_iter": 1000}
        if loss == "logistic":
            return skglm.SparseLogisticRegression(alpha=lam, **shared).fit(x, y).coef_.ravel()
        if l2 > 0:
            strength, share = elastic(lam, l2)
            return skglm.ElasticNet(alpha=strength, l1_ratio=share, **shared).fit(x, y).coef_
        return skglm.Lasso(alpha=lam, **shared).fit(x, y).coef_

    def path(self, x: Any, y: Any, loss: str, lambdas: np.ndarray, l2: float, tol: float) -> Any:
        import skglm

        if loss == "logistic":
            model = skglm.SparseLogisticRegression(
                fit_intercept=False, tol=tol, max_iter=1000, warm_start=True
            )
            coefs = [model.set_params(alpha=lam).fit(x, y).coef_.ravel().copy() for lam in lambdas]
            return np.column_stack(coefs)
        return skglm.Lasso(fit_intercept=False, tol=tol, max_iter=1000).path(x, y, lambdas)[1]


class Adelie(Peer):
    """adelie: pivot screening, a C++ core."""

    name, module = "adelie", "adelie"

    def path(self, x: Any, y: Any, loss: str, lambdas: np.ndarray, l2: float, tol: float) -> Any:
        import adelie

        logistic = loss == "logistic"
        family = adelie.glm.binomial((y + 1) / 2) if logistic else adelie.glm.gaussian(y)
        strength, share = elastic(lambdas, l2)
        state = adelie.grpnet(
            X=adelie.matrix.sparse(x) if sparse.issparse(x) else x,
            glm=family,
            lmda_path=strength,
            alpha=float(np.ravel(share)[0]),
            intercept=False,
            tol=tol,
            irls_tol=tol,
            max_iters=MANY,
            irls_max_iters=MANY,
            adev_tol=1.0,
            early_exit=False,
            progress_bar=False,
        )
        return state.betas.toarray().T


class Skein(Peer):
    """skein-glm: coordinate descent with strong rules, a Rust core."""

    name, module, distribution = "skein-glm", "skein_glm", "skein-glm"

    def layout(self, x: Any, loss: str) -> Any:
        return x if sparse.issparse(x) else np.ascontiguousarray(x)

    def path(self, x: Any, y: Any, loss: str, lambdas: np.ndarray, l2: float, tol: float) -> Any:
        import skein_glm

        strength, share = elastic(lambdas, l2)
        shared = {
            "alpha": float(np.ravel(share)[0]),
            "lambdas": strength,
            "max_iter": MANY,
            "tol": tol,
            "fit_intercept": False,
        }
        if loss == "logistic":
            model = skein_glm.LogisticElasticNetPathRegressor(max_outer=1000, outer_tol=tol, **shared)
            return model.fit(x, (y + 1) / 2).coefs_.T
        return skein_glm.ElasticNetPathRegressor(**shared).fit(x, y).coefs_.T
