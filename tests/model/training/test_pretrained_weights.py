"""Weights that a run begins with: from where, which parts, and that a restart does not need them any more."""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from model.detection.evaluator import Evaluator
from model.network.backbones import mobilenet_v2_block9
from model.network.backbones.registry import BACKBONES, find_backbone
from model.network.ssd import build_network
from model.network.weights.keras_file import read_keras_file
from model.network.weights.parts import list_network_weights
from model.training.checkpoints import BestCheckpoint
from model.training.pretrained_weights import load_pretrained_weights
from model.training.run_folder import Run, RunFolder, describe_run
from pipeline.errors import UserError
from tests.model import tiny
from tests.model.network.weights.keras_file import edit, without_layers, write_keras_file
from tests.model.tiny import refusal, run_command, run_several
from tests.model.training.test_restarts import history, kill_after_backup, last_state
from tests.record_sets import write_record_set

BACKBONE = mobilenet_v2_block9.BACKBONE
WIDTH = tiny.MODEL.width_multiplier


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keras") / "weights.h5"
    write_keras_file(path, width=WIDTH)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """What a new run would be."""
    return describe_run(tiny.CONFIG, write_record_set(tmp_path_factory.mktemp("records")))


def changed(run: Run, **model: Any) -> Run:
    config = dataclasses.replace(run.config, model=dataclasses.replace(run.config.model, **model))
    return dataclasses.replace(run, config=config)


def finish(run: Run, folder: Path) -> tf.keras.Model:
    """A run with a best checkpoint. -> its network."""
    RunFolder(folder).begin(run, command="")
    network = build_network(run.config.model, run.shape)
    for variable in network.weights:
        variable.assign_add(tf.fill(variable.shape, 0.5))
    BestCheckpoint(RunFolder(folder), network).save(1)
    return network


def test_a_file_gives_the_backbone(file: Path, run: Run) -> None:
    network = build_network(run.config.model, run.shape)
    told = load_pretrained_weights(str(file), run).give_to(network, freeze=4)
    assert told == (
        f"weights of {file}: loaded stem, blocks 0 to 9; stem, blocks 0 to 3 frozen; "
        "newly initialised extra layers 0 to 3, heads"
    )
    found, expected = list_network_weights(network), read_keras_file(file, BACKBONE)
    np.testing.assert_array_equal(found["block_9_project/kernel"], expected["block_9_project/kernel"])


def test_a_file_that_lacks_blocks_gives_the_others(file: Path, run: Run, tmp_path: Path) -> None:
    part = Path(shutil.copy(file, tmp_path / "a *[?] 'ü' $part.h5"))
    edit(part, without_layers("block_5_", "block_8_", "block_9_"))
    pretrained = load_pretrained_weights(str(part), run)
    network = build_network(run.config.model, run.shape)
    told = pretrained.give_to(network, freeze=0)
    assert told == (
        f"weights of {part}: loaded stem, blocks 0 to 4, 6 to 7; "
        "newly initialised blocks 5, 8 to 9, extra layers 0 to 3, heads"
    )
    pretrained.give_to(network, freeze=5)
    with pytest.raises(UserError, match=r"--freeze=6 must name blocks that .*part.h5 holds, got one without blocks 5$"):
        pretrained.give_to(network, freeze=6)


