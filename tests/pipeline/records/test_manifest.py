"""The manifest: read back whole; a set that is missing, unfinished, altered or of another format is one line."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.plain import JSON_BYTES, canonical_json, checksum
from pipeline.config.records_config import Letterbox
from pipeline.errors import UserError
from pipeline.records import manifest as manifests
from pipeline.records.manifest import FORMAT_VERSION, MANIFEST, check_shards, load_manifest, parse_manifest
from pipeline.records.statistics import NO_SIZE
from tests.record_sets import CLASS_NAMES, TINY, make_records, rewrite_manifest, write_record_set

Values = dict[str, Any]


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
    assert values["matching"] == {"positive_iou": 0.5, "ignore_iou": 0.4}
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
    assert message.startswith(f"{folder / MANIFEST} must be ") and message.endswith(
        "run its `make records` command again"
    )


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
        assert refusal(folder).startswith(f"{folder / MANIFEST} must be ")


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


def setter(path: str, value: object) -> Callable[[Values], None]:
    """Sets the field at a path such as "shards.train.0.bytes"."""

    def change(values: Values) -> None:
        *way, last = [int(name) if name.isdigit() else name for name in path.split(".")]
        inner: Any = values
        for name in way:
            inner = inner[name]
        inner[last] = value

    return change


def remover(path: str) -> Callable[[Values], None]:
    """Removes the field at such a path."""

    def change(values: Values) -> None:
        *way, last = path.split(".")
        inner: Any = values
        for name in way:
            inner = inner[int(name) if name.isdigit() else name]
        del inner[last]

    return change


FORGED = [
    *[(remover(path), path.rpartition(".")[2]) for path in (
        "versions", "category_ids", "config", "config.seed", "config.views", "config.letterbox", "config.collage.flip",
        "statistics.train.views", "statistics.train.most_boxes", "statistics.train.least_height",
        "shards.train.0.bytes", "shards.val",
        "statistics.val", "statistics.test.boxes", "rejected.sha256", "anchors.fingerprint", "matching.ignore_iou",
    )],
    *[(setter(path, value), named) for path, value, named in (
        ("note", 1, "must have no field 'note'"),
        ("config.note", 1, "config must have no field 'note'"),
        ("config.seed", 10**300, "records.seed"),
        ("config.seed", 2**63, "records.seed"),
        ("config.copies", 10**18, "records.copies"),
        ("config.collage.size", 10**6, "collage.size"),
        ("config.collage.size", 65, "anchors"),
        ("config.views", 0, "records.views"),
        ("config.views", 10**6, "records.views"),
        ("config.views", 2, "statistics.train.views"),
        ("config.letterbox", {"size": 64, "picture_side": 64, "crop": None, "flip": True}, "got 'both'"),
        ("config.collage", None, "records must be either a collage or a letterbox, got 'neither'"),
        ("config.collage.object_size", [16, 65], "collage.object_size"),
        ("config.collage.max_overlap", 1e300, "collage.max_overlap"),
        ("config.source", "a\0b", "config.source"),
        ("config.anchors.strides", [], "anchors.strides"),
        ("config.anchors.strides.0", 10**300, "anchors.strides"),
        ("config.anchors.strides.0", 16, "anchors.feature_maps"),
        ("config.anchors.scales.0", 1e300, "anchors.scales"),
        ("config.anchors.scales.0", True, "config.anchors.scales[0]"),
        ("config.anchors.scale_after_last", -1.0, "anchors.scale_after_last"),
        ("config.shards.train", 4, "shards.train"),
        ("config.shards.train", 2.0, "config.shards.train"),
        ("anchors.fingerprint", "0", "fingerprint"),
        ("anchors.feature_maps", [], "feature_maps"),
        ("anchors.feature_maps.0.size", [30_000, 30_000], "feature_maps.size"),
        ("anchors.feature_maps.0.size", [-3, 4], "feature_maps.size"),
        ("anchors.feature_maps.0.size", [4096, 4096], "feature_maps"),
        ("anchors.feature_maps.0.size", [8], "anchors.feature_maps[0].size"),
        ("anchors.feature_maps.0.boxes", [[0.1, 0.1]] * 10_000, "feature_maps.boxes"),
        ("anchors.feature_maps.0.boxes.0", [1e300, 1e300], "feature_maps.boxes"),
        ("anchors.feature_maps.0.boxes.0", [0.0, 0.1], "feature_maps.boxes"),
        ("matching.positive_iou", 0.51, "matching"),
        ("matching.ignore_iou", "0.4", "matching.ignore_iou"),
        ("class_names", None, "class_names"),
        ("class_names", [], "class_names"),
        ("class_names", ["x"] * 20_000, "class_names"),
        ("class_names", ["red", "green"], "statistics.train.boxes_per_class"),
        ("class_names.0", 3, "class_names[0]"),
        ("class_names.0", "", "class_names[0]"),
        ("class_names.0", "a\0", "class_names[0]"),
        ("class_names.0", "a\x1b[2J", "class_names[0]"),
        ("class_names.0", "a\n", "class_names[0]"),
        ("class_names.0", "x" * 10_000, "class_names[0]"),
        ("category_ids", [1, 2], "category_ids must be 3 different numbers, one for each class, got 2"),
        ("category_ids", [1, 2, 2], "category_ids must be 3 different numbers"),
        ("category_ids", [1, 2, -3], "category_ids[2]"),
        ("category_ids", ["1", "2", "3"], "category_ids[0]"),
        ("category_ids", 3, "category_ids"),
        ("shards", [], "shards"),
        ("shards.train", [], "shards.train"),
        ("shards.train.0", [], "shards.train[0]"),
        ("shards.train.0.more", 1, "shards.train[0]"),
        ("shards.train.0.name", "../elsewhere.tfrecord", "shards.train[0].name"),
        ("shards.train.0.name", "a\0b.tfrecord", "shards.train[0].name"),
        ("shards.train.0.name", "another.tfrecord", "shards.train[0].name"),
        ("shards.train.0.bytes", -1, "shards.train[0].bytes"),
        ("shards.train.0.bytes", 10**300, "shards.train[0].bytes"),
        ("shards.train.0.examples", 10**15, "examples of train-"),
        ("shards.train.0.examples", 2, "statistics.train.examples"),
        ("shards.train.0.sha256", "0", "shards.train[0].sha256"),
        ("fingerprint", "0\n", "fingerprint"),
        ("fingerprint", "0", "shards.train[0].name"),
        ("statistics", {}, "statistics"),
        ("statistics.train", {}, "statistics.train"),
        ("statistics.train.boxes", -1, "statistics.train.boxes"),
        ("statistics.train.boxes", 1e300, "statistics.train.boxes"),
        ("statistics.train.boxes_per_class", [], "statistics.train.boxes_per_class"),
        ("statistics.train.best_iou_histogram", [0] * 19, "statistics.train.best_iou_histogram"),
        ("statistics.train.positives_per_map", [0] * 7, "statistics.train.positives_per_map"),
        ("statistics.train.positives_per_map", [1] * 6, "statistics.train.positives_per_map"),
        ("statistics.train.boxes_without_anchor", 10**9, "statistics.train.boxes_without_anchor"),
        ("statistics.train.views", 4, "statistics.train.views"),
        ("statistics.train.objects", 10**9, "statistics.train.objects"),
        ("statistics.train.most_height", 65, "statistics.train.most_height must be at most 64, as in config, got 65"),
        ("statistics.val.most_width", 65, "statistics.val.most_width must be at most 64, as in config, got 65"),
        ("statistics.train.most_height", 10**6, "statistics.train.most_height must be at most 65500"),
        ("statistics.train.least_height", 65, "statistics.train.least_height"),
        ("statistics.test.least_width", 65, "statistics.test.least_width"),
        ("statistics.train.least_width", -1, "statistics.train.least_width"),
        ("statistics.train.most_boxes", 10**9, "statistics.train.most_boxes"),
        ("statistics.train.most_positives", 10**9, "statistics.train.most_positives"),
        ("statistics.train.most_ignored", 10**9, "statistics.train.most_ignored"),
        ("rejected", {}, "rejected"),
        ("rejected.pictures", "0", "rejected.pictures"),
        ("rejected.file", "/etc/passwd", "rejected.file"),
        ("versions", {"numpy": 2}, "versions"),
        ("versions", {"nu\0mpy": "2"}, "versions"),
    )],
]  # fmt: skip


@pytest.mark.parametrize(("change", "named"), FORGED, ids=[f"{n}-{named}" for n, (_, named) in enumerate(FORGED)])
def test_a_forged_manifest_is_one_line_that_names_the_field(
    folder: Path, change: Callable[[Values], object], named: str
) -> None:
    rewrite_manifest(folder, change)
    message = refusal(folder)
    assert message.startswith((f"{folder / MANIFEST}: ", f"{folder / MANIFEST} must have "))
    assert named in message and message.endswith("; run its `make records` command again")


@pytest.mark.parametrize("side", [None, 100])
def test_stored_pictures_of_a_letterbox_may_be_larger_than_the_canvas(tmp_path: Path, side: int | None) -> None:
    config = dataclasses.replace(TINY, collage=None, letterbox=Letterbox(size=64, picture_side=side))
    record = dataclasses.replace(make_records(TINY, "train", 1)[0], height=100, width=10)
    manifest = write_record_set(tmp_path, config=config, records={"train": [record], "val": [], "test": []})
    assert manifest.config == config and manifest.canvas_size == 64
    statistics = manifest.statistics["train"]
    assert [statistics[f"{kind}_height"] for kind in ("least", "most")] == [100, 100]
    assert manifest.statistics["val"]["least_height"] == NO_SIZE
    if side is not None:
        rewrite_manifest(tmp_path, setter("config.letterbox.picture_side", 99))
        message = refusal(tmp_path)
        assert "statistics.train.most_height must be at most 99, as in config, got 100" in message


def test_nothing_large_is_computed_before_the_limits_are_checked(monkeypatch: pytest.MonkeyPatch, whole: Path) -> None:
    values = json.loads((whole / MANIFEST).read_text())
    del values["checksum"]
    values["anchors"]["feature_maps"][0]["size"] = [30_000, 30_000]
    monkeypatch.setattr(manifests, "make_anchors", lambda *_: pytest.fail("anchors were made"))
    text = canonical_json({**values, "checksum": checksum(values)}).encode()
    assert "feature_maps.size" in refusal(whole, lambda: parse_manifest(text, folder="records"))


def test_a_missing_shard(folder: Path) -> None:
    shard = folder / load_manifest(str(folder)).shards["train"][1].name
    shard.unlink()
    assert refusal(folder).startswith(f"{shard} is missing, although the manifest lists it; run its `make records`")


@pytest.mark.parametrize("content", [b"", b"longer" * 10_000])
def test_a_shard_of_another_size(folder: Path, content: bytes) -> None:
    shard = folder / load_manifest(str(folder)).shards["val"][0].name
    shard.write_bytes(content)
    message = refusal(folder)
    assert message.startswith(f"{shard} must have ") and f"bytes, got {len(content)}; run its `make rec" in message


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
    message = refusal(folder, lambda: check_shards(manifest, "train"))
    assert message.startswith(f"{shard} must have the SHA-256 ") and "it was altered" in message
    check_shards(manifest, "test")
