"""The short form of the kill trials; benchmarks/kills.py has the long one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "kills.py"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the trials fork")
def test_nothing_is_lost_when_killed():
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--quick", "--trials", "20"],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    counts = dict(line.rsplit(None, 1) for line in done.stdout.splitlines() if "  " in line)
    assert int(counts["trials"]) == 20
    assert int(counts["killed before the end"]) >= 15
    assert int(counts["failures"]) == 0
