"""The check of a record set's folder: manifest, rejected pictures and boxes, receipts, and what is not of the set."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from beam_jobs.job.receipt import Receipt, parse_receipt, receipt_name, rejected_lines, rejected_text
from beam_jobs.job.record_folder import RECEIPTS
from beam_jobs.job.shard_statistics import add_up
from pipeline.config.records_config import SPLITS
from pipeline.errors import UserError
from pipeline.records.manifest import MANIFEST, REJECTED, WAY_OUT, Manifest, parse_manifest


def check_files(folder: str) -> tuple[Manifest, list[str]]:
    """Reads the manifest and compares the folder's files with it.

    Returns:
        The manifest, and what is wrong with the folder's files; shards and receipts are checked apart.

    Raises `UserError` where there is no manifest, or one that cannot be trusted: then nothing else can be checked.
    """
    path = Path(folder) / MANIFEST
    try:
        text = path.read_bytes()
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{path} must be there, got {reason}; make a record set with `make records CONFIG=... "
                        f"RECORDS={folder}`") from None  # fmt: skip
    manifest = parse_manifest(text, folder=folder)
    findings = []
    if (json.dumps(json.loads(text), indent=1) + "\n").encode() != text:
        findings.append(f"{MANIFEST}: must be written as the job writes it, got other bytes of the same meaning")
    findings += _check_rejected(manifest)
    shards = {shard.name for of in manifest.shards.values() for shard in of}
    findings += _unknown(Path(folder), {*shards, MANIFEST, REJECTED}, {RECEIPTS})
    findings += _unknown(Path(folder) / RECEIPTS, {receipt_name(name) for name in shards}, set())
    return manifest, findings


def check_receipts(manifest: Manifest) -> list[str]:
    """Compares every receipt with its own checksum and with the manifest, and their sums with the manifest's."""
    findings: list[str] = []
    receipts: dict[str, list[Receipt]] = {split: [] for split in SPLITS}
    for split in SPLITS:
        for shard in manifest.shards[split]:
            name = f"{RECEIPTS}/{receipt_name(shard.name)}"
            try:
                text = (Path(manifest.folder) / name).read_bytes()
            except OSError as error:
                findings.append(f"{name}: must be there, got {error.strerror or error}")
                continue
            receipt = parse_receipt(text)
            if receipt is None or receipt.to_json() != text:
                findings.append(f"{name}: must be a whole receipt with its own checksum, got an altered one")
            elif receipt.shard != shard or receipt.fingerprint != manifest.fingerprint:
                findings.append(
                    f"{name}: must be the receipt of {shard.name} in the manifest, got that of another shard"
                )
            else:
                receipts[split].append(receipt)
    if not findings:
        findings += _check_sums(manifest, receipts)
    return findings


def _check_sums(manifest: Manifest, receipts: dict[str, list[Receipt]]) -> list[str]:
    findings = [
        f"{MANIFEST}: statistics of {split} must be the sum of its receipts', got others"
        for split in SPLITS
        if add_up([receipt.statistics for receipt in receipts[split]]) != manifest.statistics[split]
    ]
    lines = rejected_lines(receipt for of in receipts.values() for receipt in of)
    if hashlib.sha256(rejected_text(lines)).hexdigest() != manifest.rejected["sha256"]:
        findings.append(f"{REJECTED}: must hold what the receipts say was rejected, got others")
    return findings


def _check_rejected(manifest: Manifest) -> list[str]:
    try:
        text = (Path(manifest.folder) / REJECTED).read_bytes()
    except OSError as error:
        return [f"{REJECTED}: must be there, got {error.strerror or error}"]
    if hashlib.sha256(text).hexdigest() != manifest.rejected["sha256"]:
        return [f"{REJECTED}: must have the SHA-256 {manifest.rejected['sha256']}, got another"]
    return []


def _unknown(folder: Path, files: set[str], folders: set[str]) -> list[str]:
    if not folder.is_dir():
        return [f"{folder.name}: must be a folder, got none"]
    return [
        f"{path.name}: must not be there, the manifest does not name it; delete it, or {WAY_OUT}"
        for path in sorted(folder.iterdir())
        if not (path.is_file() and path.name in files) and not (path.is_dir() and path.name in folders)
    ]
