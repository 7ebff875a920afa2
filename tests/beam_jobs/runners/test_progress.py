"""The progress bar counts finished shards, and never fails a job."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_jobs.job import storage
from beam_jobs.job.record_folder import own_folder
from beam_jobs.runners.run_job import show_shard_progress
from tests.beam_jobs.job.test_receipt import RECEIPT


def test_finished_shards_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with own_folder(str(tmp_path), RECEIPT.fingerprint) as folder, show_shard_progress(folder, 1):
        folder.write_receipt(RECEIPT)
    assert "1/1" in capsys.readouterr().err


def test_a_store_that_does_not_answer_fails_no_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(folder: str) -> list[str]:
        raise ConnectionError("503")

    with own_folder(str(tmp_path), "0" * 16) as folder:
        monkeypatch.setattr(storage, "names", fail)
        with show_shard_progress(folder, 1):
            pass
        with pytest.raises(LookupError, match="the job's own"), show_shard_progress(folder, 1):
            raise LookupError("the job's own")
        monkeypatch.undo()
