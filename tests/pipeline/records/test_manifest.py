"""The manifest: read back whole; a set that is missing, unfinished, altered or of another format is one line."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.compositions.letterbox import Letterbox
from pipeline.errors import UserError
from pipeline.records.manifest import FORMAT_VERSION, MANIFEST, WAY_OUT, check_shards, load_manifest
from pipeline.records.statistics import NO_SIZE
from pipeline.typed_json import JSON_BYTES
from tests.record_sets import CLASS_NAMES, TINY, make_records, rewrite_manifest, write_record_set

Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small record set, which nobody changes."""
    folder = tmp_path_factory.mktemp("whole")
    write_record_set(folder, train=3, val=1, test=2)
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A copy of the record set."""
    return shutil.copytree(whole, tmp_path / "records")


def refusal(folder: Path, load: Callable[[], Any] | None = None) -> str:
    """The one line that refuses a record set."""
    with pytest.raises(UserError) as caught:
        load() if load is not None else load_manifest(str(folder))
    message = str(caught.value)
    assert "\n" not in message and len(message) < 1000
    return message


def test_a_manifest_is_read_back_whole(folder: Path) -> None:
    manifest = load_manifest(str(folder))
    assert manifest.to_json() == (folder / MANIFEST).read_text()
    assert manifest.config == TINY and manifest.matching == TINY.matching
    assert manifest.canvas == (64, 64) and manifest.anchors.feature_maps[0].size == (8, 8)
    assert manifest.class_names == CLASS_NAMES and manifest.background == 3
    assert [manifest.examples(split) for split in ("train", "val", "test")] == [3, 1, 2]
    assert manifest.statistics["train"].examples == 3
    assert manifest.all_shards() == [s for split in ("train", "val", "test") for s in manifest.shards(split)]


def test_a_source_may_number_its_classes(folder: Path) -> None:
    assert load_manifest(str(folder)).category_ids is None
    rewrite_manifest(folder, lambda v: v.update(category_ids=[90, 1, 17]))
    manifest = load_manifest(str(folder))
    assert manifest.category_ids == (90, 1, 17)
    assert manifest.to_json() == (folder / MANIFEST).read_text()


def test_the_manifest_says_what_others_need_to_rebuild_anchors(folder: Path) -> None:
    values = json.loads((folder / MANIFEST).read_text())
    assert next(iter(values)) == "format_version" and values["format_version"] == FORMAT_VERSION
    assert [m["size"] for m in values["anchors"]["feature_maps"]] == [[n, n] for n in (8, 4, 2, 1, 1, 1)]
    first = values["anchors"]["feature_maps"][0]["centers"]
    assert first == {"offset": [0.5, 0.5], "cells": [8.0, 8.0]}
    thresholds = {"positive_iou": 0.5, "ignore_iou": 0.4}
    assert values["config"]["matching"] == {**thresholds, "forced": "bipartite", "coder_weights": [1.0] * 4}
    assert list(values)[-1] == "checksum"


def test_no_folder_or_no_set(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "none", tmp_path, tmp_path / "file"):
        assert refusal(path).startswith(f"{path} is no record set: it has no manifest.json; make one with `make")


def test_a_job_that_did_not_finish(folder: Path) -> None:
    (folder / MANIFEST).unlink()
    assert refusal(folder) == f"{folder / MANIFEST} is missing: the job did not finish; {WAY_OUT}"


NO_MANIFEST = ["", "{", "[]", "null", "3", '"text"', '{"format_versio": 1}', "\xff", '{"format_version": NaN}']


@pytest.mark.parametrize("text", [*NO_MANIFEST, "[" * 200_000, '{"format_version":' + "[" * 200_000])
def test_something_else_instead_of_a_manifest(folder: Path, text: str) -> None:
    (folder / MANIFEST).write_bytes(text.encode("latin-1"))
    message = refusal(folder)
    said = ("is not a manifest of prematch; ", "is not valid JSON: ", "is nested too deeply; ")
    assert message.startswith(tuple(f"{folder / MANIFEST} {start}" for start in said)) and message.endswith(WAY_OUT)


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
    text = (folder / MANIFEST).read_bytes().rstrip()
    for end in [*range(0, len(text), 37), len(text) - 1]:
        (folder / MANIFEST).write_bytes(text[:end])
        assert refusal(folder).startswith(f"{folder / MANIFEST} is not valid JSON: ")


@pytest.mark.parametrize("version", [0, FORMAT_VERSION + 1, "1", "3", None, [0] * 100_000])
def test_another_format_version(folder: Path, version: object) -> None:
    rewrite_manifest(folder, lambda v: v.update(format_version=version))
    message = refusal(folder)
    assert message.startswith(f"{folder / MANIFEST} has format version ")
    assert message.endswith(f"; this prematch reads version {FORMAT_VERSION}; {WAY_OUT}")


@pytest.mark.parametrize("version", [1, 2])
def test_earlier_formats_are_refused_by_name_whatever_else_is_in_them(folder: Path, version: int) -> None:
    values = {"format_version": version, "config": {"canvas": {"size": 224}}, "checksum": "0"}
    (folder / MANIFEST).write_text(json.dumps(values))
    assert refusal(folder) == (
        f"{folder / MANIFEST} has format version {version}, of an earlier prematch; this one reads version 3; {WAY_OUT}"
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v["class_names"].reverse(),
        lambda v: v["config"]["matching"].update(positive_iou=0.51),
        lambda v: v["anchors"]["feature_maps"].reverse(),
        lambda v: v["passes"]["train"][0][0].update(sha256="0"),
        lambda v: v.update(note="by hand"),
        lambda v: v.pop("versions"),
        lambda v: v.pop("checksum"),
        lambda v: v.update(checksum=[0] * 100_000),
    ],
)
def test_an_altered_manifest(folder: Path, change: Change) -> None:
    values = json.loads((folder / MANIFEST).read_text())
    change(values)
    (folder / MANIFEST).write_text(json.dumps(values))
    message = refusal(folder)
    assert message.startswith(f"{folder / MANIFEST} was altered: its checksum is ") and message.endswith(WAY_OUT)


@pytest.mark.parametrize(
    ("named", "change"),
    [
        ("missing required field `versions`", lambda v: v.pop("versions")),
        ("`most_boxes` - at `$.statistics.train`", lambda v: v["statistics"]["train"].pop("most_boxes")),
        ("unknown field `note`", lambda v: v.update(note=1)),
        ("unknown field `note` - at `$.config.composition`", lambda v: v["config"]["composition"].update(note=1)),
        ("the unknown field 'config.note'", lambda v: v["config"].update(note=1)),
        ("`$.config.composition.canvas`", lambda v: v["config"]["composition"].update(canvas=64)),
        ("collage.object_size must be", lambda v: v["config"]["composition"].update(object_size=[16, 65])),
        ("records.seed must be", lambda v: v["config"].update(seed=10**300)),
        ("`$.passes.train`", lambda v: v["passes"].update(train=[])),
        ("`$.passes.train[0][0].name`", lambda v: v["passes"]["train"][0][0].update(name="../elsewhere.tfrecord")),
        ("`$.passes.train[0][0].bytes`", lambda v: v["passes"]["train"][0][0].update(bytes=-1)),
        ("`$.class_names[0]`", lambda v: v.update(class_names=["a\x1b[2J"])),
        ("`$.class_names`", lambda v: v.update(class_names=["x"] * 20_000)),
        ("`$.category_ids[0]`", lambda v: v.update(category_ids=["1", "2", "3"])),
        ("`$.rejected.file`", lambda v: v["rejected"].update(file="/etc/passwd")),
        ("feature_maps.size must be", lambda v: v["anchors"]["feature_maps"][0].update(size=[30_000, 30_000])),
    ],
)
def test_fields_of_other_types_and_unknown_fields_are_named(folder: Path, named: str, change: Change) -> None:
    """Whatever the checksum says. Nothing is computed from a value before its limits are checked."""
    rewrite_manifest(folder, change)
    message = refusal(folder)
    assert message.startswith(str(folder / MANIFEST)) and named in message and message.endswith(f"; {WAY_OUT}")


def test_stored_images_of_a_letterbox_may_be_larger_than_the_canvas(tmp_path: Path) -> None:
    config = dataclasses.replace(TINY, composition=Letterbox(canvas=(64, 64)))
    record = dataclasses.replace(make_records(TINY, "train", 1)[0], height=100, width=10)
    manifest = write_record_set(tmp_path, config=config, records={"train": [record], "val": [], "test": []})
    assert manifest.config == config and manifest.canvas == (64, 64)
    statistics = manifest.statistics["train"]
    assert (statistics.least_height, statistics.most_height) == (100, 100)
    assert manifest.statistics["val"].least_height == NO_SIZE


def test_a_missing_shard(folder: Path) -> None:
    shard = folder / load_manifest(str(folder)).shards("train")[1].name
    shard.unlink()
    assert refusal(folder) == f"{shard} is missing, although the manifest lists it; {WAY_OUT}"


@pytest.mark.parametrize("content", [b"", b"longer" * 10_000])
def test_a_shard_of_another_size(folder: Path, content: bytes) -> None:
    shard = folder / load_manifest(str(folder)).shards("val")[0].name
    shard.write_bytes(content)
    message = refusal(folder)
    assert message.startswith(f"{shard} must have ") and message.endswith(f"bytes, got {len(content)}; {WAY_OUT}")


def test_a_shard_altered_in_place_is_found_by_its_checksum(folder: Path) -> None:
    manifest = load_manifest(str(folder))
    check_shards(manifest, "train")
    shard = manifest.shards("train")[1]
    data = bytearray((folder / shard.name).read_bytes())
    data[3] ^= 1
    (folder / shard.name).write_bytes(data)
    load_manifest(str(folder))  # sizes alone do not show it
    message = refusal(folder, lambda: check_shards(manifest, "train"))
    assert message == f"{folder / shard.name} was altered: its SHA-256 is not {shard.sha256}; {WAY_OUT}"
    check_shards(manifest, "test")
