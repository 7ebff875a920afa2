"""Everything that we change in TensorFlow at run time; written for 2.21 with tf-keras 2.21, and for 2.15.1.

Each part says what it is about and when it can go. `model/__init__.py` calls `start_tensorflow` before anything of the
package is imported, so this file imports nothing of the project, and TensorFlow only inside of functions. One more
stands where it must: what `make_strategy` does about SIGTERM.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from typing import Any, BinaryIO

# --- Which Keras ------------------------------------------------------------------------------------------------------


def choose_keras_2() -> None:
    """Makes `tf.keras` Keras 2, for which everything here is written.

    From TensorFlow 2.16 on that is the package tf-keras, chosen by an environment variable that must be set before
    `tf.keras` is first used (https://github.com/tensorflow/tensorflow/releases/tag/v2.16.1). TensorFlow 2.15 includes
    Keras 2, and breaks if the variable is set (https://github.com/huggingface/transformers/pull/40391). Can go with
    Keras 2.
    """
    if tuple(int(part) for part in metadata.version("tensorflow").split(".")[:2]) >= (2, 16):
        os.environ["TF_USE_LEGACY_KERAS"] = "1"


# --- A start without messages -----------------------------------------------------------------------------------------
# TensorFlow's C++ code prints before any log level is set (https://github.com/tensorflow/tensorflow/issues/62075,
# https://github.com/tensorflow/tensorflow/issues/100442). Can go once TF_CPP_MIN_LOG_LEVEL silences them.

# A CUDA build says these on a machine without a GPU. The commands name their devices, which tells users more.
_KNOWN = re.compile(
    rb"absl::InitializeLog|cudart_stub|cuInit|cuda_platform|computation_placer|Unable to register cu"
    rb"|oneDNN custom operations"
)


def start_tensorflow() -> None:
    """Imports TensorFlow and looks for GPUs. Hides the known messages that are printed meanwhile."""
    choose_keras_2()
    _name_a_temporary_folder()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # errors only
    try:
        with _unknown_lines_only():
            import tensorflow as tf

            tf.config.list_physical_devices()
            tf.keras.Model  # noqa: B018  Keras is loaded when first used, which takes seconds too
    except KeyboardInterrupt:
        sys.exit("error: interrupted while TensorFlow started")


def _name_a_temporary_folder() -> None:
    """TensorFlow's imports ask for the temporary folder's name, and fail without one, but do not use it.

    Can go once an import on a machine without such a folder succeeds (tests/model/test_bare_machine.py).
    """
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        tempfile.tempdir = os.path.join(os.devnull, "none")  # where nothing can be made


@contextlib.contextmanager
def _unknown_lines_only() -> Iterator[None]:
    sys.stderr.flush()
    own = os.dup(2)
    with _file_without_a_folder() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(own, 2)
            os.close(own)
            said.seek(0)
            for line in said:
                if not _KNOWN.search(line):
                    os.write(2, line)


def _file_without_a_folder() -> BinaryIO:
    """A temporary file to write to, even on a machine without a folder for them."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("stderr"), "w+b")
    return tempfile.TemporaryFile()


# --- The end of a training --------------------------------------------------------------------------------------------

_UNTUNED = "_untuned"  # marks our function, so that it is put in place once


def end_device_iterators_at_once() -> None:
    """Turns off tf.data's tuning in the iterators that TensorFlow makes for each device of a strategy.

    They take no options from the dataset that they read (tensorflow/python/data/ops/multi_device_iterator_ops.py,
    `_create_device_dataset`). With tuning, deleting one can take as long as a minute, as pipeline/reader/dataset.py
    explains, and a training would wait for each device before it ends. We found no report of it. Can go once they take
    the options, or deletion wakes the thread that tunes.
    """
    import tensorflow as tf
    from tensorflow.python.data.ops import multi_device_iterator_ops

    create = getattr(multi_device_iterator_ops, "_create_device_dataset", None)
    if create is None or hasattr(create, _UNTUNED):  # another TensorFlow, which may end late, or done already
        return
    options = tf.data.Options()
    options.autotune.enabled = False

    def untuned(*arguments: Any) -> tf.data.Dataset:
        return create(*arguments).with_options(options)

    setattr(untuned, _UNTUNED, True)
    multi_device_iterator_ops._create_device_dataset = untuned


# --- Memory between steps ---------------------------------------------------------------------------------------------

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD in glibc's malloc.h
_LARGEST_MMAP_THRESHOLD = 32 << 20  # that glibc accepts


def keep_freed_memory() -> None:
    """Lets glibc's allocator keep what one step frees for the next; does nothing with another C library.

    TensorFlow's iterators over several devices tell glibc, when they are created, to return everything above 128 KiB
    at once. Every activation is then mapped and faulted in again, which can take half of a step. So call this after
    they are created. Can go once they no longer call `mallopt`.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    mallopt(_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
    mallopt(_TRIM_THRESHOLD, 2**31 - 1)
