"""What the pictures share: axes, ticks, colours, labels that do not overlap."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Of Okabe and Ito: colour-blind readers tell them apart.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#8C8C8C"
#: Up to this many features are listed by name.
LISTED = 30
NO_GAPS = {"shrinkA": 0, "shrinkB": 0}

Floats = NDArray[np.float64]


def pyplot() -> Any:
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            'pictures need matplotlib, which is not installed: pip install "bilevel[plot]"', name="matplotlib"
        ) from error
    return plt


def new_axes(ax: Axes | None, rows: int = 0) -> Axes:
    """The axes to draw into; a new figure has room for a list of so many rows."""
    plt = pyplot()
    if ax is None:
        height = max(4.0, 0.2 * rows + 1.0) if rows <= LISTED else 4.0
        _, ax = plt.subplots(figsize=(6, height), layout="constrained")
    assert ax is not None
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def nothing(ax: Axes, why: str) -> Axes:
    ax.text(0.5, 0.5, why, transform=ax.transAxes, ha="center", va="center", color=GREY)
    ax.set_axis_off()
    return ax


def plain_numbers(ax: Axes, which: str) -> None:
    """Ticks of a logarithmic axis: powers of ten, and 2 and 5 times them on a short one."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis = ax.xaxis if which == "x" else ax.yaxis
    low, high = ax.get_xlim() if which == "x" else ax.get_ylim()
    decades = np.log10(high / low)
    axis.set_major_locator(LogLocator(subs=(1.0,) if decades > 2.5 else (1.0, 2.0, 5.0), numticks=7))
    axis.set_major_formatter(FuncFormatter(power if decades > 4 else lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def power(value: float, _: Any) -> str:
    return f"$10^{{{round(np.log10(value))}}}$"


def apart(heights: Floats, gap: float) -> Floats:
    """Heights moved as far apart as labels need, in their order."""
    moved = heights.copy()
    order = np.argsort(heights, kind="stable")
    for below, above in itertools.pairwise(order):
        moved[above] = max(moved[above], moved[below] + gap)
    shift = float(np.mean(moved - heights)) if len(heights) else 0.0
    return moved - shift


def apart_within(places: Floats, gap: float, last: float) -> Floats:
    """Rising places moved apart to the right as labels need, and back where they pass the last place."""
    moved = places.copy()
    for k in range(1, len(moved)):
        moved[k] = max(moved[k], moved[k - 1] + gap)
    limit = last
    for k in reversed(range(len(moved))):
        moved[k] = min(moved[k], limit)
        limit = moved[k] - gap
    return moved


def stages_above(ax: Axes, stages: list[str], starts: Floats) -> None:
    """Names of the stages above the axes, apart from each other, each joined to the line where it begins."""
    low, high = ax.get_xlim()
    for start in starts[1:]:
        ax.axvline(start, color=GREY, linewidth=0.6)
    if len(stages) == 1:
        ax.set_title(stages[0], fontsize="medium")
        return
    places = apart_within((starts - low) / (high - low), 0.09, 1.25)
    for stage, start, place in zip(stages, starts, places, strict=True):
        ax.annotate(
            stage,
            (start, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(place, 1.06),
            textcoords="axes fraction",
            fontsize="small",
            rotation=40,
            ha="left",
            va="bottom",
            rotation_mode="anchor",
            # From the corner of the text, so that the line crosses no other name.
            arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.6, "relpos": (0, 0), **NO_GAPS},
        )


def kept_above(ax: Axes, lambdas: Floats, support_size: Floats) -> None:
    """Writes above the axes how many features are kept, at seven places."""
    places = np.geomspace(lambdas[0], lambdas[-1], 9)[1:-1]
    kept = np.interp(np.log(places), np.log(lambdas), support_size)
    top = ax.secondary_xaxis("top")
    top.set_xticks(places, [f"{k:,.0f}" for k in kept])
    top.tick_params(which="both", length=0)
    top.minorticks_off()
    top.spines["top"].set_visible(False)
    top.set_xlabel("features kept", fontsize="small")


def listed(ax: Axes, values: Floats, kept: NDArray[np.bool_], names: list[str], label: str) -> None:
    """A row for each feature."""
    rows = np.arange(len(values))
    finite = np.isfinite(values)
    positive = label.startswith("weight")
    if positive:
        ax.set_xscale("log")
    else:
        ax.axvline(0.0, color="black", linewidth=0.6)
        ax.hlines(rows[kept], 0.0, values[kept], color=BLUE, linewidth=1.2)
    kept_and_dropped(ax, values, rows, kept, finite)
    if positive and not finite.all():
        # At the right edge, whatever the scale.
        ax.plot(
            np.ones(np.count_nonzero(~finite)),
            rows[~finite],
            ">",
            color=GREY,
            transform=ax.get_yaxis_transform(),
            clip_on=False,
            label="excluded",
        )
    if positive:
        plain_numbers(ax, "x")
    ax.set_yticks(rows, names, fontsize="medium" if len(rows) <= LISTED // 2 else "x-small")
    ax.set_ylim(len(values) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel(label)
    ax.legend(frameon=False)


def ranked(ax: Axes, values: Floats, kept: NDArray[np.bool_], label: str) -> None:
    """A dot for each of many features, by rank; as pixels, so that a million of them make no large file."""
    ranks = np.arange(1, len(values) + 1)
    finite = np.isfinite(values)
    if label.startswith("weight"):
        ax.set_yscale("log")
        if not finite.all():
            share = f"{np.count_nonzero(~finite):,} features are excluded"
            ax.text(0.98, 0.02, share, transform=ax.transAxes, ha="right", fontsize="small", color=GREY)
    else:
        ax.axhline(0.0, color="black", linewidth=0.6)
        # Zeros say nothing more than their number, which is in the title.
        finite &= kept
    kept_and_dropped(ax, ranks.astype(float), values, kept, finite)
    if label.startswith("weight"):
        plain_numbers(ax, "y")
    if label.startswith("weight") and len(values) > 1000:
        ax.set_xscale("log")
        ax.set_xlim(0.8, 1.25 * len(values))
        plain_numbers(ax, "x")
    ax.set_xlabel(
        "features, by weight" if label.startswith("weight") else "features, by size of the coefficient"
    )
    ax.set_ylabel(label)
    if label.startswith("weight"):
        ax.legend(frameon=False)


def kept_and_dropped(
    ax: Axes, x: Floats, y: NDArray[Any], kept: NDArray[np.bool_], finite: NDArray[np.bool_]
) -> None:
    many = len(x) > LISTED
    for mask, colour, face, name in (
        (~kept & finite, GREY, "none", "zero coefficient"),
        (kept & finite, BLUE, BLUE, "kept"),
    ):
        if mask.any():
            ax.plot(
                x[mask],
                y[mask],
                "o",
                color=colour,
                markerfacecolor=face,
                markersize=3 if many else 6,
                rasterized=many,
                label=name,
            )
