"""Smooth problems of functions that fail, answer nonsense or see strange shapes; pickles, threads, Ctrl-C."""

import os
import pickle
import signal
import threading
import time

import numpy as np
import pytest
from bilevel import Lower, Problem, Upper, minimize
from hypothesis import given, settings
from hypothesis import strategies as st
from smooth_problems import RNG, problem, scalar_tikhonov

NAMES = ("gradient", "hessian_product", "mixed_adjoint", "value", "upper_gradient")


class OwnError(Exception):
    pass


@pytest.mark.parametrize("where", NAMES)
def test_what_a_function_raises_comes_out_unchanged(where):
    error = OwnError("mine")
    for call in (lambda p: p.hypergradient(0.5), lambda p: minimize(p, [0.5])):
        with pytest.raises(OwnError) as raised:
            call(broken(where, lambda *_: (_ for _ in ()).throw(error)))
        assert raised.value is error


@pytest.mark.parametrize("where", NAMES)
@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (None, (TypeError, ValueError), "returned"),
        ("one", TypeError, "returned"),
        (np.ones(3), (ValueError, TypeError), r"returned .*(shape \(3,\)|expected a pair)"),
        (np.nan, (ValueError, TypeError), "NaN|nan|expected a pair"),
    ],
)
def test_answers_that_make_no_sense_are_named(where, answer, error, words):
    with pytest.raises(error, match=words):
        broken(where, lambda *_: answer).hypergradient(0.5)


def broken(where, function):
    """The scalar problem with one function in place of its own."""
    lower = {
        "gradient": lambda y, t: y - 3 + t * y,
        "hessian_product": lambda y, t, v: (1 + t) * v,
        "mixed_adjoint": lambda y, t, v: y * v,
    }
    upper = {"value": lambda y, t: (y - 1) ** 2 / 2, "upper_gradient": lambda y, t: (y - 1, None)}
    (lower if where in lower else upper)[where] = function
    upper = Upper(upper["value"], upper["upper_gradient"])
    return Problem(lower=Lower(**lower), upper=upper, y0=0.0, theta0=0.5)


def test_a_pair_of_the_wrong_length_and_gradients_that_are_not_finite_are_named():
    with pytest.raises(TypeError, match=r"upper\.gradient: returned tuple; expected a pair"):
        broken("upper_gradient", lambda y, t: (y, t, y)).hypergradient(0.5)
    with pytest.raises(ValueError, match=r"upper\.gradient, by theta: returned inf in entry 0"):
        broken("upper_gradient", lambda y, t: (y, np.inf)).hypergradient(0.5)
    with pytest.raises(ValueError, match=r"lower\.hessian_product: returned nan in entry 0"):
        broken("hessian_product", lambda y, t, v: np.nan * v).hypergradient(0.5)


def test_a_lower_level_without_a_solution_is_an_error():
    lower = Lower(lambda y, t: -y + 1 + 0 * t, lambda y, t, v: -v, lambda y, t, v: 0 * v)
    upper = Upper(lambda y, t: y**2, lambda y, t: (2 * y, None))
    made = Problem(lower=lower, upper=upper, y0=0.0, theta0=1.0)
    with pytest.raises((RuntimeError, ValueError), match=r"convex|finite"):
        made.hypergradient(1.0)


def test_differences_are_never_silent():
    def gradient(y, theta):
        return y

    with pytest.raises(TypeError, match=r"lower\.hessian_product: not given; .* 'differences'"):
        Lower(gradient)
    with pytest.raises(TypeError, match=r"lower\.mixed_adjoint: not given, and no mixed_product"):
        Lower(gradient, "differences")
    with pytest.raises(TypeError, match=r"lower\.hessian_product: found 'exact'; expected a function or"):
        Lower(gradient, "exact", "differences")
    with pytest.raises(TypeError, match=r"lower\.gradient: found None; expected a function"):
        Lower(None, "differences", "differences")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"upper": None}, "upper: not given"),
        ({"y0": None}, "y0: not given"),
        ({"theta0": [np.nan]}, "theta0: found values that are not finite"),
        ({"y0": "zero"}, "y0: found str; expected an array of numbers"),
        ({"y0": []}, "expected at least one number"),
        ({"bounds": (1.0, 0.0)}, "low <= high"),
        ({"bounds": 3}, "setting `bounds`"),
        ({"bounds": [(0, 1), (0, 1)]}, "setting `bounds`"),
        ({"backend": "tensorflow"}, "setting `backend`"),
        ({"lower": 3}, "lower: found int"),
    ],
)
def test_arguments_that_make_no_sense_are_named(wrong, words):
    with pytest.raises((TypeError, ValueError), match=words):
        scalar_tikhonov(**wrong)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda p: p.hypergradient([1.0, 2.0]), r"theta: found an array of shape \(2,\); expected"),
        (lambda p: p.hypergradient(np.nan), "theta: found values that are not finite"),
        (lambda p: p.hypergradient(0.5, "adjoint"), "setting `method`"),
        (lambda p: p.hypergradient(0.5, "cg", steps=3), "method 'cg': unknown field `steps`"),
        (lambda p: p.hypergradient(0.5, "cg", preconditioner="ilu"), "unknown variant `ilu`"),
        (lambda p: p.hypergradient(0.5, "implicit", tolerance=-1.0), "tolerance"),
        (lambda p: p.hypergradient(0.5, "implicit", tolerance=np.inf), "expected a finite number"),
        (lambda p: p.hypergradient(0.5, "reverse", step=slice(0, 1)), "expected slice"),
        (lambda p: p.hypergradient(0.5, "differences", steps=1), "no setting 'steps'"),
        (lambda p: p.hypergradient(0.5, y=[1.0, 2.0]), r"y: found an array of shape \(2,\)"),
        (lambda p: p.hypergradient(0.5, tol=0.0), "setting `tol`"),
        (lambda p: p.solve(0.5, solver="adam"), "setting `solver`"),
        (lambda p: p.solve(0.5, max_steps=0), "setting `max_steps`"),
        (lambda p: minimize(p, method="gauss-newton"), "gauss-newton"),
        (lambda p: minimize(p, hypergradient="differences"), "setting `hypergradient`"),
        (lambda p: minimize(p, hypergradient={"method": "one-step", "step": slice(1, 2)}), "learned rates"),
        (lambda p: minimize(p, bounds=[(0, 1), (0, 1)]), "bounds"),
    ],
)
def test_calls_that_make_no_sense_are_named(call, words):
    with pytest.raises((TypeError, ValueError), match=words):
        call(scalar_tikhonov())


