"""Types for the fields of stored dataclasses, with limits far above any real file."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

MAX_COUNT = 2**53  # the largest integer that every reader of JSON keeps exact
MAX_TEXT = 1000  # characters
MAX_PATH = 4096  # bytes that Linux allows

# Control characters, surrogates and the Unicode line separators have no place in a name.
_ONE_LINE = "\\A[^\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029\\ud800-\\udfff]*\\Z"

Count = Annotated[int, Meta(ge=0, le=MAX_COUNT)]
Text = Annotated[str, Meta(pattern=_ONE_LINE, max_length=MAX_TEXT)]
Name = Annotated[str, Meta(pattern=_ONE_LINE, min_length=1, max_length=MAX_TEXT)]
PathText = Annotated[str, Meta(pattern="\\A[^\\x00]+\\Z", max_length=MAX_PATH)]  # all but NUL may be in a path
FileName = Annotated[str, Meta(pattern="\\A[A-Za-z0-9._-]{1,255}\\Z")]
Sha256 = Annotated[str, Meta(pattern="\\A[0-9a-f]{64}\\Z")]
Fingerprint = Annotated[str, Meta(pattern="\\A[0-9a-f]{1,64}\\Z")]
