"""R's glmnet, where Rscript finds it: a process of R that `glmnet.R` runs in."""

from __future__ import annotations

import functools
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from .peers import Peer


class Glmnet(Peer):
    """glmnet: coordinate descent with strong rules; times are R's own, without the way there and back."""

    name = "glmnet"
    hint = "on Debian and its kin: apt-get install --no-install-recommends r-base-core r-cran-glmnet"

    def __init__(self) -> None:
        self.process: Any = None
        self.given: Any = None
        self.spent = (0.0, 0.0)

    @classmethod
    @functools.cache
    def version(cls) -> str | None:
        """Of glmnet and R."""
        if shutil.which("Rscript") is None:
            return None
        ask = "cat(as.character(packageVersion('glmnet')), 'with R', as.character(getRversion()))"
        told = subprocess.run(["Rscript", "-e", ask], capture_output=True, text=True, check=False)
        return told.stdout.strip() if told.returncode == 0 else None

    def ask(self, *words: Any) -> list[str]:
        """Sends a command; keeps the seconds of the answer."""
        self.process.stdin.write(" ".join(str(word) for word in words) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        if not answer or answer[0] != "ok":
            raise RuntimeError(" ".join(answer[1:]) or "R ended")
        self.spent = (float(answer[1]), float(answer[2]))
        return answer[3:]

    def give(self, x: Any, y: Any, loss: str, lambdas: Any) -> None:
        """Hands the arrays over; the matrix once."""
        if self.process is None:
            self.folder = Path(tempfile.mkdtemp())
            script = Path(__file__).with_suffix(".R")
            self.process = subprocess.Popen(
                ["Rscript", "--vanilla", script, self.folder],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        if self.given is not x:
            if sparse.issparse(x):
                x.indices.astype(np.int32).tofile(self.folder / "rows")
                x.indptr.astype(np.int32).tofile(self.folder / "starts")
                x.data.tofile(self.folder / "values")
            else:
                x.ravel(order="F").tofile(self.folder / "values")
            self.ask("load", "sparse" if sparse.issparse(x) else "dense", *x.shape)
            self.given = x
        (y if loss == "squared" else (y + 1) / 2).tofile(self.folder / "target")
        np.asarray(lambdas, dtype=np.float64).tofile(self.folder / "lambda")

    def path(self, x: Any, y: Any, loss: str, lambdas: np.ndarray, l2: float, tol: float) -> Any:
        if l2 > 0:
            raise ValueError("the suite does not ask it for a ridge part, which it scales by the target")
        self.give(x, y, loss, lambdas)
        (count,) = self.ask("path", loss, tol)
        self.process.stdout.readline()
        parts = [("beta_values", np.float64), ("beta_rows", np.int32), ("beta_starts", np.int32)]
        arrays = tuple(np.fromfile(self.folder / name, dtype=kind) for name, kind in parts)
        return sparse.csc_matrix(arrays, shape=(x.shape[1], int(count))).toarray()

    def by_folds(self, method: str, x: Any, y: Any, loss: str, lambdas: Any, splits: Any, *rest: Any) -> Any:
        """The held-out losses of folds, in as many processes as there are threads."""
        fold = np.zeros(len(y), dtype=np.int32)
        for number, (_, held_out) in enumerate(splits):
            fold[held_out] = number + 1
        self.give(x, y, loss, lambdas)
        fold.tofile(self.folder / "fold")
        (best,) = self.ask(method, loss, *rest)
        return {"lam": float(lambdas[int(best) - 1])}

    def cv(
        self, x: Any, y: Any, loss: str, lambdas: Any, splits: Any, tol: float, threads: int
    ) -> dict[str, Any]:
        return self.by_folds("cv", x, y, loss, lambdas, splits, tol, threads)

    def holdout(
        self, x: Any, y: Any, loss: str, lambdas: Any, split: Any, tol: float, threads: int
    ) -> dict[str, Any]:
        return self.by_folds("holdout", x, y, loss, lambdas, [split], tol, threads)
