"""The site's examples and pages run; the large ones with less data. ``make docs`` runs them in full."""

import doctest
import runpy
import warnings
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pytest

DOCS = Path(__file__).parents[3] / "docs" / "python"
EXAMPLES = sorted((DOCS / "examples").glob("plot_*.py"))
PAGES = sorted(path for path in [*DOCS.glob("*.rst"), *(DOCS / "guide").glob("*.rst")])


def test_nothing_is_missing():
    assert len(EXAMPLES) >= 7
    assert len(PAGES) >= 8


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_example_runs_and_draws(example, monkeypatch, capsys):
    monkeypatch.setenv("BILEVEL_SHORT_EXAMPLES", "1")
    with matplotlib.rc_context({"backend": "Agg"}), warnings.catch_warnings():
        warnings.simplefilter("error")
        runpy.run_path(str(example))
        assert plt.get_fignums()
        for number in plt.get_fignums():
            plt.figure(number).canvas.draw()
        plt.close("all")
    assert capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_what_the_page_shows_is_what_python_says(page):
    failures, _ = doctest.testfile(str(page), module_relative=False)
    assert failures == 0
