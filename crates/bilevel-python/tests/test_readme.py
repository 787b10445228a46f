"""The README's Python example: copied, pasted, run."""

import re
import resource
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[3] / "README.md"


def processor_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def test_the_example_runs_in_two_seconds_and_prints_something_worth_reading(tmp_path):
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    (output,) = re.findall(r"```text\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    seconds = []
    # Python compiles what it imports for the first time; the second run is what people see.
    for _ in range(2):
        before = processor_seconds()
        run = subprocess.run(
            [sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        seconds.append(processor_seconds() - before)
    assert run.stderr == ""
    # Gaps and residuals are rounding errors, which differ between processors.
    assert run.stdout.splitlines()[:2] == output.splitlines()[:2]
    assert len(run.stdout.splitlines()) == len(output.splitlines())
    assert min(seconds) < 2.0
