"""Checks a record set's folder: manifest, rejected.jsonl, receipts, and files that do not belong to the set."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from beam_jobs.job.attempt import is_attempt
from beam_jobs.job.finish import add_statistics, count_rejected
from beam_jobs.job.receipt import RECEIPT_BYTES, Receipt, list_rejections, name_receipt, parse_receipt
from beam_jobs.job.record_folder import LOCK, RECEIPTS, is_left_by_stopped_job
from pipeline.config.records_config import SPLITS
from pipeline.errors import UserError
from pipeline.files import hash_file, read_regular
from pipeline.records.manifest import MANIFEST, REJECTED, WAY_OUT, Manifest, parse_manifest
from pipeline.typed_json import JSON_BYTES


def check_files(folder: str) -> tuple[Manifest, list[str]]:
    """Reads the manifest and compares the folder's files with it.

    Returns:
        The manifest, and what is wrong with the folder's files; shards and receipts have checks of their own.

    Raises `UserError` if the manifest is missing or cannot be trusted, because then nothing else can be checked.
    """
    path = Path(folder) / MANIFEST
    try:
        text = read_regular(path, limit=JSON_BYTES)
    except OSError as error:
        way_out = f"make a record set with `make records CONFIG=... RECORDS={folder}`"
        raise UserError(f"{path} cannot be read: {error.strerror or error}; {way_out}") from None
    manifest = parse_manifest(text, folder=folder)
    findings = []
    if (json.dumps(json.loads(text), indent=1) + "\n").encode() != text:
        findings.append(f"{MANIFEST}: holds the job's values, but not written as the job writes them")
    findings += _check_rejected(manifest)
    shards = {shard.name for shard in manifest.all_shards()}
    findings += _unknown(Path(folder), {*shards, MANIFEST, REJECTED}, {RECEIPTS}, manifest)
    findings += _unknown(Path(folder) / RECEIPTS, {name_receipt(name) for name in shards}, set(), manifest)
    return manifest, findings


def count_unfinished_files(manifest: Manifest) -> int:
    """How many files and folders an unfinished job has in the folder. It is at work, or could go on from them."""
    folder = Path(manifest.folder)
    paths = [path for place in (folder, folder / RECEIPTS) if place.is_dir() for path in place.iterdir()]
    return sum(_is_unfinished(path, manifest) for path in paths)


def check_receipts(manifest: Manifest) -> list[str]:
    """Compares every receipt with its checksum and with the manifest, and sums of receipts with the manifest's."""
    findings: list[str] = []
    receipts: dict[str, list[Receipt]] = {split: [] for split in SPLITS}
    for split in SPLITS:
        for shards in zip(*manifest.passes[split], strict=True):
            name = f"{RECEIPTS}/{name_receipt(shards[0].name)}"
            try:
                text = read_regular(Path(manifest.folder) / name, limit=RECEIPT_BYTES)
            except OSError as error:
                findings.append(f"{name}: cannot be read: {error.strerror or error}")
                continue
            receipt = parse_receipt(text)
            if receipt is None or receipt.to_json() != text:
                findings.append(f"{name}: was altered: its checksum is of other content")
            elif receipt.shards != shards or receipt.fingerprint != manifest.fingerprint:
                findings.append(f"{name}: is not the receipt of {shards[0].name}, but of another shard or set")
            else:
                receipts[split].append(msgspec.structs.replace(receipt, begins=()))
    return findings or _check_sums(manifest, receipts)


def _check_sums(manifest: Manifest, receipts: dict[str, list[Receipt]]) -> list[str]:
    statistics = add_statistics(receipts)
    findings = [
        f"{MANIFEST}: statistics of {split} are not the sum of its receipts'"
        for split in SPLITS
        if statistics[split] != manifest.statistics[split]
    ]
    lines = list_rejections(receipt for of in receipts.values() for receipt in of)
    if (counted := count_rejected(lines, manifest.statistics)) != manifest.rejected:
        findings.append(
            f"{MANIFEST}: what was rejected must be {counted} according to the receipts, got {manifest.rejected}"
        )
    return findings


def _check_rejected(manifest: Manifest) -> list[str]:
    try:
        digest = hash_file(Path(manifest.folder) / REJECTED)
    except OSError as error:
        return [f"{REJECTED}: cannot be read: {error.strerror or error}"]
    if digest != manifest.rejected.sha256:
        return [f"{REJECTED}: was altered: its SHA-256 is not {manifest.rejected.sha256}"]
    return []


def _unknown(folder: Path, files: set[str], folders: set[str], manifest: Manifest) -> list[str]:
    if not folder.is_dir():
        return [f"{folder.name}: the folder is missing"]
    return [
        f"{path.name}: must not be there, because the manifest does not name it; delete it, or {WAY_OUT}"
        for path in sorted(folder.iterdir())
        if path.name not in files
        and not (path.is_dir() and path.name in folders)
        and not _is_unfinished(path, manifest)
    ]


def _is_unfinished(path: Path, manifest: Manifest) -> bool:
    if path.parent == Path(manifest.folder) and (is_attempt(str(path)) or (path.name == LOCK and path.is_file())):
        return True
    return path.is_file() and is_left_by_stopped_job(path.name, manifest.fingerprint)
