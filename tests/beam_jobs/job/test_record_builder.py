"""Records of images that lie among broken ones."""

from __future__ import annotations

import gc
import json
import re
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from beam_jobs.job.composer import Composer
from beam_jobs.job.entries import Entry, make_entries
from beam_jobs.job.finish import count_rejected
from beam_jobs.job.receipt import Rejection
from beam_jobs.job.record_builder import BuiltRecord, RecordBuilder
from beam_jobs.sources.class_folders import ClassFolders
from beam_jobs.sources.data_paths import DataPaths
from beam_jobs.sources.source import BadImage, SourceBox
from pipeline.compositions.collage import Collage
from pipeline.compositions.resize import RgbImage
from pipeline.records.keys import parse_source_id
from pipeline.records.manifest import BySplit
from pipeline.records.record import encode_record
from pipeline.records.statistics import StatisticsCounter
from tests.beam_jobs.image_source import ImageSource, write_images
from tests.beam_jobs.one_entry import build_one
from tests.beam_jobs.record_job import DIGITS, IMAGES, checksums, findings, make_set, read_shards


def test_a_companion_that_cannot_be_decoded_is_replaced_and_only_its_own_entry_is_rejected(tmp_path: Path) -> None:
    sizes = {number: (20, 21 + number) for number in range(12)}
    for number, (height, width) in sizes.items():
        folder = tmp_path / "images" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((height, width, 3), 10 * number, np.uint8)).save(folder / f"{number}.png")
    for name, length in (("b/3.png", 60), ("a/4.png", 20)):  # the first still tells its size
        path = tmp_path / "images" / name
        path.write_bytes(path.read_bytes()[:length])
    source = ClassFolders.prepare(DataPaths(data_dir=str(tmp_path / "images"), test_fraction=0.0))
    collage = Collage(canvas=(64, 64), object_size=(16, 20), objects=(2, 2))
    config = replace(DIGITS, source="folder", composition=collage, copies=16, val_fraction=0.0, limit=None)
    entries = {entry.key: entry for item in source.items() for _, entry in make_entries(config, source, item)}
    for name, mode, workers in (("records", "in_memory", 1), ("again", "multi_threading", 2)):
        make_set(tmp_path / name, config, source=source, mode=mode, workers=workers, max_rejected=0.2)
    assert checksums(tmp_path / "again") == checksums(tmp_path / "records")
    assert findings(tmp_path / "records") == []
    records = [record for _, _, record in read_shards(tmp_path / "records")]
    assert len(records) == 10 * 16 and all(len(record.views[0].boxes) == 2 for record in records)
    assert {image.size for record in records for image in record.drawn} == {*sizes.values()} - {sizes[3], sizes[4]}
    composer = Composer(config, source)  # counts those whose pixels are broken
    estimates = [composer.find_boxes(entries[r.key]).tobytes() == r.views[0].boxes.tobytes() for r in records]
    assert 0.8 < np.mean(estimates) < 1.0
    rejected = [json.loads(line)["key"] for line in (tmp_path / "records/rejected.jsonl").read_text().splitlines()]
    assert {parse_source_id(key) for key in rejected} == {"b/3.png", "a/4.png"} and len(rejected) == 2 * 16


def test_every_box_counts_as_seen(tmp_path: Path) -> None:
    """Crowds and difficult objects too: one broken box among 99 difficult ones is not all of the boxes."""
    source: ImageSource = write_images(tmp_path, 1)
    good = [SourceBox(1.0, 1, 9, 9, "circle", difficult=number % 2 == 0, crowd=number % 2 == 1) for number in range(9)]
    entry = Entry("train/00000/0", "00000.jpg", None, (*good, SourceBox(5, 5, 5, 5, "circle")))
    builder = RecordBuilder(IMAGES, source)
    built = build_one(builder, entry)
    assert len(built.rejected) == 1
    statistics = StatisticsCounter(2, builder.anchors, 0.5)
    empty = statistics.total()
    statistics.add(built.record, built.matches)
    counts = count_rejected(['{"what": "box"}'], BySplit(train=statistics.total(), val=empty, test=empty))
    assert (counts.boxes, counts.boxes_seen) == (1, 10)


