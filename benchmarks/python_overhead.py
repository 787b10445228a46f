"""What Python adds to a fit: `SparseRegressor.fit` beside the Rust library, on the same matrix and splits.

    cargo build --release --locked -p bilevel --example fit_time
    .venv/python/bin/python benchmarks/python_overhead.py

Both fit in turns, each in a process of its own; medians over the turns, by the clock and by processor time
(which other work on the machine does not stretch). Memory is what a fit adds to its process at the peak, in
parts of the matrix. Needs Linux.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from scipy import sparse

FIT_TIME = Path(__file__).parents[1] / "target" / "release" / "examples" / "fit_time"


def generated(n: int, p: int, density: float) -> tuple[object, np.ndarray]:
    """Gaussian design, dense or sparse; 100 coefficients from N(0, 1), signal-to-noise ratio 3."""
    rng = np.random.default_rng(0)
    if density == 1:
        design = np.asfortranarray(rng.normal(size=(n, p)))
    else:
        design = sparse.random_array(
            (n, p), density=density, format="csc", rng=rng, data_sampler=rng.standard_normal
        )
        design.indices, design.indptr = design.indices.astype(np.int32), design.indptr.astype(np.int32)
    coefficients = np.zeros(p)
    count = min(100, p)
    coefficients[rng.choice(p, count, replace=False)] = rng.normal(size=count)
    signal = design @ coefficients
    return design, signal + rng.normal(size=n) * np.std(signal) / 3


def splits(n: int, folds: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """A hold-out of a third of the rows, or folds."""
    rows = np.random.default_rng(1).permutation(n)
    parts = [rows[: n // 3]] if folds == 1 else np.array_split(rows, folds)
    return [(np.setdiff1d(rows, part), np.sort(part)) for part in parts]


def write(folder: Path, design: object, target: np.ndarray, cv: list, settings: str) -> None:
    """What `fit_time` reads."""
    target.tofile(folder / "target")
    if sparse.issparse(design):
        design.data.tofile(folder / "values")
        design.indices.astype(np.uint32).tofile(folder / "rows")
        design.indptr.astype(np.uint32).tofile(folder / "starts")
    else:
        design.ravel(order="F").tofile(folder / "values")
    parts = [{"train": train.tolist(), "validation": part.tolist()} for train, part in cv]
    (folder / "splits.json").write_text(json.dumps(parts))
    (folder / "settings.json").write_text(settings)


def processor_seconds(pid: int) -> float:
    """Processor time of a process and all of its threads, also of those that ended."""
    return time.clock_gettime(((~pid) << 3) | 2)


def memory(key: str) -> int:
    """Bytes, from a line of `/proc/self/status`."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return 1024 * int(line.split()[1])
    return 0


def python_growth(n: int, p: int, density: float, folds: int) -> int:
    """By how much a fit makes a fresh process grow at the peak, in bytes."""
    from bilevel import SparseRegressor

    warnings.simplefilter("ignore")
    model = SparseRegressor(weights="scalar", n_jobs=1)
    small, y = generated(60, 200, 1)
    model.fit(small, y)  # loads what a first fit loads
    design, target = generated(n, p, density)
    model.set_params(cv=splits(n, folds))
    Path("/proc/self/clear_refs").write_text("5")
    before = memory("VmRSS:")
    model.fit(design, target)
    return memory("VmHWM:") - before


def n_bytes(design: object) -> int:
    """The size of a matrix."""
    if sparse.issparse(design):
        return design.data.nbytes + design.indices.nbytes + design.indptr.nbytes
    return design.nbytes


def compare(name: str, n: int, p: int, density: float, folds: int, turns: int) -> str:
    """One row of the table."""
    from bilevel import SparseRegressor

    design, target = generated(n, p, density)
    cv = splits(n, folds)
    model = SparseRegressor(weights="scalar", cv=cv, n_jobs=1)
    clock: dict[str, list[float]] = {"rust": [], "python": []}
    processor: dict[str, list[float]] = {"rust": [], "python": []}
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), design, target, cv, model._settings("squared"))
        with subprocess.Popen(
            [FIT_TIME, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as rust:
            growth = []

            def fit_rust() -> float:
                rust.stdin.write("\n")
                rust.stdin.flush()
                value, grown = rust.stdout.readline().split()
                growth.append(int(grown))
                return float(value)

            def fit_python() -> float:
                return model.fit(design, target).criterion_value_

            for turn in range(turns + 1):
                values = {}
                for kind, fit, pid in (("rust", fit_rust, rust.pid), ("python", fit_python, os.getpid())):
                    started, spent = time.perf_counter(), processor_seconds(pid)
                    values[kind] = fit()
                    if turn > 0:  # the first warms up
                        clock[kind].append(time.perf_counter() - started)
                        processor[kind].append(processor_seconds(pid) - spent)
                assert values["rust"] == values["python"], values
    cells = []
    for seconds in (clock, processor):
        ours, theirs = (1e3 * statistics.median(seconds[kind]) for kind in ("python", "rust"))
        cells += [
            f"{theirs:.1f}",
            f"{ours:.1f}",
            f"{100 * (ours / theirs - 1):+.1f} %, {ours - theirs:+.1f} ms",
        ]
    size = n_bytes(design)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        python = pool.apply(python_growth, (n, p, density, folds))
    cells += [f"{size / 1e6:.1f}", f"{100 * growth[0] / size:.0f} %", f"{100 * python / size:.0f} %"]
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=7)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    print(
        "| task | Rust, ms | Python, ms | overhead | Rust, CPU-ms | Python, CPU-ms | overhead "
        "| matrix, MB | Rust adds | Python adds |"
    )
    print("|---" * 10 + "|")
    shapes = (("dense", 500, 10, 1), ("dense", 1_000, 2_000, 1), ("sparse", 10_000, 50_000, 0.002))
    for name, n, p, density in shapes:
        for folds, criterion in ((1, "hold-out"), (5, "5 folds")):
            label = f"{name} {n} by {p}, {criterion}"
            print(compare(label, n, p, density, folds, arguments.turns), flush=True)


if __name__ == "__main__":
    sys.exit(main())
