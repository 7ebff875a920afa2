"""Strategies by name, and what they refuse."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from model.distribution.strategies import check_batch, make_strategy
from pipeline.errors import UserError
from tests.commands import PATIENCE, ROOT
from tests.processes import free_port


@pytest.mark.parametrize(
    ("name", "replicas", "message"),
    [
        ("mirored", None, r"--strategy must be one of default, mirrored, multiworker, got 'mirored'"),
        ("mirrored", 0, "--replicas must be at least 1, got 0"),
        ("default", 2, "--replicas must be 1 with --strategy=default, got 2"),
    ],
)
def test_bad_flags_are_named(name: str, replicas: int | None, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_strategy(name, replicas)


def test_the_default_strategy_has_one_replica() -> None:
    strategy = make_strategy("default")
    assert strategy.num_replicas_in_sync == 1


def test_a_batch_that_replicas_do_not_divide_is_refused() -> None:
    check_batch(33, 3)
    with pytest.raises(UserError, match=r"--batch must be a multiple of the 3 replicas, .*, got 32"):
        check_batch(32, 3)


@pytest.mark.long
def test_sigterm_ends_one_of_several_workers() -> None:
    """TensorFlow would catch it, and a cluster's scheduler could not end the training."""
    cluster = {"worker": [f"localhost:{free_port()}"]}
    task = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": 0}})
    script = (
        f"import os; os.environ['TF_CONFIG'] = {task!r};"
        "import model, time; from model.distribution.strategies import make_strategy;"
        "make_strategy('multiworker'); print('ready', flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as worker:
        assert worker.stdout is not None and worker.stdout.readline() == "ready\n"
        worker.terminate()
        assert worker.wait(PATIENCE) == -signal.SIGTERM
