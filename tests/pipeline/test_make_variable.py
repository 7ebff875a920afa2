import shlex

import pytest

from pipeline.make_variable import make_variable


def test_a_plain_value_stays_plain() -> None:
    assert make_variable("RUN", "runs/a") == "RUN=runs/a"


@pytest.mark.parametrize("value", ["runs/a$b", "a b$c'", "$(shell touch ran)", "a$$b", "~/a", "#a", ""])
def test_a_value_is_quoted_for_the_shell_alone(value: str) -> None:
    """The Makefile takes it as it is: tests/setup/test_makefile.py."""
    assert shlex.split(make_variable("RUN", value)) == [f"RUN={value}"]
