"""The benchmark of decoding: its table, and that both of its ways find the same."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.decoding import KINDS, Kind, Result, decode_by_class, goals, measure, random_predictions, table
from benchmarks.goals import goal_lines
from pipeline.config.presets import IMPROVED_DECODE
from tests.model import tiny


def test_the_table_shows_every_kind_and_which_goals_are_missed() -> None:
    fast, slow = (
        Result(Kind("a", 2, 1.0, 0.0, 3.0), 50.0, 200.0, 4.0),
        Result(Kind("b", 2, 1.0, 0.0, 3.0), 50.0, 75.0, 1.5),
    )
    free = Result(Kind("c", 1, 1.0, 0.0, None), 1000.0, 900.0, 0.9)
    assert [goal.met for goal in goals([fast, slow, free])] == [True, False]
    assert [line.split() for line in table([fast, slow, free])[1:]] == [
        ["a", "50", "200", "4.0"],
        ["b", "50", "75", "1.5"],
        ["c", "1,000", "900", "0.9"],
    ]
    assert goal_lines(goals([slow]))[-1] == "b, times as fast as by class: 1.5 (goal: at least 3) MISSED"


def test_it_measures_decoding_that_finds_the_same() -> None:
    kind = replace(KINDS[1], classes=3)
    result = measure(kind, tiny.ANCHORS, IMPROVED_DECODE, rounds=1)  # raises if the two ways differ
    assert result.kind == kind and min(result.by_class, result.together, result.ratio) > 0
    found = decode_by_class(random_predictions(kind, len(tiny.ANCHORS)), tiny.ANCHORS, IMPROVED_DECODE)
    assert found.counts.numpy().min() > 0
