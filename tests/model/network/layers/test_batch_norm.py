"""Synchronised batch norm gives the same bits for any number of replicas."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.model.tiny import run_script

# Saves outputs, gradients of the inputs, moving statistics, and gradients of gamma and beta, with so many replicas.
_SHARED = """
import sys
import numpy as np
import model
import tensorflow as tf
from model.network.layers.batch_norm import SynchronizedBatchNorm
from model.distribution.strategies import make_strategy

replicas = int(sys.argv[1])
strategy = make_strategy("mirrored", replicas)
bits = np.random.default_rng(0)
x = np.where(bits.random((32, 14, 14, 1)) < 0.1, bits.normal(size=(32, 14, 14, 24)), 0.25).astype(np.float32)
dy = bits.normal(size=x.shape).astype(np.float32)
with strategy.scope():
    layer = SynchronizedBatchNorm(momentum=0.0, epsilon=1e-3)
    layer.build(x.shape)

def share(value):
    return strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(np.split(value, replicas)[context.replica_id_in_sync_group])
    )

@tf.function
def forward_and_back(x, dy):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=True)
    return y, tape.gradient(y, [x, layer.gamma, layer.beta], dy)

parts = lambda value: [part.numpy() for part in strategy.experimental_local_results(value)]
y, (dx, dgamma, dbeta) = strategy.run(forward_and_back, (share(x), share(dy)))
np.savez(sys.argv[2], x=x, y=np.concatenate(parts(y)), dx=np.concatenate(parts(dx)), dgamma=sum(parts(dgamma)),
         dbeta=sum(parts(dbeta)), mean=parts(layer.moving_mean)[0], variance=parts(layer.moving_variance)[0])
"""


def found(folder: Path, replicas: int) -> dict[str, np.ndarray]:
    run_script(_SHARED, str(replicas), str(folder / f"{replicas}.npz"))
    with np.load(folder / f"{replicas}.npz") as arrays:
        return dict(arrays)


@pytest.mark.long
@pytest.mark.parametrize("replicas", [2, 4])
def test_outputs_statistics_and_gradients_do_not_depend_on_the_number_of_replicas(
    replicas: int, tmp_path: Path
) -> None:
    one = found(tmp_path, 1)
    x = one["x"].astype(np.float64)
    np.testing.assert_allclose(one["mean"], x.mean((0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(one["variance"], x.var((0, 1, 2)), rtol=1e-6)
    several = found(tmp_path, replicas)
    for name in ("y", "dx", "mean", "variance"):
        np.testing.assert_array_equal(several[name], one[name], err_msg=name)  # to the last bit
    for name in ("dgamma", "dbeta"):  # each replica rounds its share of these
        np.testing.assert_allclose(several[name], one[name], rtol=1e-6, atol=1e-6 * np.abs(one[name]).max())