def test_a_run_of_the_same_classes_and_anchors_gives_everything(run: Run, tmp_path: Path) -> None:
    earlier = finish(run, tmp_path / "run")
    network = build_network(run.config.model, run.shape)
    told = load_pretrained_weights(str(tmp_path / "run"), run).give_to(network, freeze=0)
    assert told.endswith("loaded stem, blocks 0 to 9, extra layers 0 to 3, heads; nothing newly initialised")
    for a, b in zip(network.get_weights(), earlier.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.long
def test_heads_of_other_classes_begin_anew(run: Run, tmp_path: Path) -> None:
    finish(run, tmp_path / "run")
    renamed = dataclasses.replace(run, class_names=("red", "green", "yellow"))
    network = build_network(run.config.model, run.shape)
    before = list_network_weights(network)
    told = load_pretrained_weights(str(tmp_path / "run"), renamed).give_to(network, freeze=0)
    assert told.endswith("loaded stem, blocks 0 to 9, extra layers 0 to 3; newly initialised heads (other classes)")
    np.testing.assert_array_equal(list_network_weights(network)["scores_0/kernel"], before["scores_0/kernel"])


@pytest.mark.long
def test_another_feature_pyramid_and_heads_on_it_begin_anew(run: Run, tmp_path: Path) -> None:
    finish(changed(run, feature_pyramid_channels=8), tmp_path / "run")
    told = {}
    for channels in (0, 8, 16):
        taker = changed(run, feature_pyramid_channels=channels)
        network = build_network(taker.config.model, taker.shape)
        told[channels] = load_pretrained_weights(str(tmp_path / "run"), taker).give_to(network, freeze=0)
    backbone = "loaded stem, blocks 0 to 9, extra layers 0 to 3"
    assert told[0].endswith(f"{backbone}; newly initialised heads (another feature pyramid)")
    assert told[8].endswith(f"{backbone}, feature pyramid, heads; nothing newly initialised")
    assert told[16].endswith(f"{backbone}; newly initialised feature pyramid, heads (another feature pyramid)")


@pytest.mark.long
def test_what_cannot_be_loaded_is_one_line(
    file: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BACKBONES, "another", BACKBONE)
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe")
    RunFolder(tmp_path / "unfinished").begin(run, command="")
    finish(changed(run, width_multiplier=0.5), tmp_path / "wide")
    RunFolder(tmp_path / "other").begin(changed(run, backbone="another"), command="")
    for init, message in {
        "imagenet": "--init=imagenet must go with a width_multiplier of 1.0, got 0.25",
        "nowhere.h5": "--init must be imagenet, a weight file or the folder of a run, got nowhere.h5, which is not",
        str(tmp_path / "empty"): "--init must be the folder of a run, got .*empty without config.json",
        str(tmp_path / "pipe"): "pipe must be a regular file, got a FIFO",
        str(tmp_path / "unfinished"): "best holds no checkpoint: no epoch is finished yet",
        str(tmp_path / "wide"): r"wide must fit the network: stem/kernel must have the shape .*8.*, got .*16",
        str(tmp_path / "other"): "other is a run with the backbone another; this run has mobilenet_v2_block9$",
    }.items():
        with pytest.raises((UserError, OSError), match=message) as raised:
            load_pretrained_weights(init, run).give_to(build_network(run.config.model, run.shape), freeze=0)
        assert "\n" not in str(raised.value)


def test_what_is_frozen_must_be_pretrained() -> None:
    with pytest.raises(UserError, match=r"^freeze must be 0 unless init says whose weights to keep, got 3$"):
        dataclasses.replace(tiny.CONFIG, model=dataclasses.replace(tiny.MODEL, freeze=3))
    with pytest.raises(UserError, match=r"^freeze must be from 0 to 10, got 11$"):
        find_backbone(dataclasses.replace(tiny.MODEL, freeze=11))


@pytest.mark.parametrize("init", ["", "\udcff", "a" * 5000])
def test_init_must_be_a_path(init: str) -> None:
    with pytest.raises(UserError, match=r"^init must be a path in UTF-8, got "):
        dataclasses.replace(tiny.CONFIG.training, init=init)


def test_evaluation_leaves_the_statistics_of_frozen_blocks(file: Path, run: Run, tmp_path: Path) -> None:
    manifest = write_record_set(tmp_path)
    evaluator = Evaluator(dataclasses.replace(tiny.MODEL, freeze=2), run.shape, tiny.CONFIG.decode)
    load_pretrained_weights(str(file), run).give_to(evaluator.network, freeze=2)
    before = list_network_weights(evaluator.network)
    evaluator.fit_statistics(manifest, batch=4, seed=0)
    after = list_network_weights(evaluator.network)
    kept = {name for name in before if np.array_equal(before[name], after[name]) and "/moving_" in name}
    assert kept == {
        name for name in before if name.startswith(("stem_", "block_0_", "block_1_")) and "/moving_" in name
    }


def test_a_run_goes_on_with_what_it_began_with_alone(run: Run, tmp_path: Path) -> None:
    def beginning(init: str | None, freeze: int) -> Run:
        model = dataclasses.replace(tiny.MODEL, freeze=freeze)
        training = dataclasses.replace(tiny.CONFIG.training, init=init)
        return dataclasses.replace(run, config=dataclasses.replace(tiny.CONFIG, model=model, training=training))

    folder = RunFolder(tmp_path / "run")
    assert not folder.begin(beginning("a.h5", 3), command="")
    assert folder.begin(beginning("a.h5", 3), command="")
    for other, message in (
        (beginning("b.h5", 3), r"config\.training\.init was 'a.h5', now 'b.h5'"),
        (beginning("a.h5", 2), r"config\.model\.freeze was 3, now 2"),
        (run, r"config\.model\.freeze was 3, now 0; config\.training\.init was 'a.h5', now None"),
    ):
        with pytest.raises(UserError, match=message):
            folder.begin(other, command="")


@pytest.mark.long
def test_a_run_begun_from_a_file_goes_on_to_the_bit_without_it(file: Path, tmp_path: Path) -> None:
    write_record_set(tmp_path / "records")
    init = Path(shutil.copy(file, tmp_path / "init.h5"))
    whole, killed = tmp_path / "whole", tmp_path / "killed"

    def train(run: Path, *flags: str) -> tuple[str, ...]:
        command = ("model.train", "--config=tiny", f"--records={tmp_path / 'records'}", f"--run={run}")
        return (*command, "--deterministic", "--backup_steps=1", *flags)

    pretrained = (f"--init={init}", "--freeze=3")
    printed = run_command(*train(whole, *pretrained))
    assert (
        "loaded stem, blocks 0 to 9; stem, blocks 0 to 2 frozen; newly initialised extra layers 0 to 3, heads\n"
        in printed
    )
    kill_after_backup(2, train(killed, *pretrained), killed)
    init.unlink()
    printed = run_command(*train(killed, *pretrained))
    assert "resumed from" in printed and "weights of" not in printed
    assert history(killed) == history(whole)
    expected, found = last_state(whole), last_state(killed)
    assert expected.keys() == found.keys() and len(found) > 100
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)

    stored = RunFolder(whole).load()
    kept = build_network(stored.config.model, stored.shape)
    tf.train.Checkpoint(network=kept).read(tiny.last_checkpoint(whole)).expect_partial()
    theirs = read_keras_file(file, BACKBONE)
    for name, value in list_network_weights(kept).items():
        if name.startswith(("stem", "block_0_", "block_1_", "block_2_")):
            np.testing.assert_array_equal(value, theirs[name], err_msg=name)
        elif name.startswith("block_3_"):
            assert not np.array_equal(value, theirs[name]), name


@pytest.mark.long
def test_weights_that_cannot_be_had_leave_no_run_behind(tmp_path: Path) -> None:
    write_record_set(tmp_path / "records", train=4, val=1, test=1)
    run = tmp_path / "run"
    flags = ("--config=tiny", f"--records={tmp_path / 'records'}", f"--run={run}", "--init=nowhere.h5")
    nowhere, blocks = run_several("model.train", [flags, (*flags, "--freeze=11")])
    assert "--init must be imagenet, a weight file or the folder of a run, got nowhere.h5" in refusal(*nowhere)
    assert "freeze must be from 0 to 10, got 11" in refusal(*blocks)
    assert not run.exists()  # so that another --init may follow
