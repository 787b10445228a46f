"""Pictures, reports and notebook summaries hold what the model holds."""

import copy
import pickle
import subprocess
import sys
import warnings
from html.parser import HTMLParser
from types import SimpleNamespace

import matplotlib

matplotlib.use("Agg")

import bilevel
import matplotlib.pyplot as plt
import numpy as np
import pytest
from bilevel import SparseClassifier, SparseRegressor, plot
from scipy.sparse import csc_array
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, make_regression
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression

TABLE, y = load_diabetes(return_X_y=True, as_frame=True)
ONE = SparseRegressor(weights="scalar").fit(TABLE, y)
MANY = SparseRegressor(weights="adaptive").fit(TABLE, y)
KINDS = SparseClassifier(weights="scalar").fit(*load_iris(return_X_y=True))
DRAWN = [plot.criterion, plot.weights, plot.history, plot.certificate]


@pytest.fixture(autouse=True)
def no_figure_stays_open():
    yield
    plt.close("all")


def data(ax):
    return [np.column_stack([line.get_xdata(), line.get_ydata()]).astype(float) for line in ax.lines]


def labelled(ax, label):
    (line,) = [line for line in ax.lines if line.get_label() == label]
    return np.asarray(line.get_xdata(), dtype=float), np.asarray(line.get_ydata(), dtype=float)


def test_the_criterion_is_the_curve_with_its_standard_errors_and_the_choice():
    curve = ONE.criterion_curve_
    ax = plot.criterion(ONE)
    lambdas, values = labelled(ax, "one λ for all")
    np.testing.assert_array_equal(lambdas, curve.lambda_)
    np.testing.assert_array_equal(values, curve.value)
    (band,) = ax.collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert heights.max() == (curve.value + curve.standard_error).max()
    assert heights.min() == (curve.value - curve.standard_error).min()
    np.testing.assert_array_equal(data(ax)[-1], [[ONE.lambda_, ONE.criterion_value_]])
    assert ax.get_xscale() == "log"


def test_how_many_features_are_kept_stands_above_where_it_changes():
    (above,) = plot.criterion(ONE).child_axes
    kept = [int(label.get_text()) for label in above.get_xticklabels()]
    assert kept == sorted(kept, reverse=True)
    assert kept[0] == 10
    assert not plot.criterion(SparseRegressor(grid=[1e-4, 1e-5]).fit(TABLE, y)).child_axes


def test_more_than_one_lambda_is_a_level_line():
    ax = plot.criterion(MANY)
    np.testing.assert_array_equal(labelled(ax, "chosen: adaptive weights")[1], [MANY.criterion_value_] * 2)


def test_few_weights_are_listed_by_name():
    ax = plot.weights(MANY)
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == list(TABLE.columns[np.argsort(MANY.lambda_, kind="stable")])
    for label, mask in (("kept", MANY.coef_ != 0), ("zero coefficient", MANY.coef_ == 0)):
        drawn, rows = labelled(ax, label)
        np.testing.assert_array_equal(drawn, np.sort(MANY.lambda_[mask]))
        assert {names[int(row)] for row in rows} == set(TABLE.columns[mask])
    assert f"{np.count_nonzero(MANY.coef_)} of 10" in ax.get_title()


def test_one_lambda_has_coefficients_to_show():
    drawn, _ = labelled(plot.weights(ONE), "kept")
    assert set(drawn) == set(ONE.coef_[ONE.coef_ != 0])


def test_thousands_of_weights_are_ranked_as_pixels():
    X, target = make_regression(60, 3000, n_informative=5, random_state=0)
    model = SparseRegressor(weights="adaptive", criterion="holdout", random_state=0).fit(X, target)
    ax = plot.weights(model)
    drawn = np.concatenate([part for part in data(ax) if len(part) > 2 or len(data(ax)) < 3])
    finite = np.isfinite(model.lambda_)
    np.testing.assert_array_equal(np.sort(drawn[:, 1]), np.sort(model.lambda_[finite]))
    assert all(line.get_rasterized() for line in ax.lines)
    excluded = np.count_nonzero(~finite)
    assert excluded == 0 or any(f"{excluded:,}" in text.get_text() for text in ax.texts)


