"""Sums and means over all replicas, inside the step of each."""

from __future__ import annotations

import tensorflow as tf


def reduce_over_replicas(value: tf.Tensor, operation: tf.distribute.ReduceOp) -> tf.Tensor:
    """The sum or the mean of the replicas' values; the value itself with one replica, or outside of a replica."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return value
    return context.all_reduce(operation, value)
