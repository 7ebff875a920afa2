"""train, evaluate, show_records and draw_curves as a user runs them, in processes of their own."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import tensorflow as tf

from model.detection.coco import METRICS
from model.training.run_log import EpochRow, read_history
from pipeline.config.presets import BASELINE_ANCHORS
from pipeline.reader.dataset import list_keys_of_step
from pipeline.records.manifest import MANIFEST, load_manifest
from tests.model.tiny import refusal, run_command, run_several
from tests.record_sets import TINY, make_records, without_objects, write_record_set


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("records")
    write_record_set(folder)
    return folder


@pytest.fixture(scope="module")
def run(records: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two epochs."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    printed = run_command("model.train", "--config=tiny", f"--records={records}", f"--run={folder}")
    assert "strategy default, replicas 1 on CPU:0, global batch 4 (4 a replica)" in printed
    assert "epochs 1 to 2 of 3 steps" in printed and f"run: {folder}" in printed
    assert re.search(r"epoch 1 of 2: loss \d+\.\d+, class_loss \d+\.\d+, offsets_loss \d+\.\d+, \d+\.\d s\n", printed)
    return folder


@pytest.fixture(scope="module")
def other_records(records: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Record sets with something amiss."""
    names = ("altered", "unfinished", "baseline anchors", "untested", "untrained", "without val")
    sets = {name: tmp_path_factory.mktemp("others") / name for name in names}
    for name in ("altered", "unfinished"):
        shutil.copytree(records, sets[name])
    shard = sorted(sets["altered"].glob("train-*"))[0]
    data = bytearray(shard.read_bytes())
    data[100] ^= 1
    shard.write_bytes(data)
    (sets["unfinished"] / MANIFEST).unlink()
    write_record_set(sets["baseline anchors"], config=replace(TINY, anchors=BASELINE_ANCHORS))
    write_record_set(sets["untested"], test=0)
    write_record_set(sets["untrained"], train=0)
    write_record_set(sets["without val"], val=0)
    return sets


def history(run: Path) -> list[EpochRow]:
    return read_history(run / "history.csv")


def test_a_run_leaves_configuration_history_curves_and_checkpoints(run: Path, records: Path) -> None:
    described = json.loads((run / "config.json").read_text())
    manifest = json.loads((records / MANIFEST).read_text())
    assert described["config"]["training"]["epochs"] == 2
    assert described["anchors"] == manifest["anchors"] and described["class_names"] == ["red", "green", "blue"]
    rows = history(run)
    assert [(row.epoch, row.step) for row in rows] == [(1, 3), (2, 6)]
    assert all(row.AP is not None and row.raw_AP is not None and row.loss > 0 for row in rows)
    assert (run / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert (run / "val_detections.png").read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in (run / "checkpoints" / "last").glob("*.index")} == {"step-3.index", "step-6.index"}
    assert all(0 <= row.input_wait <= 1 for row in rows)


def test_tensorboard_shows_losses_rate_speed_val_and_detections(run: Path) -> None:
    shown: dict[str, list[int]] = {}  # tag -> its steps
    for file in (run / "tensorboard").iterdir():
        for event in tf.compat.v1.train.summary_iterator(str(file)):
            for value in event.summary.value:
                shown.setdefault(value.tag, []).append(event.step)
    losses = [f"{of}/{part}" for of in ("step", "epoch") for part in ("loss", "class_loss", "offsets_loss")]
    speed = ["speed/images_per_second", "speed/input_wait_share"]
    val = ["val/AP", "val/AP50", "val/raw_AP", "val/raw_AP50", "val/detections"]
    assert shown == {tag: [3, 6] for tag in (*losses, "step/learning_rate", *speed, *val)}


@pytest.mark.any_stack
@pytest.mark.long
def test_without_val_the_last_weights_are_kept(tmp_path: Path) -> None:
    records, run = tmp_path / "records", tmp_path / "run"
    write_record_set(records, val=0)
    printed = run_command("model.train", "--config=tiny", f"--records={records}", f"--run={run}", "--epochs=1")
    assert "val shows no objects, so the last weights are kept" in printed and "val_detections.png" not in printed
    (row,) = history(run)
    assert row.AP is None and row.raw_AP is None
    assert f"evaluating {run / 'checkpoints' / 'best' / 'epoch-1'}" in run_command("model.evaluate", f"--run={run}")


