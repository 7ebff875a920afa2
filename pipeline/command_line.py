"""How commands run: `prematch NAME` finds one, and each prints the line that repeats it and its errors as one line."""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import runpy
import shlex
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from absl import app, flags

from pipeline.errors import UserError, describe_os_error, make_printable, take_first_line

# By name, the module of a command and what it does. A module is imported only when its command runs.
COMMANDS = {
    "records": ("beam_jobs.make_records", "makes a record set: matches a source's boxes, writes TFRecords"),
    "coverage": ("beam_jobs.coverage", "shows how anchors fit the boxes of a source, and proposes some"),
    "verify": ("beam_jobs.verify", "checks every byte of a record set, and its targets"),
    "train": ("model.train", "trains a detector on a record set"),
    "evaluate": ("model.evaluate", "COCO's figures of a run on a split"),
    "detect": ("model.detect", "detects in images of yours with a run's weights"),
    "show": ("model.show_records", "draws records: matched anchors over ground truth"),
    "rate": ("model.measure_rate", "measures how many images a second a record set feeds a training here"),
    "curves": ("model.draw_curves", "draws AP on val of one or several runs"),
}


def prematch() -> None:
    """The command `prematch`: runs the command that its first argument names, as `python -m MODULE` would."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name.lstrip("-") in ("h", "help"):
        print("prematch COMMAND [--FLAG=VALUE ...]; prematch COMMAND --help lists its flags\n")
        print("\n".join(f"  {known:9} {does}" for known, (_, does) in COMMANDS.items()))
        return
    if name not in COMMANDS:
        (nearest,) = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0)
        sys.exit(
            make_printable(f"error: prematch has no command {name!r}, the nearest is {nearest}; see prematch --help")
        )
    del sys.argv[1]
    try:
        runpy.run_module(COMMANDS[name][0], run_name="__main__", alter_sys=True)
    except ModuleNotFoundError as error:  # the core of the distribution is what a Beam worker needs
        if not error.name or error.name.partition(".")[0] in ("pipeline", "beam_jobs", "model", "configs"):
            raise
        sys.exit(f"error: prematch {name} needs {error.name}, which is not installed; install prematch[train]")
    except KeyboardInterrupt:  # while it was imported
        sys.exit("error: interrupted; run the same command again")


def interrupt(_number: int, _frame: FrameType | None) -> None:
    """A signal's handler that ends a command as Ctrl-C does."""
    raise KeyboardInterrupt


def let_sigterm_interrupt() -> None:
    """Lets SIGTERM end a command as Ctrl-C does, so that nothing unfinished stays. Keeps a handler that is set."""
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, interrupt)


def list_cores() -> list[int]:
    """The cores that this process may run on; all of them if the system cannot say."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def make_variable(name: str, value: str | Path) -> str:
    """`NAME=value` for make, quoted for a shell. The Makefile takes values as they are, so `$` is not doubled."""
    return f"{name}={shlex.quote(str(value))}"


def make_repeating_line() -> str:
    """The shell's line that runs this process's command again: `prematch NAME …` or `python -m MODULE …`.

    "" for a script that is no module.
    """
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    if spec is None:
        return ""
    name = next((name for name, (module, _) in COMMANDS.items() if module == spec.name), None)
    return shlex.join([*(("prematch", name) if name else ("python", "-m", spec.name)), *sys.argv[1:]])


def run_command(main: Callable[[], None]) -> None:
    """Runs an absl command, which first prints the line that repeats it on standard output.

    An error becomes one line on standard error and exit status 1, see `run_and_report`.
    """

    def guarded(argv: list[str]) -> int:
        def checked() -> None:
            if len(argv) > 1:
                raise UserError(f"arguments must be --flags, got {' '.join(argv[1:])!r}; see --help")
            if line := make_repeating_line():
                print(make_printable(line), flush=True)
            main()

        return run_and_report(checked, interrupted="run the same command again to go on")

    def parse(argv: list[str]) -> list[str]:
        """Parses the flags as absl does, but shows errors the way we do."""
        try:
            return app.parse_flags_with_usage(argv) if _asks_for_help(argv) else flags.FLAGS(argv, known_only=False)
        except flags.Error as error:
            missing = r"flag --(\w+)=None: Flag --\1 must have a value other than None\."
            message = re.sub(missing, r"--\1 must be given", " ".join(str(error).split()))
            print(f"error: {make_printable(message)}; see --help", file=sys.stderr, flush=True)
            sys.exit(1)

    app.run(guarded, flags_parser=parse)


def run_and_report(main: Callable[[], None], *, interrupted: str) -> int:
    """Runs a command and returns its exit status. An error becomes one line on standard error and status 1.

    The traceback of an error that nobody foresaw goes to a file, which the line names. With PREMATCH_TRACEBACK=1 in the
    environment every error shows its traceback.

    Args:
        main: the command.
        interrupted: what to do after Ctrl-C.
    """
    try:
        main()
        return 0
    except app.UsageError:
        raise
    except KeyboardInterrupt:
        message = f"interrupted; {interrupted}"
    except Exception as error:
        message = make_printable(str(error) if isinstance(error, UserError) else _explain(error))
        if os.environ.get("PREMATCH_TRACEBACK") == "1":
            traceback.print_exc()
    with contextlib.suppress(OSError):  # nobody reads standard output any more, or its disk is full
        sys.stdout.flush()
    print(f"error: {message}", file=sys.stderr, flush=True)
    return 1


def _asks_for_help(argv: list[str]) -> bool:
    return any(argument.lstrip("-").partition("=")[0] in ("help", "helpfull", "helpshort") for argument in argv[1:])


def _explain(error: Exception) -> str:
    """What the user reads about another error that ended a command. One that nobody foresaw goes to a file."""
    if isinstance(error, OSError):
        return describe_os_error(error)
    kind = type(error).__name__
    line = take_first_line(str(error))
    what = f"{kind}: {line}" if line else kind
    return f"the command failed unexpectedly: {what}; {_keep_traceback(error)}"


def _keep_traceback(error: Exception) -> str:
    """Writes an error's traceback to a file of its own, or to standard error if no folder can be written.

    Returns the words that say where it is.
    """
    text = "".join(traceback.format_exception(error))
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="prematch-", suffix=".log", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as log:
            log.write(f"{sys.version}\n{sys.argv}\n{text}")
    except OSError:
        print(text, file=sys.stderr)
        return "its traceback is above"
    return f"the traceback is in {log.name}"


if __name__ == "__main__":
    prematch()