def _gradient(y, theta):
    return y - theta


def _first(y, theta, v):
    return v


def _minus(y, theta, v):
    return -v


def _square(y, theta):
    return y @ y


def _twice(y, theta):
    return 2 * y, None


def test_problems_of_named_functions_are_pickled():
    made = Problem(
        lower=Lower(_gradient, _first, _minus),
        upper=Upper(_square, _twice),
        y0=np.zeros(2),
        theta0=np.ones(2),
    )
    again = pickle.loads(pickle.dumps(made))
    assert repr(again) == repr(made) == "SmoothProblem(2 coefficients, 2 parameters, Numpy)"
    np.testing.assert_array_equal(again.hypergradient([1.0, 2.0]).gradient, [2.0, 4.0])


@given(
    y_shape=st.lists(st.integers(1, 3), max_size=3),
    theta_shape=st.lists(st.integers(1, 3), max_size=2),
    dtype=st.sampled_from([np.float64, np.float32, np.int64, bool]),
    answers=st.sampled_from([np.float64, np.float32, list]),
)
@settings(max_examples=60, deadline=None)
def test_functions_see_the_shapes_that_they_were_given_and_may_answer_in_any_type(
    y_shape, theta_shape, dtype, answers
):
    y_shape, theta_shape = tuple(y_shape), tuple(theta_shape)

    def told(array):
        return np.asarray(array).tolist() if answers is list else np.asarray(array, dtype=answers)

    def seen(function):
        def checked(y, theta, *v):
            assert y.shape == y_shape
            assert theta.shape == theta_shape
            assert y.dtype == theta.dtype == np.float64
            answer = function(y, theta, *v)
            # What a function does to its arguments is its own business.
            y[...] = np.nan
            theta[...] = np.nan
            return answer

        return checked

    # F = ½‖y‖² - mean(θ) Σ y, L = Σ y + Σ θ: y* = mean(θ), Φ = p mean(θ) + Σ θ.
    size = int(np.prod(theta_shape))
    lower = Lower(
        gradient=seen(lambda y, t: told(y - t.mean())),
        hessian_product=seen(lambda y, t, v: told(v)),
        mixed_adjoint=seen(lambda y, t, v: told(np.full(theta_shape, -v.sum() / size))),
    )
    upper = Upper(
        value=seen(lambda y, t: y.sum() + t.sum()),
        gradient=seen(lambda y, t: (told(np.ones(y_shape)), told(np.ones(theta_shape)))),
    )
    theta = np.ones(theta_shape, dtype=dtype)
    made = Problem(lower=lower, upper=upper, y0=np.zeros(y_shape, dtype=dtype), theta0=theta)
    for point in (theta, theta.reshape(-1)):
        found = made.hypergradient(point)
        p = int(np.prod(y_shape))
        np.testing.assert_allclose(found.gradient, np.full(size, p / size + 1), rtol=1e-6)
        assert found.coefficients.shape == y_shape
        np.testing.assert_allclose(found.coefficients, 1.0, rtol=1e-6)


def test_threads_may_share_a_problem():
    made = problem()
    points = RNG.uniform(-1, 1, (8, 5))
    expected = [made.hypergradient(point).gradient for point in points]
    found = [None] * len(points)

    def work(k):
        found[k] = made.hypergradient(points[k]).gradient

    threads = [threading.Thread(target=work, args=(k,)) for k in range(len(points))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(found, expected)


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT to itself on Windows")
def test_ctrl_c_ends_a_search():
    calls = []

    def gradient(y, theta):
        calls.append(1)
        if len(calls) == 5:
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.001)
        return y - theta

    lower = Lower(gradient, lambda y, t, v: v, lambda y, t, v: -v)
    upper = Upper(lambda y, t: y**2, lambda y, t: (2 * y, None))
    made = Problem(lower=lower, upper=upper, y0=0.0, theta0=3.0)
    with pytest.raises(KeyboardInterrupt):
        made.hypergradient(3.0, "reverse", steps=100_000, step=1e-3)
    assert len(calls) < 20
