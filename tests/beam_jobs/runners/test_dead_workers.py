"""A job ends when its worker dies. Beam alone would wait for ever."""

import textwrap

import pytest

from tests.commands import output, run_python

JOB = textwrap.dedent("""
    import os
    import sys
    import time

    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    from beam_jobs.runners.beam_workarounds import call_when_worker_dies

    def act():
        print("a worker died", flush=True)
        time.sleep(1)  # by now both workers' connections and threads report it; only the first report counts
        os._exit(7)

    def work(number):
        import os, signal
        if number == KILLED:
            os.kill(os.getpid(), signal.SIGKILL)

    call_when_worker_dies(act)
    options = PipelineOptions(["--direct_running_mode=" + sys.argv[1], "--direct_num_workers=2"])
    with beam.Pipeline(runner=FnApiRunner(), options=options) as pipeline:
        pipeline | beam.Create(list(range(8))) | beam.Map(work)
    print("the job ended well")
""")


@pytest.mark.long
def test_killed_worker_is_noticed() -> None:
    done = run_python("-c", JOB.replace("KILLED", "3"), "multi_processing")
    assert (done.returncode, done.stdout) == (7, "a worker died\n"), done.stderr


@pytest.mark.long
@pytest.mark.parametrize("mode", ["in_memory", "multi_threading", "multi_processing"])
def test_workers_that_end_well_are_not_dead(mode: str) -> None:
    assert output(run_python("-c", JOB.replace("KILLED", "None"), mode)) == "the job ended well\n"
