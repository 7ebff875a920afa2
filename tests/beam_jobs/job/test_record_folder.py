"""Receipts in the folder of a record set."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from beam_jobs.job import record_folder
from beam_jobs.job.receipt import Rejection
from beam_jobs.job.record_folder import RECEIPTS, own_folder
from pipeline.errors import UserError
from tests.beam_jobs.job.test_receipt import RECEIPT


def test_a_receipt_too_large_to_be_one_is_none(tmp_path: Path) -> None:
    with own_folder(str(tmp_path), "0" * 16) as folder:
        folder.write_receipt(RECEIPT)
        assert folder.receipt(RECEIPT.shards[0].name) == RECEIPT
        (path,) = (tmp_path / RECEIPTS).iterdir()
        os.truncate(path, 1 << 40)  # more than fits in memory
        assert folder.receipt(RECEIPT.shards[0].name) is None


def test_no_receipt_is_written_that_would_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("beam_jobs.job.record_folder.RECEIPT_BYTES", 10_000)
    receipt = replace(RECEIPT, rejected=(Rejection("train/a/0", "image", "it is no image"),) * 1_000)
    with own_folder(str(tmp_path), "0" * 16) as folder:
        with pytest.raises(UserError, match="has 1,000 rejected images and boxes, too many for its receipt"):
            folder.write_receipt(receipt)
        assert list((tmp_path / RECEIPTS).iterdir()) == []


def test_a_job_that_ends_just_before_takes_no_folder_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ended_before(path: Path) -> int | None:
        monkeypatch.undo()
        with own_folder(str(tmp_path), "1" * 16):
            pass
        return record_folder.lock_file(path)

    monkeypatch.setattr(record_folder, "lock_file", ended_before)
    with own_folder(str(tmp_path), "0" * 16) as folder:
        folder.write_receipt(RECEIPT)
        assert folder.receipt(RECEIPT.shards[0].name) == RECEIPT


def test_a_file_in_place_of_the_receipts_is_told_and_the_lock_let_go(tmp_path: Path) -> None:
    (tmp_path / RECEIPTS).touch()
    said = "--records must be a folder that can be written"
    with pytest.raises(UserError, match=said), own_folder(str(tmp_path), "0" * 16):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [RECEIPTS]
