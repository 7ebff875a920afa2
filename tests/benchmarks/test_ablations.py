"""Each ablation changes one part of the reference, and the table says how much AP that costs or brings."""

from __future__ import annotations

import dataclasses

import pytest

from benchmarks.ablation_table import FOLDER, REFERENCE, choose_names, table
from configs import config_names, load_config
from model.training.run_log import EpochRow
from pipeline.errors import UserError

CHANGES = [name for name in config_names() if name.startswith(f"{FOLDER}.") and name != f"{FOLDER}.{REFERENCE}"]


@pytest.mark.parametrize("name", CHANGES)
def test_one_part_of_the_reference_is_changed(name: str) -> None:
    changed, reference = load_config(name), load_config(f"{FOLDER}.{REFERENCE}")
    assert changed.name == name
    parts = [field.name for field in dataclasses.fields(reference) if field.name != "name"]
    assert len([part for part in parts if getattr(changed, part) != getattr(reference, part)]) == 1


def test_the_table_compares_every_run_with_the_first() -> None:
    rows = {
        "reference": EpochRow(1, 3, 1e-3, 2.0, 1.5, 0.5, 0.4, 0.5, 0.3, 0.4, 1.0, 96.0, 0.0),
        "squared": EpochRow(1, 3, 1e-3, 2.0, 1.5, 0.5, 0.25, 0.4, None, None, 1.0, 96.0, 0.0),
    }
    assert table(rows)[2:] == [
        "| `reference` | 0.4000 | 0.5000 |  | 0.3000 |",
        "| `squared` | 0.2500 | 0.4000 | -0.1500 |  |",
    ]


def test_the_reference_comes_first() -> None:
    assert choose_names(()) == [REFERENCE, *(name.removeprefix(f"{FOLDER}.") for name in CHANGES)]
    assert choose_names(["no_flip"]) == [REFERENCE, "no_flip"]


def test_an_unknown_change_is_one_line() -> None:
    with pytest.raises(UserError, match=r"^--only must name some of baseline_anchors, .*, got nothing$"):
        choose_names(["no_flip", "nothing"])
