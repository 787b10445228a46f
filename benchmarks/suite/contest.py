"""One contest: the same problem to all programs, each as loose as the target allows, timed in turn.

First every program is called until its answer, as the neutral judge measures it, is exact enough: from the
target itself as tolerance to looser ones while they reach it, or to tighter ones until one does. Then the
rounds: A B C, A B C, ...
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .worker import AttemptError, Worker

LOOSENINGS = 4
TIGHTENINGS = 7


@dataclass
class Limits:
    """How long things may take."""

    rounds: int = 5
    call: float = 60.0  # one call
    tuning: float = 120.0  # all calls that look for a tolerance


@dataclass(frozen=True)
class Tuned:
    """A tolerance and the gap that it gave."""

    tol: float
    gap: float
    target: float

    @property
    def reached(self) -> bool:
        """Whether that is exact enough."""
        return self.gap <= self.target


@dataclass
class Entry:
    """A program in a contest."""

    worker: Worker
    tol: float | None = None
    gap: float | None = None
    warm_seconds: float | None = None
    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    note: str = ""
    answer: Any = None

    @property
    def out(self) -> bool:
        """Whether it takes no part in the rounds."""
        return self.note.startswith(("cannot", "failed", "left out"))

    def record(self) -> dict[str, Any]:
        """What is kept."""
        return {
            "tol": self.tol,
            "gap": self.gap,
            "warm_seconds": self.warm_seconds,
            "wall": self.wall,
            "processor": self.processor,
            "note": self.note,
            **({"answer": self.answer} if self.answer is not None else {}),
        }


def find_tolerance(call: Callable[[float], float], start: float, target: float, loosest: float) -> Tuned:
    """From the start to the loosest tolerance whose gap is at most the target."""
    tol = min(start, loosest)
    tuned = Tuned(tol, call(tol), target)
    if tuned.reached:
        for _ in range(LOOSENINGS):
            tol *= 10
            if tol > loosest * (1 + 1e-9) or (gap := call(tol)) > target:
                break
            tuned = Tuned(tol, gap, target)
        return tuned
    for _ in range(TIGHTENINGS):
        tol /= 10
        gap = call(tol)
        if gap < tuned.gap:
            tuned = Tuned(tol, gap, target)
        if tuned.reached:
            break
    return tuned


def rounds(entries: dict[str, Entry], limits: Limits, call: Callable[[Entry], tuple[float, float]]) -> None:
    """Times the programs in turn; one that has had its time (the limit of a call) sits out the rest."""
    for _ in range(limits.rounds):
        for entry in entries.values():
            if entry.out or sum(entry.wall) + max(entry.wall, default=0.0) > limits.call:
                continue
            try:
                wall, processor = call(entry)
            except AttemptError as error:
                entry.note = entry.note or f"failed: {error}"
                continue
            entry.wall.append(wall)
            entry.processor.append(processor)


def median(values: list[float]) -> float | None:
    """The median, if there is one."""
    return statistics.median(values) if values else None
