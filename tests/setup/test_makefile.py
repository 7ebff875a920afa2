"""The Makefile's targets as commands: what they run, with which flags."""

import json
import re
import sys

import pytest

from tests.setup.checkout import ROOT, Checkout, complaint


def run(checkout: Checkout, *arguments: str) -> list[list[str]]:
    """The commands, word by word, that `make` ran in an environment of the user's own."""
    written = checkout.folder / "commands"
    write = f"import json, sys; print(json.dumps(sys.argv[1:]), file=open({str(written)!r}, 'a'))"
    checkout.add_program(
        "my env/bin/python",
        'case "$1 $2" in\n'
        "*version_info*) echo 3.12.1 ;;\n"
        "scripts/*) ;;\n"
        f'*) exec "{sys.executable}" -c "{write}" "$@" ;;\n'
        "esac",
    )
    result = checkout.make(*arguments, f"VENV={checkout.programs / 'my env'}")
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in written.read_text().splitlines()]


def test_records_without_arguments_are_the_main_job(checkout: Checkout) -> None:
    assert run(checkout, "records") == [
        ["-m", "beam_jobs.make_records", "--config=cifar10_improved", "--records=records/cifar10_improved"]
    ]


def test_values_reach_the_command_as_they_are(checkout: Checkout) -> None:
    places = ["DATA_DIR=/it's a/place", "RECORDS=my records", "CONFIG=digits_demo"]
    choices = ["LIMIT=3", "WORKERS=2", "RUNNER=flink", "BEAM_ARGS=--a=1 --b=2", "ARGS=--c='d e'"]
    assert run(checkout, "records", *places, *choices) == [
        ["-m", "beam_jobs.make_records", "--config=digits_demo", "--records=my records",
         "--data_dir=/it's a/place", "--limit=3", "--workers=2", "--runner=flink",
         "--beam_arg=--a=1", "--beam_arg=--b=2", "--c=d e"]
    ]  # fmt: skip


def test_flink_master_brings_the_options_of_its_cluster(checkout: Checkout) -> None:
    first, second = run(checkout, "records", "RUNNER=flink", "FLINK_MASTER=host:8081", "BEAM_ARGS=--parallelism=8")
    assert first == ["-m", "cluster.job_server"]
    assert second[-7:] == [
        "--runner=flink", "--beam_arg=--flink_master=host:8081", "--beam_arg=--flink_job_server_jar=",
        "--beam_arg=--parallelism=4", "--beam_arg=--environment_type=EXTERNAL",
        "--beam_arg=--environment_config=localhost:50000", "--beam_arg=--parallelism=8",
    ]  # fmt: skip


def test_training_follows_on_from_records(checkout: Checkout) -> None:
    assert run(checkout, "train", "STRATEGY=mirrored", "REPLICAS=2", "EPOCHS=3", "BATCH=64") == [
        ["-m", "model.train", "--config=cifar10_improved", "--records=records/cifar10_improved",
         "--run=runs/cifar10_improved", "--strategy=mirrored", "--replicas=2", "--epochs=3", "--batch=64"]
    ]  # fmt: skip


def test_evaluation_leaves_to_the_run_what_is_not_said(checkout: Checkout) -> None:
    assert run(checkout, "evaluate", "RUN=runs/mine") == [["-m", "model.evaluate", "--run=runs/mine"]]


def test_the_demo_is_the_three_commands(checkout: Checkout) -> None:
    steps = run(checkout, "demo")
    assert [step[1] for step in steps] == ["beam_jobs.make_records", "model.train", "model.evaluate"]
    assert all("--records=records/digits_demo" in step for step in steps)
    assert {"--config=digits_demo", "--strategy=mirrored", "--replicas=2", "--run=runs/demo"} <= set(steps[1])


@pytest.mark.parametrize(
    ("arguments", "processes"),
    [([], ["--numprocesses=auto", "--maxprocesses=8"]), (["JOBS=12"], ["--numprocesses=12"])],
)
def test_the_tests_run_in_a_process_on_each_core(
    arguments: list[str], processes: list[str], checkout: Checkout
) -> None:
    assert run(checkout, "test", *arguments, "TESTS=tests/model") == [
        ["-m", "pytest", *processes, "--dist=worksteal", "tests/model"]
    ]


def test_a_failing_command_fails_the_target(checkout: Checkout) -> None:
    checkout.add_program("env/bin/python", 'case "$2" in *version_info*) echo 3.12.1 ;; *) [ "$1" != -m ] ;; esac')
    assert checkout.make("records", f"VENV={checkout.programs / 'env'}").returncode != 0


@pytest.mark.parametrize(
    ("argument", "line"),
    [
        ("FULL=yes", "FULL must be 1 or 0, got 'yes'"),
        ("STACK=torch", "STACK must be default or addons, got 'torch'"),
        ("GPU=yes", "GPU must be 1 or 0, got 'yes'"),
        ("EPOCH=1", "no variable of make is called EPOCH; `make help` lists them"),
        ("VENV=/no such place", "VENV must be an environment of yours, got /no such place without bin/python"),
    ],
)
def test_an_unknown_choice_is_one_line(checkout: Checkout, argument: str, line: str) -> None:
    assert line in complaint(checkout.make("setup", argument))


def test_the_environment_of_the_shell_does_not_choose(checkout: Checkout) -> None:
    shown = checkout.make("-n", "records", "VENV=env", CONFIG="other", LIMIT="1", RUN="here")
    assert "--config='cifar10_improved'" in shown.stdout
    assert "--limit" not in shown.stdout


def test_help_is_the_default_and_lists_every_target(checkout: Checkout) -> None:
    shown = checkout.make()
    assert shown.returncode == 0, shown.stderr
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split()
    assert "records" in targets
    assert [target for target in targets if not re.search(rf"^  {target} ", shown.stdout, re.MULTILINE)] == []
