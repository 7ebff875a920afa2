"""What the addons stack offers, and what the default stack answers when it is asked for that."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from model.training.addons import addons_giou_loss
from model.training.loss import giou_loss
from model.training.run_log import read_history
from tests.model.tiny import refusal, run_command, run_several
from tests.record_sets import write_record_set

HERE = importlib.util.find_spec("tensorflow_addons") is not None
with_addons = pytest.mark.skipif(not HERE, reason="of the addons stack: make test STACK=addons")


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("records")
    write_record_set(folder)
    return folder


@pytest.mark.long
@pytest.mark.skipif(HERE, reason="of stacks without tensorflow-addons")
def test_without_addons_the_error_says_how_to_get_them(records: Path, tmp_path: Path) -> None:
    flags = ("--optimizer=tfa:lamb", "--box_loss=tfa:giou")
    command = ("--config=tiny", f"--records={records}", f"--run={tmp_path / 'run'}")
    for flag, found in zip(flags, run_several("model.train", [(*command, flag) for flag in flags]), strict=True):
        line = refusal(*found)
        assert f"{flag} needs tensorflow-addons" in line and "make train STACK=addons" in line


@with_addons
@pytest.mark.long
@pytest.mark.parametrize("optimizer", ["tfa:lamb", "tfa:ranger", "tfa:swa", "tfa:cyclical"])
def test_the_command_trains_two_replicas_and_goes_on(optimizer: str, records: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = (
        *("model.train", "--config=tiny", f"--records={records}", f"--run={run}", f"--optimizer={optimizer}"),
        *("--strategy=mirrored", "--replicas=2", "--box_loss=tfa:giou"),
    )
    printed = run_command(*command)
    assert "Warning" not in printed
    rows = read_history(run / "history.csv")
    assert [row.epoch for row in rows] == [1, 2] and all(0 < row.loss < 30 for row in rows)
    assert json.loads((run / "config.json").read_text())["config"]["training"]["optimizer"] == optimizer
    assert "training is done: 2 epochs" in run_command(*command)


@with_addons
def test_giou_is_that_of_addons() -> None:
    bits = np.random.default_rng(0)
    low = bits.uniform(0, 1, (2, 500, 2))
    boxes = np.concatenate([low, low + bits.uniform(0.01, 1, low.shape)], axis=-1).astype(np.float32)
    truth, found = (tf.constant(b) for b in boxes)
    np.testing.assert_allclose(giou_loss(truth, found), addons_giou_loss(truth, found), atol=1e-6)
