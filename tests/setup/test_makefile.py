"""The Makefile's targets as commands: what they run, with which flags, and what they print of it."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys

import pytest

from scripts.make_target import TARGETS, variable_of
from tests.setup.checkout import ROOT, Checkout, complaint

# Text that a shell or make would take for something else. Each must arrive as it is, and nothing may be run.
ODD = {
    "blanks": "a b  c",
    "a blank at the end": "a ",
    "a tab": "a\tb",
    "single quotes": "it's 'a'",
    "double quotes": '"a" b"',
    "backquotes": "a`touch ran`b",
    "a command": "a$(touch ran)b",
    "a function of make": "a$(shell touch ran)b",
    "dollars": "$a $$ ${b} $(RECORDS) $",
    "brackets": "a[1]{b}(c)<d>",
    "backslashes": "\\a\\\\b\\",
    "patterns": "*?[a-z]%",
    "hashes": "#a #b",
    "signs": "a;b&c|d!e~f^g=h,i:j@k+l",
    "newlines": "a\nb\n\tc",
    "unicode": "画像 é",
    "a leading dash": "-x",
    "a leading tilde": "~/a",
}
EVERYTHING = " ".join(ODD.values())
PREMATCH = ("-m", "pipeline.command_line")
VALUES = pytest.mark.parametrize("value", ODD.values(), ids=ODD)
# By target, every variable that is one value, and the flag that it becomes.
SINGLE = {
    "records": {
        "CONFIG": "config", "RECORDS": "records", "DATA_DIR": "data_dir", "LIMIT": "limit", "WORKERS": "workers",
        "RUNNER": "runner", "SOURCE": "source", "ANNOTATIONS": "annotations", "IMAGES": "images",
        "VAL_ANNOTATIONS": "val_annotations", "VAL_IMAGES": "val_images", "TEST_ANNOTATIONS": "test_annotations",
        "TEST_IMAGES": "test_images", "TEST_FRACTION": "test_fraction", "IMAGE_SIZE": "image_size", "VIEWS": "views",
        "ANCHORS": "anchors", "MAX_REJECTED": "max_rejected",
    },
    "coverage": {"CONFIG": "config", "SOURCE": "source", "DATA_DIR": "data_dir", "VIEWS": "views", "LIMIT": "limit"},
    "verify": {"RECORDS": "records", "WORKERS": "workers"},
    "train": {
        "CONFIG": "config", "RECORDS": "records", "RUN": "run", "STRATEGY": "strategy", "REPLICAS": "replicas",
        "EPOCHS": "epochs", "BATCH": "batch", "OPTIMIZER": "optimizer", "BOX_LOSS": "box_loss",
        "PRECISION": "precision", "INIT": "init", "FREEZE": "freeze", "PATIENCE": "patience",
    },
    "evaluate": {
        "RUN": "run", "RECORDS": "records", "SPLIT": "split", "LIMIT": "limit", "BATCH": "batch", "OUTPUT": "output",
    },
    "detect": {"RUN": "run", "IMAGES": "images", "OUTPUT": "output", "MIN_SCORE": "min_score", "BATCH": "batch"},
    "show": {"RECORDS": "records", "SPLIT": "split", "N": "count", "KEY": "key", "OUTPUT": "output"},
    "rate": {"RECORDS": "records", "BATCH": "batch", "CONSUMER": "consumer"},
    "curves": {"RUN": "run", "OUTPUT": "output"},
    "ablations": {"DATA_DIR": "data_dir", "ONLY": "only"},
    "cluster-up": {"CLUSTER": "folder", "ENGINE": "engine"},
    "cluster-down": {"CLUSTER": "folder"},
    "test": {"JOBS": "numprocesses"},
    "bench": {"DATA_DIR": "data_dir"},
}  # fmt: skip


def run(checkout: Checkout, *arguments: str, environment: str = "my env") -> list[list[str]]:
    """The commands, word by word, that `make` ran in an environment of the user's own."""
    return json_lines(checkout, make(checkout, *arguments, environment=environment))


def make(checkout: Checkout, *arguments: str, environment: str) -> subprocess.CompletedProcess[str]:
    """Runs `make` with a stand-in for Python that writes down the words that it gets."""
    program = checkout.programs / environment / "bin/python"
    if not program.exists():
        write = "import json, sys; print(json.dumps(sys.argv[2:]), file=open(sys.argv[1], 'a'))"
        checkout.add_program(
            str(program.relative_to(checkout.programs)),
            'case "$1 $2" in\n'
            "*version_info*) echo 3.12.1 ;;\n"
            f'*scripts.make_target) exec "{sys.executable}" "$@" ;;\n'
            f'*) exec "{sys.executable}" -S -c "{write}" {shlex.quote(str(checkout.commands))} "$@" ;;\n'
            "esac",
        )
    return checkout.make(*arguments, f"VENV={checkout.programs / environment}")


