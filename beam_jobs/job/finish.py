"""Finishes a job: collects the receipts, checks what was rejected, and writes the manifest."""

from __future__ import annotations

import functools
import hashlib
import json
import operator
import platform
from importlib.metadata import version

from msgspec.structs import replace

from beam_jobs.job.entries import all_shards
from beam_jobs.job.fingerprint import find_library_versions
from beam_jobs.job.receipt import Receipt, format_rejections, list_rejections
from beam_jobs.job.record_folder import RecordFolder
from beam_jobs.sources.source import Source
from pipeline.config.records_config import SPLITS, RecordsConfig
from pipeline.errors import UserError
from pipeline.geometry.anchors import make_anchors
from pipeline.records.manifest import MANIFEST, REJECTED, BySplit, Manifest, Rejected
from pipeline.records.statistics import Statistics


def collect_receipts(folder: RecordFolder, config: RecordsConfig) -> dict[str, list[Receipt]]:
    """The receipts of every shard, by split. Raises `UserError` naming the first that is missing."""
    receipts: dict[str, list[Receipt]] = {split: [] for split in SPLITS}
    for split, shard in all_shards(config):
        name = folder.name_shard(split, shard, config.shards.of(split))
        receipt = folder.receipt(name)
        if receipt is None or receipt.fingerprint != folder.fingerprint:
            raise UserError(
                f"{folder.path}: shard {name} has no receipt although the job ended; run the same command again"
            )
        receipts[split].append(replace(receipt, begins=()))  # a number for each record is too much to hold
    return receipts


def finish(
    folder: RecordFolder,
    receipts: dict[str, list[Receipt]],
    *,
    config: RecordsConfig,
    source: Source,
    max_rejected: float,
) -> Manifest:
    """Writes rejected.jsonl and the manifest.

    Raises `UserError` if more than the share `max_rejected` of the images or of the boxes was rejected. The list of
    rejections is written even then; the manifest is not.
    """
    statistics = add_statistics(receipts)
    lines = list_rejections(receipt for of in receipts.values() for receipt in of)
    rejected = count_rejected(lines, statistics)
    _check_share(folder, lines, rejected, max_rejected)
    folder.write_rejected(lines)
    manifest = Manifest(
        folder=folder.path,
        fingerprint=folder.fingerprint,
        config=config,
        anchors=make_anchors(config.anchors, config.canvas),
        class_names=source.class_names,
        category_ids=source.category_ids,
        passes=BySplit(**{split: tuple(zip(*(r.shards for r in receipts[split]), strict=True)) for split in SPLITS}),
        statistics=statistics,
        rejected=rejected,
        versions={
            **find_library_versions(),
            "apache-beam": version("apache-beam"),
            "python": platform.python_version(),
        },
    )
    folder.write_manifest(manifest)
    return manifest


def add_statistics(receipts: dict[str, list[Receipt]]) -> BySplit[Statistics]:
    """The statistics of each split: the sums of its receipts'."""
    of = {split: functools.reduce(operator.add, (r.statistics for r in receipts[split])) for split in SPLITS}
    return BySplit(**of)


def count_rejected(lines: list[str], statistics: BySplit[Statistics]) -> Rejected:
    """How many images and boxes were rejected, and out of how many.

    Args:
        lines: of rejected.jsonl.
        statistics: of each split.
    """
    rejected = [json.loads(line)["what"] for line in lines]
    images, boxes = rejected.count("image"), rejected.count("box")
    return Rejected(
        images=images,
        boxes=boxes,
        images_seen=images + sum(statistics[split].examples for split in SPLITS),
        boxes_seen=boxes + sum(statistics[split].objects for split in SPLITS),
        file=REJECTED,
        sha256=hashlib.sha256(format_rejections(lines)).hexdigest(),
    )


def _check_share(folder: RecordFolder, lines: list[str], rejected: Rejected, limit: float) -> None:
    """Raises `UserError` if more images, or more boxes, were rejected than the share `limit`."""
    counts = {"images": (rejected.images, rejected.images_seen), "boxes": (rejected.boxes, rejected.boxes_seen)}
    beyond = {what: (count, seen) for what, (count, seen) in counts.items() if count > limit * seen}
    if not beyond:
        return
    live = folder.has_manifest()
    path = folder.write_rejected(lines, f"rejected-{folder.fingerprint}.jsonl" if live else REJECTED)
    most = max(count / max(seen, 1) for count, seen in counts.values())
    allowed = f"{most + 0.0001:.4f}"
    leave_out = f", or leave them out with --max_rejected={allowed} (make: MAX_REJECTED={allowed})" if most < 1 else ""
    got = " and ".join(f"{n:,} of {seen:,} {what} ({n / max(seen, 1):.4%})" for what, (n, seen) in beyond.items())
    outcome = "the complete set there is unchanged" if live else f"no {MANIFEST} was written"
    raise UserError(
        f"{got} were rejected, and --max_rejected allows {limit:.4%}: see {path}; repair them{leave_out}; {outcome}"
    )
