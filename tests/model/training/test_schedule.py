"""Learning rates of both presets, by hand."""

from __future__ import annotations

import math

import pytest

from model.training.schedule import LearningRate
from pipeline.config.run_config import ScheduleConfig


def test_exponential_falls_by_whole_epochs_from_the_first() -> None:
    rate = LearningRate(ScheduleConfig("exponential", 1e-3, decay=0.98), epoch_steps=10, epochs=50)
    for step, expected in ((0, 1e-3), (9, 1e-3), (10, 0.98e-3), (25, 0.98**2 * 1e-3), (499, 0.98**49 * 1e-3)):
        assert float(rate(step)) == pytest.approx(expected, rel=1e-5)


def test_cosine_rises_linearly_and_falls_to_zero() -> None:
    rate = LearningRate(ScheduleConfig("cosine", 2e-3, warmup_steps=10), epoch_steps=30, epochs=7)
    assert float(rate(0)) == pytest.approx(2e-4)
    assert float(rate(9)) == pytest.approx(2e-3)
    for step in (10, 60, 110, 160, 209):
        expected = 1e-3 * (1 + math.cos(math.pi * (step - 10) / 200))
        assert float(rate(step)) == pytest.approx(expected, abs=1e-9)
    assert float(rate(210)) == pytest.approx(0.0, abs=1e-9)


def test_a_warm_up_longer_than_the_run_only_rises() -> None:
    rate = LearningRate(ScheduleConfig("cosine", 1e-3, warmup_steps=300), epoch_steps=2, epochs=2)
    rates = [float(rate(step)) for step in range(4)]
    assert rates == sorted(rates) and rates[-1] == pytest.approx(1e-3)
