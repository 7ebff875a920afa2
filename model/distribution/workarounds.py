"""What we change in TensorFlow and in the C library at run time, for training."""

from __future__ import annotations

import ctypes
from typing import Any

import tensorflow as tf
from tensorflow.python.data.ops import multi_device_iterator_ops

_UNTUNED = "_untuned"  # marks our function, so that it is put in place once

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD in glibc's malloc.h
_LARGEST_MMAP_THRESHOLD = 32 << 20  # that glibc accepts


def end_device_iterators_at_once() -> None:
    """Turns off tf.data's tuning in the iterators that TensorFlow makes for each device of a strategy.

    They take no options from the dataset that they read. With tuning, deleting one can take as long as a minute, as
    pipeline/reader/dataset.py explains, and a training would wait for each device before it ends. TensorFlow 2.15 and
    2.21; can go when `_create_device_dataset` in multi_device_iterator_ops.py passes options on.
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


def keep_freed_memory() -> None:
    """Lets glibc's allocator keep what one step frees for the next; does nothing with another C library.

    TensorFlow's iterators over several devices tell glibc, when they are created, to return everything above 128 KiB at
    once. Every activation is then mapped and faulted in again, which can take half of a step. So call this after they
    are created. TensorFlow 2.21; can go when it no longer calls `mallopt`.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    mallopt(_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
    mallopt(_TRIM_THRESHOLD, 2**31 - 1)
