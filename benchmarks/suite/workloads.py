"""What is asked of the programs: the workloads of the suite, each on a data set with a loss."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.model_selection import KFold

from .contest import Entry, Limits, find_tolerance, rounds
from .data import DataSet
from .neutral import Problem, mean_loss
from .worker import Failed, Worker

GAPS = (1e-4, 1e-8, 1e-12)
FRACTIONS = (5, 20, 100, 1000)
PATH_GAP = 1e-6
N_LAMBDAS = 100
OUTER_STEPS = 30


@dataclass
class Bench:
    """A data set with its loss, and the programs."""

    data: DataSet
    loss: str
    workers: dict[str, Worker]
    limits: Limits
    quick: bool
    threads: int

    def __post_init__(self) -> None:
        self.x, self.y = self.data.x, self.data.target(self.loss)
        self.lambda_max = Problem(self.x, self.y, self.loss, 0.0).lambda_max()
        self.duals: dict[tuple[float, float], float] = {}

    def problem(self, lam: Any, l2: float = 0.0) -> Problem:
        """On all rows."""
        return Problem(self.x, self.y, self.loss, lam, l2)

    def lambdas(self, largest: float) -> np.ndarray:
        """The grid: down to 1/1000, or 1/100 where the set is wide and large."""
        smallest = -2 if self.x.shape[1] > 20_000 or self.quick else -3
        return largest * np.logspace(0, smallest, N_LAMBDAS)

    def split(self) -> tuple[np.ndarray, np.ndarray]:
        """Three quarters train, a quarter is held out."""
        order = np.random.default_rng(0).permutation(len(self.y))
        cut = len(order) // 4
        return np.sort(order[cut:]), np.sort(order[:cut])

    def folds(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Five, the same for all."""
        folds = KFold(5, shuffle=True, random_state=0)
        return list(folds.split(self.y))

    def gap(self, lam: float, l2: float, w: np.ndarray) -> float:
        """Relative to the null loss, against the best dual value that is known for the problem."""
        problem = self.problem(lam, l2)
        objective, dual = problem.judge(w)
        key = (lam, l2)
        self.duals[key] = max(self.duals.get(key, -np.inf), dual)
        return max(objective - self.duals[key], 0.0) / problem.null_loss()

    def enter(self, names: list[str], method: str, arguments: dict[str, Any]) -> dict[str, Entry]:
        """Entries of those programs that survive a first small call, with its seconds."""
        entries = {}
        for name in names:
            entry = entries[name] = Entry(self.workers[name])
            try:
                entry.warm_seconds = entry.worker.ask(
                    "warm", self.limits.call, method=method, loss=self.loss, arguments=arguments
                )
            except Failed as error:
                entry.note = f"cannot: {error}"
        return entries

    def tune(self, entry: Entry, method: str, arguments: dict[str, Any], target: float, judge: Any) -> None:
        """Finds the tolerance of a program."""
        if entry.note:
            return
        deadline = time.monotonic() + self.limits.tuning
        tried: list[tuple[float, float]] = []

        def call(tol: float) -> tuple[float, float]:
            if time.monotonic() > deadline:
                raise Failed(f"looked for a tolerance for {self.limits.tuning:.0f} s")
            wall, _ = entry.worker.ask(
                "call",
                self.limits.call,
                method=method,
                loss=self.loss,
                arguments={**arguments, "tol": tol},
                repeat=False,
            )
            gap = judge(entry.worker.ask("answer", self.limits.call))
            tried.append((tol, gap))
            return gap, wall

        try:
            entry.tol, entry.gap, reached, _ = find_tolerance(call, target, entry.worker.kind.loosest)
            if not reached:
                entry.note = f"ended at {entry.gap:.1e}"
        except Failed as error:
            good = [(tol, gap) for tol, gap in tried if gap <= target]
            if good:
                entry.tol, entry.gap = good[-1]
            elif tried:
                entry.tol, entry.gap = min(tried, key=lambda pair: pair[1])
                entry.note = f"ended at {entry.gap:.1e} ({error})"
            else:
                entry.note = f"failed: {error}"

    def timed(self, entries: dict[str, Entry], method: str, arguments: dict[str, Any]) -> None:
        """The rounds."""

        def call(entry: Entry) -> tuple[float, float]:
            told = {} if entry.tol is None else {"tol": entry.tol}
            return entry.worker.ask(
                "call", self.limits.call, method=method, loss=self.loss, arguments={**arguments, **told}
            )

        rounds(entries, self.limits, call)


def single_fits(bench: Bench, names: list[str], gaps: Any, fractions: Any) -> Any:
    """(a) One lambda from nothing, to each gap."""
    arguments = {"lam": 1.0, "l2": 0.0, "tol": 1e-4}
    first = bench.enter(names, "fit", arguments)
    for fraction in fractions:
        lam = bench.lambda_max / fraction
        arguments = {"lam": lam, "l2": 0.0}

        def judge(answer: Any, lam: float = lam) -> float:
            return bench.gap(lam, 0.0, answer.toarray().ravel())

        reference(bench, names, lam)
        for target in gaps:
            entries = {
                name: Entry(e.worker, note=e.note, warm_seconds=e.warm_seconds) for name, e in first.items()
            }
            for entry in entries.values():
                bench.tune(entry, "fit", arguments, target, judge)
            bench.timed(entries, "fit", arguments)
            yield {"fraction": fraction, "gap": target}, entries


