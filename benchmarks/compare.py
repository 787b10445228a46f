"""Times `bilevel fit --weights scalar` beside scikit-learn and celer, on the same data and the same problem.

Each contender chooses one lambda for the Lasso (or for l1 logistic regression without intercept) and fits the
final model. Rounds alternate, A B C A B C ..., so that a change in the machine's speed meets everyone. The
chosen lambdas are then judged by one function that belongs to none of them, on splits of its own.

    python benchmarks/compare.py leu.svm.xz rcv1.svm.xz --loss squared
    python benchmarks/compare.py a9a.svm.xz --loss logistic --criterion validation
    python benchmarks/compare.py                      # generated data only
"""

import argparse
import bz2
import gzip
import json
import lzma
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import celer
import numpy as np
import scipy.sparse
import sklearn
from celer.homotopy import celer_path
from joblib import Parallel, delayed
from sklearn.datasets import dump_svmlight_file, load_svmlight_file
from sklearn.linear_model import LassoCV, LogisticRegressionCV
from sklearn.model_selection import KFold, PredefinedSplit, StratifiedKFold, train_test_split

REPOSITORY = Path(__file__).resolve().parent.parent
OPENERS = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
DENSE_ABOVE = (
    0.3  # stored fraction from which scikit-learn and celer get a dense array: it is faster for them
)


