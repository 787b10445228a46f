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
import signal
import sys
import time
from pathlib import Path
from typing import Any

from . import command, data, report, store, tuning, workloads
from .contest import Limits, median
from .worker import PEERS, Worker
from .workloads import Bench

REPOSITORY = Path(__file__).resolve().parents[2]
WORKLOADS = {
    "a": "one fit",
    "b": "a path of 100 λ",
    "c": "5-fold cross-validation over 100 λ",
    "d": "one λ by hold-out",
    "e": "one weight per feature by hold-out",
    "g": "λ and the ridge part by hold-out",
    "size": "one fit, more and more columns",
    "multiple": "search over single fit",
    "command": "whole runs of the command",
}
SEARCHES = {"c": "cv", "d": "holdout", "g": "elastic_net"}
QUICK_SETS = ("diabetes", "leu", "dense-1000x2000", "degenerate-500x750", *data.GROWTH[:5:2])


def names_for(workload: str, peers: list[str]) -> list[str]:
    """The programs that take part."""
    if workload in ("multiple", "command"):
        return ["bilevel"]
    out = set()
    if workload not in "cd":
        out |= {"bilevel, same grid", "bilevel, no proof"}
    if workload != "e":
        out |= {"bilevel estimator"}
    method = {"e": "features", **SEARCHES}.get(workload, "path")
    able = [name for name in peers if hasattr(PEERS[name], method)]
    by_path = method in ("path", "cv")
    return [name for name in able if name not in out and (PEERS[name].has_path or not by_path)]


def cases(workload: str, bench: Bench, names: list[str], options: argparse.Namespace) -> Any:
    """The contests of a workload."""
    if workload == "a":
        gaps = workloads.GAPS[::2] if bench.quick else workloads.GAPS
        fractions = workloads.FRACTIONS[1:3] if bench.quick else workloads.FRACTIONS
        return workloads.single_fits(bench, names, gaps, fractions)
    if workload == "size":
        return workloads.single_fits(bench, names, (1e-8,), (20,))
    if workload == "b":
        return workloads.paths(bench, names)
    if workload in SEARCHES:
        return tuning.searches(bench, names, SEARCHES[workload])
    if workload == "e":
        return tuning.feature_search(bench, names)
    if workload == "multiple":
        return tuning.multiples(bench)
    return command.whole_runs(bench, options.binary, options.folder / "files")


def tell(workload: str, name: str, loss: str, case: dict[str, Any], peers: dict[str, Any]) -> None:
    """A line for each program, while it runs."""
    ours = peers.get("bilevel")
    ours = median(ours["wall"]) if ours and report.counts(ours) else None
    print(f"{workload} {name} {loss} {case}", flush=True)
    for peer, record in peers.items():
        wall, processor = median(record["wall"]), median(record["processor"])
        if wall is None:
            print(f"    {peer:20} {record['note']}")
            continue
        ratio = f"{wall / ours:8.2f}x" if ours else ""
        judged = record.get("answer", {}).get("criterion")
        told = f"criterion {judged:.6g}" if judged is not None else ""
        told = f"gap {record['gap']:.1e}" if not told and record["gap"] is not None else told
        times = f"{wall:10.5f} s {processor or 0:10.5f} cpu-s"
        print(f"    {peer:20} {times} {ratio} {told} {record['note']}", flush=True)


def measure(workload: str, name: str, loss: str, options: argparse.Namespace, workers: Any) -> None:
    """One file of results."""
    kept = data.prepare(name, options.data_dir, options.folder / "data")
    limits = Limits(options.rounds, options.limit, 2 * options.limit)
    workers = {peer: workers[peer] for peer in names_for(workload, options.peers)}
    bench = Bench(data.load(kept), loss, workers, limits, options.quick, options.threads)
    for worker in workers.values():
        worker.load(kept)
    record: dict[str, Any] = {
        "workload": workload,
        "set": name,
        "shape": bench.data.shape,
        "loss": loss,
        "machine": store.machine(options.threads),
        "versions": {peer: PEERS[peer].version() for peer in workers},
        "cases": [],
        "complete": False,
    }
    file = store.file_of(options.folder / "results", workload, name, loss)
    for case, entries in cases(workload, bench, list(workers), options):
        peers = {peer: entry.record() for peer, entry in entries.items()}
        tell(workload, name, loss, case, peers)
        record["cases"].append({"case": case, "peers": peers})
        store.write(file, record)
    store.write(file, {**record, "complete": True})


def fits(workload: str, name: str, loss: str, classes: bool) -> bool:
    """Whether a workload makes sense on a set."""
    if name in data.GROWTH:
        return workload == "size"
    if name.startswith("degenerate"):
        return workload in ("e", "multiple")
    if workload in ("e", "size"):
        return workload == "e" and name == "dense-1000x2000"
    return loss == "squared" or classes or name.startswith(("dense", "sparse"))


