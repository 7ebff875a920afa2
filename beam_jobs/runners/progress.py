"""A progress bar that counts finished shards, on any runner."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator

from tqdm import tqdm

from beam_jobs.job import storage
from beam_jobs.job.record_folder import RecordFolder


@contextlib.contextmanager
def shard_progress(folder: RecordFolder, shards: int) -> Iterator[None]:
    """Shows how many of the set's shards have a receipt while the job runs. If that cannot be told, the job goes on."""
    stop = threading.Event()
    seconds = 0.5 if storage.is_local(folder.path) else 10.0
    interval = 0.1 if sys.stderr.isatty() else 10.0  # a log file gets few lines
    with tqdm(total=shards, unit="shard", desc="records", mininterval=interval) as bar:

        def update() -> None:
            with contextlib.suppress(Exception):  # an object store may not answer, with an error of its own
                if more := folder.finished() - bar.n:
                    bar.update(more)

        def follow() -> None:
            while not stop.wait(seconds):
                update()

        thread = threading.Thread(target=follow, daemon=True)
        update()
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            update()
