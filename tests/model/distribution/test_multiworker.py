"""Two processes that train together, one of them killed, end like one process with the same global batches."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from model.distribution.workers import Rank, read_rank
from model.training.run_log import read_history
from pipeline.errors import UserError
from tests.model.tiny import LONG, last_checkpoint, popen_command, run_command, run_script, wait_for_backup
from tests.record_sets import write_record_set

WEIGHTS = "network/"  # how their names in a checkpoint begin

# One process, the default strategy, and for every batch what the two workers read.
_TOGETHER = """
import sys, types
import model
import tensorflow as tf
import configs
from tests.model import tiny
sys.modules["configs.tiny_calm"] = types.SimpleNamespace(CONFIG=tiny.CALM)
configs.config_names = lambda: ["tiny_calm"]
import model.train
from pipeline.reader.dataset import Reader, read_training_batches
from pipeline.command_line import run_command

def both(manifest, *, batch, seed, start_step, reader):
    parts = [
        read_training_batches(manifest, batch=batch, seed=seed, start_step=start_step, reader=Reader(index, 2))
        for index in range(2)
    ]
    def joined(one, other):
        return tf.nest.map_structure(lambda a, b: tf.concat([a, b], axis=0), one, other)
    return tf.data.Dataset.zip(tuple(parts)).map(joined)

model.train.read_training_batches = both
sys.argv = ["train", *FLAGS]
run_command(model.train.main)
"""


def flags(records: Path, run: Path) -> list[str]:
    return ["--config=tiny_calm", f"--records={records}", f"--run={run}", "--sync_batch_norm", "--backup_steps=1"]


def start_workers(
    records: Path, run: Path, *, of_both: tuple[str, ...] = (), of_second: tuple[str, ...] = ()
) -> list[subprocess.Popen[str]]:
    ports = []
    for _ in range(2):
        with socket.socket() as s:
            s.bind(("localhost", 0))
            ports.append(s.getsockname()[1])
    cluster = {"worker": [f"localhost:{port}" for port in ports]}
    return [
        popen_command(
            "model.train",
            *flags(records, run),
            "--strategy=multiworker",
            *of_both,
            *(of_second if index else ()),
            env={"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})},
        )
        for index in range(2)
    ]


def finish(workers: list[subprocess.Popen[str]]) -> list[str]:
    printed = [worker.communicate(timeout=LONG)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], "\n".join(printed)
    return printed


def last_weights(run: Path) -> dict[str, np.ndarray]:
    path = last_checkpoint(run)
    assert path.endswith("step-6")
    return {
        name: tf.train.load_variable(path, name)
        for name, _ in tf.train.list_variables(path)
        if name.startswith(WEIGHTS) and "OPTIMIZER_SLOT" not in name
    }


def assert_close(run: Path, other: Path) -> None:
    for row, wanted in zip(read_history(run / "history.csv"), read_history(other / "history.csv"), strict=True):
        assert row.loss == pytest.approx(wanted.loss, rel=1e-3)
    found, expected = last_weights(run), last_weights(other)
    assert found.keys() == expected.keys() and len(found) > 100
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-4, rtol=1e-4, err_msg=name)


@pytest.mark.long
def test_two_workers_one_of_them_killed_and_both_started_again_train_as_one_process(tmp_path: Path) -> None:
    records = tmp_path / "records"
    write_record_set(records, train=96)
    alone = tmp_path / "alone"
    run_script(_TOGETHER.replace("FLAGS", repr(flags(records, alone))))

    together = tmp_path / "together"
    workers = start_workers(records, together)
    wait_for_backup(together, 2, *workers)
    os.kill(workers[1].pid, signal.SIGKILL)
    printed = workers[0].communicate(timeout=LONG)[0]
    assert workers[0].returncode == 1, printed
    assert "one of the 2 ranks or its device failed (" in printed and "Traceback" not in printed
    workers[1].wait()

    chief, other = finish(start_workers(records, together))
    assert "strategy multiworker, replicas 2" in chief and "rank 1 of 2" in other
    assert "resumed from" in chief
    assert f"run: {together}" in chief and "run:" not in other
    assert_close(together, alone)
    assert not list(together.rglob(".unfinished*"))


@pytest.mark.long
def test_all_ranks_end_when_patience_does_and_stay_ended(tmp_path: Path) -> None:
    """Where no step changes a weight, the second evaluation is no better than the first."""
    records, run = tmp_path / "records", tmp_path / "run"
    write_record_set(records, train=96)
    patient = ("--config=tiny_still", "--batch=8", "--epochs=9", "--patience=1")
    why = "2 of 9 epochs, because AP on val has not risen for 1 evaluation"
    chief, _ = finish(start_workers(records, run, of_both=patient))
    assert f"trained {why} (" in chief and "step-6" in last_checkpoint(run)
    for printed in finish(start_workers(records, run, of_both=patient)):
        assert f"training is done: {why}, the last is {last_checkpoint(run)}; to train more choose" in printed


@pytest.mark.long
def test_ranks_with_other_flags_are_refused_before_the_first_step(tmp_path: Path) -> None:
    records, run = tmp_path / "records", tmp_path / "run"
    write_record_set(records, train=96)
    workers = start_workers(records, run, of_second=("--batch=8",))
    printed = [worker.communicate(timeout=LONG)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [1, 1], "\n".join(printed)
    for text in printed:
        assert "error: the ranks were started with different configurations, flags or records" in text
        assert f"those of rank 0 are in {run}/config.json" in text and "Traceback" not in text
    assert not (run / "history.csv").exists()


@pytest.mark.long
def test_a_bad_environment_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = tmp_path / "records"
    write_record_set(records)
    monkeypatch.setenv("TF_CONFIG", "{}")
    printed = run_command("model.train", *flags(records, tmp_path / "run"), "--strategy=multiworker", status=1)
    assert "TF_CONFIG must be like" in printed


@pytest.mark.parametrize(
    ("text", "rank"),
    [
        ('{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}', Rank(1, 2)),
        ('{"cluster": {"chief": ["c:1"], "worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}', Rank(1, 2)),
        ('{"cluster": {"chief": ["c:1"], "worker": ["a:1"]}, "task": {"type": "chief", "index": 0}}', Rank(0, 2)),
    ],
)
def test_the_rank_that_the_environment_gives(text: str, rank: Rank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", text)
    assert read_rank() == rank


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "--strategy=multiworker needs the environment variable TF_CONFIG, like .*, got none"),
        ("worker 1", "TF_CONFIG must be like .*, got 'worker 1'"),
        ('{"task": {"type": "worker", "index": 1}}', "TF_CONFIG must be like"),
        ('{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "worker", "index": 0}}', "only, got ps"),
        (
            '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
            "has no task worker 1: its cluster is",
        ),
    ],
)
def test_an_environment_that_gives_none(text: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UserError, match=message):
        read_rank()
