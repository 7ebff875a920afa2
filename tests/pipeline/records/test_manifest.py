"""The manifest: read back whole; a set that is missing, unfinished, altered or of another format is one line."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.config.plain import JSON_BYTES
from pipeline.config.records_config import Letterbox
from pipeline.records.manifest import FORMAT_VERSION, MANIFEST, load_manifest
from pipeline.records.statistics import NO_SIZE
from tests.pipeline.records.altered_manifest import Values, refusal, setter
from tests.record_sets import CLASS_NAMES, TINY, make_records, rewrite_manifest, write_record_set


def test_a_manifest_is_read_back_whole(folder: Path) -> None:
    manifest = load_manifest(str(folder))
    assert manifest.to_json() == (folder / MANIFEST).read_text()
    assert manifest.config == TINY and manifest.matching == TINY.matching
    assert manifest.canvas_size == 64 and manifest.anchors.feature_maps[0].size == (8, 8)
    assert manifest.class_names == CLASS_NAMES and manifest.background == 3
    assert [manifest.examples(split) for split in ("train", "val", "test")] == [3, 1, 2]
    assert manifest.statistics["train"]["examples"] == 3


def test_a_source_may_number_its_classes(folder: Path) -> None:
    assert load_manifest(str(folder)).category_ids is None
    rewrite_manifest(folder, setter("category_ids", [90, 1, 17]))
    manifest = load_manifest(str(folder))
    assert manifest.category_ids == (90, 1, 17)
    assert manifest.to_json() == (folder / MANIFEST).read_text()


def test_the_manifest_says_what_others_need_to_rebuild_anchors(folder: Path) -> None:
    values = json.loads((folder / MANIFEST).read_text())
    assert values["format_version"] == FORMAT_VERSION
    assert [m["size"] for m in values["anchors"]["feature_maps"]] == [[n, n] for n in (8, 4, 2, 1, 1, 1)]
    first = values["anchors"]["feature_maps"][0]["centers"]
    assert first == {"offset": [0.5, 0.5], "cells": [8.0, 8.0]}
    assert values["matching"] == {
        "positive_iou": 0.5,
        "ignore_iou": 0.4,
        "forced": "bipartite",
        "coder_weights": [1.0, 1.0, 1.0, 1.0],
    }
    assert list(values)[-1] == "checksum"


def test_no_folder_or_no_set(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "none", tmp_path, tmp_path / "file"):
        assert refusal(path).startswith(f"{path} must be a record set, got no manifest.json there; make one with `make")


def test_a_job_that_did_not_finish(folder: Path) -> None:
    (folder / MANIFEST).unlink()
    message = refusal(folder)
    assert message.startswith(f"{folder / MANIFEST} is missing") and "did not finish; run its `make records`" in message


NO_MANIFEST = ["", "{", "[]", "null", "3", '"text"', '{"format_versio": 1}', "\xff", '{"format_version": NaN}']


@pytest.mark.parametrize("text", [*NO_MANIFEST, "[" * 200_000, '{"format_version":' + "[" * 200_000])
def test_something_else_instead_of_a_manifest(folder: Path, text: str) -> None:
    (folder / MANIFEST).write_bytes(text.encode("latin-1"))
    message = refusal(folder)
    said = ("must be ", "is not valid JSON: ", "is nested too deeply")
    assert message.startswith(tuple(f"{folder / MANIFEST} {start}" for start in said))
    assert message.endswith("run its `make records` command again")


def test_a_manifest_of_gigabytes_is_not_read(folder: Path) -> None:
    with (folder / MANIFEST).open("r+b") as file:
        file.truncate(5 << 30)  # a hole: it takes no room on the disk
    with pytest.raises(OSError, match=f"must have at most {JSON_BYTES} bytes, got {5 << 30}"):
        load_manifest(str(folder))


def test_nesting_that_json_can_be_read_with_but_not_written(folder: Path) -> None:
    """The checksum is of the text written anew."""
    for depth in range(100, 5000, 100):
        (folder / MANIFEST).write_text(f'{{"format_version": {FORMAT_VERSION}, "x": ' + "[" * depth + "]" * depth + "}")
        assert str(folder / MANIFEST) in refusal(folder)


def test_every_cut_of_a_manifest_is_refused(folder: Path) -> None:
    whole = (folder / MANIFEST).read_bytes().rstrip()
    for end in [*range(0, len(whole), 37), len(whole) - 1]:
        (folder / MANIFEST).write_bytes(whole[:end])
        assert refusal(folder).startswith(f"{folder / MANIFEST} is not valid JSON: ")


@pytest.mark.parametrize("version", [0, FORMAT_VERSION + 1, "1", "2", None, [0] * 100_000])
def test_another_format_version(folder: Path, version: object) -> None:
    rewrite_manifest(folder, lambda v: v.update(format_version=version))
    message = refusal(folder)
    assert message.startswith(f"{folder / MANIFEST} must be of format version {FORMAT_VERSION}, got ")
    assert message.endswith("; it was written by another prematch; run its `make records` command again")


def test_format_version_1_is_refused_by_name_whatever_else_is_in_it(folder: Path) -> None:
    values = {"format_version": 1, "config": {"canvas": {"size": 224}}, "checksum": "0"}
    (folder / MANIFEST).write_text(json.dumps(values))
    assert refusal(folder) == (
        f"{folder / MANIFEST} must be of format version 2, got 1; it was written by an earlier prematch, whose records "
        "hold one view and cannot be read any more; run its `make records` command again"
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v["class_names"].reverse(),
        lambda v: v["config"]["matching"].update(positive_iou=0.51),
        lambda v: v["anchors"]["feature_maps"].reverse(),
        lambda v: v["shards"]["train"][0].update(sha256="0"),
        lambda v: v.update(note="by hand"),
        lambda v: v.pop("versions"),
        lambda v: v.pop("checksum"),
        lambda v: v.update(checksum=[0] * 100_000),
    ],
)
def test_an_altered_manifest(folder: Path, change: Callable[[Values], object]) -> None:
    values = json.loads((folder / MANIFEST).read_text())
    change(values)
    (folder / MANIFEST).write_text(json.dumps(values))
    message = refusal(folder)
    assert message.startswith(f"{folder / MANIFEST} must have the checksum ") and "it was altered; run its" in message


@pytest.mark.parametrize("side", [None, 100])
def test_stored_images_of_a_letterbox_may_be_larger_than_the_canvas(tmp_path: Path, side: int | None) -> None:
    config = dataclasses.replace(TINY, collage=None, letterbox=Letterbox(size=64, image_side=side))
    record = dataclasses.replace(make_records(TINY, "train", 1)[0], height=100, width=10)
    manifest = write_record_set(tmp_path, config=config, records={"train": [record], "val": [], "test": []})
    assert manifest.config == config and manifest.canvas_size == 64
    statistics = manifest.statistics["train"]
    assert [statistics[f"{kind}_height"] for kind in ("least", "most")] == [100, 100]
    assert manifest.statistics["val"]["least_height"] == NO_SIZE
    if side is not None:
        rewrite_manifest(tmp_path, setter("config.letterbox.image_side", 99))
        message = refusal(tmp_path)
        assert "statistics.train.most_height must be at most 99, as in config, got 100" in message