def test_entries_built_together_give_the_records_that_they_give_alone(tmp_path: Path) -> None:
    """Broken images lie among them, and each comes back in its turn with its reason."""
    source = write_images(tmp_path, 30)
    for number in (0, 7, 8, 29):
        (tmp_path / source.items()[number].reference).write_bytes(b"broken")
    for views in (1, 16):
        config = replace(IMAGES, views=views)
        builder = RecordBuilder(config, source)
        entries = [entry for item in source.items() for _, entry in make_entries(config, source, item)]
        entries[3] = entries[3]._replace(boxes=(*(entries[3].boxes or ()), SourceBox(5, 5, 5, 5, "circle")))
        entries[4] = entries[4]._replace(boxes=())
        together = list(builder.build(entries))
        rejected = {}
        for entry, built in zip(entries, together, strict=True):
            if isinstance(built, Rejection):
                assert built.key == entry.key
                rejected[entry.source_id] = built.reason
                with pytest.raises(BadImage, match=re.escape(built.reason)):
                    build_one(builder, entry)
            else:
                alone = build_one(builder, entry)
                assert encode_record(built.record) == encode_record(alone.record)
                assert built.record.key == entry.key and built.rejected == alone.rejected
                assert len(built.rejected) == (1 if entry is entries[3] else 0)
        assert rejected.keys() == {"00000", "00007", "00008", "00029"}


@pytest.mark.parametrize("number", [10, 63, 64])  # in the middle of what is matched together, and at its border
def test_the_first_entry_of_a_key_that_can_be_read_has_the_record(tmp_path: Path, number: int) -> None:
    source = write_images(tmp_path, 2)
    for copy in range(number):
        (tmp_path / f"{copy}.jpg").write_bytes((tmp_path / source.listed[0].reference).read_bytes())
    boxes = (SourceBox(1.0, 1, 9, 9, "circle"),)
    entries = [Entry(f"train/{copy}/0", f"{copy}.jpg", None, boxes) for copy in range(number)]
    twice = [Entry("train/twice/0", reference, None, boxes) for reference in ("missing.jpg", "0.jpg", "0.jpg", "none")]
    built = list(RecordBuilder(replace(IMAGES, views=1), source).build([*entries, *twice]))
    assert [one.record.key for one in built[: number + 2] if isinstance(one, BuiltRecord)] == [
        *(entry.key for entry in entries),
        "train/twice/0",
    ]
    reasons = [one.reason for one in built if isinstance(one, Rejection)]
    assert "missing" in reasons[0] and len(reasons) == 3  # the last file is not even looked for
    assert all(reason.startswith("its key is there already") for reason in reasons[1:])


@pytest.mark.parametrize(
    ("what", "most"),
    [("no boxes", 64), ("a box", 64), ("5 boxes", 13), ("crowds", 13), ("faults", 13), ("bytes", 32), ("broken", 64)],
)
def test_few_images_wait_to_be_matched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, most: int) -> None:
    """They are in memory: 64 boxes of any kind or 16 MB, however many entries a shard has."""
    source = write_images(tmp_path, 1)
    if what == "broken":
        (tmp_path / source.listed[0].reference).write_bytes(b"broken")
    if what == "bytes":
        monkeypatch.setattr("beam_jobs.job.composer.encode_image", lambda *_, **__: bytes(512 << 10))
    box = SourceBox(1.0, 1, 1 if what == "faults" else 9, 9, "circle", crowd=what == "crowds")
    boxes = (box,) * {"no boxes": 0, "5 boxes": 5, "crowds": 5, "faults": 5}.get(what, 1)
    taken = 0

    def entries() -> Iterator[Entry]:
        nonlocal taken
        for number in range(300):
            taken += 1
            yield Entry(f"train/00000/{number}", source.listed[0].reference, None, boxes)

    waiting = []
    for built, _ in enumerate(RecordBuilder(replace(IMAGES, views=1), source).build(entries())):
        waiting.append(taken - built)
    assert (len(waiting), max(waiting)) == (300, most)


def test_a_broken_image_that_waits_is_not_in_memory(tmp_path: Path) -> None:
    """Not even by the traceback of its error."""
    source = write_images(tmp_path, 1)
    images = []

    def read(reference: str) -> RgbImage:
        image = np.zeros((8, 8, 3), np.uint8)
        images.append(weakref.ref(image))
        return image

    source.read = read  # type: ignore[method-assign]
    gc.disable()
    try:
        without_boxes = Entry("train/00000/0", source.listed[0].reference, None, None)
        (built,) = RecordBuilder(IMAGES, source).build([without_boxes])
        assert isinstance(built, Rejection) and "has no list of boxes" in built.reason
        assert [image() for image in images] == [None]
    finally:
        gc.enable()
