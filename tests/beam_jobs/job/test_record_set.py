"""What a record set holds: the right images in the right shards, with the targets that brute force finds."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from beam_jobs.job.fingerprint import find_library_versions
from beam_jobs.job.receipt import name_receipt, parse_receipt
from beam_jobs.sources.cifar10.reader import Cifar10
from beam_jobs.sources.data_paths import DataPaths
from beam_jobs.sources.digits import Digits
from pipeline.compositions.resize import paint_view, resize
from pipeline.config.records_config import SPLITS, RecordsConfig
from pipeline.geometry.matching import IOU_DECIMALS
from pipeline.records.keys import hash63
from pipeline.records.manifest import load_manifest
from pipeline.records.record import Record, decode_record
from pipeline.records.statistics import IOU_BINS
from pipeline.records.tfrecord import read_frames
from tests import cifar10_files, reference
from tests.beam_jobs.image_source import write_images
from tests.beam_jobs.record_job import CIFAR10, DIGITS, IMAGES, VIEWS, make_set, read_shards

Located = tuple[str, int, Record]  # split, shard, record


@pytest.fixture(scope="module")
def cifar10(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of 72 small images, in a folder beside their source."""
    place = tmp_path_factory.mktemp("cifar10")
    source = Cifar10.prepare(DataPaths(str(cifar10_files.write_cifar10(place))))
    make_set(place / "records", CIFAR10, source=source)
    return place / "records"


@pytest.fixture(scope="module")
def digits(made: Path) -> Path:
    """A set of digits, one or two per image."""
    return made


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits, in four views each."""
    records = tmp_path_factory.mktemp("views")
    make_set(records, VIEWS)
    return records


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images with boxes of their own, in four views each, all but the first cropped."""
    place = tmp_path_factory.mktemp("images")
    make_set(place / "records", IMAGES, source=write_images(place / "images", 40))
    return place / "records"


@pytest.fixture(params=["cifar10", "digits", "views"])
def located(request: pytest.FixtureRequest) -> list[Located]:
    """All records of each set."""
    return list(read_shards(request.getfixturevalue(request.param)))


def test_keys_are_unique_and_lie_where_their_hash_says(located: list[Located]) -> None:
    keys = [record.key for _, _, record in located]
    assert len(set(keys)) == len(keys) > 70
    shards: dict[tuple[str, int], list[int]] = {}
    for split, shard, record in located:
        assert record.key.startswith(f"{split}/{record.source_id}/")
        assert hash63(record.key) % DIGITS.shards.of(split) == shard
        shards.setdefault((split, shard), []).append(hash63(record.key))
    assert all(orders == sorted(orders) for orders in shards.values())


def test_every_image_is_there_once_or_in_its_copies(cifar10: Path) -> None:
    seen = Counter(record.source_id for _, _, record in read_shards(cifar10))
    splits = {record.source_id: split for split, _, record in read_shards(cifar10)}
    assert len(seen) == 72
    assert all(count == (2 if splits[source_id] == "train" else 1) for source_id, count in seen.items())


def test_val_is_a_tenth_of_train_and_shares_no_image_with_it(tmp_path: Path) -> None:
    source = Cifar10.prepare(DataPaths(str(cifar10_files.write_cifar10(tmp_path, count=60))))
    make_set(tmp_path / "records", CIFAR10, source=source)
    ids: dict[str, set[str]] = {split: set() for split in SPLITS}
    for split, _, record in read_shards(tmp_path / "records"):
        ids[split].add(record.source_id)
    assert not ids["train"] & ids["val"]
    assert len(ids["train"]) + len(ids["val"]) == 300 and len(ids["test"]) == 60
    assert 15 <= len(ids["val"]) <= 48  # 30 on average, with a deviation of 5
    assert all(source_id.startswith("test_batch") for source_id in ids["test"])


def test_an_empty_shard_has_its_file_and_its_receipt(tmp_path: Path) -> None:
    make_set(tmp_path, replace(DIGITS, limit=1))
    manifest = load_manifest(str(tmp_path))
    empty = [shard for shard in manifest.all_shards() if shard.examples == 0]
    assert empty and sum(manifest.examples(split) for split in SPLITS) <= 3
    for shard in empty:
        assert (tmp_path / shard.name).read_bytes() == b""
        assert (tmp_path / "receipts" / shard.name).with_suffix(".json").is_file()


