"""`python -m beam_jobs.make_records`: what it prints, and what it refuses in one line."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.beam_jobs.record_job import make_records
from tests.cifar10_files import write_cifar10
from tests.commands import complaint, output, run_each, run_module

COMMAND = "beam_jobs.make_records"
IMPORTS = ["beam_jobs.job.finish", "beam_jobs.job.job", "beam_jobs.runners.run_job", "beam_jobs.sources", "configs"]
QUICKLY = ("--limit=2", "--running_mode=in_memory")


def test_cifar10_from_a_folder(tmp_path: Path) -> None:
    write_cifar10(tmp_path / "data", count=3)
    records = tmp_path / "records"
    flags = [f"--records={records}", f"--data_dir={tmp_path / 'data'}", "--limit=9", "--running_mode=in_memory"]
    printed = output(make_records(*flags, config="cifar10_small"))
    assert "source cifar10, 44 shards, runner local" in printed
    assert re.search(r"^this run: 12 items, \d+ entries, \d+ records, [\d,]+ bytes$", printed, re.MULTILINE)
    assert re.search(r"^worker time: read \d+\.\d s, matched \d+\.\d s, wrote \d+\.\d s$", printed, re.MULTILINE)
    assert re.search(r"^views: [\d,]+, \d+ of each training record$", printed, re.MULTILINE)
    assert "rejected: 0 images, 0 boxes" in printed
    assert f"records: {records}/manifest.json" in printed
    assert f"next: make train CONFIG=cifar10_small STRATEGY=mirrored RECORDS={records}" in printed


def test_one_line(tmp_path: Path) -> None:
    records = tmp_path / "records"
    (tmp_path / "file").write_text("mine")
    (tmp_path / "data" / "cifar-10-batches-py").mkdir(parents=True)
    os.mkfifo(tmp_path / "fifo")
    os.mkfifo(tmp_path / "data" / "cifar-10-batches-py" / "batches.meta")
    cases = {
        ("--runner=DaskRunner",): "--runner=DaskRunner is refused: it silently mixes tagged outputs",
        ("--limit=0",): "limit must be at least 1, got 0",
        ("--data_dir=/",): "--data_dir must be left out for source digits",
        ("a_config",): "arguments must be --flags, got 'a_config'",
        ("--limit=ten",): "flag --limit=ten: invalid literal for int()",
        ("--no_such_flag",): "Unknown command line flag 'no_such_flag'",
        ("--config=cifar11",): "--config must be one of ",
        ("--records=gs://bucket/records",): "Beam cannot reach gs://bucket/records: no file system for gs://",
        (f"--records={tmp_path / 'file'}", *QUICKLY): "--records must be a folder that can be written",
        (f"--records={tmp_path / 'fifo'}", *QUICKLY): "--records must be a folder that can be written",
        ("--config=cifar10_small", f"--data_dir={tmp_path / 'fifo'}"): "there is neither cifar-10-batches-py",
        ("--config=cifar10_small", f"--data_dir={tmp_path / 'data'}"): "there is neither cifar-10-batches-py",
        ("--config=cifar10_small", "--data_dir=/dev/zero"): "there is neither cifar-10-batches-py",
    }
    runs = [["--config=digits_demo", f"--records={records}", *flags] for flags in cases]
    for done, words in zip(run_each(COMMAND, runs, imports=IMPORTS), cases.values(), strict=True):
        assert complaint(done).startswith(words)
    assert not records.exists() and (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("name", ["data_batch_3", "batches.meta"])
def test_a_batch_file_that_is_a_fifo(name: str, tmp_path: Path) -> None:
    folder = write_cifar10(tmp_path, count=3)
    (folder / name).unlink()
    os.mkfifo(folder / name)
    line = complaint(make_records(f"--records={tmp_path / 'records'}", f"--data_dir={folder}", config="cifar10_small"))
    assert name in line or "there is neither" in line


# Python reads these at its start, in worker processes too.
NOBODY = """
import pwd
def unknown(uid):
    raise KeyError(f"getpwuid(): uid not found: {uid}")
pwd.getpwuid = unknown
"""
NO_TEMPORARY_FOLDER = """
import tempfile
tempfile._candidate_tempdir_list = lambda: ["/nowhere"]
"""


def altered_python(folder: Path, code: str, *unset: str) -> dict[str, str | None]:
    """An environment without some variables, in which every Python runs this code at its start."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(code)
    return {"PYTHONPATH": str(folder), **dict.fromkeys(unset)}


@pytest.mark.long
def test_a_user_without_name_and_home(tmp_path: Path) -> None:
    env = altered_python(tmp_path / "python", NOBODY, "HOME", "USER", "LOGNAME", "LNAME", "USERNAME")
    records = f"--records={tmp_path / 'records'}"
    output(run_module(COMMAND, "--config=digits_demo", records, "--limit=2", "--workers=2", env=env))
    output(run_module("beam_jobs.verify", records, env=env))
    env |= dict.fromkeys(("PREMATCH_CACHE", "XDG_CACHE_HOME"))
    line = complaint(run_module(COMMAND, "--config=cifar10_small", records, env=env))
    assert "this user has no home folder; set PREMATCH_CACHE" in line


def test_no_temporary_folder(tmp_path: Path) -> None:
    env = altered_python(tmp_path / "python", NO_TEMPORARY_FOLDER)
    line = complaint(make_records(f"--records={tmp_path / 'records'}", "--limit=2", env=env))
    assert line.startswith("no temporary folder can be written; set TMPDIR")


@pytest.mark.parametrize("command", [COMMAND, "beam_jobs.coverage"])
def test_help_lists_the_flags_of_the_source_too(command: str) -> None:
    printed = run_module(command, "--help").stdout
    for flag in ("config", "source", "data_dir", "annotations", "test_images", "image_size", "views", "limit"):
        assert f"--{flag}:" in printed or f"--[no]{flag}:" in printed, flag
    assert "--logtostderr" not in printed
