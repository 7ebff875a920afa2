"""A job's own folder inside the record folder. It holds every temporary file until the file is whole."""

from __future__ import annotations

import json
import os
import re
import uuid

from beam_jobs.job import storage

PREFIX = ".attempt-"
OWNER = "owner"
_NAME = re.compile(r"\.attempt-[0-9a-f]{12}(-[0-9a-f]{8})?")  # with the ending while it is being deleted


def name_new_attempt() -> str:
    """A name that no other attempt has."""
    return f"{PREFIX}{uuid.uuid4().hex[:12]}"


def make_attempt(path: str, fingerprint: str) -> None:
    """Makes an attempt's folder, with a file that says whose it is."""
    storage.make_folder(path)
    with storage.create(storage.join(path, OWNER)) as file:
        file.write(json.dumps({"pid": os.getpid(), "fingerprint": fingerprint}).encode())


def delete_attempt(path: str) -> None:
    """Deletes an attempt's folder, if it is there.

    A local folder is renamed first, so that anything still writing under its old name fails at once. Its owner file is
    deleted last: if the deletion is killed, the rest of the folder can still be recognised as ours.
    """
    if not storage.is_local(path):
        storage.delete(path)
    elif os.path.isdir(path):
        gone = f"{path}-{uuid.uuid4().hex[:8]}"
        os.rename(path, gone)
        for name in storage.names(gone):
            if name != OWNER:
                storage.delete(storage.join(gone, name))
        storage.delete(gone)


def sweep_attempts(folder: str) -> None:
    """Deletes the attempts of dead jobs from a local record folder. Folders that only look like one stay."""
    for name in storage.names(folder):
        path = storage.join(folder, name)
        if is_attempt(path):
            # A longer name means that its deletion had already begun.
            delete_attempt(path) if len(name) == len(PREFIX) + 12 else storage.delete(path)


def is_attempt(path: str) -> bool:
    """Whether a local path is an attempt's folder, of a dead job or of one at work.

    It has an attempt's name, and its owner file says so, or the job was killed before it could write that.
    """
    if not _NAME.fullmatch(os.path.basename(path)) or os.path.islink(path) or not os.path.isdir(path):
        return False
    names = storage.names(path)
    owner = storage.read_bytes(storage.join(path, OWNER))
    if not owner:
        return not set(names) - {OWNER}
    try:
        return set(json.loads(owner)) == {"pid", "fingerprint"}
    except (ValueError, TypeError, RecursionError):
        return False
