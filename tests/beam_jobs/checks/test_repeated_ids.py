"""Two images of a split with the same image id are found, wherever they are stored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from beam_jobs.checks.check_shard import MAX_FINDINGS, ShardFindings
from beam_jobs.checks.repeated_ids import find_repeated_ids
from pipeline.records.record import Record
from tests.beam_jobs.forged_set import forge
from tests.beam_jobs.image_source import write_images
from tests.beam_jobs.record_job import IMAGES, findings, make_set
from tests.commands import complaint, run_module


def shard(name: str, *image_ids: int) -> ShardFindings:
    """What was found in a shard whose records have ids with these hashes."""
    return ShardFindings(name.partition("-")[0], name, [], len(image_ids), 0, np.array(image_ids, np.int64))


def test_an_id_of_several_images(tmp_path: Path) -> None:
    """Evaluations took them for one image, and nothing said so."""
    source = write_images(tmp_path / "images", 15)
    source.listed = [item._replace(image_id=str(100 + number)) for number, item in enumerate(source.listed)]
    records = tmp_path / "records"
    make_set(records, replace(IMAGES, copies=2, views=1), source=source)  # both copies have the image's id
    assert findings(records, sample=0) == []
    images: set[str] = set()

    def all_the_same(stored: list[Record]) -> list[Record]:
        images.update(record.source_id for record in stored if record.key.endswith("/0"))
        return [replace(record, drawn=(replace(record.drawn[0], image_id="7"),)) for record in stored]

    name = forge(records, all_the_same)
    done = run_module("beam_jobs.verify", f"--records={records}", "--sample=0", "--workers=2")
    counted = len(images) - 1
    assert counted > 0 and complaint(done).startswith(f"{records} has {counted} finding")
    assert done.stdout.count(": image/source_image_id is that of record ") == counted
    assert done.stdout.count(f"wrong: {name}: record ") == counted


def test_the_other_record_is_named_in_whatever_shard_it_is() -> None:
    train = [shard("train-0"), shard("train-1", 5, -1, 6), shard("train-2", -1, 7, -1, 5), shard("train-3", 5)]
    test = [shard("test-0", 5, 6, 7)]
    words = "image/source_image_id is that of"
    assert find_repeated_ids([*reversed(train), *test]) == [
        f"train-2: record 3: {words} record 0 of train-1 too; ids must differ within a split",
        f"train-3: record 0: {words} record 3 of train-2 too; ids must differ within a split",
    ]
    assert find_repeated_ids([]) == find_repeated_ids([shard("val-0")]) == []


def test_nobody_needs_more_findings_than_a_thousand_a_split() -> None:
    assert len(find_repeated_ids([shard("val-0", *[1] * 5_000)])) == MAX_FINDINGS
