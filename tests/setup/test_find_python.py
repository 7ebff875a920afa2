"""scripts/find_python.sh on machines with various Pythons."""

import subprocess
from pathlib import Path

import pytest

from tests.setup.checkout import Checkout, complaint


def find(checkout: Checkout, **variables: str) -> "subprocess.CompletedProcess[str]":
    return checkout.run("/bin/sh", "scripts/find_python.sh", **variables)


@pytest.mark.parametrize("version", ["3.10.0", "3.11.7", "3.12.1", "3.13.0"])
def test_an_accepted_python3_comes_first(checkout: Checkout, version: str) -> None:
    python3 = checkout.add_python("python3", version)
    checkout.add_python("python3.13", "3.13.0")
    assert find(checkout).stdout == f"{python3}\n"


@pytest.mark.parametrize("version", ["2.7.18", "3.1.0", "3.9.18", "3.14.0"])
def test_another_release_replaces_an_unusable_python3(checkout: Checkout, version: str) -> None:
    checkout.add_python("python3", version)
    checkout.add_python("python3.10", "3.10.13")
    newer = checkout.add_python("python3.12", "3.12.1")
    assert find(checkout).stdout == f"{newer}\n"


def test_a_program_that_does_not_run_is_skipped(checkout: Checkout) -> None:
    checkout.add_program("python3", "exit 127")
    python = checkout.add_python("python3.11", "3.11.7")
    assert find(checkout).stdout == f"{python}\n"


def test_the_environments_own_python_comes_before_all_others(checkout: Checkout) -> None:
    checkout.add_python("python3", "3.12.1")
    checkout.add_python("../a checkout/.venv/default/bin/python", "3.10.13")
    assert find(checkout).stdout == ".venv/default/bin/python\n"
    own = checkout.add_python("my env/bin/python", "3.11.7")
    assert find(checkout, VENV=str(checkout.programs / "my env"), PYTHON="python3").stdout == f"{own}\n"


@pytest.mark.parametrize("version", ["3.9.18", "3.14.0"])
def test_too_old_or_too_new_says_what_was_found_and_needed(checkout: Checkout, version: str) -> None:
    python3 = checkout.add_python("python3", version)
    assert complaint(find(checkout)) == (
        f"setup: no usable Python: found {version} ({python3}), needed Python 3.10 to 3.13;"
        " install one, or name it with PYTHON=/path/to/python"
    )


def test_no_python_at_all(checkout: Checkout) -> None:
    assert complaint(find(checkout)).startswith("setup: no usable Python: found none, needed Python 3.10 to 3.13;")


def test_PYTHON_is_the_only_candidate(checkout: Checkout) -> None:
    checkout.add_python("python3", "3.12.1")
    chosen = checkout.add_python("my programs/python", "3.11.7")
    assert find(checkout, PYTHON=str(chosen)).stdout == f"{chosen}\n"
    old = checkout.add_python("python3.9", "3.9.18")
    assert old.exists()
    assert complaint(find(checkout, PYTHON="python3.9")) == (
        "setup: PYTHON must be Python 3.10 to 3.13, got python3.9 (3.9.18)"
    )


def test_PYTHON_that_is_no_python(checkout: Checkout) -> None:
    broken = checkout.add_program("broken", "exit 1")
    expected = "setup: PYTHON must be Python 3.10 to 3.13, got"
    assert (
        complaint(find(checkout, PYTHON=str(broken))) == f"{expected} {broken} (a program that does not run as Python)"
    )
    assert complaint(find(checkout, PYTHON="nonesuch")) == f"{expected} nonesuch (no such program)"


def test_the_addons_stack_accepts_what_its_tensorflow_does(checkout: Checkout) -> None:
    python3 = checkout.add_python("python3", "3.12.1")
    line = complaint(checkout.make("setup", "STACK=addons"))
    assert line == (
        f"setup: no usable Python: found 3.12.1 ({python3}), needed Python 3.10 to 3.11 for STACK=addons"
        " (TensorFlow 2.15); install one, or name it with PYTHON=/path/to/python"
    )
    assert not Path(checkout.folder / ".venv").exists()
