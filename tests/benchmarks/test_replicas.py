"""With synchronised batch norm, replicas change nothing but speed: 1 x 32, 2 x 16 and 4 x 8."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.replica_difference import difference
from tests.model.tiny import run_command
from tests.record_sets import write_record_set


def gradients(records: Path, folder: Path, replicas: int) -> dict[str, np.ndarray]:
    output = folder / f"{replicas}.npz"
    run_command(
        "benchmarks.replica_run",
        *("--config=tiny_calm", f"--records={records}", f"--replicas={replicas}"),
        *(f"--output={output}", "--steps=0", "--float64"),
    )
    with np.load(output) as found:
        return dict(found)


@pytest.mark.long
def test_the_step_is_the_same_in_float64(tmp_path: Path) -> None:
    write_record_set(tmp_path / "records", train=96)
    one = gradients(tmp_path / "records", tmp_path, 1)
    assert len(one) > 100 and all(np.isfinite(value).all() for value in one.values())
    for replicas in (2, 4):
        assert difference(one, gradients(tmp_path / "records", tmp_path, replicas)).gradients < 1e-10


def test_a_difference_is_the_largest_of_its_kind() -> None:
    one = {"gradient_0": np.array([1.0, -4.0]), "gradient_1": np.array([0.5]), "weight_0": np.array([1.0, 2.0])}
    other = {"gradient_0": np.array([1.5, -4.0]), "gradient_1": np.array([0.7]), "weight_0": np.array([1.0, 2.25])}
    found = difference({**one, "losses": np.array([2.0, 3.0])}, {**other, "losses": np.array([2.0, 4.0])})
    assert (found.gradients, found.weights) == (0.125, 0.25)
    assert (found.tensors, found.tensors_apart) == (2, 2)
    assert found.loss == pytest.approx(0.25)