def json_lines(checkout: Checkout, done: subprocess.CompletedProcess[str]) -> list[list[str]]:
    """What the stand-in wrote down since it was last asked."""
    assert done.returncode == 0, done.stderr
    lines = checkout.commands.read_text().splitlines()
    checkout.commands.unlink()
    return [json.loads(line) for line in lines]


def test_records_without_arguments_are_the_main_job(checkout: Checkout) -> None:
    assert run(checkout, "records") == [
        [*PREMATCH, "records", "--config=cifar10_improved", "--records=records/cifar10_improved"]
    ]


@VALUES
def test_a_value_arrives_as_it_is_and_nothing_in_it_is_run(checkout: Checkout, value: str) -> None:
    assert run(checkout, "train", f"CONFIG={value}", f"OPTIMIZER={value}") == [
        [
            *(*PREMATCH, "train", f"--config={value}", f"--records=records/{value}", f"--run=runs/{value}"),
            f"--optimizer={value}",
        ]
    ]
    words = value.split()
    lists = (f"BEAM_ARGS={value}", f"ARGS={value}")
    assert run(checkout, "records", f"RECORDS={value}", *lists) == [
        [
            *(*PREMATCH, "records", "--config=cifar10_improved", f"--records={value}"),
            *(f"--beam_arg={word}" for word in words),
            *words,
        ]
    ]
    assert not (checkout.folder / "ran").exists()


def test_every_variable_reaches_its_flag_as_it_is(checkout: Checkout) -> None:
    for target, flags in SINGLE.items():
        given = [f"{variable}={EVERYTHING}" for variable in flags]
        done = make(checkout, target, *given, environment="env")
        words = json_lines(checkout, done)[-1]  # of the target's last command
        assert {f"--{flag}={EVERYTHING}" for flag in flags.values()} <= set(words)
        shown = make(checkout, "-n", target, *given, environment="env")
        (*_, printed) = shown.stdout.partition("scripts.make_target ")[2].split(str(checkout.programs))
        assert shlex.split(printed)[1:] == words  # the line that is shown is the command that is run
    assert not (checkout.folder / "ran").exists()


def test_lists_are_split_at_blanks_and_nowhere_else(checkout: Checkout) -> None:
    words = EVERYTHING.split()
    assert run(checkout, "curves", f"RUNS={EVERYTHING}")[0][3:] == [f"--run={word}" for word in words]
    assert run(checkout, "test-all", f"TESTS={EVERYTHING}", "ARGS=-x")[0][5:] == ["-x", *words]
    for target in (
        "verify",
        "train",
        "evaluate",
        "detect",
        "show",
        "pictures",
        "rate",
        "ablations",
        "bench",
        "test-faults",
        "test-cluster",
    ):
        assert run(checkout, target, f"ARGS={EVERYTHING}")[-1][-len(words) :] == words
    assert not (checkout.folder / "ran").exists()


@VALUES
def test_an_environment_in_an_odd_folder(checkout: Checkout, value: str) -> None:
    demo = run(checkout, "demo", environment=value)
    assert [step[2] for step in demo] == ["records", "train", "evaluate"]
    told = value.replace("\n", " ")
    missing = checkout.make("setup", f"VENV={value}")
    assert complaint(missing) == f"setup: VENV must be an environment of yours, got {told} without bin/python"
    none = checkout.make("setup", f"PYTHON={value}")
    assert complaint(none) == f"setup: PYTHON must be Python 3.10 to 3.13, got {told} (no such program)"
    assert not (checkout.folder / "ran").exists()


def test_an_odd_value_survives_the_make_inside_a_make(checkout: Checkout) -> None:
    value = "a$b `touch ran` 'c' \\ #d"
    assert all(step[-6:] == value.split() for step in run(checkout, "demo", f"ARGS={value}"))
    assert not (checkout.folder / "ran").exists()


@VALUES
def test_the_level_of_tensorflows_messages_is_text_too(checkout: Checkout, value: str) -> None:
    checkout.add_program(
        "env/bin/python",
        f'case "$2" in *version_info*) echo 3.12.1 ;; *make_target) exec "{sys.executable}" "$@" ;; '
        '*) printf "%s\\n" "$TF_CPP_MIN_LOG_LEVEL" >&2 ;; esac',
    )
    own = f"VENV={checkout.programs / 'env'}"
    for done in (
        checkout.make("train", own, f"TF_CPP_MIN_LOG_LEVEL={value}"),
        checkout.make("train", own, TF_CPP_MIN_LOG_LEVEL=value),
    ):
        assert done.returncode == 0 and done.stderr == f"{value}\n", done.stderr
    assert checkout.make("train", own).stderr.splitlines()[-1] == "2"
    assert not (checkout.folder / "ran").exists()


