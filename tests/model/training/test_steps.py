"""The loop: no step waits, a broken loss is found, patience ends, and a resumed training has the same bits."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from model.train import find_reason_to_end
from model.training.run_log import read_history
from model.training.step_losses import READ_EVERY
from pipeline.errors import UserError
from pipeline.reader.dataset import list_keys_of_step
from pipeline.records.manifest import Manifest
from tests.model.small_training import SmallTraining
from tests.record_sets import write_record_set


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return write_record_set(tmp_path_factory.mktemp("records"))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Every tensor whose value was taken from the device to the host."""
    found: list[Any] = []
    kind: Any = next(c for c in type(tf.constant(0)).__mro__ if "_numpy" in vars(c))
    take = kind._numpy

    def noted(tensor: Any) -> Any:
        found.append(tensor)
        return take(tensor)

    monkeypatch.setattr(kind, "_numpy", noted)
    yield found


@pytest.mark.long
def test_no_value_is_read_at_every_step(manifest: Manifest, tmp_path: Path, reads: list[Any]) -> None:
    counts = []
    for number, steps in enumerate((5, 45)):
        training = SmallTraining(manifest, tmp_path / str(number), epoch_steps=steps)
        reads.clear()
        training.train()
        counts.append(len(reads))
    assert counts[0] == counts[1] > 0


# Found while an epoch goes on, before a backup, at an epoch's end, and in an epoch that was resumed.
@pytest.mark.parametrize(
    ("epoch_steps", "backup_steps", "broken", "saved"),
    [
        pytest.param(READ_EVERY + 20, 500, 12, ["step-0"], marks=pytest.mark.long),
        (READ_EVERY + 20, 500, READ_EVERY - 1, ["step-0"]),
        pytest.param(READ_EVERY + 20, 500, READ_EVERY + 5, ["step-0"], marks=pytest.mark.long),
        (12, 5, 7, ["step-0", "step-5"]),
        pytest.param(12, 5, 4, ["step-0"], marks=pytest.mark.long),
        (4, 500, 4, ["step-0", "step-4"]),
        (4, 500, 7, ["step-0", "step-4"]),
    ],
)
def test_a_broken_loss_is_named_and_nothing_after_it_is_saved(
    epoch_steps: int, backup_steps: int, broken: int, saved: list[str], manifest: Manifest, tmp_path: Path
) -> None:
    training = SmallTraining(manifest, tmp_path, epoch_steps=epoch_steps, backup_steps=backup_steps)
    training.checkpoints.save()
    kernel = training.state.network.trainable_variables[0]

    def break_weights(step: int) -> None:
        if step == broken:
            kernel.assign(tf.fill(kernel.shape, math.inf))

    with pytest.raises(UserError) as raised:
        training.train(epochs=2, before_step=break_weights)
    parts = r"\(loss (\S+), class_loss (\S+), offsets_loss ([^;]+); learning"
    said = re.search(rf"not finite at step (\d+) {parts}", str(raised.value))
    assert said and int(said[1]) == broken + 1 and not all(math.isfinite(float(value)) for value in said.groups()[1:])
    assert f"learning rate {1e-3 * 0.98 ** (broken // epoch_steps):.3g}), on" in str(raised.value)
    keys = list_keys_of_step(manifest, batch=4, seed=0, step=broken)
    assert f"on the records {', '.join(keys)} of {manifest.folder}" in str(raised.value)
    assert sorted(path.stem for path in training.folder.last.glob("*.index")) == saved
    assert len(read_history(training.folder.history)) == broken // epoch_steps


@pytest.mark.long
def test_a_training_stopped_in_an_epoch_resumes_with_the_same_bits(manifest: Manifest, tmp_path: Path) -> None:
    whole, stopped = (SmallTraining(manifest, tmp_path / name, epoch_steps=5, backup_steps=1) for name in ("a", "b"))
    whole.train(epochs=2)

    def stop(step: int) -> None:
        if step == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped.train(epochs=2, before_step=stop)
    resumed = SmallTraining(manifest, tmp_path / "b", epoch_steps=5, backup_steps=1)
    assert resumed.restored == str(resumed.folder.last / "step-7")
    resumed.train()
    losses = [[row.loss for row in read_history(one.folder.history)] for one in (whole, resumed)]
    assert losses[0] == losses[1] and len(losses[0]) == 2
    for name, value in whole.values().items():
        np.testing.assert_array_equal(value, resumed.values()[name], err_msg=name)


def test_a_training_without_gain_ends_when_its_patience_does_and_stays_ended(
    manifest: Manifest, tmp_path: Path
) -> None:
    def new() -> SmallTraining:
        return SmallTraining(manifest, tmp_path, epoch_steps=1, patience=3)

    first = new()
    first.train(epochs=5, aps=[0.1, 0.3, 0.3, 0.2, 0.31])
    assert (first.progress.step, first.progress.best_ap, first.progress.stale) == (5, 0.31, 0)
    second = new()
    second.train(epochs=2, aps=[0.2, 0.31])
    third = new()  # goes on counting where the one before was stopped
    assert third.progress.stale == 2 and find_reason_to_end(third.progress, third.config, epoch_steps=1) is None
    third.train(epochs=3, aps=[0.1, 0.9])
    last = new()
    assert (last.progress.step, last.progress.best_ap) == (8, 0.31)
    said = "8 of 10 epochs, because AP on val has not risen for 3 evaluations"
    assert find_reason_to_end(last.progress, last.config, epoch_steps=1) == said
    assert [path.stem for path in last.folder.best.glob("*.index")] == ["epoch-5"]
