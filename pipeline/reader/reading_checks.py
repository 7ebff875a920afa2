"""Checks inside of the input pipeline, and how their messages begin."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

BROKEN_RECORD = "record must hold"  # how messages about a broken record begin


def checked(value: tf.Tensor, holds: Sequence[tf.Tensor], message: str) -> tf.Tensor:
    """The value itself. Evaluating it fails with the message unless all conditions hold everywhere."""
    whole = tf.reduce_all([tf.reduce_all(condition) for condition in holds])
    with tf.control_dependencies([tf.debugging.Assert(whole, [message])]):
        return tf.identity(value)
