"""Starts TensorFlow without the lines that its C++ prints before any log level can be set."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator

# Of a build with CUDA on a machine without: true, and said better by the commands, which name their devices.
_KNOWN = re.compile(
    rb"absl::InitializeLog|cudart_stub|cuInit|cuda_platform|computation_placer|Unable to register cu"
    rb"|oneDNN custom operations"
)


def start_tensorflow() -> None:
    """Imports TensorFlow and looks for GPUs; of what is printed meanwhile, only the unknown lines are shown."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # from errors on
    try:
        with _unknown_lines_only():
            import tensorflow as tf

            tf.config.list_physical_devices()
            tf.keras.Model  # noqa: B018  Keras is loaded at its first use, and takes seconds too
    except KeyboardInterrupt:
        sys.exit("error: interrupted while TensorFlow started")


@contextlib.contextmanager
def _unknown_lines_only() -> Iterator[None]:
    sys.stderr.flush()
    own = os.dup(2)
    with tempfile.TemporaryFile() as said:
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
