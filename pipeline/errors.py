"""Errors that the user can fix, and the one line in which commands show them."""

from __future__ import annotations

import errno
import re
import reprlib
import sys
from collections.abc import Callable

from absl import app, flags

_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 100
_REPR.maxlong = 40

_CANNOT_WRITE = {
    errno.ENOSPC: "no space left",
    errno.EDQUOT: "disk quota exceeded",
    errno.EROFS: "read-only file system",
}


class UserError(Exception):
    """A problem that the user can fix. The message is one line: what is wrong, where, and what to do."""


def require(condition: bool, name: str, must_be: str, got: object) -> None:
    """Raises `UserError` "<name> must be <must_be>, got <got>" unless the condition holds."""
    if not condition:
        raise UserError(f"{name} must be {must_be}, got {shown(got)}")


def shown(value: object) -> str:
    """A value as messages show it: its `repr`, with whatever is long cut short."""
    return _REPR.repr(value)


def require_between(name: str, value: float, least: float, most: float) -> None:
    """Raises `UserError` "<name> must be from <least> to <most>, got <value>" unless it is; NaN is not."""
    require(least <= value <= most, name, f"from {least} to {most}", value)


def disk_error(error: OSError) -> UserError | None:
    """The `UserError` for a full disk, a read-only one or missing permissions; None for any other `OSError`."""
    where = f" {error.filename}" if error.filename else ""
    if error.errno == errno.EACCES:  # of reading as well as of writing
        return UserError(f"cannot use{where}: permission denied; change its permissions or choose another folder")
    if error.errno in _CANNOT_WRITE:
        reason = _CANNOT_WRITE[error.errno]
        return UserError(f"cannot write{where}: {reason}; free some space or choose another folder")
    return None


def run_command(main: Callable[[], None]) -> None:
    """Runs an absl command. A `UserError` becomes one line on standard error and exit status 1."""

    def guarded(argv: list[str]) -> int:
        try:
            if len(argv) > 1:
                raise UserError(f"arguments must be --flags, got {' '.join(argv[1:])!r}; see --help")
            main()
            return 0
        except UserError as error:
            message = str(error)
        except KeyboardInterrupt:
            message = "interrupted; run the same command again to go on"
        except (FileExistsError, NotADirectoryError) as error:
            message = f"{error.filename} must be a folder, or not there yet, got a file"
        except IsADirectoryError as error:
            message = f"{error.filename2 or error.filename} must be a file, got a folder"
        except OSError as error:
            message = str(disk_error(error) or error)
        sys.stdout.flush()
        print(f"error: {message}", file=sys.stderr, flush=True)
        return 1

    def parse(argv: list[str]) -> list[str]:
        """Parses the flags as absl does, but shows errors the way we do."""
        try:
            return app.parse_flags_with_usage(argv) if _asks_for_help(argv) else flags.FLAGS(argv, known_only=False)
        except flags.Error as error:
            missing = r"flag --(\w+)=None: Flag --\1 must have a value other than None\."
            message = re.sub(missing, r"--\1 must be given", " ".join(str(error).split()))
            print(f"error: {message}; see --help", file=sys.stderr, flush=True)
            sys.exit(1)

    app.run(guarded, flags_parser=parse)


def _asks_for_help(argv: list[str]) -> bool:
    return any(argument.lstrip("-").partition("=")[0] in ("help", "helpfull", "helpshort") for argument in argv[1:])