def plan(options: argparse.Namespace) -> list[tuple[str, str, str]]:
    """Workload, set and loss of all that is to be measured."""
    found = []
    for name in options.sets:
        classes = data.load(data.prepare(name, options.data_dir, options.folder / "data")).is_classes
        pairs = [(workload, loss) for loss in options.losses for workload in options.only]
        found += [(workload, name, loss) for workload, loss in pairs if fits(workload, name, loss, classes)]
    if options.few:
        found = [one for one in found if one[0] == "a" or one[2] == "squared"]
    return sorted(found, key=lambda one: list(WORKLOADS).index(one[0]))


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", type=comma, default=list(WORKLOADS), help="workloads, such as a,c")
    parser.add_argument("--sets", type=comma, help="data sets; default: all that can be had")
    parser.add_argument("--losses", type=comma, help="squared, logistic; by default both (--quick: a alone)")
    parser.add_argument(
        "--peers", type=comma, help="programs beside bilevel, or none; default: all installed"
    )
    parser.add_argument("--data-dir", type=Path, help="folder with the LIBSVM and CSV files")
    parser.add_argument("--quick", action="store_true", help="fewer sets, cases and rounds")
    parser.add_argument("--rounds", type=int, help="default 5, with --quick 3")
    parser.add_argument("--limit", type=float, help="seconds a call may take; default 20, with --quick 3")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=REPOSITORY / ".bench", help="data and results")
    parser.add_argument("--binary", type=Path, default=REPOSITORY / "target" / "release" / "bilevel")
    parser.add_argument("--again", action="store_true", help="measure again what has been measured")
    parser.add_argument("--report", action="store_true", help="measure nothing, write the document")
    parser.add_argument(
        "--document", type=Path, help="default docs/benchmarks.md, with --quick in the folder"
    )
    parser.add_argument("--list", action="store_true", help="say what would be measured")
    found = parser.parse_args()
    found.few = found.quick and found.losses is None
    found.losses = found.losses or ["squared", "logistic"]
    found.rounds = found.rounds or (3 if found.quick else 5)
    found.limit = found.limit or (3.0 if found.quick else 20.0)
    if found.quick:
        found.folder = found.folder / "quick"
    usual = found.folder / "benchmarks.md" if found.quick else REPOSITORY / "docs" / "benchmarks.md"
    found.document = found.document or usual
    available = data.available(found.data_dir)
    found.sets = found.sets or [name for name in available if not found.quick or name in QUICK_SETS]
    unknown = [name for name in found.sets if name not in available]
    if unknown:
        parser.error(f"--sets: found {', '.join(unknown)}; there are {', '.join(available)}")
    unknown = [name for name in found.only if name not in WORKLOADS]
    if unknown:
        parser.error(f"--only: found {', '.join(unknown)}; there are {', '.join(WORKLOADS)}")
    return found


def comma(text: str) -> list[str]:
    """The parts of a list."""
    return text.split(",")


def programs(wanted: list[str] | None) -> tuple[list[str], list[str]]:
    """Those that take part, and those that are not installed."""
    ours = [name for name, kind in PEERS.items() if kind.module == "bilevel"]
    wanted = wanted or [name for name in PEERS if name not in ours]
    wanted = [] if wanted == ["none"] else wanted
    unknown = [name for name in wanted if name not in PEERS]
    if unknown:
        raise SystemExit(f"--peers: found {', '.join(unknown)}; there are {', '.join(PEERS)}, or none")
    missing = [name for name in wanted if PEERS[name].version() is None]
    for name in missing:
        print(f"SKIPPED: {name}; {PEERS[name].hint or 'it is not installed here'}.")
    return ours + [name for name in wanted if name not in missing], missing


def main() -> None:
    """Measures and reports."""
    chosen = options()
    chosen.peers, missing = programs(chosen.peers)
    results, start_file = chosen.folder / "results", chosen.folder / "start.json"
    todo = [] if chosen.report else plan(chosen)
    if not chosen.again:
        todo = [one for one in todo if not store.is_complete(store.file_of(results, *one))]
    if chosen.list:
        print("\n".join(" ".join(one) for one in todo))
        return
    workers = {name: Worker(name, chosen.threads) for name in chosen.peers}
    started, failed = time.monotonic(), []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the processes are ended
    try:
        for number, one in enumerate(todo):
            print(f"[{number + 1}/{len(todo)}, {time.monotonic() - started:.0f} s] ", end="", flush=True)
            try:
                measure(*one, chosen, workers)
            except Exception as error:
                failed.append(f"{' '.join(one)}: {type(error).__name__}: {error}")
                print(f"FAILED: {failed[-1]}", flush=True)
    finally:
        for worker in workers.values():
            worker.end()
    if not chosen.report and (chosen.again or not start_file.exists()):
        store.write(start_file, command.start_up(chosen.binary, chosen.rounds))
    report.write(chosen.document, store.read_all(results), store.read(start_file), missing)
    print(f"{chosen.document} was written after {time.monotonic() - started:.0f} s.")
    if failed:
        raise SystemExit("\n".join(["These workloads failed and are not in it:", *failed]))
