"""Keeps freed memory in the process: otherwise page faults can take half of a step."""

from __future__ import annotations

import ctypes

import tensorflow as tf

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD in glibc's malloc.h
_LARGEST_MMAP_THRESHOLD = 32 << 20  # that glibc accepts


class KeepFreedMemory(tf.keras.callbacks.Callback):
    """Lets glibc's allocator keep what one step frees for the next.

    TensorFlow's iterators over several devices tell glibc to return everything above 128 KiB at once, so that every
    activation is mapped and faulted in again. They do so when they are created; an epoch begins after that.
    """

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Sets the thresholds; does nothing with another C library."""
        try:
            mallopt = ctypes.CDLL("libc.so.6").mallopt
        except (OSError, AttributeError):
            return
        mallopt(_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)
