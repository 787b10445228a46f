"""The pictures: time against accuracy, and time against size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .contest import median

PICTURES = {
    "accuracy": "Seconds of one fit against the relative gap that was asked for",
    "size": "Seconds of one fit against the number of columns",
}
#: Okabe and Ito's colours, which colour-blind people tell apart, each with a marker of its own.
STYLES = {
    "bilevel": ("#000000", "o"),
    "scikit-learn": ("#E69F00", "s"),
    "celer": ("#0072B2", "^"),
    "skglm": ("#009E73", "v"),
    "adelie": ("#CC79A7", "D"),
    "skein-glm": ("#56B4E9", "P"),
    "glmnet": ("#D55E00", "X"),
}
FRACTION = 100
MOST_PANELS = 8


def draw(results: list[dict[str, Any]], folder: Path) -> list[str]:
    """Writes the pictures for which something was measured; their names."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "bilevel", "font.size": 9, "svg.fonttype": "none"})
    folder.mkdir(parents=True, exist_ok=True)
    fits = [result for result in results if result["workload"] == "a" and measured(result)]
    sizes = [result for result in results if result["workload"] == "size" and measured(result)]
    if fits:
        draw_accuracy(fits, folder / "accuracy.svg")
    if sizes:
        draw_size(sizes, folder / "size.svg")
    return ["accuracy"] * bool(fits) + ["size"] * bool(sizes)


def measured(result: dict[str, Any]) -> bool:
    """Whether a program did what was asked, in any case."""
    records = [record for case in result["cases"] for record in case["peers"].values()]
    return any(record["wall"] and not record["note"] for record in records)


def lines_of(points: dict[str, list[tuple[float, float]]], axes: Any) -> None:
    """A line for each program."""
    from matplotlib.ticker import NullFormatter

    for name, style in STYLES.items():
        if name in points:
            across, up = zip(*sorted(points[name]), strict=True)
            colour, marker = style
            width = 2.2 if name == "bilevel" else 1.2
            axes.loglog(across, up, color=colour, marker=marker, markersize=4, linewidth=width, label=name)
    axes.grid(True, which="major", color="#dddddd", linewidth=0.6)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_formatter(NullFormatter())


def draw_accuracy(results: list[dict[str, Any]], file: Path) -> None:
    """A panel for each set and loss, at λmax/100 (or the nearest that was measured)."""
    import matplotlib.pyplot as plt

    results = results[:: max(1, -(-len(results) // MOST_PANELS))]
    columns = min(4, len(results))
    rows = -(-len(results) // columns)
    figure, panels = plt.subplots(rows, columns, figsize=(3 * columns, 2.7 * rows), squeeze=False)
    for axes in panels.ravel()[len(results) :]:
        axes.set_axis_off()
    for axes, result in zip(panels.ravel(), results, strict=False):
        fractions = [case["case"]["fraction"] for case in result["cases"]]
        fraction = min(fractions, key=lambda one: abs(np.log(one / FRACTION)))
        points: dict[str, list[tuple[float, float]]] = {}
        for case in result["cases"]:
            for name, record in case["peers"].items():
                if case["case"]["fraction"] == fraction and record["wall"] and not record["note"]:
                    points.setdefault(name, []).append((case["case"]["gap"], median(record["wall"])))
        lines_of(points, axes)
        axes.invert_xaxis()
        axes.set_title(f"{result['set']}\n{result['loss']}, λmax/{fraction}", fontsize=8)
        axes.set_xlabel("relative duality gap")
        axes.set_ylabel("seconds")
    handles = {
        label: handle
        for axes in panels.ravel()
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="lower center", ncol=7, frameon=False)
    figure.tight_layout(rect=(0, 0.08 / rows + 0.02, 1, 1))
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)


def draw_size(results: list[dict[str, Any]], file: Path) -> None:
    """Log-log, with a line of slope 1."""
    import matplotlib.pyplot as plt

    points: dict[str, list[tuple[float, float]]] = {}
    for result in results:
        columns = float(result["shape"].split("×")[1].split(",")[0])
        for name, record in result["cases"][0]["peers"].items():
            if record["wall"] and not record["note"]:
                points.setdefault(name, []).append((columns, median(record["wall"])))
    figure, axes = plt.subplots(figsize=(6, 4))
    lines_of(points, axes)
    across = np.array(sorted({column for line in points.values() for column, _ in line}))
    lowest = min(up for line in points.values() for _, up in line)
    axes.loglog(across, lowest * across / across[0], color="#999999", linestyle=":", label="proportional")
    axes.set_xlabel("columns")
    axes.set_ylabel("seconds to a relative gap of 1e-8")
    axes.legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)
