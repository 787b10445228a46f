"""Who watches a fit: the user's callback, and a progress line."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from bilevel._results import OuterStep

Callback = Callable[[OuterStep], Any]

#: A log gets at most one line in this many seconds, besides the first of each stage.
LINE_INTERVAL = 1.0


class Watch:
    """Passes on what the core reports; the callback may end the search by returning ``True``."""

    def __init__(self, callback: Callback | None, verbose: bool | int, label: str) -> None:
        self.callback = callback
        self.progress: _Bar | _Lines | None = _progress(label) if verbose else None
        self.stopped = False

    def stage(self, name: str, n_parameters: int) -> None:
        """A stage begins."""
        if self.progress is not None:
            self.progress.stage(name, n_parameters)

    def step(self, step: str) -> bool:
        """An outer step is complete."""
        state = OuterStep._from_record(step)
        if self.progress is not None:
            self.progress.step(state)
        if self.callback is not None and self.callback(state):
            self.stopped = True
        return self.stopped

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        if self.progress is not None:
            self.progress.close()


def watch(callback: Callback | None, verbose: bool | int, label: str) -> Watch:
    """A watch on one fit."""
    return Watch(callback, verbose, label)


def _progress(label: str) -> _Bar | _Lines:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return _Lines(label)
    return _Bar(tqdm(desc=label, unit="step", file=sys.stderr))


def _standing(state: OuterStep) -> str:
    return f"criterion {state.value:.5g} ± {state.standard_error:.1g}, support {state.support_size:.4g}"


class _Bar:
    """A tqdm bar, in a terminal or a notebook; how many steps will come is not known."""

    def __init__(self, bar: Any) -> None:
        self.bar = bar
        self.label = bar.desc

    def stage(self, name: str, n_parameters: int) -> None:
        noun = "parameter" if n_parameters == 1 else "parameters"
        self.bar.set_description(f"{self.label}: {name} ({n_parameters} {noun})")

    def step(self, state: OuterStep) -> None:
        self.bar.set_postfix_str(_standing(state), refresh=False)
        self.bar.update()

    def close(self) -> None:
        self.bar.close()


class _Lines:
    """Lines on stderr, thinned out in time."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.printed = float("-inf")

    def stage(self, name: str, n_parameters: int) -> None:
        noun = "parameter" if n_parameters == 1 else "parameters"
        print(f"{self.label}: {name}, {n_parameters} {noun}", file=sys.stderr)
        self.printed = float("-inf")

    def step(self, state: OuterStep) -> None:
        now = time.monotonic()
        if now - self.printed >= LINE_INTERVAL:
            print(f"{self.label}: {state.stage} step {state.step + 1}: {_standing(state)}", file=sys.stderr)
            self.printed = now

    def close(self) -> None:
        pass
