"""The benchmark of training steps: its table, and that it takes steps in all three ways."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.goals import goal_lines
from benchmarks.training_step import Round, goals, measure, table
from pipeline.records.manifest import load_manifest
from tests.model import tiny
from tests.record_sets import write_record_set


def test_the_table_shows_every_way_and_a_missed_goal() -> None:
    rounds = [Round(100.0, 101.0, 120.0), Round(110.0, 121.0, 121.0), Round(200.0, 202.0, 260.0)]
    assert [line.split()[-2:] for line in table(rounds)[1:]] == [
        ["110", "1.000"],
        ["121", "1.010"],
        ["121", "1.200"],
    ]
    assert goals(rounds)[0].met
    assert goal_lines(goals(rounds[1:2]))[-1].endswith("1.100 (goal: at most 1.03) MISSED")


@pytest.mark.long
def test_it_takes_steps_in_every_way(tmp_path: Path) -> None:
    write_record_set(tmp_path / "records", train=16)
    (result,) = measure(tiny.CONFIG, load_manifest(str(tmp_path / "records")), rounds=1, steps=1)
    assert min(result.dense, result.fed, result.in_step) > 0
