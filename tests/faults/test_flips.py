"""`verify` finds every flipped bit in any file of a set."""

from __future__ import annotations

import os
import random
from collections import Counter
from pathlib import Path

from tests.beam_jobs.image_source import write_images
from tests.beam_jobs.record_job import IMAGES, findings, make_set
from tests.faults.repetitions import repetitions

FLIPS = repetitions(full=1000, short=100)


def test_flips(tmp_path: Path) -> None:
    choose = random.Random(int(os.environ.get("FAULTS_SEED", "0")))
    records = tmp_path / "records"
    source = write_images(tmp_path / "images", 60)
    (tmp_path / "images" / "00007.png").write_bytes(b"no image")  # so that rejected.jsonl is not empty
    make_set(records, IMAGES, source=source, max_rejected=0.5)
    assert findings(records) == []
    files = sorted(path for path in records.rglob("*") if path.is_file() and path.stat().st_size)
    found: Counter[str] = Counter()
    flips: Counter[str] = Counter()
    for number in range(FLIPS):
        # Half of the flips anywhere in the set; the rest spread over the files, most of which are small.
        path = choose.choices(files, [p.stat().st_size for p in files])[0] if number % 2 else choose.choice(files)
        before = path.read_bytes()
        bit = choose.randrange(8 * len(before))
        after = bytearray(before)
        after[bit // 8] ^= 1 << bit % 8
        path.write_bytes(after)
        kind = path.suffix if path.parent == records else "receipt"
        flips[kind] += 1
        wrong = findings(records, sample=0)
        assert any(path.name in finding for finding in wrong), (path, bit, wrong)
        found[kind] += 1
        path.write_bytes(before)
    assert findings(records) == []
    assert found == flips and found.total() == FLIPS
    print(f"\nflips: {found.total()} of {FLIPS} found, over {len(files)} files: {dict(found)}")
