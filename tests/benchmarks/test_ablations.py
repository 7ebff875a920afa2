"""One change at a time: each configuration differs from the reference in one place, and the table says by how much."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.ablation_table import FOLDER, REFERENCE, table
from configs import config_names, load_config

CHANGES = [name for name in config_names() if name.startswith(f"{FOLDER}.") and name != f"{FOLDER}.{REFERENCE}"]
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", CHANGES)
def test_one_part_of_the_reference_is_changed(name: str) -> None:
    changed, reference = load_config(name), load_config(f"{FOLDER}.{REFERENCE}")
    assert changed.name == name
    parts = [field.name for field in dataclasses.fields(reference) if field.name != "name"]
    assert len([part for part in parts if getattr(changed, part) != getattr(reference, part)]) == 1


def test_the_table_holds_every_run_against_the_first() -> None:
    rows = {
        "reference": {"AP": "0.4", "AP50": "0.5", "raw_AP": "0.3"},
        "squared": {"AP": "0.25", "AP50": "0.4", "raw_AP": ""},
    }
    assert table(rows)[2:] == [
        "| `reference` | 0.4000 | 0.5000 |  | 0.3000 |",
        "| `squared` | 0.2500 | 0.4000 | -0.1500 |  |",
    ]


def test_an_unknown_change_is_one_line() -> None:
    process = subprocess.run(
        [sys.executable, "-m", "benchmarks.ablations", "--only=no_flip,nothing"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert process.returncode == 1
    (line,) = (line for line in process.stderr.splitlines() if line.startswith("error: "))
    assert "--only must name some of baseline_anchors, " in line and line.endswith("got nothing")
