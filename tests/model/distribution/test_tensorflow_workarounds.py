"""The commands start without TensorFlow's start-up lines, and other lines are not lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from model.distribution.tensorflow_workarounds import _unknown_lines_only

PROJECT = Path(__file__).resolve().parents[3]


def errors_of(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.long
def test_a_start_prints_nothing() -> None:
    assert errors_of("import model.train, tensorflow as tf; tf.constant(1.0)") == ""


def test_ctrl_c_while_tensorflow_starts_is_one_line() -> None:
    script = (
        "import sys\n"
        "class Pressed:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name.startswith('tensorflow.python'):\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Pressed())\n"
        "import model\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (1, "error: interrupted while TensorFlow started\n")


def test_other_lines_are_shown(capfd: pytest.CaptureFixture[str]) -> None:
    with _unknown_lines_only():
        os.write(2, b"E0000 cuda_platform.cc:52] failed call to cuInit\nsomething else\n")
    assert capfd.readouterr().err == "something else\n"
