"""The command itself: the start-up, the size of the binary, and whole runs that read their file."""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import dump_svmlight_file, load_svmlight_file

from .contest import Entry
from .workloads import Bench


def run(command: list[str], limit: float) -> tuple[float, str]:
    """Seconds of a whole process, and what it printed."""
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=limit)
    return time.perf_counter() - started, done.stdout


def start_up(binary: Path, rounds: int) -> dict[str, Any]:
    """`bilevel fit` on the embedded set, and `bilevel --version`, whole processes; the binary's size."""
    fits = [run([str(binary), "fit", "--quiet", "--json"], 60.0)[0] for _ in range(rounds + 1)][1:]
    versions = [run([str(binary), "--version"], 60.0)[0] for _ in range(rounds + 1)][1:]
    return {
        "fit": statistics.median(fits),
        "version": statistics.median(versions),
        "bytes": binary.stat().st_size,
    }


def whole_runs(bench: Bench, binary: Path, folder: Path) -> Any:
    """One lambda by 5 folds from a LIBSVM file: the command; what scikit-learn's reader alone takes."""
    file = folder / f"{bench.data.name}-{bench.loss}.svm"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        dump_svmlight_file(bench.x, bench.y, str(file), zero_based=False)
    command = [str(binary), "fit", str(file), "--weights", "scalar", "--folds", "5", "--loss", bench.loss]
    command += ["--no-intercept", "--quiet", "--json", "--threads", str(bench.threads)]
    whole, reading = Entry(bench.workers["bilevel"]), Entry(bench.workers["bilevel"])
    for _ in range(bench.limits.rounds):
        try:
            seconds, told = run(command, 5 * bench.limits.call)
        except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
            whole.note = f"failed: {type(error).__name__}"
            break
        whole.wall.append(seconds)
        whole.answer = {"seconds": json.loads(told)["seconds"]}
        started = time.perf_counter()
        load_svmlight_file(str(file), dtype=np.float64)
        reading.wall.append(time.perf_counter() - started)
    yield {"file": f"{file.stat().st_size / 1e6:.1f} MB"}, {"bilevel": whole, "scikit-learn reads": reading}
