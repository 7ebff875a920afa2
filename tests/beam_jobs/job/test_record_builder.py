"""Records of pictures that lie among broken ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from beam_jobs.job.entries import Entry, entries_of
from beam_jobs.job.finish import count_rejected
from beam_jobs.job.record_builder import RecordBuilder
from beam_jobs.job.shard_statistics import ShardStatistics
from beam_jobs.sources.class_folders import ClassFolders
from beam_jobs.sources.data_paths import DataPaths
from beam_jobs.sources.source import BadPicture, SourceBox
from pipeline.config.records_config import SPLITS, Collage
from pipeline.records.record import encode_record
from tests.beam_jobs.one_entry import build_one
from tests.beam_jobs.picture_source import PictureSource, write_pictures
from tests.beam_jobs.record_job import DIGITS, PICTURES


def test_a_broken_companion_rejects_no_good_picture(tmp_path: Path) -> None:
    for number in range(12):
        folder = tmp_path / "ab"[number % 2]
        folder.mkdir(exist_ok=True)
        Image.fromarray(np.full((20, 20, 3), 10 * number, np.uint8)).save(folder / f"{number}.png")
    broken = {"b/3.png", "a/4.png"}
    for name in broken:
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:60])
    source = ClassFolders.prepare(DataPaths(data_dir=str(tmp_path), test_fraction=0.0))
    collage = Collage(size=64, object_size=(16, 20), objects=(2, 2))
    config = replace(DIGITS, source="folder", collage=collage, copies=8, val_fraction=0.0, limit=None)
    builder, rejected = RecordBuilder(config, source), set()
    for item in source.items():
        for _, entry in entries_of(config, source, item):
            try:
                built = build_one(builder, entry)
            except BadPicture:
                rejected.add(entry.source_id)
            else:
                assert len(built.record.views[0].boxes) == 2
    assert rejected == broken


def test_every_box_counts_as_seen(tmp_path: Path) -> None:
    """Crowds and difficult objects too: one broken box among 99 difficult ones is not all of the boxes."""
    source: PictureSource = write_pictures(tmp_path, 1)
    good = [SourceBox(1.0, 1, 9, 9, "circle", difficult=number % 2 == 0, crowd=number % 2 == 1) for number in range(9)]
    entry = Entry("train/00000/0", "00000.jpg", None, (*good, SourceBox(5, 5, 5, 5, "circle")))
    builder = RecordBuilder(PICTURES, source)
    built = build_one(builder, entry)
    assert len(built.faults) == 1
    statistics = ShardStatistics(2, builder.anchors, 0.5)
    statistics.add(built.record, built.matches)
    empty = ShardStatistics(2, builder.anchors, 0.5).summary()
    summaries = {split: statistics.summary() if split == "train" else empty for split in SPLITS}
    counts = count_rejected(['{"what": "box"}'], summaries)
    assert (counts["boxes"], counts["boxes_seen"]) == (1, 10)


def test_entries_built_together_give_the_records_that_they_give_alone(tmp_path: Path) -> None:
    """Broken pictures lie among them, and each comes back in its turn with its reason."""
    source = write_pictures(tmp_path, 30)
    for number in (0, 7, 8, 29):
        (tmp_path / source.items()[number].reference).write_bytes(b"broken")
    for views in (1, 16):
        config = replace(PICTURES, views=views)
        builder = RecordBuilder(config, source)
        entries = [entry for item in source.items() for _, entry in entries_of(config, source, item)]
        entries[3] = entries[3]._replace(boxes=(*(entries[3].boxes or ()), SourceBox(5, 5, 5, 5, "circle")))
        entries[4] = entries[4]._replace(boxes=())
        together = list(builder.build(entries))
        assert [entry for entry, _ in together] == entries and len(entries) == 30
        broken = set()
        for entry, built in together:
            if isinstance(built, BadPicture):
                broken.add(entry.source_id)
                with pytest.raises(BadPicture, match=re.escape(str(built))):
                    build_one(builder, entry)
            else:
                alone = build_one(builder, entry)
                assert encode_record(built.record) == encode_record(alone.record) and built.faults == alone.faults
        assert broken == {"00000", "00007", "00008", "00029"}
        assert {entry.key for entry, built in together if getattr(built, "faults", ())} == {entries[3].key}


def test_a_bad_picture_that_waits_for_its_turn_is_not_in_memory(tmp_path: Path) -> None:
    source = write_pictures(tmp_path, 1)
    entry = Entry("train/00000/0", source.listed[0].reference, None, None)
    ((_, reason),) = RecordBuilder(PICTURES, source).build([entry])
    assert isinstance(reason, BadPicture) and "must have boxes, got none" in str(reason)
    assert reason.__traceback__ is reason.__context__ is reason.__cause__ is None


@pytest.mark.parametrize(("boxes", "most"), [(0, 64), (1, 64), (5, 13), ("bytes", 32), ("broken", 64)])
def test_few_pictures_wait_to_be_matched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, boxes: int | str, most: int
) -> None:
    """They are in memory: 64 boxes or 16 MB, however many entries a shard has, with boxes and without."""
    source = write_pictures(tmp_path, 1)
    if boxes == "broken":
        (tmp_path / source.listed[0].reference).write_bytes(b"broken")
    if boxes == "bytes":
        monkeypatch.setattr("beam_jobs.job.composer.encode_picture", lambda *_: bytes(512 << 10))
    count = boxes if isinstance(boxes, int) else 1
    entry = Entry("train/00000/0", source.listed[0].reference, None, (SourceBox(1.0, 1, 9, 9, "circle"),) * count)
    waiting = 0

    def entries() -> Iterator[Entry]:
        nonlocal waiting
        for _ in range(300):
            waiting += 1
            yield entry

    seen = built = 0
    for _ in RecordBuilder(replace(PICTURES, views=1), source).build(entries()):
        seen = max(seen, waiting)
        waiting -= 1
        built += 1
    assert (built, seen) == (300, most)
