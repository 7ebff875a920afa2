"""A detector small enough for tests, and its commands as a user runs them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pipeline.config.presets import IMPROVED_DECODE, IMPROVED_LOSS
from pipeline.config.run_config import Config, ModelConfig, ScheduleConfig, TrainingConfig
from pipeline.geometry.anchors import make_anchors
from tests.record_sets import CLASS_NAMES, TINY

ANCHORS = make_anchors(TINY.anchors, TINY.canvas.size)
MODEL = ModelConfig(width_multiplier=0.25)
CONFIG = Config(
    name="tiny",
    records=TINY,
    model=MODEL,
    loss=IMPROVED_LOSS,
    decode=IMPROVED_DECODE,
    training=TrainingConfig(
        schedule=ScheduleConfig(kind="cosine", base=1e-3, warmup_steps=2), batch=4, epochs=2, epoch_steps=3
    ),
)
WILD = replace(  # whose first steps go far beyond what float32 holds
    CONFIG,
    name="tiny_wild",
    training=replace(CONFIG.training, schedule=ScheduleConfig(kind="exponential", base=1e20)),
)
# Steps so short that what rounding differs by does not grow: batch norm over a handful of black pixels is chaotic.
CALM = replace(
    CONFIG,
    name="tiny_calm",
    training=replace(
        CONFIG.training, schedule=ScheduleConfig(kind="exponential", base=3e-5), optimizer="sgd", batch=32
    ),
)
CONFIGS = {config.name: config for config in (CONFIG, WILD, CALM)}
CLASS_COUNT = len(CLASS_NAMES)

LONG = 300.0  # seconds; only a training that hangs takes as long

_ROOT = Path(__file__).parents[2]

# Offers the configurations above by name, then runs a command as `python -m` does.
_RUN = """
import runpy, sys, types
import configs
from tests.model import tiny
for name, config in tiny.CONFIGS.items():
    sys.modules[f"configs.{name}"] = types.SimpleNamespace(CONFIG=config)
configs.config_names = lambda: list(tiny.CONFIGS)
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


def popen_command(module: str, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """Starts a command in a process of its own; standard output and errors come in one pipe."""
    return subprocess.Popen(
        [sys.executable, "-c", _RUN, module, *arguments],
        cwd=_ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": "", **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for_backup(run: Path, step: int, *processes: subprocess.Popen[str]) -> None:
    """Waits until the backup of a step is named as whole, while the processes of its training live."""
    state = run / "checkpoints" / "last" / "checkpoint"
    deadline = time.monotonic() + LONG
    while not (state.exists() and f'"step-{step}"' in state.read_text()):
        assert time.monotonic() < deadline, f"no backup of step {step} in {LONG:.0f} s"
        for process in processes:
            assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)


def run_command(module: str, *arguments: str, status: int = 0) -> str:
    """Runs a command to its end and checks its exit status. -> what it printed, errors included."""
    process = popen_command(module, *arguments)
    printed = process.communicate()[0]
    assert process.returncode == status, printed
    return printed


def run_script(script: str, *arguments: str) -> str:
    """Runs Python code in a process of its own, from the repository's root. -> what it printed."""
    process = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=_ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout
