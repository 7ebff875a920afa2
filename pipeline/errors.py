"""Errors that the user can fix, and the one line in which commands show them."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import reprlib
import sys
import tempfile
import traceback
import unicodedata
from collections.abc import Callable

from absl import app, flags

_FIRST_LINE = 300  # characters of a library's message

_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 100
_REPR.maxlong = 40
_REPR.maxlevel = 2  # each level multiplies the length by six
_SHOWN = 300  # characters of a value

_DENIED = "use{}: permission denied; change its permissions or choose another folder"  # reading as well as writing
_DISK_ERRORS = {
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.ENOSPC: "write{}: no space left; free some space or choose another folder",
    errno.EDQUOT: "write{}: disk quota exceeded; free some space or choose another folder",
    errno.EROFS: "write{}: read-only file system; choose another folder",
}


class UserError(Exception):
    """A problem that the user can fix. The message is one line: what is wrong, where, and what to do."""


def require(condition: bool, name: str, must_be: str, got: object) -> None:
    """Raises `UserError` "<name> must be <must_be>, got <got>" unless the condition holds."""
    if not condition:
        raise UserError(f"{name} must be {must_be}, got {shown(got)}")


def shown(value: object) -> str:
    """A value as messages show it: its `repr`, with long parts shortened, and cut off if it is still too long."""
    text = _REPR.repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def require_between(name: str, value: float, least: float, most: float) -> None:
    """Raises `UserError` "<name> must be from <least> to <most>, got <value>" unless it is; NaN is not."""
    require(least <= value <= most, name, f"from {least} to {most}", value)


def require_utf8(flag: str, path: str) -> None:
    """Raises `UserError` for a path that TensorFlow cannot take. Linux allows any bytes in one."""
    try:
        path.encode()
    except UnicodeEncodeError:
        raise UserError(f"{flag} must be a path in UTF-8, got {path}") from None


def disk_error(error: OSError) -> UserError | None:
    """The `UserError` for a full disk or quota, a read-only disk or missing permissions; None for other errors."""
    said = _DISK_ERRORS.get(error.errno) if error.errno is not None else None
    where = f" {error.filename}" if error.filename else ""
    return UserError(f"cannot {said.format(where)}") if said is not None else None


def os_error_text(error: OSError) -> str:
    """What the user reads about an `OSError` that ended a command."""
    if isinstance(error, (FileExistsError, NotADirectoryError)) and error.filename:
        return f"{error.filename} must be a folder, or not there yet, got a file"
    if isinstance(error, IsADirectoryError) and (path := error.filename2 or error.filename):
        return f"{path} must be a file, got a folder"
    return str(disk_error(error) or error)


def printable(text: str) -> str:
    """Text from files and names as a terminal may show it: on one line, with control characters escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or unicodedata.category(c) == "Zs" else _escaped(c) for c in text)


def first_line(text: str) -> str:
    """The first line of a library's message, cut short."""
    return text.partition("\n")[0][:_FIRST_LINE]


def counted(count: int, noun: str) -> str:
    """A count with its noun: "1 image", "1,234 images", "2 boxes"."""
    ending = "" if count == 1 else "es" if noun.endswith(("x", "s")) else "s"
    return f"{count:,} {noun}{ending}"


def run_command(main: Callable[[], None]) -> None:
    """Runs an absl command. An error becomes one line on standard error and exit status 1, see `exit_status`."""

    def guarded(argv: list[str]) -> int:
        def checked() -> None:
            if len(argv) > 1:
                raise UserError(f"arguments must be --flags, got {' '.join(argv[1:])!r}; see --help")
            main()

        return exit_status(checked, interrupted="run the same command again to go on")

    def parse(argv: list[str]) -> list[str]:
        """Parses the flags as absl does, but shows errors the way we do."""
        try:
            return app.parse_flags_with_usage(argv) if _asks_for_help(argv) else flags.FLAGS(argv, known_only=False)
        except flags.Error as error:
            missing = r"flag --(\w+)=None: Flag --\1 must have a value other than None\."
            message = re.sub(missing, r"--\1 must be given", " ".join(str(error).split()))
            print(f"error: {printable(message)}; see --help", file=sys.stderr, flush=True)
            sys.exit(1)

    app.run(guarded, flags_parser=parse)


def exit_status(main: Callable[[], None], *, interrupted: str, show: Callable[[str], str] = printable) -> int:
    """Runs a command and returns its exit status. An error becomes one line on standard error and status 1.

    The traceback of an error that nobody foresaw goes to a file, which the line names. With PREMATCH_TRACEBACK=1 in the
    environment every error shows its traceback.

    Args:
        main: the command.
        interrupted: what to do after Ctrl-C.
        show: the message of a `UserError` as a terminal may show it.
    """
    try:
        main()
        return 0
    except app.UsageError:
        raise
    except KeyboardInterrupt:
        message = f"interrupted; {interrupted}"
    except Exception as error:
        message = show(str(error)) if isinstance(error, UserError) else printable(_told(error))
        if os.environ.get("PREMATCH_TRACEBACK") == "1":
            traceback.print_exc()
    with contextlib.suppress(OSError):  # nobody reads standard output any more, or its disk is full
        sys.stdout.flush()
    print(f"error: {message}", file=sys.stderr, flush=True)
    return 1


def _asks_for_help(argv: list[str]) -> bool:
    return any(argument.lstrip("-").partition("=")[0] in ("help", "helpfull", "helpshort") for argument in argv[1:])


def _told(error: Exception) -> str:
    """What the user reads about another error that ended a command. One that nobody foresaw goes to a file."""
    if isinstance(error, OSError):
        return os_error_text(error)
    kind = type(error).__name__
    line = first_line(str(error))
    what = f"{kind}: {line}" if line else kind
    return f"the command failed unexpectedly: {what}; {_kept_traceback(error)}"


def _kept_traceback(error: Exception) -> str:
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


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
