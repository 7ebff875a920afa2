"""Pictures with boxes of their own are fitted to the canvas, and no bad one is dropped silently."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from beam_jobs.job.coverage import measure_coverage
from beam_jobs.sources.source import Item, SourceBox
from pipeline.errors import UserError
from pipeline.records.manifest import load_manifest
from tests.beam_jobs.picture_source import CLASSES, PictureSource, write_pictures
from tests.beam_jobs.record_job import DIGITS, make_set, read_shards

CONFIG = replace(DIGITS, source="pictures", limit=None, copies=2, canvas=replace(DIGITS.canvas, flip=True))


def rejected(records: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (records / "rejected.jsonl").read_text().splitlines()]


def test_boxes_lie_where_the_objects_are(tmp_path: Path) -> None:
    source = write_pictures(tmp_path / "pictures", 20, split="train")
    make_set(tmp_path / "records", CONFIG, source=source)
    size = CONFIG.canvas.size
    seen = flipped = 0
    for _, _, record in read_shards(tmp_path / "records"):
        assert record.source_size is not None and record.transform is not None
        picture = record.picture().astype(int)
        for box, label in zip(record.boxes, record.labels.tolist(), strict=True):
            ymin, xmin, ymax, xmax = np.rint(box * size).astype(int)
            middle = picture[(ymin + ymax) // 2, (xmin + xmax) // 2]
            assert middle.min() > 60, f"{record.key}: no {CLASSES[label]} at {box}"
            seen += 1
        flipped += record.transform.scale_x < 0
    train = sum(s.examples for s in load_manifest(str(tmp_path / "records")).shards["train"])
    assert seen == 2 * (2 * train // 2 + 20 - train // 2)
    assert 0 < flipped < train


def test_bad_boxes_lose_the_box_and_bad_pictures_the_picture(tmp_path: Path) -> None:
    source = write_pictures(tmp_path / "pictures", 6, split="test")
    folder = Path(source.folder)
    good = source.listed[0].boxes
    assert good is not None
    bad = (
        SourceBox(3, 3, 3, 9, "square"),
        SourceBox(0, 0, math.nan, 9, "square"),
        SourceBox(0, 0, 9, 9, "triangle"),
        SourceBox(-30, 0, 9, 9, "circle"),
    )
    source.listed[0] = source.listed[0]._replace(boxes=good + bad)
    whole = (folder / "00001.png").read_bytes()
    (folder / "00001.png").write_bytes(whole[: len(whole) // 2])
    (folder / "00002.jpg").write_bytes((folder / "00002.jpg").read_bytes()[:-400])
    (folder / "00003.png").write_bytes(b"not a picture")
    (folder / "00004.jpg").unlink()
    source.listed.append(source.listed[5])  # a duplicate
    source.listed.append(Item("test", "neither", "00000.jpg"))

    with pytest.raises(UserError, match=r"rejected pictures must be at most 0.0000% \(--max_rejected\), got 6 of 8"):
        make_set(tmp_path / "records", CONFIG, source=source)
    assert not (tmp_path / "records/manifest.json").exists()
    assert len(rejected(tmp_path / "records")) == 10

    make_set(tmp_path / "records", CONFIG, source=source, max_rejected=0.8)
    found = {(r["key"], r["what"]): r["reason"] for r in rejected(tmp_path / "records") if r["what"] == "picture"}
    assert {key for key, _ in found} == {
        f"test/{name}/0" for name in ("00001", "00002", "00003", "00004", "00005", "neither")
    }
    assert "duplicate" in found["test/00005/0", "picture"]
    boxes = [r["reason"] for r in rejected(tmp_path / "records") if r["what"] == "box"]
    assert [reason.split(",")[0] for reason in sorted(boxes)] == [
        "box 2 must have an area",
        "box 3 must have finite sides",
        "box 4 must be of a known class",
        "box 5 must lie inside 60 x 60 pixels",
    ]
    manifest = load_manifest(str(tmp_path / "records"))
    assert {k: manifest.rejected[k] for k in ("pictures", "boxes", "pictures_seen", "boxes_seen")} == {
        "pictures": 6,
        "boxes": 4,
        "pictures_seen": 8,
        "boxes_seen": 8,
    }


def test_a_picture_without_objects_is_a_record_too(tmp_path: Path) -> None:
    source = write_pictures(tmp_path / "pictures", 3, split="test")
    source.listed[1] = source.listed[1]._replace(boxes=())
    make_set(tmp_path / "records", CONFIG, source=source)
    by_key = {record.key: record for _, _, record in read_shards(tmp_path / "records")}
    assert len(by_key) == 3
    assert by_key["test/00001/0"].boxes.shape == (0, 4)
    assert by_key["test/00001/0"].targets.anchors.size == 0


def test_coverage_names_the_boxes_that_no_anchor_fits(tmp_path: Path) -> None:
    source = PictureSource(str(tmp_path))
    write_pictures(tmp_path, 1)
    thin = tuple(SourceBox(5, 2, 9, 54, "square") for _ in range(3))
    source.listed = [Item("test", "thin", "00000.jpg", boxes=thin)]
    coverage = measure_coverage(CONFIG, source)
    assert (coverage.boxes, coverage.well_covered) == (3, 0.0)
    assert coverage.missed == ("3 boxes of about 16 pixels, wide, ratio 13.0",)
