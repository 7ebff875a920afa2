"""The folder of a record set while a job works on it: one job at a time, whole files only, the manifest last."""

from __future__ import annotations

import contextlib
import os
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from beam_jobs.job import attempt, storage
from beam_jobs.job.receipt import RECEIPT_BYTES, Receipt, format_rejections, has_file, name_receipt, parse_receipt
from pipeline.errors import UserError, find_disk_error
from pipeline.files import lock_file
from pipeline.records.keys import name_shard
from pipeline.records.manifest import MANIFEST, REJECTED, Manifest

RECEIPTS = "receipts"
LOCK = ".lock"
_OURS = re.compile(
    r"(train|val|test)-(?P<shard>[0-9a-f]{16})-\d{5}-of-\d{5}\.(tfrecord|json)|rejected-(?P<list>[0-9a-f]{16})\.jsonl"
)


@dataclass(frozen=True)
class RecordFolder:
    """Where a job writes. It is pickled to reach the workers."""

    path: str
    fingerprint: str
    attempt: str  # name of the job's own folder, which holds every temporary file

    def shard_path(self, name: str) -> str:
        """The final path of a shard."""
        return storage.join(self.path, name)

    def name_shard(self, split: str, shard: int, shards: int) -> str:
        """The name of a shard of this set."""
        return name_shard(split, self.fingerprint, shard, shards)

    def temporary(self, name: str) -> str:
        """A path in the attempt's folder that nobody else uses."""
        return storage.join(self.path, self.attempt, f"{name}.{uuid.uuid4().hex}")

    def is_current(self) -> bool:
        """Whether the job still owns the folder. An attempt that outlives its job must stop writing."""
        return storage.size(storage.join(self.path, self.attempt, attempt.OWNER)) is not None

    def commit(self, temporary: str, name: str) -> None:
        """Gives a finished file its final name. Raises `UserError` if the job no longer owns the folder."""
        if not self.is_current():
            raise UserError(f"job {self.attempt} no longer owns {self.path}: this attempt outlived its job")
        target = storage.join(self.path, name)
        try:
            storage.rename(temporary, target)
        except IsADirectoryError:
            raise UserError(f"{target} is a folder, where a file must be written; move it away") from None

    def receipt(self, name: str) -> Receipt | None:
        """The receipt of a shard, or None if there is no whole one. A file that is too large for one is not read."""
        text = storage.read_bytes(storage.join(self.path, RECEIPTS, name_receipt(name)), limit=RECEIPT_BYTES)
        return parse_receipt(text) if text is not None else None

    def kept(self, name: str) -> Receipt | None:
        """The receipt of a shard that this or an earlier job finished, if every byte of its files is there."""
        receipt = self.receipt(name)
        if receipt is None or receipt.fingerprint != self.fingerprint or receipt.name != name_receipt(name):
            return None
        whole = all(has_file(shard, self.shard_path(shard.name)) for shard in receipt.shards)
        return receipt if whole else None

    def write_receipt(self, receipt: Receipt) -> None:
        """Writes the receipt of a shard that has its final name. Raises `UserError` if it would be too large."""
        name, text = receipt.name, receipt.to_json()
        if len(text) > RECEIPT_BYTES:
            rejected = f"{len(receipt.rejected):,} rejected images and boxes"
            raise UserError(f"{receipt.shards[0].name} has {rejected}, too many for its receipt; repair the source")
        temporary = self.temporary(name)
        with storage.create(temporary) as file:
            file.write(text)
            storage.flush(file, temporary)
        self.commit(temporary, os.path.join(RECEIPTS, name))

    def finished(self) -> int:
        """How many shards of this set have a receipt."""
        return sum(self.fingerprint in name for name in storage.names(storage.join(self.path, RECEIPTS)))

    def has_manifest(self) -> bool:
        """Whether a complete set, of any configuration, is there."""
        return storage.size(storage.join(self.path, MANIFEST)) is not None

    def write_rejected(self, lines: list[str], name: str = REJECTED) -> str:
        """Writes the rejected images and boxes, one JSON object per line, and returns the file's path."""
        path = storage.join(self.path, name)
        storage.write_whole(path, format_rejections(lines), self.temporary(name))
        return path

    def write_manifest(self, manifest: Manifest) -> None:
        """Writes the manifest, which completes the set, then deletes shards and receipts that it does not name."""
        path = storage.join(self.path, MANIFEST)
        storage.write_whole(path, manifest.to_json().encode(), self.temporary(MANIFEST))
        named = {shard.name for shard in manifest.all_shards()}
        receipts = {name_receipt(name) for name in named}
        for folder, keep in ((self.path, named), (storage.join(self.path, RECEIPTS), receipts)):
            for name in storage.names(folder):
                if _OURS.fullmatch(name) and name not in keep:
                    old = storage.join(folder, name)
                    if storage.size(old) is not None:  # a folder of that name is not ours
                        storage.delete(old)


def is_left_by_stopped_job(name: str, fingerprint: str) -> bool:
    """Whether a stopped job may have left a file of this name beside the complete set of that fingerprint.

    Any list of rejections, because the job that stopped may be one for the same set; shards and receipts of others.
    """
    found = _OURS.fullmatch(name)
    return found is not None and (found["list"] is not None or found["shard"] != fingerprint)


@contextlib.contextmanager
def own_folder(path: str, fingerprint: str) -> Iterator[RecordFolder]:
    """Claims a record folder for one job, deletes what dead jobs left in it, and releases it at the end.

    Raises `UserError` if another job is at work on it, or if it cannot be written.
    """
    folder = RecordFolder(path, fingerprint, attempt.name_new_attempt())
    own = storage.join(path, folder.attempt)
    with _tell_if_not_writable(path):
        storage.make_folder(path)
        lock = _lock(path)
    try:
        with _tell_if_not_writable(path):
            # Not before the lock: a job that ends with no receipts removes the folder while it holds the lock.
            storage.make_folder(storage.join(path, RECEIPTS))
            if storage.is_local(path):
                attempt.sweep_attempts(path)
            attempt.make_attempt(own, fingerprint)
        yield folder
    finally:
        attempt.delete_attempt(own)
        if storage.is_local(path):
            with contextlib.suppress(OSError):
                os.rmdir(storage.join(path, RECEIPTS))  # empty if the job finished no shard
        if lock is not None:
            os.unlink(storage.join(path, LOCK))
            os.close(lock)


@contextlib.contextmanager
def _tell_if_not_writable(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise find_disk_error(error) or UserError(
            f"--records must be a folder that can be written, got {path!r}: {error}"
        ) from None


def _lock(path: str) -> int | None:
    """Locks a local folder until the process ends, however it ends. In an object store, looks for another attempt."""
    if not storage.is_local(path):
        alive = [n for n in storage.names(path) if n.startswith(attempt.PREFIX)]
        if alive:
            raise UserError(f"another job is at work on {path}: {alive[0]}; if that job is dead, delete {alive[0]}")
        return None
    lock = lock_file(Path(path) / LOCK)
    if lock is None:
        raise UserError(f"another job is at work on {path}; wait for it to end, or choose another RECORDS")
    return lock