def test_the_history_is_every_step_and_the_best_of_each_stage():
    ax = plot.history(MANY)
    numbers, values = labelled(ax, "step")
    np.testing.assert_array_equal(values, [step.value for step in MANY.history_])
    np.testing.assert_array_equal(numbers, np.arange(1, len(MANY.history_) + 1))
    stages = list(dict.fromkeys(step.stage for step in MANY.history_))
    assert [text.get_text() for text in ax.texts] == stages
    scalar = [step.value for step in MANY.history_ if step.stage == stages[0]]
    _, best = labelled(ax, "best of the stage")
    assert best[-1] == min(scalar)


def test_tangents_have_the_slopes_of_the_certificate():
    ax = plot.certificate(ONE)
    left, right = ONE.certificate_.one_sided_slopes
    for (start, end), slope in zip(data(ax)[1:3], (left, right), strict=True):
        np.testing.assert_array_equal(start, [ONE.lambda_, ONE.criterion_value_])
        assert (end[1] - start[1]) / np.log(end[0] / start[0]) == pytest.approx(slope, rel=1e-6)
    assert ax.get_title().replace("\n", " ") == ONE.certificate_.verdict


def test_without_slopes_the_numbers_of_the_certificate_are_drawn():
    proven = MANY.certificate_
    drawn = data(plot.certificate(MANY))[0][:4, 0]
    expected = np.array(
        [
            proven.relative_gap,
            proven.residual,
            proven.hypergradient_error_bound,
            proven.hypergradient_norm,
        ]
    )
    np.testing.assert_array_equal(drawn[expected > 0], expected[expected > 0])
    assert (drawn[expected == 0] < 1e-16).all()


def test_the_certificate_of_a_problem_is_drawn_with_its_steepest_slope():
    problem = bilevel.Problem(TABLE, y, weights="feature")
    proven = bilevel.certificate(problem, problem.start())
    ax = plot.certificate(proven)
    steepest = -min(proven.slopes.down.min(), proven.slopes.up.min())
    assert steepest > 0
    assert data(ax)[0][-1, 0] == steepest
    assert ax.get_title().replace("\n", " ") == proven.verdict


def test_a_path_has_a_line_for_each_feature_and_names_the_largest():
    found = bilevel.path(TABLE, y, n_lambdas=20)
    ax = plot.path(found, chosen=0.3, feature_names=TABLE.columns)
    lines = {tuple(part[:, 1]) for part in data(ax) if len(part) == len(found)}
    assert lines == {tuple(row[::-1]) for row in found.coefs if row.any()}
    largest = np.argsort(-np.abs(found.coefs).max(axis=1))[:8]
    assert {text.get_text() for text in ax.texts} == set(TABLE.columns[largest])
    assert any((part[:, 0] == 0.3).all() for part in data(ax))


def test_a_sparse_path_is_drawn_like_a_dense_one():
    found = bilevel.path(TABLE, y, n_lambdas=20)
    dense = data(plot.path(found))
    for part, same in zip(dense, data(plot.path(found.lambdas, csc_array(found.coefs))), strict=True):
        np.testing.assert_array_equal(part, same)


def test_a_path_of_thousands_draws_the_largest():
    coefficients = np.column_stack([np.zeros(2000), np.arange(2000.0)])
    ax = plot.path([1.0, 0.1], coefficients)
    assert len(ax.lines) == 500 + 1
    assert "500 largest of 1,999" in ax.get_title()
    assert "1999" in {text.get_text() for text in ax.texts}
    assert not plot.path([1.0, 0.1], np.zeros((3, 2))).texts
    with pytest.raises(ValueError, match="expected a column of coefficients for each λ"):
        plot.path([1.0], coefficients)
    with pytest.raises(ValueError, match="expected positive values"):
        plot.path([1.0, 0.0], coefficients)
    with pytest.raises(TypeError, match=r"expected the result of bilevel\.path"):
        plot.path([1.0])


