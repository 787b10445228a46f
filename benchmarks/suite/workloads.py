"""What is asked of the programs: the workloads of the suite, each on a data set with a loss."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.model_selection import KFold

from .contest import Entry, Limits, Tuned, find_tolerance, rounds
from .data import DataSet
from .neutral import Problem
from .worker import WARM_LIMIT, AttemptError, Worker

GAPS = (1e-4, 1e-8, 1e-12)
FRACTIONS = (5, 20, 100, 1000)
PATH_GAP = 1e-6
N_LAMBDAS = 100


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
                    "warm", WARM_LIMIT, method=method, loss=self.loss, arguments=arguments
                )
            except AttemptError as error:
                entry.note = f"cannot: {error}"
        return entries

    def tune(self, entry: Entry, method: str, arguments: dict[str, Any], target: float, judge: Any) -> None:
        """Finds the tolerance of a program."""
        if entry.out:
            return
        deadline = time.monotonic() + self.limits.tuning
        tried: list[Tuned] = []

        def call(tol: float) -> float:
            if time.monotonic() > deadline:
                raise AttemptError(f"> {self.limits.tuning:.0f} s for the tolerance")
            told = {**arguments, "tol": tol}
            entry.worker.ask(
                "call", self.limits.call, method=method, loss=self.loss, arguments=told, repeat=False
            )
            gap = judge(entry.worker.ask("answer", self.limits.call))
            tried.append(Tuned(tol, gap, target))
            return gap

        why = ""
        try:
            kind, offset = entry.worker.kind, entry.worker.offset
            tuned = find_tolerance(call, target * offset, target, kind.loosest)
        except AttemptError as error:
            if not tried:
                entry.note = f"failed: {error}"
                return
            why = f", {error}"
            reached = [one for one in tried if one.reached]
            tuned = reached[-1] if reached else min(tried, key=lambda one: one.gap)
        entry.tol, entry.gap = tuned.tol, tuned.gap
        if tuned.reached:
            entry.worker.offset = tuned.tol / target
        else:
            entry.note = f"ended at {tuned.gap:.0e}{why}"

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
    first = bench.enter(names, "fit", {"lam": 1.0, "l2": 0.0, "tol": 1e-4})
    too_slow: set[tuple[str, float]] = set()
    for fraction in fractions:
        lam = bench.lambda_max / fraction
        arguments = {"lam": lam, "l2": 0.0}

        def judge(answer: Any, lam: float = lam) -> float:
            return bench.gap(lam, 0.0, answer.toarray().ravel())

        reference(bench, names, lam)
        for target in gaps:
            entries = {}
            for name, warm in first.items():
                entry = Entry(warm.worker, note=warm.note, warm_seconds=warm.warm_seconds)
                entries[name] = entry
                if any((name, gap) in too_slow for gap in gaps if gap >= target):
                    entry.note = "left out: too slow for a larger λ or gap"
                bench.tune(entry, "fit", arguments, target, judge)
                if entry.tol is None or "> " in entry.note:
                    too_slow.add((name, target))
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
        except AttemptError:
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
