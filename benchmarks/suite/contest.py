"""One contest: the same problem to all programs, each as loose as the target allows, timed in turn.

First every program is called until its answer, as the neutral judge measures it, is exact enough: from the
target itself as tolerance to looser ones while they reach it, or to tighter ones until one does. Then the rounds:
A B C, A B C, ...
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .worker import Failed, Worker

LOOSENINGS = 4
TIGHTENINGS = 7


@dataclass
class Limits:
    """How long things may take."""

    rounds: int = 5
    call: float = 60.0  # one call
    tuning: float = 120.0  # all calls that look for a tolerance


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


def find_tolerance(call: Callable[[float], tuple[float, float]], target: float, loosest: float) -> Any:
    """The loosest tolerance whose gap is at most the target; (tol, gap, whether it is, longest seconds)."""
    tol, best = min(target, loosest), None
    gap, seconds = call(tol)
    if gap <= target:
        best = (tol, gap, True, seconds)
        for _ in range(LOOSENINGS):
            if tol * 10 > loosest:
                break
            tol *= 10
            gap, seconds = call(tol)
            if gap > target:
                break
            best = (tol, gap, True, seconds)
        return best
    best = (tol, gap, False, seconds)
    for _ in range(TIGHTENINGS):
        tol /= 10
        gap, seconds = call(tol)
        if gap < best[1]:
            best = (tol, gap, gap <= target, seconds)
        if gap <= target:
            return best
    return best


def rounds(entries: dict[str, Entry], limits: Limits, call: Callable[[Entry], tuple[float, float]]) -> None:
    """Times the programs in turn; a slow one runs once."""
    for turn in range(limits.rounds):
        for entry in entries.values():
            if entry.note.startswith(("cannot", "failed")) or (
                turn > 0 and (not entry.wall or entry.wall[0] > limits.call / 2)
            ):
                continue
            try:
                wall, processor = call(entry)
            except Failed as error:
                entry.note = entry.note or f"failed: {error}"
                continue
            entry.wall.append(wall)
            entry.processor.append(processor)


def median(values: list[float]) -> float | None:
    """The median, if there is one."""
    return statistics.median(values) if values else None