@pytest.mark.any_stack
@pytest.mark.long
def test_where_val_shows_no_object_the_last_weights_are_kept_and_the_run_can_go_on(tmp_path: Path) -> None:
    """COCO's figures are -1 then: no weights were kept as the best, and history.csv could not be read again."""
    records, run = tmp_path / "records", tmp_path / "run"
    splits = {split: make_records(TINY, split, 12) for split in ("train", "val", "test")}
    splits["val"] = [without_objects(record) for record in splits["val"]]
    write_record_set(records, records=splits)
    flags = (f"--records={records}", f"--run={run}")
    run_command("model.train", "--config=tiny", *flags, "--epochs=2", "--backup_steps=1")
    assert [row.AP for row in history(run)] == [None, None]
    last = run / "checkpoints/last"
    for path in last.glob("step-6.*"):  # as if it had been killed before the end
        path.unlink()
    printed = run_command("model.train", "--config=tiny", *flags, "--epochs=2", "--backup_steps=1")
    assert "resumed from" in printed and "val shows no objects, so the last weights are kept" in printed
    assert "epoch 2 of 2: loss" in printed
    assert f"evaluating {run / 'checkpoints' / 'best' / 'epoch-2'}" in run_command("model.evaluate", f"--run={run}")


@pytest.mark.long
def test_a_finished_run_has_nothing_left_to_do(run: Path, records: Path) -> None:
    before = (run / "history.csv").read_text()
    printed = run_command("model.train", "--config=tiny", f"--records={records}", f"--run={run}")
    assert "training is done: 2 epochs" in printed and "epochs 2 to" not in printed
    assert (run / "history.csv").read_text() == before


