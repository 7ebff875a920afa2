"""A `UserError` in a worker is told in its own words, however Beam brings it back."""

from __future__ import annotations

import signal
import threading
import traceback
from typing import Any

import pytest

from beam_jobs.runners.beam_workarounds import Workers, end_job_with_dead_workers
from beam_jobs.runners.run_job import find_user_error, run
from pipeline.errors import UserError

MESSAGES = pytest.mark.parametrize(
    "message", ["records must be there", r"/data/my\new must be there", r"C:\n\\n'a' \"b\"", r"ends in \n"]
)


def traceback_of(message: str) -> str:
    """As Beam's worker sends it."""
    try:
        raise UserError(f"{message} [while running 'WriteShards-ptransform-12']")
    except UserError:
        return traceback.format_exc()


class Failing:
    """A pipeline that fails as it is run."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def run(self) -> None:
        raise self.error


def told(error: Exception) -> str:
    with pytest.raises(UserError) as raised:
        run(Failing(error))  # type: ignore[arg-type]
    return str(raised.value)


@MESSAGES
def test_in_this_process(message: str) -> None:
    assert told(UserError(message)) == told(UserError(f"{message} [while running 'WriteShards']")) == message
    assert told(UserError("/data/two\nlines [while running 'WriteShards']")) == "/data/two\nlines"


@MESSAGES
def test_from_the_traceback_of_another_process(message: str) -> None:
    assert told(RuntimeError(traceback_of(message))) == message
    assert told(RuntimeError(f"Pipeline failed in state FAILED: {traceback_of(message)}\nmore")) == message
    assert find_user_error(f"pipeline.errors.UserError: {message}") == message


@MESSAGES
def test_from_a_traceback_with_escapes(message: str) -> None:
    inner = RuntimeError(traceback_of(message))
    assert told(RuntimeError(repr(inner))) == message
    assert told(RuntimeError(f"{traceback_of('x').partition('  File')[0]}\n\t{inner!r}")) == message


def test_another_error_stays() -> None:
    with pytest.raises(RuntimeError, match=r"^no memory$"):
        run(Failing(RuntimeError("no memory")))  # type: ignore[arg-type]


def test_a_worker_that_dies_as_the_job_ends_interrupts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGUSR1, if it is not handled, ends the process."""
    told: list[str] = []
    sent: list[int] = []
    set_handler = signal.signal

    def die() -> None:
        raise RuntimeError("Worker subprocess exited with return code -9")

    def restore(number: signal.Signals, handler: Any) -> Any:
        before = set_handler(number, handler)
        thread = threading.Thread(target=die)
        thread.start()
        thread.join()
        return before

    monkeypatch.setattr(threading, "excepthook", lambda arguments: told.append(str(arguments.exc_value)))
    original = signal.signal(signal.SIGUSR1, lambda number, _frame: sent.append(number))
    try:
        with end_job_with_dead_workers(Workers()):
            monkeypatch.setattr(signal, "signal", restore)
    finally:
        set_handler(signal.SIGUSR1, original)
    assert (sent, told) == ([], ["Worker subprocess exited with return code -9"])
