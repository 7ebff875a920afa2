"""Which runners are chosen, and which are refused with a reason."""

from __future__ import annotations

import socket

import pytest

from beam_jobs.runners.runner import count_local_workers, make_pipeline
from beam_jobs.sources import make_source
from pipeline.errors import UserError
from tests.processes import free_port


@pytest.mark.parametrize(
    ("runner", "reason"),
    [
        ("dask", "executes only the last leaf"),
        ("DaskRunner", "drops what finish_bundle yields"),
        ("direct", "may hang"),
        ("DirectRunner", "tries to download another runner"),
    ],
)
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
        count_local_workers(-1)
    with pytest.raises(UserError, match=r"must be one of cifar10, digits.*, got 'imagenet'"):
        make_source("imagenet", None)


def test_a_job_service_that_does_not_listen_is_named() -> None:
    address = f"localhost:{free_port()}"
    with pytest.raises(UserError, match=f"--job_endpoint must be the address of a job service, got {address}"):
        make_pipeline("portable", workers=0, mode="in_memory", beam_args=[f"--job_endpoint={address}"])
    with pytest.raises(UserError, match=f"--flink_master must be the address of a Flink JobManager, got {address}"):
        make_pipeline("flink", workers=0, mode="in_memory", beam_args=[f"--flink_master={address}"])


def test_an_option_that_beam_does_not_know_is_refused() -> None:
    with pytest.raises(UserError, match="--beam_arg must be an option of Beam with --runner=local, got --no_such=1"):
        make_pipeline("local", workers=1, mode="in_memory", beam_args=["--no_such=1", "--job_name=mine"])
    make_pipeline("local", workers=1, mode="in_memory", beam_args=["--job_name=mine", "--experiments=some"])


@pytest.mark.parametrize(
    ("runner", "workers", "option", "message"),
    [
        ("local", 1, "--flink_master=host:8081", "--flink_master is for a cluster, got --runner=local"),
        ("local", 1, "--environment_type=EXTERNAL", "--environment_type is for a cluster, got --runner=local"),
        ("local", 1, "--runner=DataflowRunner", "--beam_arg must not hold --runner"),
        ("flink", 0, "--runner=DaskRunner", "--beam_arg must not hold --runner"),
        ("dataflow", 4, "--project=mine", "--workers is for the local runner, got 4 with --runner=dataflow"),
    ],
)
def test_options_that_would_be_ignored_are_refused(runner: str, workers: int, option: str, message: str) -> None:
    with pytest.raises(UserError, match=f"^{message}"):
        make_pipeline(runner, workers=workers, mode="in_memory", beam_args=[option])


def test_log_level_that_java_runners_take() -> None:
    with socket.create_server(("localhost", 0)) as server:
        options = [f"--job_endpoint=localhost:{server.getsockname()[1]}", "--environment_type=LOOPBACK"]
        pipeline = make_pipeline("portable", workers=0, mode="in_memory", beam_args=options)
    level = pipeline.options.get_all_options()["default_sdk_harness_log_level"]
    assert level in ("OFF", "ERROR", "WARN", "INFO", "DEBUG", "TRACE")  # SdkHarnessOptions.LogLevel


def test_local_workers_fetch_a_group_at_a_time_and_keep_none() -> None:
    """Otherwise a worker holds the entries of all its shards: 128 MB more for 1,000,000 lines than for 100,000."""
    pipeline = make_pipeline("local", workers=2, mode="multi_processing", beam_args=[])
    assert pipeline.options.get_all_options()["max_cache_memory_usage_mb"] == 0
    assert vars(pipeline.runner)["_use_state_iterables"]
    given = make_pipeline("local", workers=2, mode="in_memory", beam_args=["--max_cache_memory_usage_mb=7"])
    assert given.options.get_all_options()["max_cache_memory_usage_mb"] == 7
