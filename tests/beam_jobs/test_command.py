"""`python -m beam_jobs.make_records`: what it prints, and what it refuses in one line."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from beam_jobs.runners.runner import local_workers, make_pipeline
from beam_jobs.sources import make_source
from pipeline.errors import UserError
from tests.beam_jobs.record_job import complaint, output, run_command
from tests.cifar10_files import write_cifar10


def test_cifar10_from_a_folder(tmp_path: Path) -> None:
    write_cifar10(tmp_path / "data", count=3)
    records = tmp_path / "records"
    flags = [f"--records={records}", f"--data_dir={tmp_path / 'data'}", "--limit=9", "--running_mode=in_memory"]
    printed = output(run_command(*flags, config="cifar10_small"))
    assert "source cifar10, 44 shards" in printed
    assert "rejected: 0 pictures, 0 boxes" in printed
    assert f"records: {records}/manifest.json" in printed
    assert f"next: make train CONFIG=cifar10_small STRATEGY=mirrored RECORDS={records}" in printed


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (
            ["--runner=DaskRunner"],
            "--runner must be one that keeps its word, got 'DaskRunner': it mixes tagged outputs",
        ),
        (["--limit=0"], "limit must be at least 1, got 0"),
        (["--data_dir=/"], "--data_dir must be left out for source digits"),
        (["a_config"], "arguments must be --flags, got 'a_config'"),
        (["--limit=ten"], "flag --limit=ten: invalid literal for int()"),
        (["--no_such_flag"], "Unknown command line flag 'no_such_flag'"),
        (["--records=gs://bucket/records"], "gs://bucket/records must be in a file system that Beam can reach"),
    ],
)
def test_one_line(flags: list[str], words: str, tmp_path: Path) -> None:
    assert complaint(run_command(f"--records={tmp_path / 'records'}", *flags)).startswith(words)
    assert not (tmp_path / "records").exists()


def test_an_unknown_config_is_told_the_known_ones(tmp_path: Path) -> None:
    line = complaint(run_command(f"--records={tmp_path / 'records'}", config="cifar11"))
    assert line.startswith("--config must be one of ") and "digits_demo" in line and line.endswith("got 'cifar11'")


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "records").write_text("mine")
    line = complaint(run_command(f"--records={tmp_path / 'records'}", "--limit=2", "--running_mode=in_memory"))
    assert line.startswith("--records must be a folder that can be written")
    assert (tmp_path / "records").read_text() == "mine"


@pytest.mark.parametrize(
    ("runner", "reason"),
    [("dask", "executes only the last leaf"), ("DaskRunner", "drops what finish_bundle yields"),
     ("direct", "may hang"), ("DirectRunner", "tries to download another runner")],
)  # fmt: skip
def test_runners_that_are_refused(runner: str, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        make_pipeline(runner, workers=0, mode="in_memory", beam_args=[])


@pytest.mark.parametrize("runner", ["no_such", "NoSuchRunner", "os.system"])
def test_unknown_runners(runner: str) -> None:
    with pytest.raises(UserError, match="--runner must be one of"):
        make_pipeline(runner, workers=0, mode="in_memory", beam_args=[])


def test_unknown_mode_workers_and_source() -> None:
    with pytest.raises(UserError, match="--running_mode must be one of"):
        make_pipeline("local", workers=0, mode="quickly", beam_args=[])
    with pytest.raises(UserError, match="--workers must be at least 0, got -1"):
        local_workers(-1)
    with pytest.raises(UserError, match=r"must be one of cifar10, digits.*, got 'imagenet'"):
        make_source("imagenet", None)


def test_a_job_service_that_does_not_listen_is_named() -> None:
    with socket.socket() as s:
        s.bind(("localhost", 0))
        address = f"localhost:{s.getsockname()[1]}"  # bound, but it does not listen
        with pytest.raises(
            UserError, match=f"--job_endpoint must be the address of a job service that runs, got {address}"
        ):
            make_pipeline("portable", workers=0, mode="in_memory", beam_args=[f"--job_endpoint={address}"])
        with pytest.raises(
            UserError, match=f"--flink_master must be the address of a Flink JobManager .*, got {address}"
        ):
            make_pipeline("flink", workers=0, mode="in_memory", beam_args=[f"--flink_master={address}"])


def test_an_option_that_beam_does_not_know_is_refused() -> None:
    with pytest.raises(UserError, match="--beam_arg must be an option of Beam with --runner=local, got --no_such=1"):
        make_pipeline("local", workers=1, mode="in_memory", beam_args=["--no_such=1", "--job_name=mine"])
    make_pipeline("local", workers=1, mode="in_memory", beam_args=["--job_name=mine", "--experiments=some"])


def test_log_level_that_java_runners_take() -> None:
    with socket.create_server(("localhost", 0)) as server:
        options = [f"--job_endpoint=localhost:{server.getsockname()[1]}", "--environment_type=LOOPBACK"]
        pipeline = make_pipeline("portable", workers=0, mode="in_memory", beam_args=options)
    level = pipeline.options.get_all_options()["default_sdk_harness_log_level"]
    assert level in ("OFF", "ERROR", "WARN", "INFO", "DEBUG", "TRACE")  # SdkHarnessOptions.LogLevel
