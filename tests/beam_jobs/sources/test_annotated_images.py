"""Images with boxes of their own are scaled and cropped to the canvas, and no bad one is dropped silently."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from beam_jobs.job.coverage import measure_coverage
from beam_jobs.sources.source import Item, SourceBox
from pipeline.compositions.letterbox import Letterbox
from pipeline.compositions.resize import paint_view
from pipeline.errors import UserError
from pipeline.records.manifest import load_manifest
from pipeline.records.record import encode_record
from tests.beam_jobs.image_source import CLASSES, ImageSource, write_images
from tests.beam_jobs.record_job import DIGITS, IMAGES, make_set, read_shards

CONFIG = replace(IMAGES, copies=2)


def rejected(records: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (records / "rejected.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("image_side", [None, 48])
def test_boxes_lie_where_the_objects_are(image_side: int | None, tmp_path: Path) -> None:
    source = write_images(tmp_path / "images", 20, split="train")
    config = replace(CONFIG, composition=Letterbox(canvas=(64, 64), image_side=image_side))
    make_set(tmp_path / "records", config, source=source)
    seen = mirrored = views = 0
    for _, _, record in read_shards(tmp_path / "records"):
        assert record.drawn[0].size == source.shape(source.listed[int(record.source_id)].reference)
        assert max(record.height, record.width) == min(max(record.drawn[0].size), image_side or 120)
        assert len(record.views[0].labels) == 2
        for view in record.views:
            canvas = paint_view(record.image(), view.view, canvas=(64, 64))
            for box, label in zip(view.boxes, view.labels.tolist(), strict=True):
                y, x = ((box[:2] + box[2:]) * 32).astype(int)
                assert canvas[y, x].min() > 60, f"{record.key}: no {CLASSES[label]} at {box}"
                seen += 1
            mirrored += view.view.mirrored
            views += 1
    train = load_manifest(str(tmp_path / "records")).examples("train")
    assert views == 4 * train + (20 - train // 2) and seen > 1.3 * views
    assert 0.25 < mirrored / (3 * train) < 0.75


def test_a_collage_takes_images_with_a_label_and_a_letterbox_images_with_boxes(tmp_path: Path) -> None:
    source = write_images(tmp_path / "images", 4, split="test")
    source.listed = [item._replace(label=0, boxes=None) if k % 2 else item for k, item in enumerate(source.listed)]
    for config, written, reason in (
        (replace(DIGITS, source="images", limit=None), {"00001", "00003"}, "has no label, and a collage needs one"),
        (CONFIG, {"00000", "00002"}, "has no list of boxes, and a letterbox needs one"),
    ):
        records = tmp_path / str(written)
        make_set(records, config, source=source, max_rejected=0.5)
        assert {record.source_id for _, _, record in read_shards(records)} == written
        assert [line["what"] for line in rejected(records)] == ["image"] * 2
        assert all(reason in line["reason"] for line in rejected(records))


def test_a_box_too_small_for_the_canvas_is_left_out_of_every_view(tmp_path: Path) -> None:
    source = write_images(tmp_path / "images", 2, split="train")
    good = source.listed[0].boxes
    assert good is not None
    flat = SourceBox(50.0, 20.0, 50.0 + 1e-9, 40.0, "circle")
    source.listed[0] = source.listed[0]._replace(boxes=(SourceBox(5.0, 5, 5, 5, "circle"), good[0], flat, *good[1:]))
    config = replace(CONFIG, copies=1, val_fraction=0.0, composition=Letterbox(canvas=(64, 64), image_side=30))
    make_set(tmp_path / "records", config, source=source, max_rejected=0.5)
    no_area, small = (line["reason"] for line in rejected(tmp_path / "records"))
    assert no_area.startswith("box 0 must have an area, got")
    assert small == f"box 2 must have an area on the canvas, got ymin, xmin, ymax, xmax {[*flat[:4]]}"
    records = {record.source_id: record for _, _, record in read_shards(tmp_path / "records")}
    assert [CLASSES[label] for label in records["00000"].views[0].labels] == ["square", "circle"]
    assert all(len(view.boxes) <= 2 for view in records["00000"].views)
    said = load_manifest(str(tmp_path / "records")).rejected
    assert (said.boxes, said.boxes_seen) == (2, 6)


def test_bad_boxes_lose_the_box_and_bad_images_the_image(tmp_path: Path) -> None:
    source = write_images(tmp_path / "images", 6, split="test")
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
    (folder / "00003.png").write_bytes(b"not an image")
    (folder / "00004.jpg").unlink()
    source.listed.append(source.listed[5])  # a duplicate
    source.listed.append(Item("test", "neither", "00000.jpg"))

    with pytest.raises(UserError, match=r"^6 of 8 images \(75\.0000%\) and 4 of .* MAX_REJECTED="):
        make_set(tmp_path / "records", CONFIG, source=source)
    assert not (tmp_path / "records/manifest.json").exists()
    assert len(rejected(tmp_path / "records")) == 10

    make_set(tmp_path / "records", CONFIG, source=source, max_rejected=0.8)
    found = {(r["key"], r["what"]): r["reason"] for r in rejected(tmp_path / "records") if r["what"] == "image"}
    assert {key for key, _ in found} == {
        f"test/{name}/0" for name in ("00001", "00002", "00003", "00004", "00005", "neither")
    }
    assert "is there already" in found["test/00005/0", "image"]
    boxes = [r["reason"] for r in rejected(tmp_path / "records") if r["what"] == "box"]
    assert [reason.split(",")[0] for reason in sorted(boxes)] == [
        "box 2 must have an area",
        "box 3 must have finite sides",
        "box 4 must be of a known class",
        "box 5 must lie inside 60 x 60 pixels",
    ]
    said = load_manifest(str(tmp_path / "records")).rejected
    assert (said.images, said.boxes, said.images_seen, said.boxes_seen) == (6, 4, 8, 8)


def test_a_record_may_be_as_long_as_its_limit_and_no_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_images(tmp_path / "images", 1, split="test")
    make_set(tmp_path / "records", CONFIG, source=source)
    ((_, _, record),) = read_shards(tmp_path / "records")
    length = len(encode_record(record))
    monkeypatch.setattr("beam_jobs.job.write_shard.MAX_RECORD", length)
    make_set(tmp_path / "enough", CONFIG, source=source)
    monkeypatch.setattr("beam_jobs.job.write_shard.MAX_RECORD", length - 1)
    make_set(tmp_path / "too little", CONFIG, source=source, max_rejected=1.0)
    (line,) = rejected(tmp_path / "too little")
    assert line["reason"] == f"its record must have at most {length - 1} bytes, got {length}"


def test_a_image_without_objects_is_a_record_too(tmp_path: Path) -> None:
    source = write_images(tmp_path / "images", 3, split="test")
    source.listed[1] = source.listed[1]._replace(boxes=())
    make_set(tmp_path / "records", CONFIG, source=source)
    by_key = {record.key: record for _, _, record in read_shards(tmp_path / "records")}
    assert len(by_key) == 3
    (view,) = by_key["test/00001/0"].views
    assert view.boxes.shape == (0, 4)
    assert view.targets.anchors.size == 0


def test_coverage_names_the_boxes_that_no_anchor_fits(tmp_path: Path) -> None:
    source = ImageSource(str(tmp_path))
    write_images(tmp_path, 1)
    thin = tuple(SourceBox(5, 2, 9, 54, "square") for _ in range(3))
    source.listed = [Item("test", "thin", "00000.jpg", boxes=thin)]
    coverage = measure_coverage(CONFIG, source)
    assert (coverage.fit.boxes, coverage.fit.covered) == (3, 0.0)
    assert coverage.missed == ("3 boxes of about 16 pixels, wide, ratio 13.0",)
