"""Every optimizer of tensorflow-addons under two replicas: stopped and resumed, a training ends with the same bits."""

from __future__ import annotations

import json

import pytest

from model.training.addons import OPTIMIZERS
from tests.model.tiny import run_script
from tests.model.training.test_addons import with_addons

# One process for all of them.
_SCRIPT = """
import json, shutil, tempfile
from pathlib import Path
import numpy as np
import model
import tensorflow as tf
from model.training.addons import OPTIMIZERS, choose_cross_device_ops
from model.distribution.strategies import make_strategy
from tests.model.small_training import SmallTraining
from tests.model.training.test_restarts import last_state
from tests.record_sets import write_record_set

tf.config.experimental.enable_op_determinism()
manifest = write_record_set(Path(tempfile.mkdtemp()))
strategy = make_strategy("mirrored", 2, cross_device_ops=choose_cross_device_ops(OPTIMIZERS[0]))

def same(some, others):
    return len(some) == len(others) and all(np.array_equal(a, b) for a, b in zip(some, others))

found = {}
for name in OPTIMIZERS:
    folder, copy = Path(tempfile.mkdtemp()), Path(tempfile.mkdtemp()) / "run"
    whole = SmallTraining(manifest, folder, epoch_steps=3, optimizer=name, strategy=strategy)
    network = whole.state.network
    first = network.get_weights()
    whole.train()
    shutil.copytree(folder, copy)
    whole.train()
    stopped = SmallTraining(manifest, copy, epoch_steps=3, optimizer=name, strategy=strategy)
    stopped.train()
    expected, got = last_state(folder), last_state(copy)
    differ = [key for key in expected if key not in got or not np.array_equal(expected[key], got[key])]
    averaged = whole.state.get_evaluation_weights()
    found[name] = {
        "learns": not any(np.array_equal(a, b) for a, b in zip(first, network.get_weights())),
        "finite": all(np.isfinite(w).all() for w in averaged),
        "averages": not same(averaged, network.get_weights()),
        "resumed": stopped.restored is not None and stopped.restored.endswith("step-3"),
        "slots": any("OPTIMIZER_SLOT" in key for key in expected),
        "other bits": differ + sorted(set(got) - set(expected)),
    }
print(json.dumps(found))
"""


@with_addons
@pytest.mark.long
def test_every_optimizer_goes_on_with_the_same_bits() -> None:
    found = json.loads(run_script(_SCRIPT).splitlines()[-1])
    expected = {"learns": True, "finite": True, "averages": True, "resumed": True, "slots": True, "other bits": []}
    assert found == dict.fromkeys(OPTIMIZERS, expected)
