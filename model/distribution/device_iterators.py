"""Iterators that hand batches to the devices of a strategy end as soon as they are deleted."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow.python.data.ops import multi_device_iterator_ops

_UNTUNED = "_untuned"  # marks our function, so that it is put in place once


def end_device_iterators_at_once() -> None:
    """Turns off tf.data's tuning in the iterators that TensorFlow makes for each device of a strategy.

    They take no options from the dataset that they read. With tuning, deleting one can take as long as a minute, as
    pipeline/reader/dataset.py explains, and a training would wait for each device before it ends.
    """
    create = getattr(multi_device_iterator_ops, "_create_device_dataset", None)
    if create is None or hasattr(create, _UNTUNED):  # another TensorFlow, which may end late, or done already
        return
    options = tf.data.Options()
    options.autotune.enabled = False

    def untuned(*arguments: Any) -> tf.data.Dataset:
        return create(*arguments).with_options(options)

    setattr(untuned, _UNTUNED, True)
    multi_device_iterator_ops._create_device_dataset = untuned
