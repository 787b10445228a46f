"""The outer methods on functions of Python's."""

from itertools import pairwise

import numpy as np
import pytest
from bilevel import Problem, datasets, minimize
from scipy.optimize import Bounds, rosen, rosen_der

DATA = datasets.regression(60, 12, 4, snr=3.0, seed=1)


def kinked(theta):
    """|x| + (y - 3)^2/2."""
    return abs(theta[0]) + (theta[1] - 3.0) ** 2 / 2, np.array([np.sign(theta[0]), theta[1] - 3.0])


def parabola(theta):
    return float(theta @ theta), 2 * theta


def test_a_kink_and_a_bound():
    for bounds in ([(None, None), (None, 2.0)], Bounds([-np.inf, -np.inf], [np.inf, 2.0])):
        found = minimize(kinked, [0.7, -1.0], "lbfgs", bounds=bounds)
        assert found.value == pytest.approx(0.5, abs=1e-8)
        assert found.theta[1] == 2.0
        assert found.converged
    for method in ("ntrba", "nba"):
        found = minimize(kinked, [0.7, -1.0], method, max_steps=500, options={"patience": 0})
        assert found.value < 0.1
        assert found.value <= kinked(np.array([0.7, -1.0]))[0]


def test_a_smooth_valley():
    found = minimize(lambda t: (rosen(t), rosen_der(t)), [-1.2, 1.0], "lbfgs")
    np.testing.assert_allclose(found.theta, [1.0, 1.0], atol=1e-4)


def test_one_parameter_is_searched_globally():
    # Two valleys; the deeper one is far from the start.
    def objective(theta):
        t = theta[0]
        return np.sin(3 * t) + 0.1 * (t - 2) ** 2, 3 * np.cos(3 * t) + 0.2 * (t - 2)

    found = minimize(objective, method="scalar", bounds=[(-5.0, 5.0)])
    grid = np.linspace(-5, 5, 200_001)
    assert found.value <= (np.sin(3 * grid) + 0.1 * (grid - 2) ** 2).min() + 1e-9
    with pytest.raises(ValueError, match="bound"):
        minimize(objective, method="scalar")
    with pytest.raises(ValueError, match="found 2; expected 1"):
        minimize(parabola, [1.0, 1.0], "scalar", bounds=[(-1, 1), (-1, 1)])


def test_every_call_is_counted_and_no_point_is_asked_for_twice_in_a_row():
    asked = []

    def objective(theta):
        asked.append(theta.copy())
        return parabola(theta)

    found = minimize(objective, [1.0, 2.0], "lbfgs")
    assert found.n_evaluations == len(asked)
    assert all((a != b).any() for a, b in pairwise(asked))


def test_what_the_function_raises_comes_out_unchanged():
    class OwnError(Exception):
        pass

    error = OwnError("mine")

    def objective(theta):
        if len(calls) == 3:
            raise error
        calls.append(theta)
        return parabola(theta)

    for method in ("ntrba", "nba", "lbfgs"):
        calls = []
        with pytest.raises(OwnError) as raised:
            minimize(objective, [1.0, 2.0], method)
        assert raised.value is error
    with pytest.raises(KeyboardInterrupt):
        minimize(lambda _: (_ for _ in ()).throw(KeyboardInterrupt), [1.0])


def test_the_callback_sees_the_steps_and_stops_them():
    seen = []
    found = minimize(parabola, [3.0, 4.0], callback=lambda step: seen.append(step) or step.step >= 2)
    assert found.reason == "cancelled"
    assert not found.converged
    assert [step.step for step in seen] == [0, 1, 2]
    assert found.history == seen
    assert seen[0].value == 25.0
    np.testing.assert_array_equal(seen[0].theta, [3.0, 4.0])
    assert minimize(parabola, [3.0, 4.0], keep_history=False).history == []
    with pytest.raises(ZeroDivisionError):
        minimize(parabola, [1.0], callback=lambda _: 1 / 0)