@pytest.mark.parametrize("draw", DRAWN)
def test_pictures_go_where_they_are_told(draw):
    _, ax = plt.subplots()
    assert draw(ONE, ax) is ax
    assert draw(ONE, ax=ax) is ax
    assert draw(ONE) is not ax
    with pytest.raises(NotFittedError):
        draw(SparseRegressor())


@pytest.mark.parametrize("wrong", [3, LinearRegression().fit(TABLE, y)])
def test_what_is_no_model_of_ours_is_a_type_error(wrong):
    with pytest.raises(TypeError, match="expected a fitted estimator of bilevel"):
        plot.criterion(wrong)


def test_plot_is_three_panels():
    axes = ONE.plot()
    assert len(axes) == 3
    assert len(axes[0].figure.axes) == 3
    for ax, draw in zip(axes, (plot.criterion, plot.weights, plot.history), strict=True):
        alone = data(draw(ONE))
        assert len(alone) == len(data(ax))
        for part, same in zip(alone, data(ax), strict=True):
            np.testing.assert_array_equal(part, same)


def test_of_several_classes_one_is_shown():
    with pytest.raises(ValueError, match="one of the 3 classes that have a model each: 0, 1, 2"):
        plot.criterion(KINDS)
    curve = KINDS.criterion_curve_[2]
    np.testing.assert_array_equal(labelled(plot.criterion(KINDS, which=2), "one λ for all")[1], curve.value)
    with pytest.raises(ValueError, match="there is one model only"):
        plot.criterion(ONE, which="a")


def test_all_panels_show_the_first_class_and_say_so():
    axes = KINDS.plot()
    assert axes[0].figure.get_suptitle() == "class 0 against the rest (which= shows another of 3)"
    curve = KINDS.criterion_curve_[0]
    np.testing.assert_array_equal(labelled(axes[0], "one λ for all")[1], curve.value)
    assert KINDS.plot(2)[0].figure.get_suptitle() == "class 2 against the rest"
    assert ONE.plot()[0].figure.get_suptitle() == ""


def test_a_model_of_all_classes_at_once_is_drawn_by_the_size_over_classes_and_has_no_report(tmp_path):
    (fit,) = MANY._fits
    both = copy.copy(MANY)
    both._fits = [
        SimpleNamespace(
            record=fit.record, coef=np.vstack([fit.coef, 0 * fit.coef]), feature_weights=fit.feature_weights
        )
    ]
    for ax, same in zip(both.plot(), MANY.plot(), strict=True):
        for part, expected in zip(data(ax), data(same), strict=True):
            np.testing.assert_array_equal(part, expected)
    with pytest.raises(TypeError, match="a multinomial model has none"):
        both.report(tmp_path / "out.html")


def test_halves_of_a_cross_fit_are_grey():
    ax = plot.history(SparseRegressor().fit(TABLE, y))
    colours = {line.get_label(): line.get_color() for line in ax.lines}
    assert colours["halves of a cross-fit (other rows)"] == plot.GREY
    assert colours["best of the stage"] == plot.BLUE
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels.count("halves of a cross-fit (other rows)") == 1


def test_names_of_stages_and_the_legend_cover_nothing():
    for penalty in ("l1", "elasticnet"):
        ax = plot.history(SparseRegressor(penalty).fit(TABLE, y))
        ax.figure.canvas.draw()
        places = np.array([text.get_position()[0] for text in ax.texts])
        assert (np.diff(places) > 0.08).all()
        assert places.min() >= 0
        assert places.max() <= 1.25
        assert ax.get_legend().get_window_extent().y1 < ax.get_window_extent().y0


def test_a_path_keeps_the_names_of_a_table():
    found = bilevel.path(TABLE, y, n_lambdas=5)
    assert found.feature_names == list(TABLE.columns)
    assert {text.get_text() for text in plot.path(found).texts} <= set(TABLE.columns)
    assert bilevel.path(TABLE.to_numpy(), y, n_lambdas=5).feature_names is None


