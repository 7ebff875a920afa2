"""The benchmark of matching: its table and its status. What it measures differs from run to run and is not checked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.goals import goal_lines
from benchmarks.matching import Kind, Result, goals, table

ROOT = Path(__file__).resolve().parents[2]


def test_the_table_shows_every_kind_and_which_goals_are_missed() -> None:
    fast, slow = Result(Kind("a", (1,), 2.0), 4.0, 1.0, 4.0), Result(Kind("b", (1,), 2.0), 4.0, 3.0, 1.33)
    free = Result(Kind("c", (1,), None), 1.0, 2.0, 0.5)
    assert [goal.met for goal in goals([fast, slow, free])] == [True, False]
    assert [line.split() for line in table([fast, slow, free])[1:]] == [
        ["a", "4.000", "1.000", "4.00"],
        ["b", "4.000", "3.000", "1.33"],
        ["c", "1.000", "2.000", "0.50"],
    ]
    assert goal_lines(goals([slow]))[-1] == "b, times as fast as the table: 1.33 (goal: at least 2) MISSED"


def test_the_command_measures_every_kind() -> None:
    command = [sys.executable, "-m", "benchmarks.matching", "--rounds=3", "--nogoals"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    first = lines.index(next(line for line in lines if line.startswith("one call"))) + 1
    names = [
        *("1 object", "10 objects", "50 objects", "200 objects"),
        *("16 views of 1 object", "64 images of 1 object"),
    ]
    assert [line[:24].strip() for line in lines[first : first + len(names)]] == names
