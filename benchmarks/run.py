"""Times bilevel beside its peers and writes docs/benchmarks.md.

    make bench-quick
    make bench BENCH="--data-dir ~/data"
    make bench BENCH="--only a,c --sets leu,dense-1000x2000"      continue or repeat a part
    make bench BENCH="--report"                                   the document alone

Results are kept under .bench/results, one file for each workload, set and loss; what is there is not measured
again unless --again says so. The document is made of all that is there.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from suite import data, store, workloads
from suite.contest import Limits, median
from suite.worker import PEERS, Worker
from suite.workloads import Bench

REPOSITORY = Path(__file__).resolve().parent.parent
WORKLOADS = {
    "a": "one fit",
    "b": "a path of 100 lambda",
    "c": "5-fold cross-validation over 100 lambda",
    "d": "one lambda by hold-out",
    "e": "one weight per feature by hold-out",
}
QUICK_SETS = ("diabetes", "leu", "dense-1000x2000", "degenerate-500x750")


def names_for(workload: str, loss: str, peers: list[str]) -> list[str]:
    """The programs that take part."""
    out = {"bilevel, same grid"} if workload in "abe" else set()
    if workload in "abc":
        out |= {"bilevel estimator", "sparho"}
    if workload == "e":
        peers = [name for name in peers if hasattr(PEERS[name], "features")]
    return [name for name in peers if name not in out]


def cases(workload: str, bench: Bench, names: list[str]) -> Any:
    """The contests of a workload."""
    if workload == "a":
        gaps = workloads.GAPS[::2] if bench.quick else workloads.GAPS
        fractions = workloads.FRACTIONS[1::2] if bench.quick else workloads.FRACTIONS
        return workloads.single_fits(bench, names, gaps, fractions)
    if workload == "b":
        return workloads.paths(bench, names)
    if workload in "cd":
        return workloads.searches(bench, names, {"c": "cv", "d": "holdout"}[workload])
    return workloads.feature_search(bench, names)


def tell(workload: str, name: str, loss: str, case: dict[str, Any], peers: dict[str, Any]) -> None:
    """A line for each program, while it runs."""
    ours = median(peers["bilevel"]["wall"]) if "bilevel" in peers else None
    print(f"{workload} {name} {loss} {case}", flush=True)
    for peer, record in peers.items():
        wall, processor = median(record["wall"]), median(record["processor"])
        if wall is None:
            print(f"    {peer:20} {record['note']}")
            continue
        ratio = f"{wall / ours:8.2f}x" if ours else ""
        judged = record.get("answer", {}).get("criterion")
        told = f"criterion {judged:.6g}" if judged is not None else f"gap {record['gap']:.1e}"
        print(f"    {peer:20} {wall:10.5f} s {processor:10.5f} cpu-s {ratio} {told} {record['note']}", flush=True)


def measure(workload: str, name: str, loss: str, options: argparse.Namespace, workers: Any) -> None:
    """One file of results."""
    kept = data.prepare(name, options.data_dir, options.folder / "data")
    limits = Limits(options.rounds, options.limit, 2 * options.limit)
    workers = {peer: workers[peer] for peer in names_for(workload, loss, options.peers)}
    bench = Bench(data.load(kept), loss, workers, limits, options.quick, options.threads)
    for worker in workers.values():
        worker.load(kept)
    found = []
    for case, entries in cases(workload, bench, list(workers)):
        peers = {peer: entry.record() for peer, entry in entries.items()}
        tell(workload, name, loss, case, peers)
        found.append({"case": case, "peers": peers})
    record = {
        "workload": workload,
        "set": name,
        "shape": bench.data.shape,
        "loss": loss,
        "machine": store.machine(options.threads),
        "versions": {peer: PEERS[peer].version() for peer in workers},
        "cases": found,
    }
    store.write(store.file_of(options.folder / "results", workload, name, loss), record)


def plan(options: argparse.Namespace) -> list[tuple[str, str, str]]:
    """Workload, set and loss of all that is to be measured."""
    found = []
    for name in options.sets:
        kept = data.prepare(name, options.data_dir, options.folder / "data")
        classes = data.load(kept).is_classes
        for loss in options.losses:
            if loss == "logistic" and not classes and not name.startswith(("dense", "sparse")):
                continue
            for workload in options.only:
                if (workload == "e") != name.startswith("degenerate"):
                    continue
                found.append((workload, name, loss))
    return found


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    comma = lambda text: text.split(",")  # noqa: E731
    parser.add_argument("--only", type=comma, default=list(WORKLOADS), help="workloads, such as a,c")
    parser.add_argument("--sets", type=comma, help="data sets; default: all that can be had")
    parser.add_argument("--losses", type=comma, default=["squared", "logistic"])
    parser.add_argument("--peers", type=comma, help="programs beside bilevel; default: all installed")
    parser.add_argument("--data-dir", type=Path, help="folder with the LIBSVM and CSV files")
    parser.add_argument("--quick", action="store_true", help="fewer sets, cases and rounds")
    parser.add_argument("--rounds", type=int, help="default 5, with --quick 3")
    parser.add_argument("--limit", type=float, help="seconds a call may take; default 60, with --quick 5")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=REPOSITORY / ".bench")
    parser.add_argument("--again", action="store_true", help="measure again what has been measured")
    found = parser.parse_args()
    found.rounds = found.rounds or (3 if found.quick else 5)
    found.limit = found.limit or (5.0 if found.quick else 60.0)
    available = data.available(found.data_dir)
    found.sets = found.sets or [n for n in available if not found.quick or n in QUICK_SETS]
    return found


def main() -> None:
    """Measures and reports."""
    chosen = options()
    ours = [name for name, kind in PEERS.items() if kind.module == "bilevel"]
    wanted = chosen.peers or [name for name in PEERS if name not in ours]
    chosen.peers = list(ours)
    for name in wanted:
        if PEERS[name].version() is None:
            print(f"SKIPPED: {name}, which is not installed here.")
        else:
            chosen.peers.append(name)
    workers = {name: Worker(name, chosen.threads) for name in chosen.peers}
    started = time.monotonic()
    try:
        for workload, name, loss in plan(chosen):
            if chosen.again or not store.file_of(chosen.folder / "results", workload, name, loss).exists():
                measure(workload, name, loss, chosen, workers)
    finally:
        for worker in workers.values():
            worker.end()
    print(f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    np.seterr(all="ignore")
    sys.exit(main())
