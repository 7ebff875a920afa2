"""`make setup` as a process: what it makes, what it leaves behind when it fails, what it prints."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.setup.checkout import Checkout, complaint

RELEASE = "{}.{}".format(*sys.version_info[:2])


@pytest.fixture(autouse=True)
def python3(checkout: Checkout) -> Path:
    """The machine has one Python: the one that runs these tests."""
    return checkout.add_python("python3", "{}.{}.{}".format(*sys.version_info[:3]))


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(1500):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("nothing happened for 30 seconds")


def test_installs_the_lock_then_the_project_and_only_once(checkout: Checkout) -> None:
    first = checkout.make("setup")
    assert first.returncode == 0, first.stderr
    assert f"setup: .venv/default is complete (default.lock, Python {RELEASE})" in first.stdout
    assert checkout.pip_calls() == ["default.lock", "."]
    second = checkout.make("setup")
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert checkout.pip_calls() == ["default.lock", "."]


def test_another_lock_means_another_environment(checkout: Checkout) -> None:
    checkout.make("setup")
    checkout.lock("default").write_text("absl-py==2.6.0\n")
    assert checkout.make("setup").returncode == 0
    assert checkout.pip_calls() == ["default.lock", ".", "default.lock", "."]


def test_another_setup_py_installs_the_project_alone(checkout: Checkout) -> None:
    checkout.make("setup")
    (checkout.folder / "setup.py").write_text("# changed\n")
    assert checkout.make("setup").returncode == 0
    assert checkout.pip_calls() == ["default.lock", ".", "."]
    assert checkout.make("setup").stdout == ""


def test_cuda_libraries_stay_until_they_are_declined(checkout: Checkout) -> None:
    for arguments in (["GPU=1"], [], ["GPU=0"], []):
        assert checkout.make("setup", *arguments).returncode == 0
    assert checkout.pip_calls() == ["gpu.lock", ".", "default.lock", "."]


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="the addons stack ends with Python 3.11")
def test_each_stack_has_its_own_environment(checkout: Checkout) -> None:
    for stack in ("default", "addons"):
        assert checkout.make("setup", f"STACK={stack}").returncode == 0
    assert checkout.pip_calls() == ["default.lock", ".", "addons.lock", "."]
    assert json.loads(checkout.stamp("addons").read_text())["lock"] == "addons"


@pytest.mark.parametrize(
    ("printed", "reason"),
    [
        (
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
            "no space left on the disk of .venv/default or of TMPDIR; free some space and run this again",
        ),
        (
            "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError'\n"
            "ERROR: Could not find a version that satisfies the requirement absl-py (from versions: none)",
            "the package registry cannot be reached; check the network, the proxy and pip's settings",
        ),
        (
            "ERROR: Could not find a version that satisfies the requirement absl-py (from versions: none)",
            "the package registry does not answer, or has nothing for this machine; check the network",
        ),
        (
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
            "a downloaded file is not the one that default.lock names; run this again",
        ),
        ("Collecting x\nERROR: something unheard of\nthe end", "something unheard of"),
    ],
)
def test_a_failed_install_says_why_and_is_not_complete(checkout: Checkout, printed: str, reason: str) -> None:
    failed = checkout.make("setup", PIP_PRINTS=printed, PIP_EXITS="1")
    assert complaint(failed) == (f"setup: the packages could not be installed: {reason} (see .venv/default.log)")
    assert printed in (checkout.folder / ".venv/default.log").read_text()
    assert not checkout.stamp().exists()
    assert checkout.make("setup").returncode == 0
    assert checkout.stamp().exists()


def test_a_failed_renewal_does_not_pass_for_the_old_environment(checkout: Checkout) -> None:
    checkout.make("setup")
    old = checkout.lock("default").read_text()
    checkout.lock("default").write_text("absl-py==2.6.0\n")
    assert checkout.make("setup", PIP_EXITS="1").returncode != 0
    checkout.lock("default").write_text(old)
    assert checkout.make("setup").returncode == 0
    assert checkout.pip_calls() == ["default.lock", ".", "default.lock", "default.lock", "."]


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_set_up_is_not_complete(checkout: Checkout, tmp_path: Path, end: signal.Signals) -> None:
    hang = tmp_path / "hang"
    hang.touch()
    process = checkout.start("make", "setup", PIP_HANGS_WHILE=str(hang))
    wait_until(lambda: checkout.pip_calls() == ["default.lock"])
    os.killpg(process.pid, end)
    _, errors = process.communicate(timeout=30)
    assert process.returncode != 0
    assert "Traceback" not in errors
    if end == signal.SIGINT:
        assert "setup: interrupted; the next run starts from scratch" in errors
    assert not checkout.stamp().exists()
    assert checkout.make("setup").returncode == 0
    assert checkout.pip_calls() == ["default.lock", "default.lock", "."]


def test_a_second_set_up_waits_for_the_first(checkout: Checkout, tmp_path: Path) -> None:
    hang = tmp_path / "hang"
    hang.touch()
    first = checkout.start("make", "setup", PIP_HANGS_WHILE=str(hang))
    wait_until(lambda: checkout.pip_calls() == ["default.lock"])
    second = checkout.start("make", "setup")
    assert second.stdout is not None
    assert second.stdout.readline() == "setup: waiting for another set-up of .venv/default\n"
    hang.unlink()
    for process in (first, second):
        process.communicate(timeout=30)
        assert process.returncode == 0
    assert checkout.pip_calls() == ["default.lock", "."]


def test_no_venv_module_names_the_package(checkout: Checkout) -> None:
    (checkout.modules / "ensurepip.py").write_text("raise ImportError\n")
    line = complaint(checkout.make("setup"))
    assert "has no venv module" in line
    assert f"apt-get install python{RELEASE}-venv or python3-venv" in line
    assert "PYTHON=" in line
    assert checkout.pip_calls() == []


def test_a_disk_that_is_too_small_is_seen_before_the_download(checkout: Checkout) -> None:
    assert complaint(checkout.make("setup", FREE_GB="1.5")) == (
        "setup: .venv/default needs 4 GB, but its disk has 1.5 GB free; free some space,"
        " or name an environment of your own with VENV=/path/to/environment"
    )
    assert checkout.pip_calls() == []


def test_a_full_disk(checkout: Checkout) -> None:
    failure = "Error: Command '[...]' returned non-zero exit status 1."
    assert complaint(checkout.make("setup", FREE_GB="0.001", VENV_FAILS=failure)) == (
        "setup: the environment could not be installed: no space left on the disk of .venv/default"
        " or of TMPDIR; free some space and run this again (see .venv/default.log)"
    )
    assert failure in complaint(checkout.make("setup", VENV_FAILS=failure))


def test_a_file_in_the_way_is_named(checkout: Checkout) -> None:
    (checkout.folder / ".venv").write_text("")
    assert complaint(checkout.make("setup")).startswith("setup: .venv: File exists")


@pytest.mark.long
def test_the_real_pip_without_a_network(checkout: Checkout) -> None:
    failed = checkout.make(
        "setup",
        PYTHONPATH="",
        PIP_INDEX_URL="http://127.0.0.1:9/simple",
        PIP_RETRIES="1",
        PIP_CONFIG_FILE=os.devnull,
    )
    assert complaint(failed) == (
        "setup: the packages could not be installed: the package registry cannot be reached;"
        " check the network, the proxy and pip's settings (see .venv/default.log)"
    )
    assert not checkout.stamp().exists()


def test_an_environment_of_the_users_own_is_checked_and_left_alone(checkout: Checkout) -> None:
    environment = checkout.programs / "my env"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").symlink_to(os.path.realpath(sys.executable))
    line = complaint(checkout.make("setup", f"VENV={environment}"))  # an interpreter with nothing installed
    assert line.startswith(f"setup: VENV={environment} lacks apache_beam, cv2,")
    assert line.endswith("requirements/default.lock there, or leave VENV out")
    lacking = line.partition(" lacks ")[2].partition(";")[0].split(", ")
    assert "tensorflow" in lacking
    for name in lacking:
        (checkout.modules / f"{name}.py").write_text("")
    assert checkout.make("setup", f"VENV={environment}").returncode == 0
    assert checkout.pip_calls() == []
    assert not (checkout.folder / ".venv").exists()
