"""Which records a run accepts."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from configs import load_config
from model.run_folder import RunFolder, describe_run
from pipeline.config import CanvasConfig
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


def test_a_configuration_without_its_parts_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"format_version": 1, "anchors": {}}')
    with pytest.raises(UserError, match="must be a run's configuration, got one without canvas_size, class_names"):
        RunFolder(tmp_path).load()
