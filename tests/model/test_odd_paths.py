"""Runs and records in folders with odd names, and odd things in the folder of a run."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import tensorflow as tf

from configs import load_config
from model.training.checkpoints import BestCheckpoint, restore_best
from model.training.run_folder import RunFolder, describe_run
from model.training.run_log import read_history
from pipeline.errors import UserError
from pipeline.records.manifest import load_manifest
from tests.model.small_training import SmallTraining
from tests.model.tiny import refusal, run_several
from tests.model.training.test_checkpoints import Training
from tests.record_sets import TINY, write_record_set

pytestmark = pytest.mark.any_stack

ODD = (
    "[a]",
    "a[",
    "a]",
    "back\\slash",
    "*",
    "?",
    "{a,b}",
    "'\"`",
    "$HOME ${x} $(y)",
    " a  b ",
    "고양이 é",
    "-dash",
    "a\nb",
    "%d ~",
)


@pytest.mark.parametrize("name", ODD)
def test_checkpoints_in_an_odd_folder_are_found_and_restored(name: str, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / name)
    first = Training(folder)
    for step in (1, 2, 3):
        first.save(step)
    again = Training(folder)
    assert again.last.restore() == str(folder.last / "step-3") and again.weight() == 3
    BestCheckpoint(folder, again.network).save(7)
    assert restore_best(folder, first.network) == str(folder.best / "epoch-7")
    (folder.best / "epoch-7.index").write_bytes(b"")
    with pytest.raises(UserError) as broken:
        restore_best(folder, first.network)
    assert str(folder.best / "epoch-7") in str(broken.value) and "/proc/self" not in str(broken.value)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.long
def test_a_training_in_an_odd_folder_is_resumed(tmp_path: Path) -> None:
    odd = "-[a]*" + " ".join(ODD)
    manifest = write_record_set(tmp_path / f"records {odd}", train=8, val=0, test=0)
    run = tmp_path / f"run {odd}"
    SmallTraining(manifest, run, epoch_steps=1).train(epochs=2)
    again = SmallTraining(manifest, run, epoch_steps=1)
    assert again.restored == str(run / "checkpoints" / "last" / "step-2")
    assert len(read_history(run / "history.csv")) == 2
    events = [e for file in (run / "tensorboard").iterdir() for e in tf.compat.v1.train.summary_iterator(str(file))]
    assert {event.step for event in events if event.summary.value} == {1, 2}


def test_a_path_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"\xff")
    for begin in (RunFolder(folder).hold, RunFolder(folder).load):
        with pytest.raises(UserError, match="--run must be a path in UTF-8"):
            begin()
    with pytest.raises(UserError, match="--records must be a path in UTF-8"):
        load_manifest(str(folder))


def test_a_run_on_records_with_an_odd_path_is_read_back(tmp_path: Path) -> None:
    records = tmp_path / "\n".join(ODD)
    run = describe_run(replace(load_config("digits_demo"), records=TINY), write_record_set(records))
    folder = RunFolder(tmp_path / "run")
    assert not folder.begin(run, command="") and folder.begin(run, command="")
    assert folder.load().records == str(records)


KINDS: dict[str, Callable[[Path], object]] = {
    "a FIFO": os.mkfifo,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a folder": Path.mkdir,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["config.json", "history.csv", "loss.png", "val_detections.png"])
def test_what_is_no_file_is_refused_where_a_file_belongs(name: str, kind: str, tmp_path: Path) -> None:
    KINDS[kind](tmp_path / name)
    with pytest.raises(UserError, match=f"{name} is no regular file"):
        RunFolder(tmp_path).hold()


@pytest.mark.parametrize("name", ["tensorboard", "checkpoints", "checkpoints/last", "checkpoints/best", "evaluation"])
def test_a_file_is_refused_where_a_folder_belongs(name: str, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    with pytest.raises(UserError, match=f"{name} is a file, where a folder must be"):
        RunFolder(tmp_path).hold()


@pytest.mark.long
def test_commands_refuse_them_in_one_line(tmp_path: Path) -> None:
    records, run = tmp_path / "records", tmp_path / "run"
    write_record_set(records, train=8, val=2, test=2)
    run.mkdir()
    (run / "tensorboard").touch()
    os.mkfifo(run / "config.json")
    commands = [("--config=tiny", f"--records={records}", f"--run={run}")]
    assert "tensorboard is a file, where a folder must be" in refusal(*run_several("model.train", commands)[0])
    (run / "tensorboard").unlink()
    for module in ("model.evaluate", "model.draw_curves"):
        (found,) = run_several(module, [(f"--run={run}",)])
        assert "config.json is no regular file" in refusal(*found)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ending", ["index", "data-00000-of-00001"])
def test_a_checkpoint_of_something_else_is_broken(kind: str, ending: str, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    training = Training(folder)
    training.save(1)
    training.save(2)
    broken = folder.last / f"step-2.{ending}"
    broken.unlink()
    KINDS[kind](broken)
    assert training.last.restore() == str(folder.last / "step-1")
    if kind != "a folder":
        training.save(2)
        assert training.last.restore() == str(folder.last / "step-2")
