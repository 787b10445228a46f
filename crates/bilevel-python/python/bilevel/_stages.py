"""The stages of a search: one λ, adaptive weights, one weight for each feature; and which one was kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bilevel._results import number


@dataclass(frozen=True)
class Stage:
    """A stage of the search over hyperparameters.

    Attributes
    ----------
    name : str
        ``scalar``, ``adaptive, round 1``, ``feature``, ….
    n_parameters : int
        How many hyperparameters it learned.
    value : float
        The criterion at its best point; cross-fitted stages have the value on rows that did not choose.
    kept : bool
        Whether it is the answer.
    """

    name: str
    n_parameters: int
    value: float
    kept: bool

    @classmethod
    def _from_record(cls, record: dict[str, Any]) -> Stage:
        return cls(
            name=str(record["name"]),
            n_parameters=int(record["n_parameters"]),
            value=number(record["value"]),
            kept=bool(record["kept"]),
        )
