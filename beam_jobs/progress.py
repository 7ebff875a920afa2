"""A bar that follows a job by the shards that are finished, on any runner."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from tqdm import tqdm

from beam_jobs import storage
from beam_jobs.record_folder import RecordFolder


@contextlib.contextmanager
def shard_progress(folder: RecordFolder, shards: int) -> Iterator[None]:
    """Shows how many of the set's shards have their receipt, while the job runs."""
    stop = threading.Event()
    seconds = 0.5 if storage.is_local(folder.path) else 10.0
    with tqdm(total=shards, unit="shard", desc="records") as bar:

        def update() -> None:
            bar.update(folder.finished() - bar.n)

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
