"""Chooses the Beam runner that executes the job, and its options."""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence

from apache_beam.options.pipeline_options import PipelineOptions, _BeamArgumentParser
from apache_beam.pipeline import Pipeline
from apache_beam.portability.api import beam_provision_api_pb2
from apache_beam.runners.job.utils import dict_to_struct
from apache_beam.runners.portability.fn_api_runner.fn_runner import ExtendedProvisionInfo, FnApiRunner
from apache_beam.transforms.environments import (
    EmbeddedPythonEnvironment,
    EmbeddedPythonGrpcEnvironment,
    Environment,
    SubprocessSDKEnvironment,
)

from beam_jobs.runners.beam_workarounds import without_its_folder
from pipeline.command_line import list_cores
from pipeline.errors import UserError

LOCAL = "local"
MODES = ("in_memory", "multi_threading", "multi_processing")
PORTABLE = "PortableRunner"
_QUIET = "--default_sdk_harness_log_level=WARN"  # as Java spells it; Python takes either
_NO_CACHE = "--max_cache_memory_usage_mb=0"
_CLUSTER = {"portable": PORTABLE, "flink": "FlinkRunner", "spark": "SparkRunner", "dataflow": "DataflowRunner"}
_ADDRESSES = {"job_endpoint": "a job service", "flink_master": "a Flink JobManager"}
_OF_CLUSTERS = {*_ADDRESSES, "environment_type", "environment_config", "flink_version", "spark_master_url"}
PATIENCE = 20.0  # seconds that an address may take to answer
_REFUSED = {
    "dask": "it silently mixes tagged outputs, executes only the last leaf and drops what finish_bundle yields",
    "direct": "it first tries to download another runner and may hang; `local` is Beam's own in-process runner",
}


@contextlib.contextmanager
def open_pipeline(runner: str, *, workers: int, mode: str, beam_args: Sequence[str]) -> Iterator[Pipeline]:
    """Like `make_pipeline`, but no temporary folder of Beam's stays behind if the job fails.

    Raises `UserError` too if no temporary folder can be written.
    """
    try:
        tempfile.gettempdir()
    except FileNotFoundError as error:
        raise UserError(f"no temporary folder can be written; set TMPDIR to one that can ({error.strerror})") from None
    with without_its_folder(lambda: make_pipeline(runner, workers=workers, mode=mode, beam_args=beam_args)) as pipeline:
        yield pipeline


def make_pipeline(runner: str, *, workers: int, mode: str, beam_args: Sequence[str]) -> Pipeline:
    """A pipeline on the runner of that name.

    Args:
        runner: "local", "portable", "flink", "spark", "dataflow", or Beam's own name for one (FlinkRunner …).
        workers: of the local runner; 0 for one on every core. It must be 0 for any other runner.
        mode: how the local runner's workers run, one of `MODES`.
        beam_args: further Beam options, as on its command line.

    Raises `UserError` for an unknown mode, an unknown runner, a runner that is refused, with the reason, and options
    that do not go with the runner.
    """
    name = runner.lower().removesuffix("runner")
    given = [argument.removeprefix("--").partition("=") for argument in beam_args]
    options = {option for option, _, _ in given}
    if "runner" in options:
        raise UserError("--beam_arg must not hold --runner; give it as --runner (make: RUNNER)")
    if name in _REFUSED:
        raise UserError(f"--runner={runner} is refused: {_REFUSED[name]}")
    if name == LOCAL or name == "fnapi":
        if foreign := sorted(options & _OF_CLUSTERS):
            raise UserError(
                f"--{foreign[0]} is for a cluster, got --runner={runner}; name the cluster's runner (make: RUNNER)"
            )
        return _local(workers, mode, beam_args)
    if name not in _CLUSTER:  # Beam would import and call anything of that name
        raise UserError(f"--runner must be one of {', '.join((LOCAL, *_CLUSTER))}, got {runner!r}")
    if workers:
        raise UserError(f"--workers is for the local runner, got {workers} with --runner={runner}: the cluster decides")
    if name == "portable" and "job_endpoint" not in options:
        raise UserError(
            "--runner=portable needs --beam_arg=--job_endpoint=host:port; "
            "`make cluster-up ENGINE=portable` starts a job service on this machine"
        )
    for option, _, address in given:
        if option in _ADDRESSES:
            _check_answers(option, address)
    try:
        return Pipeline(options=PipelineOptions([f"--runner={_CLUSTER[name]}", _QUIET, *beam_args]))
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise UserError(f"--runner={runner} needs other options (--beam_arg): {reason}") from None


def _check_answers(option: str, address: str) -> None:
    """Raises `UserError` if nothing listens on an address: Beam would try for ever."""
    host, _, port = address.removeprefix("http://").removeprefix("https://").rpartition(":")
    if not host or not port.isdigit():
        return  # a name with a meaning of its own to Beam, such as [local]
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE).close()
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(
            f"--{option} must be the address of {_ADDRESSES[option]}, got {address}: {reason}; "
            "`make cluster-up` starts one on this machine"
        ) from None


def count_local_workers(workers: int) -> int:
    """How many workers the local runner has: the number asked for, or one on every core for 0."""
    if workers < 0:
        raise UserError(f"--workers must be at least 0, got {workers}")
    return workers or len(list_cores())


def _unknown_options(beam_args: Sequence[str]) -> list[str]:
    """The options that no class of Beam's SDK knows; Beam would ignore them."""
    parser = _BeamArgumentParser(add_help=False, allow_abbrev=False)
    for cls in PipelineOptions.__subclasses__():
        if hasattr(cls, "_add_argparse_args"):
            with contextlib.suppress(argparse.ArgumentError):  # an option of two classes
                cls._add_argparse_args(parser)
    return [argument for argument in parser.parse_known_args(list(beam_args))[1] if argument.startswith("--")]


def _local(workers: int, mode: str, beam_args: Sequence[str]) -> Pipeline:
    if mode not in MODES:
        raise UserError(f"--running_mode must be one of {', '.join(MODES)}, got {mode!r}")
    if unknown := _unknown_options(beam_args):
        raise UserError(f"--beam_arg must be an option of Beam with --runner=local, got {', '.join(unknown)}")
    count = count_local_workers(workers)
    environment: Environment
    if mode == "in_memory" or (count == 1 and mode == "multi_processing"):
        count, environment = 1, EmbeddedPythonEnvironment.default()
    elif mode == "multi_threading":
        environment = EmbeddedPythonGrpcEnvironment.default()
    else:
        # The worker replaces the shell. It leaves Ctrl-C and SIGTERM to the job, which ends it: Python may answer them
        # with a traceback, and a worker that ends before its job looks like one that was killed.
        python = shlex.quote(sys.executable)
        command = f"trap '' INT TERM; exec {python} -m beam_jobs.runners.local_worker {os.getpid()}"
        environment = SubprocessSDKEnvironment.from_command_string(command)
    options = PipelineOptions([f"--direct_num_workers={count}", _QUIET, _NO_CACHE, *beam_args])
    # On its own, FnApiRunner would start its workers without the pipeline's options. Numbers are sent as text,
    # because a struct would turn them into floats.
    told = {k: str(v) if type(v) in (int, float) else v for k, v in options.get_all_options(drop_default=True).items()}
    provision = beam_provision_api_pb2.ProvisionInfo(pipeline_options=dict_to_struct(told))
    # A worker fetches the entries of one shard at a time, and keeps none: otherwise it gets all its shards' at once.
    runner = FnApiRunner(environment, provision_info=ExtendedProvisionInfo(provision), use_state_iterables=True)
    return Pipeline(runner=runner, options=options)