@dataclass
class Task:
    """One data set with its criterion: folds, or one split into training and validation rows."""

    name: str
    x: np.ndarray | scipy.sparse.csc_matrix
    y: np.ndarray
    loss: str
    validation_rows: np.ndarray | None  # None: 5 folds
    files: list[str]  # what the command reads
    load_seconds: float

    @property
    def n_train(self) -> float:
        """Training samples of one split, on average."""
        n = len(self.y)
        return 0.8 * n if self.validation_rows is None else n - len(self.validation_rows)

    def peer_splits(self) -> object:
        """The `cv` argument of scikit-learn and celer."""
        if self.validation_rows is not None:
            fold = np.full(len(self.y), -1)
            fold[self.validation_rows] = 0
            return PredefinedSplit(fold)
        kind = StratifiedKFold if self.loss == "logistic" else KFold
        return kind(5, shuffle=True, random_state=0)

    def judge_splits(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Splits that answers are judged on: the common one, or three times 5 folds that nobody has seen."""
        if self.validation_rows is not None:
            return list(self.peer_splits().split())
        kind = StratifiedKFold if self.loss == "logistic" else KFold
        repeats = [kind(5, shuffle=True, random_state=seed) for seed in (101, 102, 103)]
        return [split for folds in repeats for split in folds.split(self.x, self.y)]


@dataclass
class Answer:
    """What a contender chose, and how long it took."""

    lam: float
    fit_seconds: float  # search and final fit, data in memory
    wall_seconds: float | None = None  # the whole command, reading included


def run_bilevel(task: Task, options: argparse.Namespace) -> Answer:
    """Runs the command on the task's files."""
    command = [
        str(options.bilevel),
        "fit",
        task.files[0],
        "--weights",
        "scalar",
        "--loss",
        task.loss,
        "--json",
    ]
    command += ["--quiet", "--threads", str(options.threads)]
    command += ["--validation", task.files[1]] if task.validation_rows is not None else ["--folds", "5"]
    if task.loss == "logistic":
        command.append("--no-intercept")
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wall = time.perf_counter() - start
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\nended with code {done.returncode}: {done.stderr.strip()}")
    result = json.loads(done.stdout)
    seconds = result["seconds"]
    return Answer(result["lambda"], seconds["search"] + seconds["final_fit"], wall)


def run_lasso_cv(estimator: type, task: Task, options: argparse.Namespace) -> Answer:
    """`LassoCV` of scikit-learn or celer, with its default grid of 100 values over three decades."""
    model = estimator(cv=task.peer_splits(), n_jobs=options.threads, max_iter=10_000)
    start = time.perf_counter()
    model.fit(task.x, task.y)
    return Answer(float(model.alpha_), time.perf_counter() - start)


def run_logistic_cv(task: Task, options: argparse.Namespace) -> Answer:
    """scikit-learn's l1 logistic regression (liblinear) over 100 values in three decades below lambda_max."""
    lambda_max = np.abs(task.x.T @ task.y).max() / (2 * len(task.y))
    cs = 1 / (task.n_train * lambda_max * np.logspace(0, -3, 100))
    model = LogisticRegressionCV(
        Cs=cs,
        l1_ratios=(1,),
        solver="liblinear",
        fit_intercept=False,
        cv=task.peer_splits(),
        scoring="neg_log_loss",
        n_jobs=options.threads,
        random_state=0,
        use_legacy_attributes=False,
    )
    start = time.perf_counter()
    model.fit(task.x, task.y)
    return Answer(float(1 / (task.n_train * model.C_)), time.perf_counter() - start)


def run_celer_logistic(task: Task, options: argparse.Namespace) -> Answer:
    """celer's path of l1 logistic regression over the same 100 values, default precision, split by split."""
    lambdas = np.abs(task.x.T @ task.y).max() / (2 * len(task.y)) * np.logspace(0, -3, 100)

    def held_out_losses(train: np.ndarray, held_out: np.ndarray) -> np.ndarray:
        _, path, _ = celer_path(
            task.x[train], task.y[train], "logreg", alphas=lambdas * len(train), max_iter=100, use_PN=True
        )
        return np.logaddexp(0, -task.y[held_out, None] * (task.x[held_out] @ path)).mean(axis=0)

    start = time.perf_counter()
    losses = Parallel(n_jobs=options.threads)(
        delayed(held_out_losses)(*split) for split in task.peer_splits().split(task.x, task.y)
    )
    lam = float(lambdas[np.mean(losses, axis=0).argmin()])
    celer.LogisticRegression(C=1 / (len(task.y) * lam), max_iter=100).fit(task.x, task.y)
    return Answer(lam, time.perf_counter() - start)


def contenders(task: Task, options: argparse.Namespace) -> dict[str, Callable[[], Answer]]:
    """Name and call of each contender, in the order of a round."""
    runs = {"bilevel": lambda: run_bilevel(task, options)}
    if task.loss == "squared":
        runs["scikit-learn"] = lambda: run_lasso_cv(LassoCV, task, options)
        runs["celer"] = lambda: run_lasso_cv(celer.LassoCV, task, options)
    else:
        runs["scikit-learn"] = lambda: run_logistic_cv(task, options)
        runs["celer"] = lambda: run_celer_logistic(task, options)
    return {name: run for name, run in runs.items() if name not in options.without}


def judged_error(task: Task, lam: float) -> float:
    """Mean held-out loss of the model with this lambda: half the squared error, or the log-loss."""
    losses = []
    for train, held_out in task.judge_splits():
        x, y = task.x[train], task.y[train]
        if task.loss == "squared":
            model = celer.Lasso(alpha=lam, tol=1e-8, max_iter=1000).fit(x, y)
            losses.append(0.5 * np.mean((model.predict(task.x[held_out]) - task.y[held_out]) ** 2))
        else:
            model = celer.LogisticRegression(C=1 / (len(y) * lam), tol=1e-8, max_iter=1000).fit(x, y)
            margin = task.y[held_out] * np.asarray(task.x[held_out] @ model.coef_.ravel()).ravel()
            losses.append(np.mean(np.logaddexp(0, -margin)))
    return float(np.mean(losses))


def read(path: Path) -> tuple[scipy.sparse.csc_matrix, np.ndarray]:
    """A LIBSVM file, compressed or not, or a CSV table with a header and the target in its first column."""
    if path.suffix == ".csv":
        table = np.loadtxt(path, delimiter=",", skiprows=1)
        return scipy.sparse.csc_matrix(table[:, 1:]), table[:, 0]
    with OPENERS.get(path.suffix, open)(path, "rb") as file:
        x, y = load_svmlight_file(file)
    return x.tocsc(), y


def generated(n: int, p: int, density: float, seed: int = 0) -> tuple[object, np.ndarray]:
    """Gaussian design, dense or sparse; 100 coefficients from N(0, 1), signal-to-noise ratio 3."""
    rng = np.random.default_rng(seed)
    if density == 1:
        x = np.asfortranarray(rng.standard_normal((n, p)))
    else:
        x = scipy.sparse.random_array(
            (n, p),
            density=density,
            format="csc",
            rng=rng,
            data_sampler=lambda size: rng.standard_normal(size),
        )
    coefficients = np.zeros(p)
    coefficients[rng.choice(p, 100, replace=False)] = rng.standard_normal(100)
    signal, noise = x @ coefficients, rng.standard_normal(n)
    return x, signal + noise * np.linalg.norm(signal) / (3 * np.linalg.norm(noise))


def prepare(
    name: str, x: object, y: np.ndarray, options: argparse.Namespace, source: str, load: float
) -> Task:
    """Brings data into the shape that the peers like best; writes the files that the command needs."""
    validation_rows = None
    files = [source]
    if options.loss == "logistic":
        y = np.where(y == y.max(), 1.0, -1.0)
    if scipy.sparse.issparse(x) and x.nnz > DENSE_ABOVE * x.shape[0] * x.shape[1]:
        x = np.asfortranarray(x.toarray())
    if options.criterion == "validation":
        stratify = y if options.loss == "logistic" else None
        rows = np.arange(len(y))
        train, validation_rows = train_test_split(rows, test_size=0.25, random_state=0, stratify=stratify)
        files = [str(options.directory / f"{name}.{part}.svm") for part in ("train", "validation")]
        dump_svmlight_file(x[train], y[train], files[0], zero_based=False)
        dump_svmlight_file(x[validation_rows], y[validation_rows], files[1], zero_based=False)
    elif not source:
        files = [str(options.directory / f"{name}.svm")]
        dump_svmlight_file(x, y, files[0], zero_based=False)
    return Task(name, x, y, options.loss, validation_rows, files, load)


def tasks(options: argparse.Namespace) -> list[Task]:
    """The given files, or generated data where there are none."""
    made = []
    for path in options.files:
        start = time.perf_counter()
        x, y = read(path)
        name = path.name.split(".")[0]
        made.append(prepare(name, x, y, options, str(path), time.perf_counter() - start))
    if not options.files:
        for name, n, p, density in (("dense", 1_000, 2_000, 1), ("sparse", 10_000, 50_000, 0.002)):
            made.append(prepare(f"generated-{name}", *generated(n, p, density), options, "", 0.0))
    return made


def processor() -> str:
    """The processor's name."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def heading(options: argparse.Namespace) -> str:
    """Versions and machine."""
    version = subprocess.run([options.bilevel, "--version"], capture_output=True, text=True, check=True)
    judged = "one common validation split" if options.criterion == "validation" else "5 folds each"
    return (
        f"{version.stdout.strip()}, scikit-learn {sklearn.__version__}, celer {celer.__version__}, "
        f"numpy {np.__version__}, Python {platform.python_version()}; {processor()}, {os.cpu_count()} cores, "
        f"{options.threads} threads; {options.loss} loss, {judged}, "
        f"{options.rounds} alternating rounds, medians.\n"
    )


def compare(task: Task, options: argparse.Namespace) -> list[str]:
    """The rows of one data set."""
    runs = contenders(task, options)
    answers: dict[str, list[Answer]] = {name: [] for name in runs}
    for _ in range(options.rounds):
        for name, run in runs.items():
            answers[name].append(run())
    fit = {name: statistics.median(a.fit_seconds for a in all_of) for name, all_of in answers.items()}
    rows = []
    for name, all_of in answers.items():
        spread = max(a.fit_seconds for a in all_of) / min(a.fit_seconds for a in all_of)
        walls = [a.wall_seconds for a in all_of if a.wall_seconds is not None]
        # for the peers: reading the file plus the fit, without starting Python
        wall = statistics.median(walls) if walls else task.load_seconds + fit[name]
        error = judged_error(task, all_of[-1].lam)
        n, p = task.x.shape
        rows.append(
            f"| {task.name} | {n} x {p} | {name} | {fit[name]:.3g} | {fit[name] / fit['bilevel']:.3g} "
            f"| {spread:.2f} | {wall:.3g} | {all_of[-1].lam:.6g} | {error:.6g} |"
        )
    return rows


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="*", type=Path, help="LIBSVM files, also .gz, .bz2 or .xz; .csv")
    parser.add_argument("--loss", choices=["squared", "logistic"], default="squared")
    parser.add_argument("--criterion", choices=["folds", "validation"], default="folds")
    parser.add_argument(
        "--without", action="append", default=[], help="a program to leave out, say scikit-learn"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--bilevel", type=Path, default=REPOSITORY / "target/release/bilevel")
    options = parser.parse_args()
    if not options.bilevel.exists():
        parser.error(f"{options.bilevel} is not there; cargo build --release -p bilevel-cli makes it")
    if options.loss == "logistic" and not options.files:
        parser.error("the logistic loss needs files with two labels")
    return options


def main() -> None:
    """Prints one Markdown table."""
    warnings.filterwarnings("ignore", category=FutureWarning)
    options = arguments()
    print(heading(options))
    columns = ["data", "n x p", "program", "fit s", "times bilevel", "max/min", "with reading s", "lambda"]
    columns.append("judged error")
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    with tempfile.TemporaryDirectory() as directory:
        options.directory = Path(directory)
        for task in tasks(options):
            print("\n".join(compare(task, options)), flush=True)


if __name__ == "__main__":
    main()
