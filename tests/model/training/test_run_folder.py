"""Which records a run accepts."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from configs import load_config
from model.training.run_folder import RunFolder, describe_run
from pipeline.config.records_config import CanvasConfig
from pipeline.config.run_config import AugmentConfig
from pipeline.errors import UserError
from tests.record_sets import TINY, write_record_set


def test_records_of_another_source_or_canvas_are_refused(tmp_path: Path) -> None:
    manifest = write_record_set(tmp_path)
    config = dataclasses.replace(load_config("digits_demo"), records=TINY)
    assert describe_run(config, manifest).records == str(tmp_path)
    other = dataclasses.replace(config, records=dataclasses.replace(TINY, source="another"))
    with pytest.raises(UserError, match=r"the source of .* must be that of --config=digits_demo"):
        describe_run(other, manifest)
    other = dataclasses.replace(config, records=dataclasses.replace(TINY, canvas=CanvasConfig(96, (16, 16))))
    with pytest.raises(UserError, match=r"the canvas of .* must be that of --config=digits_demo"):
        describe_run(other, manifest)


def test_a_run_made_before_a_setting_existed_is_a_run_without_it(tmp_path: Path) -> None:
    config = dataclasses.replace(load_config("digits_demo"), records=TINY)
    run = describe_run(config, write_record_set(tmp_path / "records"))
    folder = RunFolder(tmp_path / "run")
    assert not folder.begin(run, command="")
    values = json.loads(folder.config.read_text())
    del values["config"]["augment"], values["config"]["loss"]["label_smoothing"]
    folder.config.write_text(json.dumps(values))
    assert folder.load() == run
    assert folder.begin(run, command="")
    flipping = dataclasses.replace(run, config=dataclasses.replace(config, augment=AugmentConfig(flip=True)))
    with pytest.raises(UserError, match=r"got: config\.augment\.flip was False, now True"):
        folder.begin(flipping, command="")


def test_a_configuration_without_its_parts_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"format_version": 1, "anchors": {}}')
    with pytest.raises(UserError, match="must be a run's configuration, got one without canvas_size, class_names"):
        RunFolder(tmp_path).load()
