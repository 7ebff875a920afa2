"""Which records a run accepts."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from configs import load_config
from model.training.run_folder import RunFolder, describe_run, find_other_parts
from pipeline.compositions.collage import Collage
from pipeline.config.presets import BASELINE_ANCHORS
from pipeline.config.run_config import AugmentConfig
from pipeline.errors import UserError
from tests.record_sets import TINY, write_record_set


def test_a_run_takes_everything_about_its_records_from_their_manifest(tmp_path: Path) -> None:
    manifest = write_record_set(tmp_path)
    config = dataclasses.replace(load_config("digits_demo"), records=TINY)
    run = describe_run(config, manifest)
    assert run.records == str(tmp_path) and run.config == config and find_other_parts(config, manifest) == []
    collage = Collage(canvas=(96, 96), object_size=(16, 16))
    other = dataclasses.replace(TINY, source="another", composition=collage, anchors=BASELINE_ANCHORS)
    other_config = dataclasses.replace(config, records=other)
    assert describe_run(other_config, manifest) == run
    assert find_other_parts(other_config, manifest) == ["source", "composition", "anchors"]


def test_a_run_says_what_its_figures_were_computed_with(tmp_path: Path) -> None:
    config = dataclasses.replace(load_config("digits_demo"), records=TINY)
    folder = RunFolder(tmp_path / "run")
    assert not folder.begin(describe_run(config, write_record_set(tmp_path / "records")), command="")
    versions = json.loads(folder.config.read_text())["versions"]
    assert versions["faster-coco-eval"] == metadata.version("faster-coco-eval")
    assert {"python", "tensorflow", "numpy"} <= set(versions)


def test_a_run_made_before_a_setting_existed_is_a_run_without_it(tmp_path: Path) -> None:
    config = dataclasses.replace(load_config("digits_demo"), records=TINY)
    run = describe_run(config, write_record_set(tmp_path / "records"))
    folder = RunFolder(tmp_path / "run")
    assert not folder.begin(run, command="")
    values = json.loads(folder.config.read_text())
    del values["config"]["augment"], values["config"]["loss"]["label_smoothing"]
    del values["config"]["model"]["freeze"], values["config"]["training"]["init"]
    del values["config"]["training"]["patience"]
    folder.config.write_text(json.dumps(values))
    assert folder.load() == run
    assert folder.begin(run, command="")
    flipping = dataclasses.replace(run, config=dataclasses.replace(config, augment=AugmentConfig(flip=True)))
    with pytest.raises(UserError, match=r"other records: config\.augment\.flip was False, now True"):
        folder.begin(flipping, command="")


def test_another_number_of_ranks_would_read_other_batches(tmp_path: Path) -> None:
    config = dataclasses.replace(load_config("digits_demo"), records=TINY)
    manifest, folder = write_record_set(tmp_path / "records"), RunFolder(tmp_path / "run")
    folder.begin(describe_run(config, manifest, ranks=2), command="")
    assert folder.begin(describe_run(config, manifest, ranks=2), command="")
    said = rf"^{folder.path} was begun by 2 ranks, .* cannot go on with 1; start 2 again, or choose another --run$"
    with pytest.raises(UserError, match=said):
        folder.begin(describe_run(config, manifest), command="")


def test_a_configuration_without_its_parts_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"format_version": 2, "anchors": {}}')
    with pytest.raises(UserError, match=r"config.json: Object missing required field `feature_maps` - at `\$.anchors`"):
        RunFolder(tmp_path).load()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (
            lambda v: v.update(format_version=1),
            "has format version 1, and this prematch reads version 2: its records are of an earlier format too; "
            "make them again, and train with another --run",
        ),
        (lambda v: v.pop("records"), "Object missing required field `records`"),
        (lambda v: v.update(more=1), "has the unknown field 'more'"),
        (lambda v: v.update(records="a\0b"), "at `$.records`"),
        (lambda v: v.update(class_names=[]), "length >= 1 - at `$.class_names`"),
        (lambda v: v.update(class_names=["a\x1b"]), "at `$.class_names[0]`"),
        (lambda v: v.update(ranks=True), "Expected `int`, got `bool` - at `$.ranks`"),
        (lambda v: v["anchors"]["feature_maps"][0].update(size=[30_000, 30_000]), "feature_maps.size must be"),
        (lambda v: v["config"]["training"].update(batch=10**300), "batch must be from 1"),
        (lambda v: v["config"]["training"]["schedule"].update(base=1e300), "schedule.base must be"),
        (lambda v: v["config"]["model"].update(width_multiplier=1000.0), "model.width_multiplier must be"),
    ],
)
def test_a_forged_configuration_is_one_line_that_names_the_field(
    change: Callable[[dict[str, Any]], object], named: str, tmp_path: Path
) -> None:
    config = dataclasses.replace(load_config("digits_demo"), records=TINY)
    folder = RunFolder(tmp_path / "run")
    folder.begin(describe_run(config, write_record_set(tmp_path / "records", train=1, val=1, test=1)), command="")
    values = json.loads(folder.config.read_text())
    change(values)
    folder.config.write_text(json.dumps(values))
    with pytest.raises(UserError) as refused:
        folder.load()
    message = str(refused.value)
    assert message.startswith(str(folder.config)) and named in message and "\n" not in message


@pytest.mark.parametrize("text", [b"", b"\xff", b"[]", b"[" * 200_000, b'{"format_version": NaN}'])
def test_a_configuration_that_is_something_else_is_one_line(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(text)
    with pytest.raises(
        UserError, match=r"^[^\n]*config.json (is no run's configuration|must be|is not valid|is nested)[^\n]*$"
    ):
        RunFolder(tmp_path).load()
