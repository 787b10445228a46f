"""The workloads that choose hyperparameters. Answers are judged by the criterion, solved exactly."""

from __future__ import annotations

from typing import Any

import numpy as np

from .contest import Entry, median
from .neutral import Problem, mean_loss
from .worker import AttemptError
from .workloads import Bench

SEARCH_GAP = 1e-4
OUTER_STEPS = 30


def tolerances(bench: Bench, names: list[str], target: float) -> dict[str, Entry]:
    """The tolerance of each program for its path: what its search gets."""
    lambdas = bench.lambdas(bench.lambda_max)[::12]
    arguments = {"lambdas": lambdas, "l2": 0.0}

    def judge(answer: Any) -> float:
        coefs = answer.toarray()
        return max(bench.gap(lam, 0.0, coefs[:, k]) for k, lam in enumerate(lambdas))

    entries = {name: Entry(bench.workers[name]) for name in names}
    for name, entry in entries.items():
        if bench.workers[name].kind.tuned_search:
            bench.tune(entry, "path", arguments, target, judge)
    return entries


def searches(bench: Bench, names: list[str], method: str) -> Any:
    """(c) 5-fold cross-validation, (d) one split: one lambda; (g) lambda and the ridge part by one split."""
    splits = bench.folds() if method == "cv" else [bench.split()]
    train = splits[0][0]
    largest = bench.lambda_max
    if method != "cv":
        largest = Problem(bench.x[train], bench.y[train], bench.loss, 0.0).lambda_max()
    arguments: dict[str, Any] = {"lambdas": bench.lambdas(largest), "threads": bench.threads}
    arguments |= {"splits": splits} if method == "cv" else {"split": splits[0]}
    entries = tolerances(bench, names, SEARCH_GAP)
    for name, warm in bench.enter(names, method, {**arguments, "tol": SEARCH_GAP}).items():
        entries[name].warm_seconds = warm.warm_seconds
        entries[name].note = warm.note or entries[name].note
        if entries[name].tol is None:
            entries[name].tol = SEARCH_GAP  # for those that do not look at it
    bench.timed(entries, method, arguments)
    for entry in entries.values():
        if entry.wall:
            found = entry.worker.ask("answer", bench.limits.call)
            entry.answer = judged(bench, splits, found)
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
            entry.answer = judged(bench, [split], found)
    yield {"steps": OUTER_STEPS}, entries


def judged(bench: Bench, splits: Any, found: dict[str, Any]) -> dict[str, Any]:
    """What a program chose, with its criterion."""
    value = criterion(bench, splits, found["lam"], found.get("l2", 0.0))
    return {"criterion": value, **found}


def multiples(bench: Bench) -> Any:
    """How many single fits the searches of bilevel cost: one lambda by folds, one weight each by a split."""
    folds, split = bench.folds(), bench.split()
    asked = {
        "one λ, 5 folds": ("cv", {"lambdas": None, "splits": folds, "tol": 0.0}),
        "one weight per feature, hold-out": ("features", {"split": split, "steps": OUTER_STEPS}),
    }
    for what, (method, arguments) in asked.items():
        search, single = Entry(bench.workers["bilevel"]), Entry(bench.workers["bilevel"])
        try:
            for _ in range(bench.limits.rounds):
                found = alternate(bench, search, method, {**arguments, "threads": bench.threads})
                alternate(bench, single, "fit", {"lam": found["lam"], "l2": 0.0, "tol": 1e-10})
        except AttemptError as error:
            search.note = f"failed: {error}"
        if single.wall:
            search.answer = {
                "single_fit": median(single.wall),
                "multiple": median(search.wall) / median(single.wall),
                "multiple_of_processor_time": median(search.processor) / median(single.processor),
            }
        yield {"search": what}, {"bilevel": search}


def alternate(bench: Bench, entry: Entry, method: str, arguments: dict[str, Any]) -> Any:
    """One timed call, and its answer."""
    limit, worker = bench.limits.call, entry.worker
    wall, processor = worker.ask("call", limit, method=method, loss=bench.loss, arguments=arguments)
    entry.wall.append(wall)
    entry.processor.append(processor)
    return worker.ask("answer", limit)


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