def test_infinity_is_out_of_the_domain_and_not_an_answer():
    def objective(theta):
        if theta[0] <= 0:
            return np.inf, [np.nan]
        return theta[0] - np.log(theta[0]), [1 - 1 / theta[0]]

    found = minimize(objective, [0.1], "lbfgs", options={"initial_step": 50.0})
    assert found.theta[0] == pytest.approx(1.0, abs=1e-4)
    with pytest.raises(ValueError, match="start"):
        minimize(objective, [-1.0])


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (1.0, TypeError, "expected a pair"),
        (None, TypeError, "expected a pair"),
        ((1.0, 2.0, 3.0), TypeError, "expected a pair"),
        (("x", [1.0, 1.0]), TypeError, "value that is not numeric"),
        ((1.0, None), (TypeError, ValueError), "gradient"),
        ((1.0, ["x", "y"]), TypeError, "gradient that is not numeric"),
        ((np.nan, [1.0, 1.0]), ValueError, "returned the value nan at theta"),
        ((-np.inf, [1.0, 1.0]), ValueError, "returned the value -inf"),
        (([1.0, 2.0], [1.0, 1.0]), ValueError, "expected one number"),
        ((1.0, [1.0]), ValueError, r"gradient of shape \(1,\); expected \(2,\)"),
        ((1.0, [[1.0, 1.0]]), ValueError, "gradient of shape"),
        ((1.0, [np.nan, 1.0]), ValueError, "not finite"),
    ],
)
def test_answers_that_make_no_sense_are_named(answer, error, words):
    with pytest.raises(error, match=words):
        minimize(lambda _: answer, [1.0, 2.0])


@pytest.mark.parametrize(
    "wrong",
    [
        {"theta0": None},
        {"theta0": []},
        {"theta0": [np.nan]},
        {"theta0": [[1.0]]},
        {"method": "adam"},
        {"method": "gauss-newton"},
        {"bounds": [(0, 1), (0, 1)]},
        {"bounds": [(1, 0)]},
        {"bounds": 3},
        {"bounds": [(np.nan, 1)]},
        {"bounds": Bounds([0, 0, 0], [1, 1, 1])},
        {"max_steps": 0},
        {"options": {"radius": 1.0}},
        {"options": {"initial_radius": -1.0}},
        {"options": {"initial_radius": np.nan}},
        {"options": {"initial_radius": "wide"}},
        {"policy": "luck"},
        {"band": 2.0},
    ],
)
def test_settings_that_make_no_sense_are_value_errors(wrong):
    with pytest.raises(ValueError, match=r"found|setting"):
        minimize(parabola, **{"theta0": [1.0], **wrong})
    with pytest.raises(TypeError, match="callable"):
        minimize(3.0, [1.0])


@pytest.mark.parametrize("method", ["ntrba", "nba", "lbfgs", "gauss-newton"])
def test_a_problem_is_minimized_without_leaving_its_box(method):
    problem = Problem(DATA.X, DATA.y, weights="feature", splits=3)
    found = minimize(problem, method=method)
    assert found.value < problem.value(problem.start())
    assert found.value == pytest.approx(problem.value(found.theta), rel=1e-9)
    lower, upper = problem.bounds
    assert (found.theta >= lower).all()
    assert (found.theta <= upper).all()
    assert found.history[0].support_size > 0
    narrow = minimize(problem, method=method, bounds=[(-2.0, -1.5)] * 12)
    assert ((narrow.theta >= -2.0) & (narrow.theta <= -1.5)).all()


def test_a_problem_and_its_function_lead_to_the_same_point():
    problem = Problem(DATA.X, DATA.y, weights="group", feature_groups=np.arange(12) // 4)
    direct = minimize(problem, method="lbfgs")
    by_hand = minimize(
        problem.value_and_gradient, problem.start(), "lbfgs", bounds=list(zip(*problem.bounds, strict=True))
    )
    assert by_hand.value == pytest.approx(direct.value, rel=1e-6)
