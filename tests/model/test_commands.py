"""train, evaluate and show_records as a user runs them, in processes of their own."""

from __future__ import annotations

import json
import math
import re
import shutil
from pathlib import Path

import pytest
import tensorflow as tf

from model.detection.coco import METRICS
from model.training.callbacks import read_history
from pipeline.config.presets import BASELINE_ANCHORS
from pipeline.reader.dataset import keys_of_step
from pipeline.records.manifest import MANIFEST, load_manifest
from tests.model.tiny import run_command
from tests.record_sets import TINY, write_record_set


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("records")
    write_record_set(folder)
    return folder


@pytest.fixture(scope="module")
def run(records: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two epochs on two replicas."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    printed = run_command(
        "model.train", "--config=tiny", f"--records={records}", f"--run={folder}", "--strategy=mirrored", "--replicas=2"
    )
    assert "strategy mirrored, replicas 2 on CPU:0, CPU:1, global batch 4 (2 a replica)" in printed
    assert "epochs 1 to 2 of 3 steps" in printed and f"run: {folder}" in printed
    return folder


def history(run: Path) -> list[dict[str, str]]:
    return read_history(run / "history.csv")


def test_a_run_leaves_configuration_history_curves_and_checkpoints(run: Path, records: Path) -> None:
    described = json.loads((run / "config.json").read_text())
    manifest = json.loads((records / MANIFEST).read_text())
    assert described["config"]["training"]["epochs"] == 2
    assert described["anchors"] == manifest["anchors"] and described["class_names"] == ["red", "green", "blue"]
    rows = history(run)
    assert [(row["epoch"], row["step"]) for row in rows] == [("1", "3"), ("2", "6")]
    assert all(0 <= float(row["AP"]) <= 1 and float(row["loss"]) > 0 for row in rows)
    assert (run / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert (run / "val_detections.png").read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in (run / "checkpoints" / "last").glob("*.index")} == {"step-3.index", "step-6.index"}
    assert all(0 <= float(row["raw_AP"]) <= 1 and 0 <= float(row["input_wait"]) <= 1 for row in rows)


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


def test_evaluation_writes_figures_and_coco_files(run: Path) -> None:
    printed = run_command("model.evaluate", f"--run={run}", "--batch=4")
    place = run / "evaluation"
    metrics = json.loads((place / "metrics.json").read_text())
    assert set(METRICS) <= set(metrics) and metrics["images"] == 10 and metrics["split"] == "test"
    truth = json.loads((place / "ground_truth.json").read_text())
    assert len(truth["images"]) == 10 and truth["annotations"][0]["id"] == 1
    assert {d["image_id"] for d in json.loads((place / "detections.json").read_text())} <= set(range(1, 11))
    assert (place / "detections.png").read_bytes().startswith(b"\x89PNG")
    assert all(name in printed for name in METRICS) and f"evaluation: {place}" in printed


def test_without_val_the_last_weights_are_kept(tmp_path: Path) -> None:
    records, run = tmp_path / "records", tmp_path / "run"
    write_record_set(records, val=0)
    printed = run_command("model.train", "--config=tiny", f"--records={records}", f"--run={run}", "--epochs=1")
    assert "val is empty, the last weights are kept" in printed and "val_detections.png" not in printed
    (row,) = history(run)
    assert row["AP"] == row["raw_AP"] == ""
    assert f"evaluating {run / 'checkpoints' / 'best' / 'epoch-1'}" in run_command("model.evaluate", f"--run={run}")


def test_a_finished_run_has_nothing_left_to_do(run: Path, records: Path) -> None:
    before = (run / "history.csv").read_text()
    printed = run_command("model.train", "--config=tiny", f"--records={records}", f"--run={run}")
    assert "all 2 epochs are trained already" in printed and "epochs 2 to" not in printed
    assert (run / "history.csv").read_text() == before


def test_a_run_whose_checkpoints_or_history_are_gone_is_refused(run: Path, records: Path, tmp_path: Path) -> None:
    broken = tmp_path / "run"
    shutil.copytree(run, broken)
    command = ("model.train", "--config=tiny", f"--records={records}", f"--run={broken}")
    shutil.rmtree(broken / "checkpoints" / "last")
    assert f"{broken / 'checkpoints' / 'last'} must hold the checkpoint that the run goes on from" in refused(*command)
    shutil.copytree(run / "checkpoints" / "last", broken / "checkpoints" / "last")
    (broken / "history.csv").write_text("epoch,step\n1,3,4\n")
    assert f"{broken / 'history.csv'} must hold one whole line an epoch" in refused(*command)


def test_another_configuration_in_the_folder_of_a_run_is_refused(run: Path, records: Path) -> None:
    printed = run_command(
        "model.train", "--config=tiny", f"--records={records}", f"--run={run}", "--epochs=3", status=1
    )
    assert "error:" in printed and "config.training.epochs was 2, now 3" in printed and "Traceback" not in printed


def test_pictures_of_records(records: Path, tmp_path: Path) -> None:
    picture = tmp_path / "matches.png"
    run_command("model.show_records", f"--records={records}", "--count=3", f"--output={picture}")
    assert picture.read_bytes().startswith(b"\x89PNG")
    one = tmp_path / "one.png"
    run_command("model.show_records", f"--records={records}", "--key=test/test-3/0", f"--output={one}")
    assert one.read_bytes().startswith(b"\x89PNG")
    printed = run_command("model.show_records", f"--records={records}", "--key=test/none/0", status=1)
    assert "must hold a record test/none/0, got none" in printed


