"""What a fit tells besides the model: its certificate, the criterion over λ, its steps."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


def number(value: float | None) -> float:
    """A number of a record, where ``null`` stands for one that is not finite."""
    return float("inf") if value is None else float(value)


@dataclass(frozen=True)
class RangeCertificate:
    """What is proven about every λ in a range: none has a criterion below the answer's less ``epsilon``.

    Attributes
    ----------
    range : tuple of float
        The smallest and the largest λ; above it all coefficients are zero.
    epsilon : float
        In the units of the criterion.
    relative : float
        The same as a part of the criterion.
    complete : bool
        Whether that is as small as was asked for.
    n_segments : int
        Segments that the range was divided into.
    n_extra_solves : int
        Solutions at one λ, on all features, that the proof took.
    n_reduced_solves : int
        Solutions on the few features that matter between two λ.
    """

    range: tuple[float, float]
    epsilon: float
    relative: float
    complete: bool
    n_segments: int
    n_extra_solves: int
    n_reduced_solves: int

    @classmethod
    def _from_record(cls, record: dict[str, Any] | None) -> RangeCertificate | None:
        if record is None:
            return None
        lowest, highest = record["range"]
        return cls(
            range=(lowest, highest),
            epsilon=record["epsilon"],
            relative=record["relative"],
            complete=record["complete"],
            n_segments=record["n_segments"],
            n_extra_solves=record["n_extra_solves"],
            n_reduced_solves=record["n_reduced_solves"],
        )


@dataclass(frozen=True, repr=False)
class Certificate:
    """What is proven about an answer.

    Attributes
    ----------
    stationary : bool
        Whether it is proven that no hyperparameter, changed alone, lowers the criterion (within
        ``tolerance``).
    verdict : str
        The same as a sentence: stationary, or what to change, or why nothing is proven.
    relative_gap : float
        Relative duality gap of the final fit: its objective is within this, times the objective at zero, of
        the smallest possible.
    residual : float
        Forward-backward residual of the final fit relative to the largest useful λ; 0 at the exact minimizer.
    hypergradient_norm : float
        How steep the criterion still is in the logarithms of the hyperparameters.
    hypergradient_error_bound : float
        How wrong that may be because problems were solved to a finite accuracy.
    biactive : int
        Zero coefficients exactly at the edge of becoming nonzero, where the criterion has a kink.
    one_sided_slopes : tuple of float, or None
        For one hyperparameter, the slopes on both sides of the answer.
    lambda_range : tuple of float, or None
        The interval of λ that was searched globally, where it was.
    certified : RangeCertificate, or None
        What is proven about every λ in that interval, where one λ is the answer.
    tolerance : float
        What ``stationary`` was judged by.
    at_edges : tuple of str
        The first hyperparameters that rest on an edge of the values they may take, such as "adaptive exponent
        at the largest value allowed". Slopes that lead out of it do not count.
    """

    stationary: bool
    verdict: str
    relative_gap: float
    residual: float
    hypergradient_norm: float
    hypergradient_error_bound: float
    biactive: int
    one_sided_slopes: tuple[float, float] | None
    lambda_range: tuple[float, float] | None
    certified: RangeCertificate | None
    tolerance: float
    at_edges: tuple[str, ...]

    @classmethod
    def _from_record(cls, record: dict[str, Any]) -> Certificate:
        slopes, searched = record["one_sided_slopes"], record["lambda_range"]
        return cls(
            stationary=record["stationary"],
            verdict=_sentence(record["verdict"]),
            relative_gap=number(record["relative_gap"]),
            residual=number(record["residual"]),
            hypergradient_norm=number(record["hypergradient_norm"]),
            hypergradient_error_bound=number(record["hypergradient_error_bound"]),
            biactive=record["biactive"],
            one_sided_slopes=slopes and (slopes[0], slopes[1]),
            lambda_range=searched and (searched[0], searched[1]),
            certified=RangeCertificate._from_record(record.get("certified")),
            tolerance=record["stationarity_tolerance"],
            at_edges=tuple(_edge(edge) for edge in record["at_edges"]),
        )

    def __repr__(self) -> str:
        lines = [
            f"Certificate: {self.verdict}",
            f"  relative duality gap      {self.relative_gap:.1e}",
            f"  residual                  {self.residual:.1e}",
            f"  hypergradient             {self.hypergradient_norm:.1e}, "
            f"wrong by at most {self.hypergradient_error_bound:.1e}",
            f"  features on a kink        {self.biactive}",
        ]
        if self.one_sided_slopes is not None:
            left, right = self.one_sided_slopes
            lines.append(f"  slopes to left and right  {left:.1e}, {right:.1e}")
        lines.extend(f"  on an edge                {edge}" for edge in self.at_edges)
        if self.lambda_range is not None:
            lowest, highest = self.lambda_range
            lines.append(f"  searched globally         {lowest:.3g} to {highest:.3g}")
        if self.certified is not None:
            # Rounding to two digits must not say more than is proven.
            lines.append(f"  no λ there is better by   {105 * self.certified.relative:.2g} %: proven")
        return "\n".join(lines)


def _edge(edge: dict[str, Any]) -> str:
    return f"{edge['parameter']} at the {'largest' if edge['largest'] else 'smallest'} value allowed"


def _sentence(verdict: dict[str, Any]) -> str:
    if verdict["kind"] == "stationary":
        return "stationary: no hyperparameter, changed alone, lowers the criterion"
    if verdict["kind"] == "within":
        return (
            "stationary: no hyperparameter, changed alone, lowers the criterion "
            f"faster than {verdict['epsilon']:.1e} per e-fold"
        )
    if verdict["kind"] == "descends":
        change = "raising" if verdict["upwards"] else "lowering"
        return (
            f"not stationary: {change} {verdict['name']} lowers the criterion (slope {verdict['slope']:.1e})"
        )
    return f"nothing proven: {verdict['reason']}"


@dataclass(frozen=True, repr=False)
class CriterionCurve:
    """The criterion as a function of one λ, increasing in λ; empty if λ was not searched.

    Attributes
    ----------
    lambda_, value, standard_error, support_size : arrays of the same length
        λ, the criterion there, its standard error, and the number of nonzero coefficients (mean over folds).
    """

    lambda_: NDArray[np.float64]
    value: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    support_size: NDArray[np.float64]

    @classmethod
    def _from_record(cls, points: list[dict[str, Any]]) -> CriterionCurve:
        def column(key: str) -> NDArray[np.float64]:
            return np.array([number(point[key]) for point in points])

        return cls(column("lambda"), column("value"), column("standard_error"), column("support_size"))

    def __len__(self) -> int:
        return len(self.lambda_)

    def __repr__(self) -> str:
        if len(self) == 0:
            return "CriterionCurve(no points)"
        best = int(np.argmin(self.value))
        return (
            f"CriterionCurve({len(self)} points, λ from {self.lambda_[0]:.3g} to {self.lambda_[-1]:.3g}, "
            f"smallest {self.value[best]:.6g} at {self.lambda_[best]:.4g})"
        )


@dataclass(frozen=True)
class OuterStep:
    """Where the search stands after an outer step: what callbacks see, and ``history_`` keeps.

    Attributes
    ----------
    stage : str
        ``scalar``, ``adaptive round 1``, ``feature``, ….
    step, evaluations : int
        Number of the step in its stage, from 0, and evaluations of the criterion in it so far.
    value, standard_error : float
        The criterion at the current point.
    gradient_norm, gradient_error_bound : float
        Norm of the projected hypergradient (NaN if it was not asked for) and a bound on its error.
    support_size : float
        Nonzero coefficients, mean over folds.
    radius : float or None
        Trust radius or step length.
    lambda_ : float or None
        λ, where there is one for all.
    relative_gap : float
        Relative duality gap of the training problems.
    biactive : int
        Features on a kink.
    accepted : bool
        Whether the step was accepted.
    seconds : float
        Since the fit began.
    """

    stage: str
    step: int
    evaluations: int
    value: float
    standard_error: float
    gradient_norm: float
    gradient_error_bound: float
    support_size: float
    radius: float | None
    lambda_: float | None
    relative_gap: float
    biactive: int
    accepted: bool
    seconds: float

    @classmethod
    def _from_record(cls, record: dict[str, Any] | str) -> OuterStep:
        fields: dict[str, Any] = json.loads(record) if isinstance(record, str) else dict(record)
        fields["lambda_"] = fields.pop("lambda")
        for name in ("value", "standard_error", "gradient_error_bound", "relative_gap"):
            if fields[name] is None:
                fields[name] = float("inf")
        if fields["gradient_norm"] is None:
            fields["gradient_norm"] = float("nan")
        # A frozen dataclass's own way sets its fields one by one; a fit has hundreds of steps.
        step = object.__new__(cls)
        step.__dict__.update(fields)
        return step
