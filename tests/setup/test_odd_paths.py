"""Every command, on record sets and runs whose paths hold what shells, make, TensorFlow and others take for syntax."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.command_line import make_variable
from tests.setup.checkout import ROOT

pytestmark = pytest.mark.long

ODD = '-it\'s "a" `touch ran` $HOME $(touch ran) [x] {y} *? \\ 画像é #1; & | ~ %s'

# Offers a training of two steps as configuration `odd`, then runs a command as `python -m` does.
RUN = """
import dataclasses, runpy, sys, types
import configs
from configs.digits_demo import CONFIG as DEMO
records = dataclasses.replace(DEMO.records, limit=20, copies=1)
training = dataclasses.replace(DEMO.training, epochs=1, epoch_steps=2, batch=4, evaluate_examples=4)
model = dataclasses.replace(DEMO.model, width_multiplier=0.25)
odd = dataclasses.replace(DEMO, name="odd", records=records, training=training, model=model)
sys.modules["configs.odd"] = types.SimpleNamespace(CONFIG=odd)
configs.config_names = lambda: ["odd"]
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


def run(folder: Path, module: str, *flags: str) -> str:
    """Runs a command in a folder, which must end well. Returns what it printed."""
    environment = {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-c", RUN, module, *flags],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{module}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout


def test_every_command_works_with_odd_paths(tmp_path: Path) -> None:
    records, trained, image = f"{ODD} records", f"{ODD} runs/{ODD}", f"{ODD} images/{ODD}.png"
    run(tmp_path, "beam_jobs.make_records", "--config=odd", f"--records={records}", "--workers=1")
    run(tmp_path, "beam_jobs.verify", f"--records={records}", "--full")
    run(tmp_path, "model.show_records", f"--records={records}", "--count=2")
    run(tmp_path, "model.show_records", f"--records={records}", "--count=2", f"--output={image}")
    train = ("model.train", "--config=odd", f"--records={records}", f"--run={trained}")
    printed = run(tmp_path, *train)
    assert f"next: make evaluate {make_variable('RUN', trained)} {make_variable('RECORDS', records)}" in printed
    assert "training is done: 1 epoch," in run(tmp_path, *train)  # its checkpoint is found again
    evaluated = run(tmp_path, "model.evaluate", f"--run={trained}")  # on the records of the run
    assert f"evaluation: {trained}/evaluation" in evaluated
    run(tmp_path, "model.draw_curves", f"--run={trained}", f"--output={ODD} curves.png")
    found = {path.name for path in tmp_path.iterdir()}
    assert found == {records, f"{records}-train.png", f"{ODD} runs", f"{ODD} images", f"{ODD} curves.png"}
    for path in (image, f"{ODD} curves.png"):
        assert (tmp_path / path).read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / trained / "evaluation" / "metrics.json").is_file()
