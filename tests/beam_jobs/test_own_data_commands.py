"""`make_records` and `coverage` on people's own data: which composition and anchors they take, and what they print."""

from __future__ import annotations

import gzip
import re
import tarfile
from pathlib import Path

import pytest

from beam_jobs.job.coverage import propose
from beam_jobs.sources import make_source
from beam_jobs.sources.data_paths import DataPaths
from pipeline.compositions.collage import Collage
from pipeline.config.presets import DETECTION_ANCHORS
from pipeline.geometry.anchors import make_anchors
from pipeline.records.manifest import load_manifest
from tests.beam_jobs.record_job import findings, make_records
from tests.beam_jobs.sources.detection_sets import made_set, write_coco, write_image
from tests.commands import complaint, finished, output, run_module, start_module, wait_until

SMALL = ("--image_size=64", "--views=2")


@pytest.mark.long
def test_anchors_are_those_that_coverage_proposes(tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_coco(data, made_set(train=20))
    source = ("--source=coco", f"--data_dir={data}", *SMALL)
    printed = output(run_module("beam_jobs.coverage", "--config=detection", *source))
    proposed = re.findall(r"^proposed: .+\n(?:  stride .+\n)+", printed, re.MULTILINE)
    assert len(proposed) == 1 and "next: make records ... ANCHORS=auto" in printed

    records = tmp_path / "records"
    flags = (f"--records={records}", "--running_mode=in_memory", *source)
    assert proposed[0] in output(make_records(*flags, "--anchors=auto", config="detection"))
    manifest = load_manifest(str(records))
    config = manifest.config
    assert config.proposed_anchors and config.anchors.scales != DETECTION_ANCHORS.scales
    assert manifest.anchors.fingerprint == make_anchors(config.anchors, (64, 64)).fingerprint
    assert propose(config, make_source("coco", DataPaths(data_dir=str(data)))).anchors == config.anchors
    assert findings(records) == []


def test_terminated_coverage_leaves_nothing_in_the_cache(tmp_path: Path) -> None:
    endless = tarfile.TarInfo("endless")
    endless.size = 400_000_000  # takes a second or more to unpack
    archive = tmp_path / "cifar-10-python.tar.gz"
    with gzip.open(archive, "wb", compresslevel=1) as out:
        out.write(endless.tobuf())
        for _ in range(400):
            out.write(bytes(1_000_000))
    cache = tmp_path / "cache"
    flags = ("--config=cifar10_small", "--source=cifar10", f"--data_dir={archive}")
    command = start_module("beam_jobs.coverage", *flags, env={"PREMATCH_CACHE": str(cache)})
    wait_until(lambda: list(cache.glob("cifar10/*.part-*")), command)
    command.terminate()
    assert complaint(finished(command)) == "interrupted; run the same command again to go on"
    assert list((cache / "cifar10").iterdir()) == []


def test_images_in_class_folders_are_placed_on_canvases(tmp_path: Path) -> None:
    for number in range(12):
        write_image(tmp_path / "data" / "ab"[number % 2] / f"{number}.png", (30, 40))
    records = tmp_path / "records"
    flags = (f"--records={records}", "--running_mode=in_memory", "--source=folder", f"--data_dir={tmp_path / 'data'}")
    printed = output(make_records(*flags, *SMALL, config="detection"))
    assert "images of single objects: 16 to 32 pixels on canvases of 64 x 64 pixels" in printed
    manifest = load_manifest(str(records))
    assert manifest.config.composition == Collage(canvas=(64, 64), object_size=(16, 32), flip=True)
    assert manifest.config.views == 2
    assert findings(records) == []