@pytest.mark.parametrize("name", ["digits", "images"])
def test_the_receipt_says_where_each_record_begins(name: str, request: pytest.FixtureRequest) -> None:
    """So that a reader can go to any of them."""
    records = request.getfixturevalue(name)
    located = iter(read_shards(records))
    for shard in load_manifest(str(records)).all_shards():
        receipt = parse_receipt((records / "receipts" / name_receipt(shard.name)).read_bytes())
        assert receipt is not None and receipt.shards == (shard,)
        (begins,) = receipt.begins
        assert len(begins) == shard.examples
        with (records / shard.name).open("rb") as file:
            for begin in begins:
                file.seek(begin)
                data = next(read_frames(file, shard.bytes - begin))
                assert decode_record(data).key == next(located)[2].key
    assert next(located, None) is None


@pytest.mark.parametrize(
    ("name", "config"), [("cifar10", CIFAR10), ("digits", DIGITS), ("views", VIEWS), ("images", IMAGES)]
)
def test_targets_are_those_of_the_slow_reference(
    name: str, config: RecordsConfig, request: pytest.FixtureRequest
) -> None:
    records = [record for _, _, record in read_shards(request.getfixturevalue(name))]
    anchors = reference.anchors(config.anchors, config.canvas)
    corners = [reference.corners(anchor) for anchor in anchors]
    for view in [view for record in records[::6] for view in record.views]:
        boxes = view.boxes.astype(np.float64).tolist()
        overlaps = [[reference.iou(box, corner) for corner in corners] for box in boxes]
        expected = reference.assign(overlaps, config.matching.positive_iou, config.matching.ignore_iou)
        targets = view.targets
        assert targets.anchors.tolist() == sorted(expected.ground_truth_of)
        assert targets.objects.tolist() == [expected.ground_truth_of[anchor] for anchor in targets.anchors.tolist()]
        assert targets.ignored.tolist() == sorted(expected.ignored)
        for anchor, label, offsets in zip(targets.anchors.tolist(), targets.classes, targets.offsets, strict=True):
            ground_truth = expected.ground_truth_of[anchor]
            assert label == view.labels[ground_truth]
            wanted = reference.offsets(boxes[ground_truth], anchors[anchor])
            np.testing.assert_allclose(offsets, wanted, rtol=0, atol=1e-6)


def test_the_image_is_the_sources_or_its_mirror_image(cifar10: Path) -> None:
    names = ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch")
    mirrored = []
    for _, _, record in read_shards(cifar10):
        name, _, row = record.source_id.rpartition("-")
        labels, pixels = cifar10_files.rows(names.index(name), 12)
        original = pixels[int(row)]
        (view,) = record.views
        canvas = paint_view(record.image(), view.view, canvas=(96, 96))
        box = np.rint(view.boxes[0] * 96).astype(int)
        shown = canvas[box[0] : box[2], box[1] : box[3]]
        mirrored.append(bool((shown == original[:, ::-1]).all()))
        assert mirrored[-1] or (shown == original).all(), record.key
        assert canvas.sum() == shown.sum()  # black around it
        assert view.labels.tolist() == [labels[int(row)]]
    assert 0.25 < np.mean(mirrored) < 0.75


def test_a_digit_is_drawn_in_its_own_size_and_its_companions_come_from_its_split(digits: Path) -> None:
    source = Digits.prepare(DataPaths())
    images = {item.source_id: (source.read(item.reference), item.label) for item in source.items()}
    counts: Counter[int] = Counter()
    for _, _, record in read_shards(digits):
        (view,) = record.views
        counts[len(view.labels)] += 1
        image, label = images[record.source_id]
        box = np.rint(view.boxes[0] * 64).astype(int)
        shown = paint_view(record.image(), view.view, canvas=(64, 64))[box[0] : box[2], box[1] : box[3]]
        np.testing.assert_array_equal(shown, resize(image, (box[2] - box[0], box[3] - box[1])))
        assert view.labels[0] == label
        assert all(16 <= side <= 28 for side in (view.boxes[:, 2:] - view.boxes[:, :2]).ravel() * 64)
    assert set(counts) == {1, 2}


