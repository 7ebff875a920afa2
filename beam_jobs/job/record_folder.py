"""The folder of a record set while a job works on it: one job at a time, attempts of their own, then the manifest."""

from __future__ import annotations

import contextlib
import json
import os
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from beam_jobs.job import storage
from beam_jobs.job.receipt import Receipt, holds, parse_receipt, receipt_name, rejected_text
from pipeline.errors import UserError, disk_error
from pipeline.files import lock_file
from pipeline.records.keys import shard_name
from pipeline.records.manifest import MANIFEST, REJECTED, Manifest

RECEIPTS = "receipts"
ATTEMPT_PREFIX = ".attempt-"
OWNER = "owner"
LOCK = ".lock"
_OURS = re.compile(r"(train|val|test)-[0-9a-f]{16}-\d{5}-of-\d{5}\.(tfrecord|json)|rejected-[0-9a-f]{16}\.jsonl")


@dataclass(frozen=True)
class RecordFolder:
    """Where a job writes. Travels to the workers by pickling."""

    path: str
    fingerprint: str
    attempt: str  # the job's own; its folder holds every temporary file

    def shard_path(self, name: str) -> str:
        """The final path of a shard."""
        return storage.join(self.path, name)

    def shard_name(self, split: str, shard: int, shards: int) -> str:
        """The name of a shard of this set."""
        return shard_name(split, self.fingerprint, shard, shards)

    def temporary(self, name: str) -> str:
        """A path in the attempt's folder that no other try uses."""
        return storage.join(self.path, self.attempt, f"{name}.{uuid.uuid4().hex}")

    def is_current(self) -> bool:
        """Whether this job still owns the folder: an attempt that outlives its job must write no more."""
        return storage.size(storage.join(self.path, self.attempt, OWNER)) is not None

    def commit(self, temporary: str, name: str) -> None:
        """Gives a finished file its final name, if the job still owns the folder."""
        if not self.is_current():
            raise UserError(
                f"{self.path} must belong to job {self.attempt}, got another: this attempt outlived its job"
            )
        storage.rename(temporary, storage.join(self.path, name))

    def receipt(self, name: str) -> Receipt | None:
        """The receipt of a shard, if there is a whole one."""
        text = storage.read_bytes(storage.join(self.path, RECEIPTS, receipt_name(name)))
        return parse_receipt(text) if text is not None else None

    def kept(self, name: str) -> Receipt | None:
        """The receipt of a shard that is there, byte for byte, from this or an earlier job; else None."""
        receipt = self.receipt(name)
        return receipt if receipt is not None and holds(receipt, self.fingerprint, self.shard_path(name)) else None

    def write_receipt(self, receipt: Receipt) -> None:
        """Puts a shard's receipt beside it."""
        name = receipt_name(receipt.shard.name)
        temporary = self.temporary(name)
        with storage.create(temporary) as file:
            file.write(receipt.to_json())
        self.commit(temporary, os.path.join(RECEIPTS, name))

    def finished(self) -> int:
        """How many shards of this set have a receipt."""
        return sum(self.fingerprint in name for name in storage.names(storage.join(self.path, RECEIPTS)))

    def has_manifest(self) -> bool:
        """Whether a complete set, of any configuration, is there."""
        return storage.size(storage.join(self.path, MANIFEST)) is not None

    def write_rejected(self, lines: list[str], name: str = REJECTED) -> str:
        """Writes the rejected pictures and boxes, one JSON object a line. -> its path."""
        path = storage.join(self.path, name)
        storage.write_whole(path, rejected_text(lines), self.temporary(name))
        return path

    def write_manifest(self, manifest: Manifest) -> None:
        """Makes the set exist, then removes what the manifest does not name."""
        path = storage.join(self.path, MANIFEST)
        storage.write_whole(path, manifest.to_json().encode(), self.temporary(MANIFEST))
        named = {s.name for shards in manifest.shards.values() for s in shards}
        receipts = {receipt_name(name) for name in named}
        for folder, keep in ((self.path, named), (storage.join(self.path, RECEIPTS), receipts)):
            for name in storage.names(folder):
                if _OURS.fullmatch(name) and name not in keep:
                    storage.delete(storage.join(folder, name))


@contextlib.contextmanager
def own_folder(path: str, fingerprint: str) -> Iterator[RecordFolder]:
    """Takes a folder for one job, and gives it back; attempts of dead jobs are swept away first.

    Raises `UserError` while another job lives on it, and for a folder that cannot be written.
    """
    folder = RecordFolder(path, fingerprint, f"{ATTEMPT_PREFIX}{uuid.uuid4().hex[:12]}")
    try:
        storage.make_folder(storage.join(path, RECEIPTS))
        lock = _lock(path)
    except OSError as error:
        raise disk_error(error) or UserError(
            f"--records must be a folder that can be written, got {path!r}: {error}"
        ) from None
    try:
        for name in storage.names(path):
            if name.startswith(ATTEMPT_PREFIX):
                storage.delete(storage.join(path, name))
        storage.make_folder(storage.join(path, folder.attempt))
        with storage.create(storage.join(path, folder.attempt, OWNER)) as file:
            file.write(json.dumps({"pid": os.getpid(), "fingerprint": fingerprint}).encode())
        yield folder
    finally:
        storage.delete(storage.join(path, folder.attempt))
        if storage.is_local(path):
            with contextlib.suppress(OSError):
                os.rmdir(storage.join(path, RECEIPTS))  # of a job that finished no shard
        if lock is not None:
            os.unlink(storage.join(path, LOCK))
            os.close(lock)


def _lock(path: str) -> int | None:
    """Locks a local folder until the process ends, however it ends."""
    if not storage.is_local(path):
        alive = [n for n in storage.names(path) if n.startswith(ATTEMPT_PREFIX)]
        if alive:
            raise UserError(f"{path} must have no job at work, got {alive[0]}; if that job is dead, delete {alive[0]}")
        return None
    lock = lock_file(Path(path) / LOCK)
    if lock is None:
        raise UserError(f"another job is at work on {path}; wait for it to end, or give another RECORDS")
    return lock
