"""Strategies by name, and what they refuse."""

from __future__ import annotations

import pytest

from model.distribution.strategies import check_batch, make_strategy
from pipeline.errors import UserError


@pytest.mark.parametrize(
    ("name", "replicas", "message"),
    [
        ("mirored", None, r"--strategy must be one of default, mirrored, multiworker, got 'mirored'"),
        ("mirrored", 0, "--replicas must be at least 1, got 0"),
        ("default", 2, "--replicas must be 1 with --strategy=default, got 2"),
    ],
)
def test_bad_flags_are_named(name: str, replicas: int | None, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_strategy(name, replicas)


def test_the_default_strategy_has_one_replica() -> None:
    strategy = make_strategy("default")
    assert strategy.num_replicas_in_sync == 1


def test_a_batch_that_replicas_do_not_divide_is_refused() -> None:
    check_batch(33, 3)
    with pytest.raises(UserError, match=r"--batch must be a multiple of the 3 replicas, .*, got 32"):
        check_batch(32, 3)
