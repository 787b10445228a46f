"""Pictures of a fitted model, with matplotlib (``pip install "bilevel[plot]"``).

Each function draws into the axes that it is given, or into a new figure, and returns the axes, so that
titles, limits and labels can still be changed. Colours are those of Okabe and Ito, which colour-blind
readers tell apart.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from bilevel._drawing import (
    BLUE,
    GREEN,
    GREY,
    LISTED,
    ORANGE,
    Floats,
    apart,
    kept_above,
    listed,
    new_axes,
    nothing,
    plain_numbers,
    pyplot,
    ranked,
    stages_above,
)
from bilevel._results import Certificate
from bilevel._view import View, one_class, path_arrays, path_names, view

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["certificate", "criterion", "history", "path", "weights"]

#: Up to this many features are drawn as lines.
LINES = 500
#: Of a path, this many features are named.
NAMED = 8


def __dir__() -> list[str]:
    return __all__


def criterion(model: Any, ax: Axes | None = None, *, which: Any = None) -> Axes:
    """Draw the criterion over λ, with its standard error, and what was chosen.

    Above the axes stands the number of features that the model keeps at a λ (mean over the splits). Where
    there is more than one λ, the curve is that of the best single λ and the answer is a level line.

    Parameters
    ----------
    model : fitted estimator
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.
    which : class label, optional
        The class to show, where each of several has a model of its own.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from bilevel import SparseRegressor, plot
    >>> model = SparseRegressor(weights="scalar").fit(*load_diabetes(return_X_y=True))
    >>> plot.criterion(model).get_xlabel()
    'λ'
    """
    seen = view(model, which)
    curve = seen.curve
    ax = new_axes(ax)
    if len(curve) == 0:
        return nothing(ax, "λ was not searched: there is no curve")
    ax.set_xscale("log")
    ax.fill_between(
        curve.lambda_,
        curve.value - curve.standard_error,
        curve.value + curve.standard_error,
        color=BLUE,
        alpha=0.15,
        linewidth=0,
        label="± standard error",
    )
    ax.plot(curve.lambda_, curve.value, color=BLUE, linewidth=1.5, label="one λ for all")
    if seen.one_lambda is not None:
        ax.axvline(seen.one_lambda, color=ORANGE, linewidth=1, linestyle=(0, (4, 3)))
        ax.plot(
            [seen.one_lambda],
            [seen.value],
            "o",
            color=ORANGE,
            markersize=6,
            label=f"chosen: λ = {seen.one_lambda:.3g}",
        )
    else:
        ax.axhline(seen.value, color=ORANGE, linewidth=1.2, label=f"chosen: {seen.kind} weights")
        ax.axhspan(
            seen.value - seen.standard_error,
            seen.value + seen.standard_error,
            color=ORANGE,
            alpha=0.12,
            linewidth=0,
        )
    if len(curve) > 1:
        ax.set_xlim(curve.lambda_[0], curve.lambda_[-1])
    else:
        # A line of one point is none.
        ax.errorbar(curve.lambda_, curve.value, yerr=curve.standard_error, fmt="o", color=BLUE)
    _show_the_minimum(ax, seen)
    plain_numbers(ax, "x")
    ax.set_xlabel("λ")
    ax.set_ylabel(seen.criterion_name)
    if np.ptp(curve.support_size) > 0:
        kept_above(ax, curve.lambda_, curve.support_size)
    ax.legend(frameon=True, framealpha=0.9, edgecolor="none")
    return ax


def path(
    lambdas: Any,
    coefs: Any = None,
    ax: Axes | None = None,
    *,
    chosen: float | None = None,
    feature_names: Any = None,
) -> Axes:
    """Draw coefficients along λ.

    The largest coefficients are named at the side of small λ, the others are grey. Of more than 500
    features that are ever nonzero, the 500 largest are drawn.

    Parameters
    ----------
    lambdas : array of shape (n_lambdas,), or the result of :func:`bilevel.path`
    coefs : array or sparse matrix of shape (n_features, n_lambdas)
        A column of coefficients for each λ; not needed with the result of :func:`bilevel.path`.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.
    chosen : float, optional
        A λ to mark, such as ``model.lambda_``.
    feature_names : sequence of str, optional
        By default the columns of the table given to :func:`bilevel.path`, else numbers from 0.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> import numpy as np
    >>> import bilevel
    >>> found = bilevel.path(np.eye(2), [3.0, -2.0], fit_intercept=False)
    >>> ax = bilevel.plot.path(found, feature_names=["age", "sex"])
    >>> sorted(text.get_text() for text in ax.texts)
    ['age', 'sex']
    """
    feature_names = path_names(lambdas, feature_names)
    lambdas, features, table = path_arrays(lambdas, coefs)
    order = np.argsort(lambdas)
    lambdas, table = lambdas[order], table[:, order]
    ranked = np.argsort(-np.abs(table).max(axis=1, initial=0.0), kind="stable")[:LINES]
    colours = (BLUE, ORANGE, GREEN, "#CC79A7", "#56B4E9", "#E69F00", "#882255", "#7F7F00")
    ax = new_axes(ax)
    ax.set_xscale("log")
    for row in ranked[NAMED:][::-1]:
        ax.plot(lambdas, table[row], color=GREY, alpha=0.6, linewidth=0.8)
    for row, colour in zip(ranked[:NAMED], colours, strict=False):
        ax.plot(lambdas, table[row], color=colour, linewidth=1.5)
    ax.axhline(0.0, color="black", linewidth=0.6)
    if chosen is not None:
        ax.axvline(chosen, color=ORANGE, linewidth=1, linestyle=(0, (4, 3)))
    if len(lambdas) > 1:
        ax.set_xlim(lambdas[0], lambdas[-1])
    plain_numbers(ax, "x")
    low, high = ax.get_ylim()
    heights = apart(table[ranked[:NAMED], 0], 0.045 * (high - low))
    for row, height, colour in zip(ranked[:NAMED], heights, colours, strict=False):
        j = features[row]
        ax.annotate(
            str(j if feature_names is None else feature_names[j]),
            (lambdas[0], height),
            xytext=(-4, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            color=colour,
            fontsize="small",
        )
    # The names stand where the numbers would.
    ax.yaxis.tick_right()
    ax.yaxis.set_label_position("right")
    ax.spines["left"].set_visible(False)
    ax.spines["right"].set_visible(True)
    ax.set_xlabel("λ")
    ax.set_ylabel("coefficient")
    if len(ranked) < len(table):
        ax.set_title(f"the {len(ranked)} largest of {len(table):,} coefficients", fontsize="medium")
    return ax


def weights(model: Any, ax: Axes | None = None, *, which: Any = None) -> Axes:
    """Draw the learned weight of each feature, and which features are kept.

    Up to 30 features are listed by name; more are ranked by weight. With one λ for all features there are
    no weights to compare, and the coefficients are drawn in their place.

    Parameters
    ----------
    model : fitted estimator
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.
    which : class label, optional
        The class to show, where each of several has a model of its own.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from bilevel import SparseRegressor, plot
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = SparseRegressor(weights="adaptive").fit(X, y)
    >>> plot.weights(model).get_xlabel()
    'weight λⱼ'
    """
    seen = view(model, which)
    kept = seen.coef != 0
    ax = new_axes(ax, rows=len(kept))
    count = f"{np.count_nonzero(kept):,} of {len(kept):,} features kept"
    if seen.one_lambda is None:
        values, label, order = seen.weights, "weight λⱼ", np.argsort(seen.weights, kind="stable")
        ax.set_title(count, fontsize="medium")
    else:
        values, label, order = seen.coef, "coefficient", np.argsort(-np.abs(seen.coef), kind="stable")
        ax.set_title(f"one λ = {seen.one_lambda:.3g}; {count}", fontsize="medium")
    if len(values) <= LISTED:
        listed(ax, values[order], kept[order], [seen.names[j] for j in order], label)
    else:
        ranked(ax, values[order], kept[order], label)
    return ax


def history(model: Any, ax: Axes | None = None, *, which: Any = None) -> Axes:
    """Draw the criterion step by step, stage after stage.

    A dot is a step; the line is the smallest value so far in a stage. Steps of the search over one λ try
    values far and near, so that their dots go up and down. Stages called halves, in grey, are judged on half
    of the validation rows: their values are not those of the others.

    Parameters
    ----------
    model : fitted estimator
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.
    which : class label, optional
        The class to show, where each of several has a model of its own.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from bilevel import SparseRegressor, plot
    >>> model = SparseRegressor(weights="scalar").fit(*load_diabetes(return_X_y=True))
    >>> plot.history(model).get_xlabel()
    'step'
    """
    seen = view(model, which)
    ax = new_axes(ax)
    steps = seen.history
    if not steps:
        return nothing(ax, "the search took no step")
    value = np.array([step.value for step in steps])
    number = np.arange(1, len(steps) + 1)
    ax.plot(number, value, ".", color=GREY, markersize=4, label="step")
    stages = list(dict.fromkeys(step.stage for step in steps))
    stage_of = np.array([stages.index(step.stage) for step in steps])
    starts = []
    halves = [k for k, stage in enumerate(stages) if "half" in stage]
    for k in range(len(stages)):
        here = stage_of == k
        best = np.minimum.accumulate(value[here])
        # Halves are judged on other rows: lower there is not better.
        half = k in halves
        first = k == (halves[0] if half else 0)
        label = "halves of a cross-fit (other rows)" if half else "best of the stage"
        ax.plot(
            number[here],
            best,
            color=GREY if half else BLUE,
            linewidth=1.8,
            label=label if first else None,
        )
        starts.append(number[here][0] - 0.5)
    ax.axhline(
        seen.value, color=ORANGE, linewidth=1, linestyle=(0, (4, 3)), label=f"answer: {seen.value:.5g}"
    )
    _focus(ax, value, seen.standard_error)
    ax.set_xlim(0.5, len(steps) + 0.5)
    stages_above(ax, stages, np.array(starts, dtype=float))
    ax.set_xlabel("step")
    ax.set_ylabel(seen.criterion_name)
    # Below: with several stages no corner is free.
    ax.legend(frameon=False, fontsize="small", ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.16))
    return ax


def certificate(model: Any, ax: Axes | None = None, *, which: Any = None) -> Axes:
    """Draw what is proven about the answer.

    For one λ: the criterion around the answer and its slopes on both sides, which at a minimum (be it smooth
    or a kink) point down towards it. For more hyperparameters: the numbers of the certificate, and what they
    were judged by.

    Parameters
    ----------
    model : fitted estimator, or Certificate
        Also what :func:`bilevel.certificate` returns.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.
    which : class label, optional
        The class to show, where each of several has a model of its own.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from bilevel import SparseRegressor, plot
    >>> model = SparseRegressor(weights="scalar").fit(*load_diabetes(return_X_y=True))
    >>> plot.certificate(model).get_title().startswith("stationary")
    True
    """
    if isinstance(model, Certificate):
        ax, proven = new_axes(ax), model
        _measures(ax, proven, _steepest(proven))
    else:
        seen = view(model, which)
        ax, proven = new_axes(ax), seen.certificate
        if seen.one_lambda is not None and proven.one_sided_slopes is not None and len(seen.curve) > 1:
            _slopes(ax, seen, seen.one_lambda, proven.one_sided_slopes)
        else:
            _measures(ax, proven, seen.steepest)
    ax.set_title("\n".join(_wrapped(proven.verdict)), fontsize="medium")
    return ax


def panels(model: Any, which: Any = None) -> NDArray[Any]:
    """Criterion, weights and history side by side; ``model.plot()``. Of several classes the first."""
    plt = pyplot()
    which, title = one_class(model, which)
    seen = view(model, which)
    figure, axes = plt.subplots(1, 3, figsize=(14, 4.6), layout="constrained")
    for draw, ax in zip((criterion, weights, history), axes, strict=True):
        draw(seen, ax)
    if title is not None:
        figure.suptitle(title)
    return cast("NDArray[Any]", axes)


def _slopes(ax: Axes, seen: View, chosen: float, slopes: tuple[float, float]) -> None:
    """The criterion within a factor of four of the answer, with a tangent to either side."""
    curve = seen.curve
    span = 4.0
    near = (curve.lambda_ > chosen / span) & (curve.lambda_ < chosen * span)
    x = np.append(curve.lambda_[near], chosen)
    y = np.append(curve.value[near], seen.value)
    order = np.argsort(x)
    ax.set_xscale("log")
    ax.plot(x[order], y[order], color=BLUE, linewidth=1.5, marker=".", markersize=4, label="criterion")
    for slope, side, name in ((slopes[0], 1 / 1.8, "left"), (slopes[1], 1.8, "right")):
        ax.plot(
            [chosen, chosen * side],
            [seen.value, seen.value + slope * np.log(side)],
            color=ORANGE,
            linewidth=1.5,
            linestyle=(0, (4, 2)),
            label=f"slope to the {name}: {slope:.2g}",
        )
    ax.plot([chosen], [seen.value], "o", color=ORANGE, markersize=6, label=f"answer: λ = {chosen:.4g}")
    plain_numbers(ax, "x")
    ax.set_xlabel("λ")
    ax.set_ylabel(seen.criterion_name)
    ax.legend(frameon=True, framealpha=0.9, edgecolor="none")


def _steepest(proven: Certificate) -> float | None:
    """How steeply a parameter, changed alone, still lowers the criterion, where the slopes are known."""
    slopes = getattr(proven, "slopes", None)
    return None if slopes is None else max(0.0, -float(min(slopes.down.min(), slopes.up.min())))


def _measures(ax: Axes, proven: Certificate, steepest: float | None) -> None:
    """The numbers of a certificate on a logarithmic axis; a zero lies on its left edge."""
    rows = [
        ("relative duality gap", proven.relative_gap),
        ("residual", proven.residual),
        ("error of the hypergradient", proven.hypergradient_error_bound),
        ("hypergradient", proven.hypergradient_norm),
    ]
    if steepest is not None:
        rows.append(("steepest descent left", steepest))
    values = np.array([value for _, value in rows])
    height = np.arange(len(rows))
    positive = values[np.isfinite(values) & (values > 0)]
    floor = min(1e-16, positive.min(initial=1.0)) / 30
    ax.set_xscale("log")
    ax.plot(np.where(values > 0, values, floor), height, "o", color=BLUE, markersize=7, clip_on=False)
    for at, value in zip(height, values, strict=True):
        ax.annotate(
            f"{value:.1e}" if value > 0 else "0",
            (value if value > 0 else floor, float(at)),
            xytext=(0 if value > 0 else 8, 8),
            textcoords="offset points",
            ha="center" if value > 0 else "left",
            fontsize="small",
        )
    if steepest is not None:
        last = len(rows) - 1
        ax.plot([proven.tolerance], [last], "|", color=ORANGE, markersize=22, markeredgewidth=2)
        ax.annotate(
            f"less than {proven.tolerance:.1e} counts as zero",
            (proven.tolerance, last),
            xytext=(0, -22),
            textcoords="offset points",
            ha="right",
            color=ORANGE,
            fontsize="small",
        )
    ax.set_xlim(floor, 30 * max(positive.max(initial=1e-15), proven.tolerance))
    plain_numbers(ax, "x")
    ax.set_yticks(height, [name for name, _ in rows])
    ax.set_ylim(len(rows) - 0.2, -0.7)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("size")


def _show_the_minimum(ax: Axes, seen: View) -> None:
    """Cuts off the curve ten standard errors above its minimum: what is worse than that is not a choice."""
    curve = seen.curve
    lowest = int(np.argmin(curve.value))
    error = float(curve.standard_error[lowest])
    top = float(curve.value[lowest]) + 10 * error
    if np.isfinite(top) and error > 0 and top < curve.value.max():
        bottom = min(seen.value - seen.standard_error, float(curve.value[lowest]) - error)
        ax.set_ylim(bottom - 0.05 * (top - bottom), top)


def _focus(ax: Axes, value: Floats, standard_error: float) -> None:
    """Where the first steps are far worse than the last, shows the last ones: the answer is what matters."""
    finite = value[np.isfinite(value)]
    if finite.size == 0:
        return
    best = float(finite.min())
    room = max(
        float(np.quantile(finite, 0.75)) - best, standard_error / 2 if np.isfinite(standard_error) else 0.0
    )
    if room > 0 and float(finite.max()) - best > 3 * room:
        ax.set_ylim(best - 0.25 * room, best + 2 * room)


def _wrapped(sentence: str) -> list[str]:
    return textwrap.wrap(sentence, 54)
