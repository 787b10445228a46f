"""docs/benchmarks.md from the results on disk: what stands above the mark is written by hand and stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import plots
from .contest import median

MARK = "<!-- What follows is written by `make bench`. -->"
OWN = "bilevel"
TITLES = {
    "a": "One fit",
    "b": "A path of 100 λ",
    "c": "One λ by 5-fold cross-validation",
    "d": "One λ by hold-out",
    "e": "One weight per feature by hold-out",
    "g": "Elastic net, both hyperparameters by hold-out",
    "size": "One fit on more and more columns",
}
WORDS = {
    "a": "Median seconds (times bilevel) for one λ = λmax/k from nothing, to the relative gap that is given.",
    "b": "Median seconds (times bilevel) for 100 λ, evenly spaced in log λ, from λmax down to the given part "
    "of it; relative gap at most 1e-6 at every twelfth or so of them that was looked at.",
    "c": "Median seconds (times bilevel); five folds that are the same for all, 100 λ; then the fit on all "
    "rows. *Excess*: criterion over the best of the row, in percent.",
    "d": "Median seconds (times bilevel); a quarter of the rows is held out, the same for all. bilevel also "
    "fits all rows in the end, the others do not. *Excess*: criterion over the best of the row, in percent.",
    "e": "Median seconds (times bilevel), at most 30 outer steps from λmax/10 for every feature (*bilevel "
    "estimator*: from the best single λ). *Excess*: criterion over the best of the row, in percent.",
    "g": "Median seconds (times bilevel); the others search a grid of 7 shares of the l1 part by 100 "
    "strengths. *Excess*: criterion over the best of the row, in percent.",
    "size": "Median seconds (times bilevel) to a relative gap of 1e-8 at λmax/20; 10,000 rows, ten entries "
    "in each column, 100 coefficients that matter.",
}


def seconds(value: float) -> str:
    """Three digits."""
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def times(ratio: float) -> str:
    """Two digits, or a whole number."""
    return f"{ratio:.2g}" if ratio < 100 else f"{ratio:.0f}"


def counts(record: dict[str, Any]) -> bool:
    """Whether a program did what was asked."""
    return bool(record["wall"]) and not record["note"].startswith(("ended", "failed", "cannot", "left out"))


def cell(record: dict[str, Any] | None, ours: float | None, best: float | None) -> str:
    """Seconds, times bilevel, and what is missing."""
    if record is None:
        return ""
    note = record["note"].replace("failed: ", "").replace("|", "/")
    time = median(record["wall"])
    if time is None:
        return note.split(":")[0] if note.startswith(("cannot", "left out")) else note
    told = seconds(time)
    if ours and time != ours:
        told += f" ({times(time / ours)}×)"
    value = record.get("answer", {}).get("criterion")
    if value is not None and best:
        told += f", {100 * (value / best - 1):.2g} %"
    if len(record["wall"]) == 1:
        told += " *once*"
    return f"*{told}, {note}*" if note else told


def case_words(case: dict[str, Any]) -> str:
    """A case in a few words."""
    words = {"fraction": "λmax/{}", "gap": "{:.0e}", "smallest": "to {:.0e} λmax", "steps": "{} steps"}
    return ", ".join(words[key].format(value) for key, value in case.items() if key in words)


def fastest_peer(case: dict[str, Any]) -> tuple[str, float] | None:
    """The fastest other program that did what was asked."""
    times = {
        name: median(record["wall"])
        for name, record in case["peers"].items()
        if not name.startswith(OWN) and counts(record)
    }
    return min(times.items(), key=lambda pair: pair[1]) if times else None


def table(results: list[dict[str, Any]]) -> list[str]:
    """All cases of a workload."""
    seen = [name for result in results for case in result["cases"] for name in case["peers"]]
    names = list(dict.fromkeys(seen))
    lines = [f"| data | case | {' | '.join(names)} |", "|---" * (len(names) + 2) + "|"]
    for result in results:
        for case in result["cases"]:
            peers = case["peers"]
            ours = median(peers[OWN]["wall"]) if OWN in peers and counts(peers[OWN]) else None
            values = [r["answer"]["criterion"] for r in peers.values() if "criterion" in r.get("answer", {})]
            cells = [cell(peers.get(name), ours, min(values, default=None)) for name in names]
            label = f"{result['set']} | {case_words(case['case'])}"
            lines.append(f"| {label} | {' | '.join(cells)} |")
    return lines


def ratios(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """For every case with a peer: how much slower the fastest peer is (0 where bilevel did not get there)."""
    found = []
    for result in results:
        for case in result["cases"]:
            if result["workload"] not in TITLES or (rival := fastest_peer(case)) is None:
                continue
            ours = case["peers"][OWN]
            ratio = rival[1] / median(ours["wall"]) if counts(ours) else 0.0
            words = case_words(case["case"])
            found.append({**result, "case": words, "rival": rival[0], "ratio": ratio, "ours": ours})
    return found


def summary(results: list[dict[str, Any]]) -> list[str]:
    """A line for each workload and loss."""
    lines = [
        "| workload | loss | cases | bilevel fastest | at least 2× faster | median ratio | worst |",
        "|---" * 7 + "|",
    ]
    for workload, title in TITLES.items():
        for loss in ("squared", "logistic"):
            chosen = [r for r in results if r["workload"] == workload and r["loss"] == loss]
            found = sorted(ratios(chosen), key=lambda one: one["ratio"])
            if not found:
                continue
            values = [one["ratio"] for one in found]
            worst = found[0]
            told = f"{worst['ratio']:.2g} ({worst['set']}, {worst['case']}, {worst['rival']})"
            fastest, twice = sum(v >= 1 for v in values), sum(v >= 2 for v in values)
            lines.append(
                f"| {title} | {loss} | {len(values)} | {fastest} | {twice} | {median(values):.3g} | {told} |"
            )
    return lines


def losses(results: list[dict[str, Any]]) -> list[str]:
    """Where another program was faster."""
    lost = sorted((one for one in ratios(results) if one["ratio"] < 1), key=lambda one: one["ratio"])
    if not lost:
        return ["Nowhere in these cases."]
    lines = ["| workload | data | loss | case | fastest | its time over bilevel's |", "|---" * 6 + "|"]
    for one in lost:
        told = f"{one['ratio']:.2g}" if one["ratio"] > 0 else f"bilevel: {one['ours']['note']}"
        lines.append(
            f"| {TITLES[one['workload']]} | {one['set']} | {one['loss']} | {one['case']} "
            f"| {one['rival']} | {told} |"
        )
    return lines


def setting(results: list[dict[str, Any]], skipped: list[str]) -> list[str]:
    """Machine, versions, dates."""
    machines = {
        f"{m['processor']}, {m['cores']} cores, {m['threads']} threads; Python {m['python']}, "
        f"numpy {m['numpy']}, scipy {m['scipy']}"
        for m in (result["machine"] for result in results)
    }
    dates = sorted({result["machine"]["date"] for result in results})
    versions: dict[str, str] = {}
    for result in results:
        versions |= result["versions"]
    versions = {n: v for n, v in versions.items() if n == OWN or not n.startswith(OWN)}
    lines = [f"Measured {dates[0]} to {dates[-1]}." if len(dates) > 1 else f"Measured {dates[0]}."]
    lines += [f"{machine}." for machine in sorted(machines)]
    lines += ["Programs: " + ", ".join(f"{name} {version}" for name, version in versions.items()) + "."]
    if skipped:
        lines += ["Not installed, and therefore not measured: " + ", ".join(skipped) + "."]
    return [" ".join(lines)]


def warm_ups(results: list[dict[str, Any]]) -> list[str]:
    """Seconds of the first call on 60 rows, the longest of each program: what the medians leave out."""
    longest: dict[str, float] = {}
    for result in results:
        for case in result["cases"]:
            for name, record in case["peers"].items():
                if record.get("warm_seconds"):
                    longest[name] = max(longest.get(name, 0.0), record["warm_seconds"])
    told = ", ".join(f"{name} {seconds(value)} s" for name, value in longest.items())
    return [f"Left out of all times: each program's first call (imports, compilation), at most {told}."]


def multiples(results: list[dict[str, Any]]) -> list[str]:
    """Searches of bilevel over a single fit."""
    lines = ["| data | loss | search | single fit, s | search, s | multiple |", "|---" * 6 + "|"]
    for result in results:
        for case in result["cases"]:
            record = case["peers"][OWN]
            told = record.get("answer")
            cells = (
                f"{seconds(told['single_fit'])} | {seconds(median(record['wall']))} | {told['multiple']:.3g}"
                if told
                else f" | {record['note']} | "
            )
            lines.append(f"| {result['set']} | {result['loss']} | {case['case']['search']} | {cells} |")
    return lines


def commands(results: list[dict[str, Any]]) -> list[str]:
    """Whole runs of the command."""
    heads = [
        "data",
        "loss",
        "file",
        "whole command, s",
        "of it search, s",
        "search / single fit, by its own word",
    ]
    lines = [f"| {' | '.join(heads)} | scikit-learn's reader alone, s |", "|---" * 7 + "|"]
    for result in results:
        case = result["cases"][0]
        record, reads = case["peers"][OWN], median(case["peers"]["scikit-learn reads"]["wall"])
        label = f"| {result['set']} | {result['loss']} | {case['case']['file']} |"
        if not record["wall"]:
            lines.append(f"{label} {record['note']} | | | |")
            continue
        told, whole = record["answer"]["seconds"], median(record["wall"])
        single = told.get("single_fit")
        multiple = f"{told['search'] / single:.3g}" if single else "not told"
        reader = seconds(reads) if reads else ""
        lines.append(f"{label} {seconds(whole)} | {seconds(told['search'])} | {multiple} | {reader} |")
    return lines


def document(
    results: list[dict[str, Any]], start: dict[str, Any] | None, skipped: list[str], pictures: list[str]
) -> list[str]:
    """The part that is not written by hand."""
    lines = ["## How long does it take?", "", *setting(results, skipped), "", *warm_ups(results), ""]
    lines += ["*Ratio* is the time of the fastest other program over bilevel's: above 1, bilevel is faster."]
    lines += ["", *summary(results), "", "### Where another program is faster", "", *losses(results), ""]
    for picture in pictures:
        lines += [f"![{plots.PICTURES[picture]}](images/benchmarks/{picture}.svg)", ""]
    for workload, title in TITLES.items():
        for loss in ("squared", "logistic"):
            chosen = [r for r in results if r["workload"] == workload and r["loss"] == loss]
            if chosen:
                lines += [f"### {title}, {loss} loss", "", WORDS[workload], "", *table(chosen), ""]
    chosen = [r for r in results if r["workload"] == "multiple"]
    if chosen:
        lines += ["### Search over single fit", ""]
        lines += ["The whole search over one fit at its answer, from nothing, to a relative gap of 1e-10"]
        lines += ["", *multiples(chosen), ""]
    chosen = [r for r in results if r["workload"] == "command"]
    if chosen:
        lines += ["### Whole runs of the command", ""]
        lines += ["`bilevel fit FILE --weights scalar --folds 5`, from the start of the process to its end."]
        lines += ["", *commands(chosen), ""]
    if start:
        fit, version = 1e3 * start["fit"], 1e3 * start["version"]
        told = f"`bilevel fit` on the embedded set, whole process: {fit:.0f} ms; `bilevel --version`: "
        lines += ["### Start-up", "", f"{told}{version:.1f} ms; binary {start['bytes'] / 1e6:.1f} MB.", ""]
    sets = {r["set"]: r["shape"] for r in results}
    lines += ["### Data", "", "| name | n × p |", "|---|---|"]
    lines += [f"| {name} | {shape} |" for name, shape in sets.items()]
    return lines


def write(
    path: Path, results: list[dict[str, Any]], start: dict[str, Any] | None, skipped: list[str]
) -> None:
    """Replaces the part below the mark, and the pictures."""
    if not results:
        return
    pictures = plots.draw(results, path.parent / "images" / "benchmarks")
    by_hand = path.read_text().partition(MARK)[0].rstrip() if path.exists() else "# Measured"
    path.write_text("\n".join([by_hand, "", MARK, "", *document(results, start, skipped, pictures)]) + "\n")
