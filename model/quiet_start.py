"""Starts TensorFlow without the messages that its C++ code prints before any log level is set."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from typing import BinaryIO

# A CUDA build says these on a machine without a GPU. The commands name their devices, which tells users more.
_KNOWN = re.compile(
    rb"absl::InitializeLog|cudart_stub|cuInit|cuda_platform|computation_placer|Unable to register cu"
    rb"|oneDNN custom operations"
)


def start_tensorflow() -> None:
    """Imports TensorFlow and looks for GPUs. Hides the known messages that are printed meanwhile."""
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
    """TensorFlow's imports ask for the temporary folder's name, and fail without one, but do not use it."""
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
