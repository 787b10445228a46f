"""A fit that is watched: callbacks, progress, interruption, other threads and processes."""

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
from bilevel import OuterStep, SparseClassifier, SparseRegressor
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning

RNG = np.random.default_rng(0)
X = np.asfortranarray(RNG.normal(size=(100, 30)))
y = X[:, 0] - 2 * X[:, 1] + RNG.normal(size=100)


def test_a_callback_sees_every_step_on_the_thread_that_called():
    seen = []

    def callback(state):
        assert threading.current_thread() is threading.main_thread()
        seen.append(state)

    model = SparseRegressor(callback=callback).fit(X, y)
    assert seen == model.history_
    assert all(isinstance(state, OuterStep) for state in seen)


def test_a_callback_that_returns_true_ends_the_search_with_the_best_answer_so_far():
    seen = []
    model = SparseRegressor(callback=lambda state: seen.append(state) or len(seen) == 3).fit(X, y)
    assert len(seen) == len(model.history_) == 3
    assert model.criterion_value_ == pytest.approx(min(state.value for state in seen), rel=1e-6)
    assert model.certificate_.relative_gap <= 1e-10


def test_an_exception_of_a_callback_ends_the_fit_and_is_raised():
    class Mine(Exception):
        pass

    def callback(state):
        raise Mine("enough")

    with pytest.raises(Mine, match="enough"):
        SparseRegressor(callback=callback).fit(X, y)


def test_stopping_before_all_classes_have_a_model_is_an_error():
    labels = np.digitize(y, [-1.0, 1.0])
    with pytest.raises(RuntimeError, match="1 of 3 classes"):
        SparseClassifier(callback=lambda state: True).fit(X, labels)


def test_limits_warn():
    with pytest.warns(ConvergenceWarning, match="max_outer=1 "):
        SparseRegressor(weights="feature", max_outer=1).fit(X, y)
    with pytest.warns(ConvergenceWarning, match="time_limit=1e-09 "):
        SparseRegressor(time_limit=1e-9).fit(X, y)


def test_the_warning_names_the_class_the_stage_and_a_way_out():
    labels = np.digitize(y, [-1.0, 1.0])
    with pytest.warns(ConvergenceWarning) as caught:
        SparseClassifier(weights="feature", max_outer=1).fit(X, labels)
    told = str(caught[0].message)
    assert told.startswith("Class 0: ")
    assert 'stage "feature"' in told
    assert 'Try max_outer=200, or weights="adaptive"' in told
    assert caught[0].filename == __file__


@pytest.mark.filterwarnings("error")
def test_a_stage_that_was_cut_short_but_not_kept_is_no_warning():
    model = SparseRegressor(max_outer=2).fit(*load_diabetes(return_X_y=True))
    assert model.stage_ == "scalar"
    assert max(stage.n_parameters for stage in model.stages_) == 10


def test_progress_goes_to_stderr(capfd, monkeypatch):
    SparseRegressor(verbose=True).fit(X, y)
    out, err = capfd.readouterr()
    assert out == ""
    assert "scalar (1 parameter)" in err
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    SparseRegressor(verbose=True).fit(X, y)
    assert "SparseRegressor: scalar, 1 parameter\nSparseRegressor: scalar step" in capfd.readouterr().err


def test_the_gil_is_free_while_a_fit_runs():
    beats, done = [], threading.Event()

    def beat():
        while not done.wait(0.001):
            beats.append(time.perf_counter())

    rng = np.random.default_rng(1)
    large = np.asfortranarray(rng.normal(size=(400, 800)))
    target = large[:, :20].sum(axis=1) + rng.normal(size=400)
    thread = threading.Thread(target=beat)
    thread.start()
    started = time.perf_counter()
    SparseRegressor(weights="scalar", n_jobs=1).fit(large, target)
    ended = time.perf_counter()
    done.set()
    thread.join()
    # A fit that held the GIL would let none through; on a busy machine not every millisecond has one.
    assert sum(started < at < ended for at in beats) > 0.1 * (ended - started) / 0.001


INTERRUPTED = textwrap.dedent(
    """
    import time
    import numpy as np
    from bilevel import SparseRegressor

    rng = np.random.default_rng(0)
    X = np.asfortranarray(rng.normal(size=(3000, 4000)))
    y = X[:, :300].sum(axis=1) + rng.normal(size=3000)
    model = SparseRegressor(weights="feature", max_outer=1000)
    print("ready", flush=True)
    try:
        model.fit(X, y)
    except KeyboardInterrupt:
        print(time.time(), flush=True)
    assert not hasattr(model, "coef_")
    """
)


@pytest.mark.parametrize("delay", [0.3, 1.0, 2.0])
def test_control_c_returns_within_a_fifth_of_a_second(delay):
    with subprocess.Popen([sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(delay)
        sent = time.time()
        os.kill(process.pid, signal.SIGINT)
        returned = float(process.stdout.readline())
        # Half of it is the scheduler's on a busy machine.
        assert returned - sent < 0.2 + 0.2
        assert process.wait(timeout=20) == 0


def fit_there(queue):
    queue.put(SparseRegressor().fit(X, y).coef_)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:This process")
def test_a_forked_process_can_fit():
    here = SparseRegressor().fit(X, y).coef_
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=fit_there, args=(queue,))
    process.start()
    np.testing.assert_array_equal(queue.get(timeout=30), here)
    process.join()


def test_threads_fit_at_the_same_time():
    here = SparseRegressor().fit(X, y).coef_
    models = [SparseRegressor() for _ in range(4)]
    threads = [threading.Thread(target=model.fit, args=(X, y)) for model in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((model.coef_ == here).all() for model in models)


@pytest.mark.parametrize("n_jobs", [None, 1, 2, -1])
def test_the_answer_does_not_depend_on_threads(n_jobs):
    expected = SparseRegressor(n_jobs=1).fit(X, y).coef_
    np.testing.assert_array_equal(SparseRegressor(n_jobs=n_jobs).fit(X, y).coef_, expected)


def test_a_callback_may_use_the_library_where_there_is_one_thread():
    code = """
        import bilevel, numpy as np
        X = np.random.default_rng(0).normal(size=(60, 8))
        y = X[:, 0] + X[:, 1]
        inside = lambda state: bilevel.solve(X, y, 0.1) and None
        bilevel.SparseRegressor(weights="scalar", callback=inside).fit(X, y)
        print("done")
    """
    alone = os.environ | {"RAYON_NUM_THREADS": "1"}
    run = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(run, env=alone, capture_output=True, text=True, timeout=60)
    assert done.stdout == "done\n", done.stderr
