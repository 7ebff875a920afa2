"""The manifest: read back whole; any set that is missing, unfinished, altered or of another format is one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.plain import checksum
from pipeline.errors import UserError
from pipeline.files import file_sha256
from pipeline.geometry.anchors import make_anchors
from pipeline.records.manifest import (
    FORMAT_VERSION,
    MANIFEST,
    Manifest,
    Shard,
    check_shards,
    load_manifest,
)
from tests.pipeline.config.test_records_config import BASELINE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small, whole record set."""
    shards: dict[str, tuple[Shard, ...]] = {}
    for split, count in (("train", 2), ("val", 1), ("test", 1)):
        made = []
        for number in range(count):
            path = tmp_path / f"{split}-0123-{number:05d}-of-{count:05d}.tfrecord"
            path.write_bytes(f"{split} {number}".encode() * 10)
            made.append(Shard(path.name, number + 1, path.stat().st_size, file_sha256(path)))
        shards[split] = tuple(made)
    manifest = Manifest(
        folder=str(tmp_path),
        fingerprint="0123",
        config=BASELINE,
        anchors=make_anchors(BASELINE.anchors, 224),
        class_names=("cat", "dög"),
        shards=shards,
        statistics={"train": {"boxes": 3, "share": 0.1}},
        rejected={"pictures": 0, "sha256": "0"},
        versions={"numpy": "2"},
    )
    (tmp_path / MANIFEST).write_text(manifest.to_json())
    return tmp_path


def assert_one_line(folder: Path, *parts: str, load: Callable[[], Any] | None = None) -> None:
    with pytest.raises(UserError) as caught:
        load() if load is not None else load_manifest(str(folder))
    message = str(caught.value)
    assert "\n" not in message and len(message) < 600
    for part in (*parts, " must ", ", got "):
        assert part in message


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object], *, honest: bool = True) -> None:
    """Changes the manifest, and its checksum with it where honest."""
    path = folder / MANIFEST
    values = json.loads(path.read_text())
    stated = values.pop("checksum")
    change(values)
    values["checksum"] = checksum(values) if honest else stated
    path.write_text(json.dumps(values))


def test_a_manifest_is_read_back_whole(folder: Path) -> None:
    manifest = load_manifest(str(folder))
    assert manifest.to_json() == (folder / MANIFEST).read_text()
    assert manifest.config == BASELINE and manifest.matching == BASELINE.matching
    assert len(manifest.anchors) == 798 and manifest.canvas_size == 224
    assert manifest.class_names == ("cat", "dög") and manifest.background == 2
    assert manifest.examples("train") == 3 and manifest.examples("test") == 1
    assert manifest.statistics == {"train": {"boxes": 3, "share": 0.1}}


def test_the_manifest_says_what_others_need_to_rebuild_anchors(folder: Path) -> None:
    values = json.loads((folder / MANIFEST).read_text())
    assert values["format_version"] == FORMAT_VERSION
    assert [m["size"] for m in values["anchors"]["feature_maps"]] == [[n, n] for n in (14, 7, 4, 2, 1)]
    assert values["matching"] == {"positive_iou": 0.3, "ignore_iou": None}
    assert list(values)[-1] == "checksum"


def test_no_folder_or_no_set(tmp_path: Path) -> None:
    assert_one_line(tmp_path / "none", str(tmp_path / "none"), "make records")
    assert_one_line(tmp_path, str(tmp_path), "make records")
    (tmp_path / "file").write_text("")
    assert_one_line(tmp_path / "file", str(tmp_path / "file"), "make records")


def test_a_job_that_did_not_finish(folder: Path) -> None:
    (folder / MANIFEST).unlink()
    assert_one_line(folder, str(folder / MANIFEST), "did not finish", "make records")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", '"text"', '{"format_versio": 1}', "\xff"])
def test_something_else_instead_of_a_manifest(folder: Path, text: str) -> None:
    (folder / MANIFEST).write_bytes(text.encode("latin-1"))
    assert_one_line(folder, str(folder / MANIFEST), "make records")


def test_every_cut_of_a_manifest_is_refused(folder: Path) -> None:
    whole = (folder / MANIFEST).read_bytes().rstrip()
    for end in [*range(0, len(whole), 37), len(whole) - 1]:
        (folder / MANIFEST).write_bytes(whole[:end])
        assert_one_line(folder, str(folder / MANIFEST))


@pytest.mark.parametrize("version", [0, FORMAT_VERSION + 1, "1", None])
def test_another_format_version(folder: Path, version: object) -> None:
    rewrite(folder, lambda v: v.update(format_version=version))
    assert_one_line(folder, str(folder / MANIFEST), f"format version {FORMAT_VERSION}, got {version!r}", "make records")


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v["class_names"].reverse(),
        lambda v: v["config"]["matching"].update(positive_iou=0.31),
        lambda v: v["anchors"]["feature_maps"][0]["boxes"][0].reverse() or v["anchors"]["feature_maps"].reverse(),
        lambda v: v["shards"]["train"][0].update(sha256="0"),
        lambda v: v.update(note="by hand"),
        lambda v: v.pop("versions"),
    ],
)
def test_an_altered_manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    rewrite(folder, change, honest=False)
    assert_one_line(folder, str(folder / MANIFEST), "it was altered", "make records")


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v.pop("versions"),
        lambda v: v.pop("config"),
        lambda v: v["config"].pop("seed"),
        lambda v: v["shards"]["train"][0].pop("bytes"),
        lambda v: v["shards"]["train"][0].update(more=1),
        lambda v: v.update(shards=[]),
        lambda v: v.update(class_names=None),
        lambda v: v["anchors"].update(fingerprint="0"),
    ],
)
def test_a_manifest_that_lacks_something_though_its_checksum_holds(
    folder: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    rewrite(folder, change)
    assert_one_line(folder, str(folder / MANIFEST))


def test_a_missing_shard(folder: Path) -> None:
    shard = folder / "train-0123-00001-of-00002.tfrecord"
    shard.unlink()
    assert_one_line(folder, str(shard), "make records")


@pytest.mark.parametrize("content", [b"", b"longer than it was, by a good deal, for certain, and then some: more" * 4])
def test_a_shard_of_another_size(folder: Path, content: bytes) -> None:
    shard = folder / "val-0123-00000-of-00001.tfrecord"
    shard.write_bytes(content)
    assert_one_line(folder, str(shard), f"got {len(content)}", "make records")


def test_a_shard_altered_in_place_is_found_by_its_checksum(folder: Path) -> None:
    manifest = load_manifest(str(folder))
    seen: list[str] = []
    check_shards(manifest, "train", lambda s: seen.append(s.name))
    assert seen == [s.name for s in manifest.shards["train"]]
    shard = folder / seen[1]
    data = bytearray(shard.read_bytes())
    data[3] ^= 1
    shard.write_bytes(data)
    load_manifest(str(folder))  # sizes alone do not show it
    assert_one_line(folder, str(shard), "SHA-256", load=lambda: check_shards(manifest, "train"))
    check_shards(manifest, "test")