@pytest.mark.long
def test_a_broken_loss_names_step_rate_parts_and_records(records: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    printed = run_command("model.train", "--config=tiny_wild", f"--records={records}", f"--run={run}", status=1)
    (line,) = (line for line in printed.splitlines() if line.startswith("error: "))
    found = re.search(
        r"at step (\d+) \(loss (\S+), class_loss (\S+), offsets_loss ([^;]+); learning rate 1e\+20\)", line
    )
    assert found and not all(math.isfinite(float(value)) for value in found.groups()[1:])
    manifest = load_manifest(str(records))
    keys = list_keys_of_step(manifest, batch=4, seed=0, step=int(found.group(1)) - 1)
    assert f"on the records {', '.join(keys)} of {records}" in line and len(keys) == 4
    # Nothing was saved but the start.
    assert [path.name for path in (run / "checkpoints").rglob("*.index")] == ["step-0.index"]


@pytest.mark.long
@pytest.mark.parametrize("flags", [["--xla"], ["--precision=bfloat16", "--box_loss=giou", "--optimizer=adamw"]])
def test_settings_of_the_step(flags: list[str], records: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run_command("model.train", "--config=tiny", f"--records={records}", f"--run={run}", "--epochs=1", *flags)
    (row,) = history(run)
    assert 0 < row.loss < 20 and row.AP is not None
    described = json.loads((run / "config.json").read_text())["config"]
    found = {
        "--xla": described["training"]["xla"] is True,
        "--precision=bfloat16": described["training"]["precision"] == "bfloat16",
        "--box_loss=giou": (described["loss"]["offsets"], described["loss"]["offsets_weight"]) == ("giou", 2.0),
        "--optimizer=adamw": described["training"]["optimizer"] == "adamw",
    }
    assert all(found[flag] for flag in flags)


@pytest.mark.long
@pytest.mark.parametrize("module", ["model.train", "model.evaluate", "model.show_records", "model.draw_curves"])
def test_help_lists_the_commands_own_flags(module: str) -> None:
    printed = run_command(module, "--help", status=1)  # absl's status for --help
    assert "--run" in printed or "--records" in printed
    assert "--logtostderr" not in printed


def test_evaluation_writes_metrics_and_coco_files(run: Path, other_records: Mapping[str, Path], tmp_path: Path) -> None:
    (status, printed), *refused = run_several(
        "model.evaluate",
        [
            (f"--run={run}", "--batch=4"),
            (f"--run={run}", f"--records={other_records['baseline anchors']}"),
            (f"--run={run}", f"--records={other_records['untested']}"),
            (f"--run={tmp_path / 'norun'}",),
        ],
    )
    assert status == 0, printed
    place = run / "evaluation"
    metrics = json.loads((place / "metrics.json").read_text())
    assert set(METRICS) <= set(metrics) and metrics["images"] == 10 and metrics["split"] == "test"
    truth = json.loads((place / "ground_truth.json").read_text())
    assert len(truth["images"]) == 10 and truth["annotations"][0]["id"] == 1
    assert {d["image_id"] for d in json.loads((place / "detections.json").read_text())} <= set(range(1, 11))
    assert (place / "detections.png").read_bytes().startswith(b"\x89PNG")
    assert all(name in printed for name in METRICS) and f"evaluation: {place}" in printed

    others, untested, missing = (refusal(*one) for one in refused)
    fingerprint = load_manifest(str(other_records["baseline anchors"])).anchors.fingerprint
    assert fingerprint in others and str(run) in others
    assert f"{other_records['untested']} has no test records" in untested
    assert "must be the folder of a run" in missing


def test_images_of_records(records: Path, tmp_path: Path) -> None:
    first, one = tmp_path / "matches.png", tmp_path / "one.png"
    *drawn, unknown, unnamed = run_several(
        "model.show_records",
        [
            (f"--records={records}", "--count=3", f"--output={first}"),
            (f"--records={records}", "--key=test/test-3/0", f"--output={one}"),
            (f"--records={records}", "--key=test/none/0"),
            (),
        ],
    )
    assert [status for status, _ in drawn] == [0, 0], drawn
    assert first.read_bytes().startswith(b"\x89PNG") and one.read_bytes().startswith(b"\x89PNG")
    assert f"{records} has no record test/none/0" in refusal(*unknown)
    assert "--records must be given" in refusal(*unnamed)


def test_curves_of_runs(run: Path, tmp_path: Path) -> None:
    image = tmp_path / "curves.png"
    (status, printed), refused = run_several(
        "model.draw_curves",
        [(f"--run={run}", f"--run={run}", f"--output={image}"), (f"--run={tmp_path}",)],
    )
    assert status == 0 and f"{run}: 2 evaluations, best AP" in printed
    assert image.read_bytes().startswith(b"\x89PNG")
    assert f"--run must be the folder of a run, got {tmp_path}" in refusal(*refused)


def test_what_train_refuses_is_one_line(
    run: Path, records: Path, other_records: Mapping[str, Path], tmp_path: Path
) -> None:
    new, file, headless, torn = (tmp_path / name for name in ("new", "file", "headless", "torn"))
    file.touch()
    for broken in (headless, torn):
        shutil.copytree(run, broken)
    shutil.rmtree(headless / "checkpoints" / "last")
    (torn / "history.csv").write_text("epoch,step\n1,3,4\n")
    shard = sorted(other_records["altered"].glob("train-*"))[0]

    def command(*arguments: str, records: Path = records, run: Path = new) -> tuple[str, ...]:
        return ("--config=tiny", f"--records={records}", f"--run={run}", *arguments)

    expected = {
        # First, since a process divides its CPU among replicas before anything else.
        command("--strategy=mirrored", "--replicas=2", "--batch=3"): "--batch must be a multiple of the 2 replicas",
        ("--config=tinny",): "--config must be one of tiny, tiny_wild, tiny_calm, tiny_still, got 'tinny'",
        command("--strategy=tpu"): "--strategy must be one of default, mirrored, multiworker, got 'tpu'",
        command("--precision=float16"): "--precision=float16 needs a GPU",
        command("--optimizer=lamb"): "--optimizer must be one of adam, adamw, sgd, tfa:",
        command("--batch=1000"): "--batch must be at most the 24 training records",
        command("--batch=1", records=other_records["untrained"]): "untrained has no training records",
        command(records=other_records["altered"]): f"{shard} was altered: its SHA-256 is not",
        command("--patience=2", records=other_records["without val"]): "--patience compares AP on val, but",
        command(records=tmp_path / "none"): "is no record set: it has no manifest.json",
        command(records=other_records["unfinished"]): "the job did not finish",
        command(run=file): f"{file} is a file, where a folder must be",
        command("--epochs=3", run=run): "config.training.epochs was 2, now 3",
        command(run=headless): f"{headless / 'checkpoints' / 'last'} holds no checkpoint to resume from",
        command(run=torn): f"{torn / 'history.csv'}: line 2 must have 13 values",
    }
    for found, message in zip(run_several("model.train", list(expected)), expected.values(), strict=True):
        assert message in refusal(*found)
    assert not new.exists()


@pytest.mark.long
def test_an_altered_record_that_is_met_in_a_step_is_one_line(other_records: Mapping[str, Path], tmp_path: Path) -> None:
    altered = other_records["altered"]
    shard = sorted(altered.glob("train-*"))[0]
    flags = ("--config=tiny", f"--records={altered}", f"--run={tmp_path / 'run'}", "--check=sizes")
    assert f"{shard} was altered: its SHA-256 is not" in run_command("model.train", *flags, status=1)
