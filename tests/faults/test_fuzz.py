"""Mutated images and annotations: each is written, or rejected with key and reason, and the counts add up."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from beam_jobs.sources.source import Item, SourceBox
from pipeline.config.records_config import SPLITS
from pipeline.errors import UserError
from pipeline.records.manifest import load_manifest
from tests.beam_jobs.image_source import write_images
from tests.beam_jobs.record_job import IMAGES, findings, make_set, read_shards
from tests.faults.repetitions import repetitions

COUNT = repetitions(full=1000, short=100)
SIDES = (float("nan"), float("inf"), -float("inf"), -5.0, 1e9, 1e308, 10**400, None, "7", 0, True)
CLASSES = ("circle", "no such class", "", None, 3, "CIRCLE")


def break_image(path: Path, choose: random.Random) -> str:
    """Mutates an image file. Returns how."""
    data = bytearray(path.read_bytes())
    how = choose.choice(["flip", "flip", "truncate", "cut", "noise", "empty", "gone", "foreign", "grow"])
    if how == "flip":
        for _ in range(choose.randint(1, 20)):
            data[choose.randrange(len(data))] ^= 1 << choose.randrange(8)
    elif how == "truncate":
        del data[choose.randrange(len(data)) :]
    elif how == "cut":
        start = choose.randrange(len(data))
        del data[start : start + choose.randint(1, 50)]
    elif how == "noise":
        data = bytearray(choose.randbytes(len(data)))
    elif how == "empty":
        data.clear()
    elif how == "foreign":
        data = bytearray(b"GIF89a<svg/>" + data)
    elif how == "grow":
        data += choose.randbytes(100)
    path.write_bytes(data)
    if how == "gone":
        path.unlink()
    return how


def break_boxes(boxes: list[list[Any]], choose: random.Random) -> str:
    """Mutates the boxes of an image. Returns how; "twice" changes nothing, and lets the caller list it twice."""
    how = choose.choice(["side", "side", "swap", "flat", "class", "no box", "many", "twice"])
    box = choose.choice(boxes)
    if how == "side":
        box[choose.randrange(4)] = choose.choice(SIDES)
    elif how == "swap":
        box[0], box[2] = box[2], box[0]
    elif how == "flat":
        box[3] = box[1]
    elif how == "class":
        box[4] = choose.choice(CLASSES)
    elif how == "no box":
        boxes.clear()
    elif how == "many":
        boxes[:] = [list(box) for _ in range(60)]
    return how


def readable(path: Path) -> bool:
    """Whether the image library reads the whole file."""
    try:
        with Image.open(path, formats=("JPEG", "PNG", "BMP", "WEBP")) as image:
            image.convert("RGB")
    except Exception:
        return False
    return True


def test_fuzz(tmp_path: Path) -> None:
    choose = random.Random(int(os.environ.get("FAULTS_SEED", "0")))
    source = write_images(tmp_path / "images", COUNT)
    items: list[Item] = []
    how: Counter[str] = Counter()
    for item in source.listed:
        which = choose.choice(["image", "annotation", "both"])
        if which != "annotation":
            how[break_image(Path(source.folder) / item.reference, choose)] += 1
        if which != "image":
            boxes: list[list[Any]] = [list(box) for box in item.boxes or ()]
            how[broken := break_boxes(boxes, choose)] += 1
            item = item._replace(boxes=tuple(SourceBox(*box) for box in boxes))
            if broken == "twice":
                items.append(item)
        items.append(item)
    source.listed = items

    records = tmp_path / "records"
    with pytest.raises(
        UserError, match=r"images .* were rejected, and --max_rejected allows 0\.0000%: .*rejected\.jsonl"
    ) as refusal:
        make_set(records, IMAGES, source=source)
    assert "\n" not in str(refusal.value)
    assert not (records / "manifest.json").exists() and (records / "rejected.jsonl").stat().st_size > 0

    make_set(records, IMAGES, source=source, max_rejected=1.0)
    manifest = load_manifest(str(records))
    assert findings(records) == []
    lines = [json.loads(line) for line in (records / "rejected.jsonl").read_text().splitlines()]
    rejected = Counter(line["what"] for line in lines)
    assert all(line["key"].split("/")[0] in SPLITS and line["reason"] for line in lines)
    written = {record.key: len(record.views[0].labels) for _, _, record in read_shards(records)}

    assert rejected["image"] + len(written) == len(items) == manifest.rejected.images_seen
    assert (rejected["image"], rejected["box"]) == (manifest.rejected.images, manifest.rejected.boxes)
    by_id = {item.source_id: item for item in items}
    assert {key.split("/")[1] for key in written} == {
        i for i, item in by_id.items() if readable(Path(source.folder) / item.reference)
    }
    given = {key: len(by_id[key.split("/")[1]].boxes or ()) for key in written}
    lost = Counter(line["key"] for line in lines if line["what"] == "box")
    assert {key: written[key] + lost[key] for key in written} == given
    assert manifest.rejected.boxes_seen == sum(given.values())

    share = max(rejected["image"] / len(items), rejected["box"] / sum(given.values()))
    make_set(tmp_path / "just enough", IMAGES, source=source, max_rejected=share)
    with pytest.raises(UserError, match="were rejected, and --max_rejected allows"):
        make_set(tmp_path / "too little", IMAGES, source=source, max_rejected=share - 1e-6)
    print(
        f"\nfuzz: {COUNT} images and annotations mutated ({dict(sorted(how.items()))}): {len(items)} images seen = "
        f"{len(written)} written + {rejected['image']} rejected; {sum(given.values())} boxes seen = "
        f"{sum(written.values())} written + {rejected['box']} rejected"
    )
