"""The commands begin without TensorFlow's start-up lines, and without losing what is not among them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def errors_of(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_a_start_says_nothing() -> None:
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


def test_other_lines_are_shown() -> None:
    script = (
        "import os\n"
        "from model.quiet_start import _unknown_lines_only\n"
        "with _unknown_lines_only():\n"
        "    os.write(2, b'E0000 cuda_platform.cc:52] failed call to cuInit\\nsomething else\\n')\n"
    )
    assert errors_of(script) == "something else\n"