def test_curves_of_runs(run: Path, tmp_path: Path) -> None:
    picture = tmp_path / "curves.png"
    printed = run_command("model.draw_curves", f"--run={run}", f"--run={run}", f"--output={picture}")
    assert f"{run}: 2 evaluations, best AP" in printed and picture.read_bytes().startswith(b"\x89PNG")
    printed = run_command("model.draw_curves", f"--run={tmp_path}", status=1)
    assert f"--run must be the folder of a run, got {tmp_path}" in printed


def refused(*arguments: str) -> str:
    """The one line that a refused command prints."""
    (line,) = (line for line in run_command(*arguments, status=1).splitlines() if line.startswith("error: "))
    return line


def test_bad_flags_are_one_line(records: Path, tmp_path: Path) -> None:
    good = ("model.train", "--config=tiny", f"--records={records}", f"--run={tmp_path / 'run'}")
    assert "--config must be one of tiny, tiny_wild, tiny_calm, got 'tinny'" in refused("model.train", "--config=tinny")
    assert "--strategy must be one of default, mirrored, multiworker, got 'tpu'" in refused(*good, "--strategy=tpu")
    assert "--batch must be a multiple of the 2 replicas" in refused(
        *good, "--strategy=mirrored", "--replicas=2", "--batch=3"
    )
    assert "--xla must go with one replica, got 2" in refused(*good, "--strategy=mirrored", "--replicas=2", "--xla")
    assert "--precision=float16 must have a GPU, got none" in refused(*good, "--precision=float16")
    assert "--optimizer must be one of adam, adamw, sgd, tfa:" in refused(*good, "--optimizer=lamb")
    assert "--batch must be at most the 24 training records" in refused(*good, "--batch=1000")
    assert not (tmp_path / "run").exists()
    (tmp_path / "file").touch()
    line = refused(*good[:-1], f"--run={tmp_path / 'file'}")
    assert f"{tmp_path / 'file'} must be a folder, or not there yet, got a file" in line
    assert "--records must be given" in refused("model.show_records")


def test_a_broken_loss_names_step_rate_parts_and_records(records: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    line = refused("model.train", "--config=tiny_wild", f"--records={records}", f"--run={run}")
    found = re.search(r"got loss (\S+), class_loss (\S+), offsets_loss (\S+) at step (\d+), learning rate 1e\+20", line)
    assert found and not all(math.isfinite(float(value)) for value in found.groups()[:3])
    manifest = load_manifest(str(records))
    keys = keys_of_step(manifest, batch=4, seed=0, step=int(found.group(4)) - 1)
    assert f"on the records {', '.join(keys)} of {records}" in line and len(keys) == 4
    # Nothing was saved but the start.
    assert [path.name for path in (run / "checkpoints").rglob("*.index")] == ["step-0.index"]


@pytest.mark.parametrize("flag", ["--precision=bfloat16", "--xla", "--box_loss=giou", "--optimizer=adamw"])
def test_settings_of_the_step(flag: str, records: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run_command("model.train", "--config=tiny", f"--records={records}", f"--run={run}", "--epochs=1", flag)
    (row,) = history(run)
    assert 0 < float(row["loss"]) < 20 and 0 <= float(row["AP"]) <= 1
    described = json.loads((run / "config.json").read_text())["config"]
    setting, value = {
        "--precision=bfloat16": (described["training"]["precision"], "bfloat16"),
        "--xla": (described["training"]["xla"], True),
        "--box_loss=giou": (described["loss"]["offsets"], "giou"),
        "--optimizer=adamw": (described["training"]["optimizer"], "adamw"),
    }[flag]
    assert setting == value


def test_bad_record_sets_are_one_line(run: Path, records: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(records, broken)
    shard = sorted(broken.glob("train-*"))[0]
    data = bytearray(shard.read_bytes())
    data[100] ^= 1
    shard.write_bytes(data)
    train = ("model.train", "--config=tiny", f"--run={tmp_path / 'run'}")
    assert f"{shard} must have the SHA-256" in refused(*train, f"--records={broken}")
    assert f"{shard} must have the SHA-256" in refused(*train, f"--records={broken}", "--check=sizes")
    assert "must be a record set, got no manifest.json" in refused(*train, f"--records={tmp_path / 'none'}")
    (broken / MANIFEST).unlink()
    assert "the job did not finish" in refused(*train, f"--records={broken}")

    others = tmp_path / "others"
    config = type(TINY)(**{**vars(TINY), "anchors": BASELINE_ANCHORS})
    manifest = write_record_set(others, config=config)
    line = refused(*train, f"--records={others}")
    assert manifest.anchors.fingerprint in line and "--config=tiny" in line
    line = refused("model.evaluate", f"--run={run}", f"--records={others}")
    assert manifest.anchors.fingerprint in line and str(run) in line
    assert "must be the folder of a run" in refused("model.evaluate", f"--run={tmp_path / 'norun'}")

    untested = tmp_path / "untested"
    write_record_set(untested, test=0)
    line = refused("model.evaluate", f"--run={run}", f"--records={untested}")
    assert f"--split must be one with records, got test, of which {untested} has none" in line


@pytest.mark.parametrize("module", ["model.train", "model.evaluate", "model.show_records", "model.draw_curves"])
def test_help_lists_the_commands_own_flags(module: str) -> None:
    printed = run_command(module, "--help", status=1)  # absl's status for --help
    assert "--run" in printed or "--records" in printed
    assert "--logtostderr" not in printed
