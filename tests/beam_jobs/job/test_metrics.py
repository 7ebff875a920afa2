"""What the job counts, as runners report it, and what it prints if they report nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from apache_beam.runners.runner import PipelineResult, PipelineState

from beam_jobs.job.metrics import JobMetrics, read_job_metrics
from beam_jobs.sources.source import SourceBox
from pipeline.records.manifest import load_manifest
from tests.beam_jobs.image_source import write_images
from tests.beam_jobs.record_job import IMAGES, make_set

TIMES = {"reading_ms", "matching_ms", "writing_ms"}


@pytest.mark.parametrize("mode", ["in_memory", "multi_threading"])
def test_counts(mode: str, tmp_path: Path) -> None:
    source = write_images(tmp_path / "images", 20, split="train")
    source.listed[3] = source.listed[3]._replace(
        boxes=(SourceBox(5, 5, 5, 9, "circle"), SourceBox(1, 2, 9, 9, "circle"))
    )
    (tmp_path / "images" / "00007.png").write_bytes(b"no image")
    config = replace(IMAGES, copies=3, limit=15, val_fraction=0.0)
    metrics = make_set(tmp_path / "records", config, source=source, mode=mode, workers=2, max_rejected=0.5)
    size = sum(shard.bytes for shard in load_manifest(str(tmp_path / "records")).all_shards())
    assert metrics.counts == {
        "items": 15,
        "entries": 45,
        "records": 42,
        "bytes": size,
        "rejected_images": 3,
        "rejected_boxes": 3,
    }
    assert set(metrics.times) == TIMES and all(seconds >= 0 for seconds in metrics.times.values())
    lines = metrics.lines()
    rejected = "3 rejected images, 3 rejected boxes"
    assert lines[0] == f"this run: 15 items, 45 entries, 42 records, {size:,} bytes, {rejected}"
    assert lines[1].startswith("worker time: read ")

    again = make_set(tmp_path / "records", config, source=source, mode=mode, workers=2, max_rejected=0.5)
    assert again.kept == 7 and again.lines() == ["this run: 15 items, 45 entries"]


def test_a_runner_that_reports_nothing() -> None:
    metrics = read_job_metrics(PipelineResult(PipelineState.DONE))  # its `metrics` is not implemented
    assert metrics == JobMetrics({}, {})
    assert metrics.kept == 0 and metrics.lines() == []
