"""Curves of runs."""

from __future__ import annotations

from model.drawing.curves import short_names


def test_runs_are_told_apart() -> None:
    names = short_names(["runs/a", "other/a", "runs/b", "runs/b"])
    assert names == {"runs/a": "runs/a", "other/a": "other/a", "runs/b": "b"}