def test_an_odd_address_of_a_cluster(checkout: Checkout) -> None:
    first, second = run(checkout, "records", "RUNNER=flink", f"FLINK_MASTER={EVERYTHING}")
    assert first == ["-m", "cluster", "job-server"]
    assert second[6] == f"--beam_arg=--flink_master={EVERYTHING}"


def test_flink_master_brings_the_options_of_its_cluster(checkout: Checkout) -> None:
    _, second = run(checkout, "records", "RUNNER=flink", "FLINK_MASTER=host:8081", "BEAM_ARGS=--parallelism=8")
    assert second[-7:] == [
        "--runner=flink",
        "--beam_arg=--flink_master=host:8081",
        "--beam_arg=--flink_job_server_jar=",
        "--beam_arg=--parallelism=4",
        "--beam_arg=--environment_type=EXTERNAL",
        "--beam_arg=--environment_config=localhost:50000",
        "--beam_arg=--parallelism=8",
    ]


def test_what_is_run_is_one_line_with_the_flags_that_are_set(checkout: Checkout) -> None:
    python = checkout.programs / "env/bin/python"
    for arguments, line in {
        ("records",): "records --config=cifar10_improved --records=records/cifar10_improved",
        ("records", "SOURCE=digits"): (
            "records --config=cifar10_improved --records=records/cifar10_improved --source=digits"
        ),
        ("records", "SOURCE=voc"): "records --config=detection --records=records/detection --source=voc",
        ("coverage", "SOURCE=coco", "CONFIG=x"): "coverage --config=x --source=coco",
        ("verify", "FULL=1"): "verify --records=records/cifar10_improved --full",
        ("train", "CONFIG=digits_demo", "EPOCHS=3", "RUN=my run", "ARGS=--xla --backup_steps=9"): (
            "train --config=digits_demo --records=records/digits_demo '--run=my run' --epochs=3 --xla --backup_steps=9"
        ),
        ("evaluate", "LIMIT=8"): "evaluate --run=runs/cifar10_improved --limit=8",
        ("detect", "IMAGES=my photos/*.jpg"): ("detect --run=runs/cifar10_improved '--images=my photos/*.jpg'"),
        ("show",): "show --records=records/cifar10_improved",
        ("curves", "RUNS=a b"): "curves --run=a --run=b",
    }.items():
        recipe, shown = make(checkout, "-n", *arguments, environment="env").stdout.splitlines()
        assert recipe.endswith(f"-m scripts.make_target {arguments[0]}")
        assert shown == f"{python} -m pipeline.command_line {line}"
    for target, line in {
        "cluster-up": "cluster up --folder=.cluster",
        "test": "pytest -m 'not long' --numprocesses=auto --maxprocesses=8 --dist=worksteal tests",
    }.items():
        assert make(checkout, "-n", target, environment="env").stdout.splitlines()[-1] == f"{python} -m {line}"
    assert not checkout.commands.exists()


def test_bench_runs_every_benchmark_and_hands_on_goals(checkout: Checkout) -> None:
    names = [f"benchmarks.{name}" for name in ("matching", "decoding", "training_step", "reader_and_job")]
    assert run(checkout, "bench") == [["-m", name] for name in names]
    assert run(checkout, "bench", "GOALS=no") == [["-m", name, "--nogoals"] for name in names]
    assert run(checkout, "bench-decoding", "ARGS=--rounds=7") == [["-m", names[1], "--rounds=7"]]


def test_bench_fails_at_its_end_if_a_goal_is_missed(checkout: Checkout) -> None:
    checkout.add_program(
        "env/bin/python",
        'case "$1 $2" in "-c "*) echo 3.12.1 ;; '
        f'*make_target) exec "{sys.executable}" "$@" ;; "-m "*) echo "$2"; false ;; esac',
    )
    done = checkout.make("bench", f"VENV={checkout.programs / 'env'}")
    ran = [line for line in done.stdout.splitlines() if line.startswith("benchmarks.")]
    assert ran == [f"benchmarks.{name}" for name in ("matching", "decoding", "training_step", "reader_and_job")]
    assert done.returncode != 0


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_command_that_runs_and_no_other_follows(checkout: Checkout, end: signal.Signals) -> None:
    checkout.add_program(
        "env/bin/python",
        f'case "$2" in *version_info*) echo 3.12.1 ;; *make_target) exec "{sys.executable}" "$@" ;; '
        f'*) echo "$2"; exec "{sys.executable}" -S -c "import time; time.sleep(600)" ;; esac',
    )
    process = checkout.start("make", "bench", f"VENV={checkout.programs / 'env'}")
    assert process.stdout is not None and process.stdout.readline() == "benchmarks.matching\n"
    os.killpg(process.pid, end) if end == signal.SIGINT else process.send_signal(end)  # Ctrl-C goes to all of them
    assert process.communicate(timeout=60)[0] == "" and process.returncode != 0