def reference(bench: Bench, names: list[str], lam: float) -> None:
    """Dual values from answers that are as exact as two programs can make them."""
    for name in ("bilevel", "celer", "skglm"):
        if name not in names:
            continue
        worker = bench.workers[name]
        try:
            worker.ask(
                "call",
                bench.limits.call,
                method="fit",
                loss=bench.loss,
                arguments={"lam": lam, "l2": 0.0, "tol": 1e-14},
                repeat=False,
            )
            bench.gap(lam, 0.0, worker.ask("answer", bench.limits.call).toarray().ravel())
        except Failed:
            continue


def paths(bench: Bench, names: list[str]) -> Any:
    """(b) 100 lambdas, the worst gap of which counts."""
    lambdas = bench.lambdas(bench.lambda_max)
    arguments = {"lambdas": lambdas, "l2": 0.0}
    checked = range(0, len(lambdas), 9)  # the last is among them

    def judge(answer: Any) -> float:
        coefs = answer.tocsc()
        gaps = [bench.gap(lambdas[k], 0.0, coefs[:, [k]].toarray().ravel()) for k in checked]
        return max(gaps)

    entries = bench.enter(names, "path", {**arguments, "tol": 1e-4})
    for entry in entries.values():
        bench.tune(entry, "path", arguments, PATH_GAP, judge)
    bench.timed(entries, "path", arguments)
    yield {"smallest": float(lambdas[-1] / lambdas[0]), "gap": PATH_GAP}, entries


def tolerances(bench: Bench, names: list[str], target: float) -> dict[str, Entry]:
    """The tolerance of each program for its path: what its search gets."""
    lambdas = bench.lambdas(bench.lambda_max)[::12]
    arguments = {"lambdas": lambdas, "l2": 0.0}

    def judge(answer: Any) -> float:
        coefs = answer.toarray()
        return max(bench.gap(lam, 0.0, coefs[:, k]) for k, lam in enumerate(lambdas))

    entries = {name: Entry(bench.workers[name]) for name in names}
    for name, entry in entries.items():
        if bench.workers[name].kind.has_path:
            bench.tune(entry, "path", arguments, target, judge)
    return entries


def searches(bench: Bench, names: list[str], method: str) -> Any:
    """(c) 5-fold cross-validation, (d) one split: one lambda. Judged by the criterion, solved exactly."""
    splits = bench.folds() if method == "cv" else [bench.split()]
    train = splits[0][0]
    largest = bench.lambda_max
    if method == "holdout":
        largest = Problem(bench.x[train], bench.y[train], bench.loss, 0.0).lambda_max()
    arguments: dict[str, Any] = {"lambdas": bench.lambdas(largest), "threads": bench.threads}
    arguments |= {"splits": splits} if method == "cv" else {"split": splits[0]}
    entries = tolerances(bench, names, 1e-4)
    for name, warm in bench.enter(names, method, {**arguments, "tol": 1e-4}).items():
        entries[name].warm_seconds = warm.warm_seconds
        entries[name].note = warm.note or entries[name].note
        if entries[name].tol is None:
            entries[name].tol = 1e-4
    bench.timed(entries, method, arguments)
    for entry in entries.values():
        if entry.wall:
            found = entry.worker.ask("answer", bench.limits.call)
            value = criterion(bench, splits, found["lam"])
            entry.answer = {"criterion": value, "lam": found["lam"], "steps": found.get("steps")}
    yield {"smallest": float(arguments["lambdas"][-1] / largest)}, entries


def feature_search(bench: Bench, names: list[str]) -> Any:
    """(e) One weight for each feature, by one split."""
    split = bench.split()
    arguments = {"split": split, "steps": OUTER_STEPS, "threads": bench.threads}
    entries = bench.enter(names, "features", arguments)
    bench.timed(entries, "features", arguments)
    for entry in entries.values():
        if entry.wall:
            found = entry.worker.ask("answer", bench.limits.call)
            value = criterion(bench, [split], found["lam"])
            entry.answer = {"criterion": value, "steps": found["steps"]}
    yield {"steps": OUTER_STEPS}, entries


def criterion(bench: Bench, splits: Any, lam: Any, l2: float = 0.0) -> float:
    """Mean held-out loss of the model with these hyperparameters, trained to a relative gap of 1e-9."""
    import bilevel

    losses = []
    for train, held_out in splits:
        x, y = bench.x[train], bench.y[train]
        found = bilevel.solve(x, y, lam, loss=bench.loss, l2=l2, fit_intercept=False, tol=1e-10)
        problem = Problem(x, y, bench.loss, lam, l2)
        objective, dual = problem.judge(found.coef)
        if objective - dual > 1e-7 * problem.null_loss():
            raise RuntimeError(f"the judge's own model has a gap of {objective - dual:.1e}")
        z = np.asarray(bench.x[held_out] @ found.coef).ravel()
        losses.append(mean_loss(bench.loss, bench.y[held_out], z))
    return float(np.mean(losses))
