"""Freed memory stays with the process: without this, half of a step can go into page faults."""

from __future__ import annotations

import ctypes

import tensorflow as tf

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's names in malloc.h, M_*
_LARGEST_MMAP_THRESHOLD = 32 << 20  # that glibc accepts


class KeepFreedMemory(tf.keras.callbacks.Callback):
    """Lets glibc's allocator keep what a step frees, for the next step.

    TensorFlow's iterators over several devices tell it to give back all above 128 KiB at once, so that every
    activation is mapped and faulted in anew. They do so when they are made; an epoch begins after that.
    """

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Sets the thresholds; does nothing where the C library is another one."""
        try:
            mallopt = ctypes.CDLL("libc.so.6").mallopt
        except (OSError, AttributeError):
            return
        mallopt(_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)