def test_evaluation_leaves_to_the_run_what_is_not_said(checkout: Checkout) -> None:
    assert run(checkout, "evaluate", "RUN=runs/mine") == [[*PREMATCH, "evaluate", "--run=runs/mine"]]


def test_the_demo_is_the_three_commands(checkout: Checkout) -> None:
    steps = run(checkout, "demo")
    assert [step[2] for step in steps] == ["records", "train", "evaluate"]
    assert all("--records=records/digits_demo" in step for step in steps)
    assert {"--config=digits_demo", "--strategy=mirrored", "--replicas=2", "--run=runs/demo"} <= set(steps[1])


def test_the_tests_run_in_a_process_on_each_core(checkout: Checkout) -> None:
    spread = "--dist=worksteal"
    assert run(checkout, "test-all") == [["-m", "pytest", "--numprocesses=auto", "--maxprocesses=8", spread, "tests"]]
    assert run(checkout, "test", "JOBS=12", "TESTS=tests/model") == [
        ["-m", "pytest", "-m", "not long", "--numprocesses=12", spread, "tests/model"]
    ]


def test_a_failing_command_fails_the_target(checkout: Checkout) -> None:
    checkout.add_program(
        "env/bin/python",
        f'case "$2" in *version_info*) echo 3.12.1 ;; *make_target) exec "{sys.executable}" "$@" ;; *) false ;; esac',
    )
    assert checkout.make("records", f"VENV={checkout.programs / 'env'}").returncode != 0


@pytest.mark.parametrize(
    ("argument", "line"),
    [
        ("FULL=yes", "FULL must be 1 or 0, got 'yes'"),
        ("STACK=torch", "STACK must be default or addons, got 'torch'"),
        ("STACK=default addons", "STACK must be default or addons, got 'default addons'"),
        ("STACK=`touch ran`", "STACK must be default or addons, got '`touch ran`'"),
        ("GPU=yes", "GPU must be 1 or 0, got 'yes'"),
        ("GPU=%", "GPU must be 1 or 0, got '%'"),
        ("FAULTS=some", "FAULTS must be full or short, got 'some'"),
        ("GOALS=maybe", "GOALS must be yes or no, got 'maybe'"),
        ("EPOCH=1", "no variable of make is called EPOCH; `make help` lists them"),
        ("VENV=/no such place", "VENV must be an environment of yours, got /no such place without bin/python"),
    ],
)
def test_an_unknown_choice_is_one_line(checkout: Checkout, argument: str, line: str) -> None:
    checkout.add_python("python3", "3.12.1")
    assert line in complaint(checkout.make("setup", argument))
    assert not (checkout.folder / "ran").exists()


def test_the_environment_of_the_shell_does_not_choose(checkout: Checkout) -> None:
    checkout.add_python("python3", "3.12.1")
    shell = {"CONFIG": "other", "LIMIT": "1", "RECORDS": "here", "STACK": "addons", "VENV": "mine", "GPU": "1"}
    shown = checkout.make("-n", "records", **shell).stdout.splitlines()[-1]
    assert shown == (
        ".venv/default/bin/python -m pipeline.command_line records --config=cifar10_improved"
        " --records=records/cifar10_improved"
    )


def test_help_is_the_default_and_lists_every_target(checkout: Checkout) -> None:
    shown = checkout.make()
    assert shown.returncode == 0, shown.stderr
    targets = " ".join(re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)).split()
    assert {"records", "cluster-up"} <= set(targets)
    targets.remove("$(benchmarks)")  # the parts of bench, which is listed
    assert [target for target in targets if not re.search(rf"^  {target} ", shown.stdout, re.MULTILINE)] == []


def test_help_names_every_variable_of_a_target(checkout: Checkout) -> None:
    shown = checkout.make("help").stdout
    flags = {flag for _, always, asked in TARGETS.values() for flag in f"{always} {asked}".split()}
    named_together = {f"{split}_{what}" for split in ("val", "test") for what in ("annotations", "images")}
    assert all(re.search(rf"\b{variable_of(flag)}=", shown) for flag in flags - named_together)
