"""A process for each program: it keeps the data, its compiled code and its threads to itself."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
import warnings
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from .data import load
from .glmnet import Glmnet
from .peers import Adelie, Celer, Peer, ScikitLearn, Skein, Skglm
from .searches import Bilevel, BilevelEstimator, BilevelGrid, BilevelWithoutProof, Sparho

PEERS: dict[str, type[Peer]] = {
    kind.name: kind
    for kind in (
        Bilevel,
        BilevelGrid,
        BilevelWithoutProof,
        BilevelEstimator,
        ScikitLearn,
        Celer,
        Skglm,
        Adelie,
        Skein,
        Glmnet,
        Sparho,
    )
}

#: Seconds that starting, loading and compiling may take.
WARM_LIMIT = 300.0
#: Calls that are shorter are repeated until they take this long together.
LONG_ENOUGH = 0.02
MOST_REPEATS = 50
THREAD_SETTINGS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "RAYON_NUM_THREADS",
)


class AttemptError(Exception):
    """A program raised, ended, or took too long; the words go into the report."""


def processor_seconds() -> float:
    """Processor time of this process, its threads and its children, also those that still run."""
    total = time.process_time()
    me = str(os.getpid())
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[1] == me:
            total += sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")
    return total


class Served:
    """What a worker does when it is asked."""

    def __init__(self, name: str) -> None:
        self.peer = PEERS[name]()
        self.path: Path | None = None
        self.x: Any = None
        self.given: dict[str, Any] = {}  # the design as the program likes it, for a loss
        self.targets: dict[str, np.ndarray] = {}
        self.last: Any = None

    def load(self, path: Path) -> None:
        """Takes another data set."""
        if path != self.path:
            data = load(path)
            self.x, self.path, self.given = data.x, path, {}
            self.targets = {loss: data.target(loss) for loss in ("squared", "logistic")}

    def warm(self, method: str, loss: str, arguments: dict[str, Any]) -> float:
        """Seconds of a first call on 60 rows of the same kind: compilation, imports."""
        rng, rows = np.random.default_rng(0), np.arange(60)
        if sparse.issparse(self.x):
            x = sparse.random(len(rows), 80, density=0.2, format="csc", random_state=0)
            x.indices, x.indptr = x.indices.astype(np.int32), x.indptr.astype(np.int32)
        else:
            x = rng.standard_normal((len(rows), 80))
        signal = x[:, :5] @ np.ones(5) + 0.1 * rng.standard_normal(len(rows))
        y = np.asarray(signal).ravel()
        y = y - y.mean() if loss == "squared" else np.where(y > np.median(y), 1.0, -1.0)
        slopes = y if loss == "squared" else y / 2
        largest = float(np.abs(x.T @ slopes).max()) / len(y)
        arguments = dict(arguments)
        if "lam" in arguments:
            arguments["lam"] = largest / 5
        if "lambdas" in arguments:
            arguments["lambdas"] = largest * np.logspace(-0.01, -1, 5)
        if "split" in arguments:
            arguments["split"] = (rows[:40], rows[40:])
        if "splits" in arguments:
            arguments["splits"] = [(np.setdiff1d(rows, rows[k::3]), rows[k::3]) for k in range(3)]
        started = time.perf_counter()
        getattr(self.peer, method)(self.peer.layout(x, loss), y, loss=loss, **arguments)
        return time.perf_counter() - started

    def call(
        self, method: str, loss: str, arguments: dict[str, Any], repeat: bool = True
    ) -> tuple[float, float]:
        """Wall and processor seconds of a call; the answer is kept until it is asked for."""
        if loss not in self.given:  # one loss follows the other: the matrix is kept once
            self.given = {loss: self.peer.layout(self.x, loss)}
        x, y = self.given[loss], self.targets[loss]
        self.last = None
        run = getattr(self.peer, method)
        count = 1
        spent, started = processor_seconds(), time.perf_counter()
        answer = run(x, y, loss=loss, **arguments)
        wall = time.perf_counter() - started
        spent = processor_seconds() - spent
        if self.peer.spent is not None:
            self.last = answer if not repeat or isinstance(answer, dict) else None
            return self.peer.spent
        if repeat and wall < LONG_ENOUGH:
            count = int(min(MOST_REPEATS, np.ceil(LONG_ENOUGH / max(wall, 1e-9))))
            spent, started = processor_seconds(), time.perf_counter()
            for _ in range(count):
                run(x, y, loss=loss, **arguments)
            wall = (time.perf_counter() - started) / count
            spent = (processor_seconds() - spent) / count
        # coefficients are wanted only while the tolerance is looked for
        self.last = answer if not repeat or isinstance(answer, dict) else None
        return wall, spent

    def answered(self, method: str, arguments: dict[str, Any]) -> tuple[bool, Any]:
        """Whether a request went well, and its answer or what went wrong."""
        try:
            return True, getattr(self, method)(**arguments)
        except Exception as error:
            return False, f"{type(error).__name__}: {error}".splitlines()[0][:200]

    def answer(self) -> Any:
        """The last answer; coefficients are sent as a sparse matrix."""
        told, self.last = self.last, None
        if isinstance(told, np.ndarray):
            return sparse.csc_matrix(told.reshape(len(told), -1))
        return told


def serve(name: str, pipe: Connection) -> None:
    """Answers requests until told to end."""
    os.setsid()  # so that it can be ended with the processes that it starts
    warnings.simplefilter("ignore")
    os.environ["PYTHONWARNINGS"] = "ignore"
    served = Served(name)
    while True:
        with contextlib.suppress(EOFError, BrokenPipeError):  # the suite was ended
            method, arguments = pipe.recv()
            pipe.send(served.answered(method, arguments))
            continue
        return


class Worker:
    """The other end: starts the process, and ends it when a request takes too long."""

    def __init__(self, name: str, threads: int) -> None:
        self.name, self.kind, self.threads = name, PEERS[name], threads
        self.offset = 1.0  # tolerance that a gap needed last, over that gap
        self.path: Path | None = None
        self.warmed: dict[str, Any] = {}  # the last first call: what a new process has to compile
        self.process: Any = None

    def start(self) -> None:
        """Starts the process if it does not run."""
        if self.process is not None and self.process.is_alive():
            return
        for setting in THREAD_SETTINGS:
            os.environ[setting] = str(self.threads)
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=serve, args=(self.name, other), daemon=False)
        self.process.start()
        other.close()
        if self.path is not None:
            self.exchange("load", WARM_LIMIT, {"path": self.path})
        if self.warmed:
            self.exchange("warm", WARM_LIMIT, self.warmed)

    def load(self, path: Path) -> None:
        """Makes it use this data set."""
        self.path, self.warmed = path, {}
        self.start()
        self.exchange("load", WARM_LIMIT, {"path": path})

    def ask(self, request: str, limit: float, /, **arguments: Any) -> Any:
        """The answer to a request; a process that had to be ended is brought back first.

        Raises
        ------
        AttemptError
            Says why there is none.
        """
        self.start()
        if request == "warm":
            self.warmed = arguments
        return self.exchange(request, limit, arguments)

    def exchange(self, request: str, limit: float, arguments: dict[str, Any]) -> Any:
        """Sends a request and waits."""
        try:
            self.pipe.send((request, arguments))
            if not self.pipe.poll(limit):
                self.end()
                raise AttemptError(f"> {limit:.0f} s")
            fine, told = self.pipe.recv()
        except (EOFError, OSError) as error:
            self.end()
            raise AttemptError("the process ended") from error
        if not fine:
            raise AttemptError(told)
        return told

    def end(self) -> None:
        """Ends the process, and those that it started."""
        process, self.process = self.process, None
        if process is not None and process.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            process.join()
