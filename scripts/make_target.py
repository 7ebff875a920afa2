"""Runs a target of the Makefile: turns the variables that make was given into flags of the target's command.

    python -m scripts.make_target TARGET      (in the root of the checkout)

The variables come in the environment; GIVEN names those that were set on make's command line. Each reaches its flag as
it is, and no shell comes in between. Uses only the standard library, because nothing may be installed yet.
"""

from __future__ import annotations

import errno
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from scripts.setup_env import SetupError, make_environment, make_locks, require_modules

PREMATCH = "pipeline.command_line"
SOURCE = (
    "source data_dir annotations images val_annotations val_images test_annotations test_images test_fraction "
    "image_size views limit"
)
# By target: its command; the flags that it always gets; those that it gets if their variable is set.
TARGETS = {
    "records": (f"{PREMATCH} records", "config records", f"{SOURCE} anchors max_rejected workers runner"),
    "coverage": (f"{PREMATCH} coverage", "config", SOURCE),
    "verify": (f"{PREMATCH} verify", "records", "workers"),
    "train": (
        f"{PREMATCH} train",
        "config records run",
        "strategy replicas epochs patience batch optimizer box_loss precision init freeze",
    ),
    "evaluate": (f"{PREMATCH} evaluate", "run", "records split limit batch output"),
    "detect": (f"{PREMATCH} detect", "run", "images output min_score batch"),
    "show": (f"{PREMATCH} show", "records", "split count key output"),
    "rate": (f"{PREMATCH} rate", "records", "batch consumer"),
    "curves": (f"{PREMATCH} curves", "", "output"),
    "ablations": ("benchmarks.ablations", "", "data_dir only"),
    "cluster-up": ("cluster up", "folder", "engine"),
    "cluster-down": ("cluster down", "folder", ""),
    "lock-jars": ("cluster lock-jars", "", ""),
    "bench-matching": ("benchmarks.matching", "", ""),
    "bench-decoding": ("benchmarks.decoding", "", ""),
    "bench-training_step": ("benchmarks.training_step", "", ""),
    "bench-reader_and_job": ("benchmarks.reader_and_job", "", "data_dir"),
}
RENAMED = {"count": "N", "folder": "CLUSTER"}  # else a flag's variable has its name, in capitals
CHOICES = {"STACK": "default addons", "GPU": "1 0", "FULL": "1 0", "FAULTS": "full short", "GOALS": "yes no"}
OTHERS = "PYTHON VENV UPGRADE BEAM_ARGS FLINK_MASTER RUNS ARGS TESTS JOBS TF_CPP_MIN_LOG_LEVEL"
DEMO = {"CONFIG": "digits_demo", "RECORDS": "records/digits_demo", "RUN": "runs/demo"}


class WrongVariable(Exception):
    """A variable of make that does not exist or has a value that it cannot have. The message is one line."""


Values = dict[str, str]  # of the variables that are set
Command = list[str]  # the words that Python is called with


def variable_of(flag: str) -> str:
    """The variable that becomes a flag."""
    return RENAMED.get(flag, flag.upper())


def given_values() -> Values:
    """Takes the variables of make's command line out of the environment. Raises `WrongVariable`."""
    flags = " ".join(f"{always} {asked}" for _, always, asked in TARGETS.values()).split()
    known = {*map(variable_of, flags), *CHOICES, *OTHERS.split()}
    given = os.environ.pop("GIVEN", "").split()
    if unknown := [name for name in given if name not in known]:
        raise WrongVariable(f"no variable of make is called {' '.join(unknown)}; `make help` lists them")
    values = {name: os.environ.pop(name, "") for name in given}
    for name, words in CHOICES.items():
        if values.get(name) and values[name] not in words.split():
            raise WrongVariable(f"{name} must be {words.replace(' ', ' or ')}, got {values[name]!r}")
    if (values.get("STACK"), values.get("GPU")) == ("addons", "1"):
        raise WrongVariable("GPU=1 goes with STACK=default, got STACK=addons")
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = (
        values.pop("TF_CPP_MIN_LOG_LEVEL", "") or os.environ.get("TF_CPP_MIN_LOG_LEVEL") or "2"
    )  # TensorFlow's start-up messages, down to errors
    return {name: value for name, value in values.items() if value}


def words_of(values: Values, name: str) -> list[str]:
    """A list: split at blanks, and at nothing else."""
    return re.findall(r"[^ \t\n]+", values.get(name, ""))


def command_of(target: str, values: Values, flink: Sequence[str] = ()) -> Command:
    """A target's command with its flags. `flink` are those of FLINK_MASTER."""
    module, always, asked = TARGETS[target]
    detection = values.get("SOURCE", "digits") not in ("cifar10", "digits")
    config = values.get("CONFIG") or ("detection" if detection else "cifar10_improved")
    runs = words_of(values, "RUNS") or [values.get("RUN", f"runs/{config}")]
    default = {"CONFIG": config, "RECORDS": f"records/{config}", "RUN": f"runs/{config}", "CLUSTER": ".cluster"}
    values = {**{variable_of(flag): default[variable_of(flag)] for flag in always.split()}, **values}
    words = ["-m", *module.split()]
    for flag in f"{always} {asked}".split():
        if variable_of(flag) in values:
            words.append(f"--{flag}={values[variable_of(flag)]}")
    if target == "records":
        words += [*flink, *(f"--beam_arg={word}" for word in words_of(values, "BEAM_ARGS"))]
    elif target == "verify" and values.get("FULL") == "1":
        words.append("--full")
    elif target == "curves":
        words += [f"--run={run}" for run in runs]
    elif target.startswith("bench-") and values.get("GOALS") == "no":
        words.append("--nogoals")
    return words + words_of(values, "ARGS")


