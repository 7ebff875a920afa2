"""Signals that come while a pipeline is made wait until its folder is known."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from beam_jobs.runners.beam_workarounds import SIGNALS, HeldSignals
from pipeline.command_line import interrupt


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.signal(number, interrupt) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_waits_whatever_thread_takes_it(number: signal.Signals) -> None:
    held = HeldSignals()
    other = threading.Thread(target=os.kill, args=(os.getpid(), number))
    other.start()
    other.join()
    with pytest.raises(KeyboardInterrupt):
        held.let_go()
    assert signal.getsignal(number) is interrupt


def test_without_a_signal_nothing_happens() -> None:
    HeldSignals().let_go()
    assert all(signal.getsignal(number) is interrupt for number in SIGNALS)


def test_an_ignored_signal_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    held = HeldSignals()
    os.kill(os.getpid(), signal.SIGINT)
    held.let_go()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_outside_of_the_main_thread_handlers_stay() -> None:
    thread = threading.Thread(target=lambda: HeldSignals().let_go())
    thread.start()
    thread.join()
    assert all(signal.getsignal(number) is interrupt for number in SIGNALS)
