"""The README's Python example: copied, pasted, run."""

import re
import subprocess
import sys
import time
from pathlib import Path

README = Path(__file__).parents[3] / "README.md"


def test_the_example_runs_in_two_seconds_and_prints_something_worth_reading(tmp_path):
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    started = time.perf_counter()
    run = subprocess.run(
        [sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    seconds = time.perf_counter() - started
    assert "features: bmi" in run.stdout
    assert "Certificate: stationary" in run.stdout
    assert run.stderr == ""
    # Most of it is scikit-learn's import; twice the 2 s allow for a busy machine.
    assert seconds < 4.0