def commands_of(target: str, values: Values, flink: Sequence[str] = ()) -> list[Command]:
    """The commands of a target, one after the other; of `bench`, which names its parts, those of the parts."""
    arguments = words_of(values, "ARGS")
    tests = [*arguments, *(words_of(values, "TESTS") or ["tests"])]
    # One process a core. Tests of a module stay together until a process runs out of work and takes some of another's.
    count = [f"--numprocesses={values['JOBS']}"] if "JOBS" in values else ["--numprocesses=auto", "--maxprocesses=8"]
    processes = [*count, "--dist=worksteal"]
    if target == "demo":
        replicas = {"STRATEGY": "mirrored", "REPLICAS": "2"}
        steps = [{**values, **DEMO}, {**values, **DEMO, **replicas}, {**values, **DEMO}]
        return [command_of(step, own) for step, own in zip(("records", "train", "evaluate"), steps, strict=True)]
    if target == "test":
        return [["-m", "pytest", "-m", "not long", *processes, *tests]]
    if target == "test-all":
        return [["-m", "pytest", *processes, *tests]]
    if target == "test-faults":
        os.environ["FAULTS"] = values.get("FAULTS", "full")
        return [["-m", "pytest", "-s", "tests/faults", *arguments]]
    if target == "test-cluster":
        os.environ["CLUSTER_ENGINE"] = values.get("ENGINE", "flink")
        return [["-m", "pytest", "-s", "tests/cluster/test_recovery.py", *arguments]]
    if target == "lint":
        return [["-m", "ruff", "check", "."], ["-m", "ruff", "format", "--check", "."], ["-m", "mypy"]]
    return [command_of(target, values, flink)]


def flink_flags(python: str, master: str, *, dry: bool) -> list[str]:
    """What Beam must know of a cluster like the one of cluster-up; BEAM_ARGS come later, and override it."""
    find_jar = [python, "-m", "cluster", "job-server"]
    jar = "JAR" if dry else subprocess.run(find_jar, stdout=subprocess.PIPE, check=True, text=True).stdout.strip()
    options = {"flink_master": master, "flink_job_server_jar": jar, "parallelism": "4"}
    pool = {"environment_type": "EXTERNAL", "environment_config": "localhost:50000"}
    return [f"--beam_arg=--{name}={value}" for name, value in {**options, **pool}.items()]


def run_commands(python: str, commands: Sequence[Command], *, keep_going: bool) -> int:
    """Runs commands one after the other, and returns the status of the one that failed, or 0.

    A signal ends the command that runs, in its own way, and no further one is started.
    """
    signals: list[int] = []
    status = 0

    def note(number: int, _frame: FrameType | None) -> None:
        signals.append(number)  # Ctrl-C reaches the command too
        if number == signal.SIGTERM:
            process.terminate()

    for words in commands:
        process = subprocess.Popen([python, *words])
        signal.signal(signal.SIGINT, note)
        signal.signal(signal.SIGTERM, note)
        status = process.wait() or status
        if signals or (status and not keep_going):
            break
    return status


def run_target(target: str, parts: Sequence[str], *, dry: bool) -> int:
    """Brings the environment up to date and runs a target in it. Returns the exit status."""
    values = given_values()
    stack, own = values.get("STACK", "default"), values.get("VENV", "")
    for name in ("STACK", "VENV"):  # which the Makefile exports always
        os.environ.pop(name, None)
    folder = Path(own or f".venv/{stack}")
    python = os.path.join(folder, "bin", "python")
    if target == "lock":
        if not dry:
            make_locks(upgrade="UPGRADE" in values)
        return 0
    if own and not dry:
        require_modules(folder, stack)
    elif not dry:
        make_environment(folder, stack=stack, gpu=values.get("GPU", ""))
    if target == "setup":
        return 0
    master = values.get("FLINK_MASTER", "") if target == "records" else ""
    flink = flink_flags(python, master, dry=dry) if master else []
    commands = [command for part in parts or [target] for command in commands_of(part, values, flink)]
    for words in commands:
        if dry or words[1].partition(".")[0] not in ("pipeline", "benchmarks"):  # these print their own line
            print(shlex.join([python, *words]), flush=True)
    if dry:
        return 0
    if len(commands) == 1:
        os.execv(python, [python, *commands[0]])
    status = run_commands(python, commands, keep_going=target == "bench")
    if target == "demo" and not status:
        print("demo: metrics, loss curve and an image of detections are in runs/demo")
    return status


def main() -> int:
    """Runs the target that the arguments name, and those of its parts. Returns the exit status."""
    letters = os.environ.get("MAKEFLAGS", "").partition(" ")[0]
    dry = not letters.startswith("-") and bool({*letters} & {*"nqt"})  # make's --dry-run, --question, --touch
    for name in ("MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL"):  # of no use to a make inside the command
        os.environ.pop(name, None)
    try:
        return run_target(sys.argv[1], sys.argv[2:], dry=dry)
    except WrongVariable as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except SetupError as error:
        message = str(error)
    except subprocess.CalledProcessError as error:  # it has said why
        return error.returncode
    except OSError as error:
        way_out = "; free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        message = f"{error.filename or 'the environment'}: {error.strerror}{way_out}"
    except KeyboardInterrupt:
        print("setup: interrupted; the next run starts from scratch", file=sys.stderr)
        return 130
    print(f"setup: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
