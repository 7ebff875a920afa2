"""A detector small enough for tests, and its commands as a user runs them. Does not start TensorFlow by itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.config.presets import IMPROVED_DECODE, IMPROVED_LOSS
from pipeline.config.run_config import Config, ModelConfig, ScheduleConfig, TrainingConfig
from pipeline.geometry.anchors import make_anchors
from tests.record_sets import CLASS_NAMES, TINY

ANCHORS = make_anchors(TINY.anchors, TINY.canvas)
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
WILD = replace(  # its first steps overflow float32
    CONFIG,
    name="tiny_wild",
    training=replace(CONFIG.training, schedule=ScheduleConfig(kind="exponential", base=1e20)),
)
# Steps so short that differences in rounding do not grow: batch norm over a handful of black pixels is chaotic.
CALM = replace(
    CONFIG,
    name="tiny_calm",
    training=replace(
        CONFIG.training, schedule=ScheduleConfig(kind="exponential", base=3e-5), optimizer="sgd", batch=32
    ),
)
STILL = replace(  # no step changes a weight
    CALM,
    name="tiny_still",
    training=replace(CALM.training, schedule=ScheduleConfig(kind="exponential", base=1e-30)),
)
CONFIGS = {config.name: config for config in (CONFIG, WILD, CALM, STILL)}
CLASS_COUNT = len(CLASS_NAMES)

LONG = 300.0  # seconds; only a training that hangs takes that long

_ROOT = Path(__file__).parents[2]

# Offers the configurations above by name.
_OFFER = """
import sys, types
import configs
from tests.model import tiny
for name, config in tiny.CONFIGS.items():
    sys.modules[f"configs.{name}"] = types.SimpleNamespace(CONFIG=config)
configs.config_names = lambda: list(tiny.CONFIGS)
"""

# Runs a command as `python -m` does; with NO_TEMP as on a machine without a folder for temporary files, with NO_MEMORY
# as on one whose memory runs out when the network detects.
_RUN = f"""{_OFFER}
import os, runpy, tempfile
if "NO_TEMP" in os.environ:
    tempfile._candidate_tempdir_list = lambda: ["/proc/none"]
if "NO_MEMORY" in os.environ:
    import tensorflow as tf
    from model.detection import evaluator
    def exhausted(*_, **__):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
    evaluator.decode = exhausted
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""

# Runs a command several times, with a list of arguments each, and prints a JSON list of [exit status, what it printed].
_RUN_SEVERAL = f"""{_OFFER}
import contextlib, importlib, io, json, os
from absl import flags
from pipeline.command_line import run_command
module = importlib.import_module(sys.argv[1])
found = []
for arguments in json.loads(sys.argv[2]):
    flags.FLAGS.unparse_flags()
    for name in flags.FLAGS:
        flags.FLAGS[name].unparse()
    sys.argv = [sys.argv[0], *arguments]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            run_command(module.main)
        except SystemExit as end:
            found.append([end.code or 0, printed.getvalue()])
print(json.dumps(found), flush=True)
os._exit(0)
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


def last_checkpoint(run: Path) -> str:
    """The newest checkpoint of a run, as TensorFlow reads it."""
    indices = (run / "checkpoints" / "last").glob("step-*.index")
    return str(max(indices, key=lambda path: int(path.stem.removeprefix("step-"))).with_suffix(""))


def wait_for_backup(run: Path, step: int, *processes: subprocess.Popen[str]) -> None:
    """Waits until the backup of a step is there, while the processes of its training live."""
    backup = run / "checkpoints" / "last" / f"step-{step}.index"
    deadline = time.monotonic() + LONG
    while not backup.exists():
        assert time.monotonic() < deadline, f"no backup of step {step} in {LONG:.0f} s"
        for process in processes:
            assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)


def run_command(module: str, *arguments: str, status: int = 0, env: Mapping[str, str] | None = None) -> str:
    """Runs a command to its end and checks its exit status. -> what it printed, errors included."""
    process = popen_command(module, *arguments, env=env)
    printed = process.communicate()[0]
    assert process.returncode == status, printed
    return printed


def run_several(module: str, commands: Sequence[Sequence[str]]) -> list[tuple[int, str]]:
    """Runs a command several times in one process, which starts TensorFlow once. -> exit statuses, what was printed."""
    found = json.loads(run_script(_RUN_SEVERAL, module, json.dumps(commands)).splitlines()[-1])
    return [(status, printed) for status, printed in found]


def refusal(status: int, printed: str) -> str:
    """The one line of a command that was refused."""
    assert status == 1 and "Traceback" not in printed, printed
    (line,) = (line for line in printed.splitlines() if line.startswith("error: "))
    return line


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
