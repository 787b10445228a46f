"""Results on disk: a file for each workload, data set and loss, so that a run can be continued or split."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np


def processor() -> str:
    """The processor's name."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def machine(threads: int) -> dict[str, Any]:
    """Where and with what a result was measured."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": importlib.metadata.version("scipy"),
    }


def file_of(folder: Path, workload: str, name: str, loss: str) -> Path:
    """Where a result lies."""
    return folder / f"{workload}--{name}--{loss}.json"


def write(path: Path, record: dict[str, Any]) -> None:
    """Writes a result, all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps(record, indent=1, default=_plain))
    beside.rename(path)


def read(path: Path) -> dict[str, Any] | None:
    """One file, if it is there."""
    return json.loads(path.read_text()) if path.exists() else None


def is_complete(path: Path) -> bool:
    """Whether a result is there with all its cases."""
    kept = read(path)
    return kept is not None and kept["complete"]


def read_all(folder: Path) -> list[dict[str, Any]]:
    """All results, by name."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist() if value.size <= 10 else f"{value.size} numbers"
    raise TypeError(type(value).__name__)