@pytest.mark.parametrize("name", ["cifar10", "digits", "views", "images"])
def test_the_manifest_counts_what_is_there(name: str, request: pytest.FixtureRequest) -> None:
    records = request.getfixturevalue(name)
    manifest = load_manifest(str(records))
    of_split: dict[str, list[Record]] = {split: [] for split in SPLITS}
    for split, _, record in read_shards(records):
        of_split[split].append(record)
    for split, records in of_split.items():
        said = manifest.statistics[split]
        views = [view for record in records for view in record.views]
        labels = Counter(int(label) for view in views for label in view.labels)
        classes = len(manifest.class_names)
        assert said.examples == manifest.examples(split) == len(records)
        assert said.views == len(views) == len(records) * manifest.config.views_of(split)
        assert said.objects == sum(len(record.views[0].labels) for record in records)
        assert said.boxes == sum(said.boxes_per_class) == sum(said.best_iou_histogram) == labels.total()
        assert said.boxes_per_class == tuple(labels[c] for c in range(classes))
        assert said.positives == sum(said.positives_per_map) == sum(len(v.targets.anchors) for v in views)
        assert said.ignored == sum(len(v.targets.ignored) for v in views)
        for k, count in enumerate(said.positives_per_map):
            low, high = manifest.anchors.map_starts[k : k + 2]
            assert count == sum(int(((v.targets.anchors >= low) & (v.targets.anchors < high)).sum()) for v in views)
        assert sum(said.best_iou_histogram[10:]) == said.boxes_of_positive_iou  # bins from an IoU of 0.5
        assert said.boxes_without_anchor == 0
        assert said.most_boxes == max(len(v.labels) for v in views)
        assert said.most_positives == max(len(v.targets.anchors) for v in views)
        assert said.most_ignored == max(len(v.targets.ignored) for v in views)
        for side in ("height", "width"):
            sides = [getattr(record, side) for record in records]
            assert (getattr(said, f"least_{side}"), getattr(said, f"most_{side}")) == (min(sides), max(sides))
    everything = [r for records in of_split.values() for r in records]
    assert manifest.rejected.images == manifest.rejected.boxes == 0
    assert manifest.rejected.images_seen == len(everything)
    assert manifest.rejected.boxes_seen == sum(len(r.views[0].labels) for r in everything)
    assert find_library_versions().items() <= manifest.versions.items()


@pytest.mark.parametrize(("name", "config"), [("views", VIEWS), ("images", IMAGES)])
def test_the_manifest_counts_the_best_iou_of_every_view(
    name: str, config: RecordsConfig, request: pytest.FixtureRequest
) -> None:
    records = request.getfixturevalue(name)
    said = load_manifest(str(records)).statistics
    corners = [reference.corners(anchor) for anchor in reference.anchors(config.anchors, config.canvas)]
    bins: dict[str, Counter[int]] = {split: Counter() for split in SPLITS}
    for split, _, record in read_shards(records):
        for box in (box for view in record.views for box in view.boxes.astype(np.float64).tolist()):
            best = max(reference.iou(box, corner) for corner in corners)
            bins[split][min(int(round(best, IOU_DECIMALS) * IOU_BINS), IOU_BINS - 1)] += 1
    for split in SPLITS:
        assert said[split].best_iou_histogram == tuple(bins[split][k] for k in range(IOU_BINS))


def test_the_manifest_says_by_itself_how_to_read_the_set(cifar10: Path) -> None:
    values = json.loads((cifar10 / "manifest.json").read_text())
    assert values["class_names"] == list(cifar10_files.NAMES)
    matching = {"positive_iou": 0.5, "ignore_iou": 0.4, "forced": "bipartite", "coder_weights": [1.0] * 4}
    assert values["config"]["matching"] == matching
    assert [m["size"] for m in values["anchors"]["feature_maps"]] == [[n, n] for n in (12, 6, 3, 2, 1, 1)]
    assert [len(m["boxes"]) for m in values["anchors"]["feature_maps"]] == [4, 6, 6, 6, 4, 4]
    assert values["format_version"] == 3
    composition = values["config"]["composition"]
    assert (composition["kind"], composition["canvas"]) == ("collage", [96, 96])
    assert (values["config"]["copies"], values["config"]["views"]) == (2, 1)
    names = {shard["name"] for passes in values["passes"].values() for shards in passes for shard in shards}
    assert names == {path.name for path in cifar10.glob("*.tfrecord")}
