"""Steps do not wait for each other, a broken loss is still found, and a resumed training has the same bits."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from model.training.detector import RECENT_STEPS
from model.training.history import read_history
from pipeline.errors import UserError
from pipeline.reader.dataset import keys_of_step
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


def break_at(training: SmallTraining, step: int) -> None:
    """Makes the weights infinite just before a step, counted from 0."""

    class Break(tf.keras.callbacks.Callback):
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            if training.progress.step == step:
                kernel = training.detector.network.trainable_variables[0]
                kernel.assign(tf.fill(kernel.shape, math.inf))

    training.callbacks.insert(0, Break())


# Found while an epoch goes on, before a backup, at an epoch's end, and in an epoch that was resumed.
@pytest.mark.parametrize(
    ("epoch_steps", "backup_steps", "broken", "saved"),
    [
        pytest.param(RECENT_STEPS + 20, 500, 12, ["step-0"], marks=pytest.mark.long),
        (RECENT_STEPS + 20, 500, RECENT_STEPS - 1, ["step-0"]),
        pytest.param(RECENT_STEPS + 20, 500, RECENT_STEPS + 5, ["step-0"], marks=pytest.mark.long),
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
    break_at(training, broken)
    with pytest.raises(UserError) as raised:
        training.train(epochs=2)
    parts = r"\(loss (\S+), class_loss (\S+), offsets_loss ([^;]+); learning"
    said = re.search(rf"not finite at step (\d+) {parts}", str(raised.value))
    assert said and int(said[1]) == broken + 1 and not all(math.isfinite(float(value)) for value in said.groups()[1:])
    assert f"learning rate {1e-3 * 0.98 ** (broken // epoch_steps):.3g}), on" in str(raised.value)
    keys = keys_of_step(manifest, batch=4, seed=0, step=broken)
    assert f"on the records {', '.join(keys)} of {manifest.folder}" in str(raised.value)
    assert sorted(path.stem for path in training.folder.last.glob("*.index")) == saved
    assert len(read_history(training.folder.history)) == broken // epoch_steps


@pytest.mark.long
def test_a_training_stopped_in_an_epoch_resumes_with_the_same_bits(manifest: Manifest, tmp_path: Path) -> None:
    whole, stopped = (SmallTraining(manifest, tmp_path / name, epoch_steps=5, backup_steps=1) for name in ("a", "b"))
    whole.train(epochs=2)

    class Stop(tf.keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if stopped.progress.step == 7:
                raise KeyboardInterrupt

    stopped.callbacks.append(Stop())
    with pytest.raises(KeyboardInterrupt):
        stopped.train(epochs=2)
    resumed = SmallTraining(manifest, tmp_path / "b", epoch_steps=5, backup_steps=1)
    assert resumed.restored == str(resumed.folder.last / "step-7")
    resumed.train()
    losses = [[row.loss for row in read_history(one.folder.history)] for one in (whole, resumed)]
    assert losses[0] == losses[1] and len(losses[0]) == 2
    for one, other in zip(whole.detector.variables, resumed.detector.variables, strict=True):
        if one is not whole.detector.recent and "recent" not in one.name:
            np.testing.assert_array_equal(one, other, err_msg=one.name)
