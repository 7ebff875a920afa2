"""Records of pictures that lie among broken ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from beam_jobs.job.entries import Entry, entries_of
from beam_jobs.job.finish import count_rejected
from beam_jobs.job.record_builder import RecordBuilder
from beam_jobs.job.shard_statistics import ShardStatistics
from beam_jobs.sources.class_folders import ClassFolders
from beam_jobs.sources.data_paths import DataPaths
from beam_jobs.sources.source import BadPicture, SourceBox
from pipeline.config.records_config import SPLITS, Collage
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
                built = builder.build(entry)
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
    built = builder.build(entry)
    assert len(built.faults) == 1
    statistics = ShardStatistics(2, builder.anchors, 0.5)
    statistics.add(built.record, built.matches)
    empty = ShardStatistics(2, builder.anchors, 0.5).summary()
    summaries = {split: statistics.summary() if split == "train" else empty for split in SPLITS}
    counts = count_rejected(['{"what": "box"}'], summaries)
    assert (counts["boxes"], counts["boxes_seen"]) == (1, 10)
