"""Errors that the user can fix, and how their messages show values, files and counts."""

from __future__ import annotations

import errno
import reprlib
import unicodedata

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
        raise UserError(f"{name} must be {must_be}, got {show_value(got)}")


def show_value(value: object) -> str:
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


def find_disk_error(error: OSError) -> UserError | None:
    """The `UserError` for a full disk or quota, a read-only disk or missing permissions; None for other errors."""
    said = _DISK_ERRORS.get(error.errno) if error.errno is not None else None
    where = f" {error.filename}" if error.filename else ""
    return UserError(f"cannot {said.format(where)}") if said is not None else None


def describe_os_error(error: OSError) -> str:
    """What the user reads about an `OSError` that ended a command."""
    if isinstance(error, (FileExistsError, NotADirectoryError)) and error.filename:
        return f"{error.filename} is a file, where a folder must be"
    if isinstance(error, IsADirectoryError) and (path := error.filename2 or error.filename):
        return f"{path} is a folder, where a file must be"
    return str(find_disk_error(error) or error)


def make_printable(text: str) -> str:
    """Text from files and names as a terminal may show it: on one line, with control characters escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or unicodedata.category(c) == "Zs" else _escape(c) for c in text)


def take_first_line(text: str) -> str:
    """The first line of a library's message, cut short."""
    return text.partition("\n")[0][:_FIRST_LINE]


def format_count(count: int, noun: str) -> str:
    """A count with its noun: "1 image", "1,234 images", "2 boxes"."""
    ending = "" if count == 1 else "es" if noun.endswith(("x", "s")) else "s"
    return f"{count:,} {noun}{ending}"


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()
