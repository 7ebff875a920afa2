"""Curves of runs."""

from __future__ import annotations

from model.drawing.curves import shorten_paths


def test_runs_are_told_apart() -> None:
    names = shorten_paths(["runs/a", "other/a", "runs/b", "runs/b"])
    assert names == {"runs/a": "runs/a", "other/a": "other/a", "runs/b": "b"}
