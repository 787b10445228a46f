"""How an estimator shows itself: pictures, an HTML report, a summary in notebooks."""

from __future__ import annotations

import errno
import os
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bilevel._view import View, position, view


class Shown:
    """Mixin for estimators that keep the fits of the core in ``_fits``."""

    def plot(self, which: Any = None) -> NDArray[Any]:
        """Draw the criterion, the weights and the history side by side.

        Needs matplotlib: ``pip install "bilevel[plot]"``. :mod:`bilevel.plot` has each picture by itself.

        Parameters
        ----------
        which : class label, optional
            The class to show, where each of several has a model of its own; by default the first.

        Returns
        -------
        ndarray of three matplotlib Axes
        """
        from bilevel.plot import panels

        return panels(self, which)

    def report(self, path: str | os.PathLike[str], *, title: str | None = None, which: Any = None) -> Path:
        """Write the report of the fit: one HTML file that any browser opens, offline.

        The file is written beside its place and then renamed: readers see the old one or the new one, whole.

        Parameters
        ----------
        path : str or path
            The file to write.
        title : str, optional
            What the data are called in the report; by default the estimator's name.
        which : class label, optional
            The class to report on, where each of several has a model of its own.

        Returns
        -------
        pathlib.Path
            The file that was written.
        """
        number = position(self, which)
        fits: list[Any] = self._fits  # type: ignore[attr-defined]
        if not hasattr(fits[number], "report"):
            raise TypeError(
                'report: a multinomial model has none; multi_class="ovr" has one for each class, '
                "and plot() draws either"
            )
        classes = getattr(self, "classes_", None)
        labels = None
        if classes is not None:
            labels = ("rest", str(classes[number])) if len(fits) > 1 else (str(classes[0]), str(classes[1]))
        call = f"{self.__repr__(N_CHAR_MAX=10**6)}.fit(X, y)"  # type: ignore[call-arg]
        html = fits[number].report(type(self).__name__ if title is None else title, call, labels)
        return write_atomically(Path(path), html)

    def _repr_html_inner(self) -> str:
        return _summary(self) + str(super()._repr_html_inner())  # type: ignore[misc]

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        bundle: dict[str, str] = super()._repr_mimebundle_(**kwargs)  # type: ignore[misc]
        if "text/html" in bundle:
            bundle["text/html"] = _summary(self) + bundle["text/html"]
        return bundle


def write_atomically(path: Path, text: str) -> Path:
    """Writes a text, whole or not at all; a link stays a link, and what it points to is replaced."""
    destination = Path(os.path.realpath(path))
    if not destination.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "no such directory to write to", str(path.parent))
    temporary = destination.with_name(f".{destination.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(destination)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _summary(model: Any) -> str:
    """A table of a few lines, or nothing before the fit."""
    if not hasattr(model, "_fits"):
        return ""
    one = len(model._fits) == 1
    labels = [None] if one else list(model.classes_)
    return "".join(_table(view(model, label), None if one else str(label)) for label in labels)


def _table(seen: View, label: str | None) -> str:
    if seen.one_lambda is not None:
        learned = ("λ", f"{seen.one_lambda:.5g}")
    else:
        weights = seen.weights[np.isfinite(seen.weights)]
        extent = f", λⱼ from {weights.min():.3g} to {weights.max():.3g}" if weights.size else ""
        learned = ("weights", f"{seen.kind}{extent}")
    rows = [
        learned,
        ("features", f"{seen.n_kept:,} of {len(seen.coef):,} kept"),
        ("criterion", f"{seen.value:.5g} ± {seen.standard_error:.2g} ({seen.criterion_name}; optimized)"),
        ("certificate", seen.certificate.verdict),
    ]
    style = ' style="text-align: left"'
    body = "".join(
        f"<tr><th{style}>{escape(name)}</th><td{style}>{escape(value)}</td></tr>" for name, value in rows
    )
    caption = "" if label is None else f"<caption{style}>class {escape(label)} against the rest</caption>"
    return f"<table>{caption}<tbody>{body}</tbody></table>"
