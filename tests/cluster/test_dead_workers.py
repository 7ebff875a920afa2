"""A job whose worker died ends, where Beam alone would wait for ever."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
LONG = 120.0  # seconds; only a job that never ends takes as long

JOB = textwrap.dedent("""
    import os
    import sys
    import time

    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    from cluster.dead_workers import when_worker_dies

    def act():
        print("a worker died", flush=True)
        time.sleep(1)  # both workers' connections and threads tell of it now; only the first counts
        os._exit(7)

    def work(number):
        import os, signal
        if number == KILLED:
            os.kill(os.getpid(), signal.SIGKILL)

    when_worker_dies(act)
    options = PipelineOptions(["--direct_running_mode=" + sys.argv[1], "--direct_num_workers=2"])
    with beam.Pipeline(runner=FnApiRunner(), options=options) as pipeline:
        pipeline | beam.Create(list(range(8))) | beam.Map(work)
    print("the job ended well")
""")


def run(mode: str, killed: int | None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", JOB.replace("KILLED", repr(killed)), mode]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=LONG)


def test_killed_worker_is_noticed() -> None:
    done = run("multi_processing", killed=3)
    assert (done.returncode, done.stdout) == (7, "a worker died\n"), done.stderr


@pytest.mark.parametrize("mode", ["in_memory", "multi_threading", "multi_processing"])
def test_workers_that_end_well_are_not_dead(mode: str) -> None:
    done = run(mode, killed=None)
    assert (done.returncode, done.stdout) == (0, "the job ended well\n"), done.stderr
