"""Finishes a job: collects the receipts, checks what was rejected, and writes the manifest."""

from __future__ import annotations

import hashlib
import json
import platform
from importlib.metadata import version
from typing import Any

from beam_jobs.job.entries import all_shards
from beam_jobs.job.library_versions import library_versions
from beam_jobs.job.receipt import Receipt, rejected_lines, rejected_text
from beam_jobs.job.record_folder import RecordFolder
from beam_jobs.job.shard_statistics import add_up
from beam_jobs.sources.source import Check, Source
from pipeline.config.plain import checksum, to_dict
from pipeline.config.records_config import SPLITS, RecordsConfig
from pipeline.errors import UserError
from pipeline.geometry.anchors import make_anchors
from pipeline.records.manifest import FORMAT_VERSION, MANIFEST, REJECTED, Manifest


def set_fingerprint(config: RecordsConfig, source: Source, *, check: Check = "sizes") -> str:
    """16 hex digits that change with the configuration, the source, and the libraries that affect the records' bytes.

    `check`: how closely to look at the source's images, see `Source.fingerprint`.
    """
    values = [FORMAT_VERSION, to_dict(config), source.fingerprint(check=check), library_versions()]
    return checksum(values)[:16]


def collect_receipts(folder: RecordFolder, config: RecordsConfig) -> dict[str, list[Receipt]]:
    """The receipts of every shard, by split. Raises `UserError` naming the first that is missing."""
    receipts: dict[str, list[Receipt]] = {split: [] for split in SPLITS}
    for split, shard in all_shards(config):
        name = folder.shard_name(split, shard, config.shards.of(split))
        receipt = folder.receipt(name)
        if receipt is None or receipt.fingerprint != folder.fingerprint:
            raise UserError(
                f"{folder.path}: shard {name} has no receipt although the job ended; run the same command again"
            )
        receipts[split].append(receipt)
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
    summaries = {split: add_up([r.statistics for r in receipts[split]]) for split in SPLITS}
    lines = rejected_lines(receipt for of in receipts.values() for receipt in of)
    counts = count_rejected(lines, summaries)
    _check_share(folder, lines, counts, max_rejected)
    folder.write_rejected(lines)
    manifest = Manifest(
        folder=folder.path,
        fingerprint=folder.fingerprint,
        config=config,
        anchors=make_anchors(config.anchors, (config.canvas_size, config.canvas_size)),
        class_names=source.class_names,
        category_ids=source.category_ids,
        shards={split: tuple(r.shard for r in receipts[split]) for split in SPLITS},
        statistics=summaries,
        rejected={**counts, "file": REJECTED, "sha256": hashlib.sha256(rejected_text(lines)).hexdigest()},
        versions={**library_versions(), "apache-beam": version("apache-beam"), "python": platform.python_version()},
    )
    folder.write_manifest(manifest)
    return manifest


def count_rejected(lines: list[str], summaries: dict[str, dict[str, Any]]) -> dict[str, int]:
    """How many images and boxes were rejected, and out of how many.

    Args:
        lines: of rejected.jsonl.
        summaries: the statistics of each split.
    """
    rejected = [json.loads(line)["what"] for line in lines]
    images, boxes = rejected.count("image"), rejected.count("box")
    return {
        "images": images,
        "boxes": boxes,
        "images_seen": images + sum(s["examples"] for s in summaries.values()),
        "boxes_seen": boxes + sum(s["objects"] for s in summaries.values()),
    }


def _check_share(folder: RecordFolder, lines: list[str], counts: dict[str, int], limit: float) -> None:
    """Raises `UserError` if more images, or more boxes, were rejected than the share `limit`."""
    shares = {what: counts[what] / max(counts[f"{what}_seen"], 1) for what in ("images", "boxes")}
    beyond = [what for what in shares if counts[what] > limit * counts[f"{what}_seen"]]
    if not beyond:
        return
    live = folder.has_manifest()
    path = folder.write_rejected(lines, f"rejected-{folder.fingerprint}.jsonl" if live else REJECTED)
    most = max(shares.values())
    allowed = f"{most + 0.0001:.4f}"
    leave_out = f", or leave them out with --max_rejected={allowed} (make: MAX_REJECTED={allowed})" if most < 1 else ""
    got = " and ".join(f"{counts[what]:,} of {counts[f'{what}_seen']:,} {what} ({shares[what]:.4%})" for what in beyond)
    outcome = "the complete set there is unchanged" if live else f"no {MANIFEST} was written"
    raise UserError(
        f"{got} were rejected, and --max_rejected allows {limit:.4%}: see {path}; repair them{leave_out}; {outcome}"
    )