def test_a_fit_cut_short_and_a_given_grid_are_drawn():
    short = SparseRegressor(weights="scalar", callback=lambda step: True).fit(TABLE, y)
    grid = SparseRegressor(grid=[0.5, 0.1, 0.02]).fit(TABLE, y)
    single = SparseRegressor(grid=[0.5]).fit(TABLE, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for model in (short, grid, single):
            model.plot()[0].figure.canvas.draw()
            plot.certificate(model).figure.canvas.draw()


def test_matplotlib_is_imported_late_and_its_absence_is_a_sentence():
    code = """
import sys
sys.modules["matplotlib"] = None
from bilevel import SparseRegressor, plot
import numpy as np
model = SparseRegressor(grid=[0.1]).fit(np.eye(20)[:, :5], np.arange(20.0))
try:
    model.plot()
except ImportError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == (
        'pictures need matplotlib, which is not installed: pip install "bilevel[plot]"'
    )


def test_the_module_lists_its_pictures():
    assert dir(plot) == ["certificate", "criterion", "history", "path", "weights"]


class Balance(HTMLParser):
    """Checks that every element is closed, in order."""

    VOID = ("meta", "link", "br", "input", "img", "hr")

    def __init__(self, html):
        super().__init__()
        self.open, self.words = [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def words(html):
    return " ".join(" ".join(Balance(html).words).split())


def test_the_report_is_a_whole_page_that_tells_the_criterion(tmp_path):
    path = ONE.report(tmp_path / "out.html", title="Diabetes")
    html = path.read_text(encoding="utf-8")
    assert html.startswith("<!DOCTYPE html>")
    told = words(html)
    assert f"{ONE.criterion_value_:,.4g}" in told
    assert f"λ = {ONE.lambda_:.4g}" in told
    assert "Diabetes" in told
    assert "SparseRegressor(weights='scalar').fit(X, y)" in told
    assert "bmi" in told
    assert [file.name for file in tmp_path.iterdir()] == ["out.html"]


def test_a_pickled_model_writes_the_same_report(tmp_path):
    for model in (ONE, MANY):
        model.report(tmp_path / "before.html")
        pickle.loads(pickle.dumps(model)).report(tmp_path / "after.html")
        assert (tmp_path / "before.html").read_bytes() == (tmp_path / "after.html").read_bytes()


def test_a_report_is_written_whole_or_not_at_all(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileNotFoundError, match=r"no such directory to write to: .*nowhere'$"):
        ONE.report(tmp_path / "nowhere" / "out.html")
    with pytest.raises(OSError, match="folder"):
        (tmp_path / "folder").mkdir()
        ONE.report(tmp_path / "folder")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "folder"]
    link = tmp_path / "link.html"
    link.symlink_to(tmp_path / "file")
    ONE.report(str(link))
    assert link.is_symlink()
    assert (tmp_path / "file").read_text().startswith("<!DOCTYPE html>")
    with pytest.raises(NotFittedError):
        SparseRegressor().report(tmp_path / "none.html")


def test_a_report_of_classes_names_them(tmp_path):
    X, target = load_breast_cancer(return_X_y=True)
    model = SparseClassifier(weights="scalar", standardize=True).fit(X, np.where(target, "<benign>", "other"))
    told = words(model.report(tmp_path / "out.html").read_text())
    assert "<benign> (\N{MINUS SIGN}1) and other (+1)" in told
    told = words(KINDS.report(tmp_path / "out.html", which=1).read_text())
    assert "rest (\N{MINUS SIGN}1) and 1 (+1)" in told
    with pytest.raises(ValueError, match="3 classes"):
        KINDS.report(tmp_path / "out.html")


def test_a_notebook_shows_a_summary_once_the_model_is_fitted():
    assert "criterion" not in words(clone(ONE)._repr_html_().partition("<style>")[0])
    summary, _, rest = ONE._repr_html_().partition("<style>")
    told = words(summary)
    assert f"{ONE.lambda_:.5g}" in told
    assert "9 of 10 kept" in told
    assert f"{ONE.criterion_value_:.5g} ±" in told
    assert ONE.certificate_.verdict in told
    assert "sk-" in rest
    assert ONE._repr_mimebundle_()["text/html"].startswith(summary)
    assert words(KINDS._repr_html_().partition("<style>")[0]).count("against the rest") == 3
    with config_context(display="text"):
        assert not hasattr(ONE, "_repr_html_")
        assert set(ONE._repr_mimebundle_()) == {"text/plain"}
