"""Runs a pipeline to its end, counts finished shards, and turns Beam's reports of failures into one line."""

from __future__ import annotations

import contextlib
import re
import sys
import threading
from collections.abc import Iterator

from apache_beam.pipeline import Pipeline
from tqdm import tqdm

from beam_jobs.job import storage
from beam_jobs.job.metrics import JobMetrics, read_job_metrics
from beam_jobs.job.record_folder import RecordFolder
from beam_jobs.runners.beam_workarounds import end_job_with_dead_workers, end_workers_when_interrupted
from pipeline.errors import UserError

_STEP = " [while running '"  # with which Beam adds the step's name to a message
_TRACEBACK = "Traceback (most recent call last):"


def run(pipeline: Pipeline) -> JobMetrics:
    """Runs a pipeline to its end.

    Returns the job's metrics. A `UserError` in a worker is raised again here; other failures keep their traceback.
    """
    try:
        with end_workers_when_interrupted() as workers, end_job_with_dead_workers(workers):
            result = pipeline.run()
            result.wait_until_finish()
            return read_job_metrics(result)
    except Exception as error:
        if str(error).startswith("KeyboardInterrupt"):  # pressed while Beam ran our code in this process
            raise KeyboardInterrupt from None
        if isinstance(error, UserError):
            raise UserError(str(error).partition(_STEP)[0]) from None
        if message := find_user_error(str(error)):
            raise UserError(message) from None
        raise


def find_user_error(text: str) -> str:
    """The message of a `UserError` in another process, of which Beam has only the traceback's text; "" if it is none.

    The text may hold the traceback as `repr` writes it, with escapes; the traceback's first line shows whether it does.
    """
    before, _, message = text.partition("UserError: ")
    if before.rfind(rf"{_TRACEBACK}\n") > before.rfind(f"{_TRACEBACK}\n"):
        message = re.sub(r"""\\([\\'"n])""", lambda escape: escape[1].replace("n", "\n"), message)
    return message.partition("\n")[0].partition(_STEP)[0]


@contextlib.contextmanager
def show_shard_progress(folder: RecordFolder, shards: int) -> Iterator[None]:
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
