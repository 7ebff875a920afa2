"""The benchmark of matching: its table and its status. What it measures differs from run to run and is not checked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.matching import Kind, Result, table_of

ROOT = Path(__file__).resolve().parents[2]


def test_a_ratio_below_its_goal_is_missed() -> None:
    fast, slow = Result(Kind("a", (1,), 2.0), 4.0, 1.0, 4.0), Result(Kind("b", (1,), 2.0), 4.0, 3.0, 1.33)
    free = Result(Kind("c", (1,), None), 1.0, 2.0, 0.5)
    assert [result.missed for result in (fast, slow, free)] == [False, True, False]
    _, *rows = table_of([fast, slow, free]).splitlines()
    assert [row.split() for row in rows] == [
        ["a", "4.000", "1.000", "4.00", ">=", "2"],
        ["b", "4.000", "3.000", "1.33", ">=", "2,", "missed"],
        ["c", "1.000", "2.000", "0.50"],
    ]


def test_the_command_measures_every_kind_of_picture() -> None:
    command = [sys.executable, "-m", "benchmarks.matching", "--rounds=3", "--nogoals"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    names = ["1 object", "10 objects", "50 objects", "200 objects", "16 views of 1 object"]
    rows = done.stdout.splitlines()[-len(names) :]
    assert [row[:24].strip() for row in rows] == names
