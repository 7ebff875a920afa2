"""The job's steps by name, as runners show them and metrics count them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from apache_beam.pipeline import AppliedPTransform, Pipeline, PipelineVisitor

from beam_jobs.job.job import build_job
from beam_jobs.job.record_folder import own_folder
from beam_jobs.sources import make_source
from pipeline.config.records_config import RecordsConfig
from tests.beam_jobs.record_job import DIGITS


class Labels(PipelineVisitor):
    """The full label of every step: the names of the transforms around it and its own, with slashes between."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def visit_transform(self, transform_node: AppliedPTransform) -> None:
        self.found.append(transform_node.full_label)

    def enter_composite_transform(self, transform_node: AppliedPTransform) -> None:
        self.found.append(transform_node.full_label)


def labels(config: RecordsConfig, records: Path) -> list[str]:
    """Of the job that makes a set of digits."""
    pipeline, source, visitor = Pipeline(), make_source(config.source, None), Labels()
    with own_folder(str(records), "0" * 16) as folder:
        build_job(pipeline, folder=folder, config=config, source=source)
    pipeline.visit(visitor)
    return [label for label in visitor.found if label]  # the pipeline itself has none


def test_the_job_has_three_named_transforms_and_every_step_a_plain_name(tmp_path: Path) -> None:
    for config in (DIGITS, replace(DIGITS, limit=None)):
        found = [label.split("/") for label in labels(config, tmp_path)]
        assert {names[0] for names in found} == {"ListItems", "MakeEntries", "WriteShards"}
        ours = {"/".join(names[:2]) for names in found}  # what Beam's own transforms hold is named by Beam
        assert {"ListItems/List", "MakeEntries/Copies", "WriteShards/GroupByShard", "WriteShards/Write"} <= ours
        assert [label for label in ours if "lambda" in label or "<" in label] == []


def test_entries_pass_the_workers_once(tmp_path: Path) -> None:
    """Beam's local runner sends what a `Flatten` brings together through the workers again, a worker's half at once."""
    assert [label for label in labels(DIGITS, tmp_path) if "Flatten" in label] == []
