"""The fingerprint of a record set: of all that decides its bytes, libraries included."""

from __future__ import annotations

import cv2
import numpy as np
import PIL

from beam_jobs.sources.source import Check, Source
from pipeline.config.records_config import RecordsConfig
from pipeline.errors import UserError
from pipeline.records.manifest import FORMAT_VERSION
from pipeline.typed_json import checksum, to_dict


def set_fingerprint(config: RecordsConfig, source: Source, *, check: Check = "sizes") -> str:
    """16 hex digits that change with the configuration, the source, and the libraries that affect the records' bytes.

    `check`: how closely to look at the source's images, see `Source.fingerprint`.
    """
    values = [FORMAT_VERSION, to_dict(config), source.fingerprint(check=check), find_library_versions()]
    return checksum(values)[:16]


def find_library_versions() -> dict[str, str]:
    """The versions, where this runs, of the libraries that affect the bytes through pixels and logarithms."""
    return {"numpy": np.__version__, "opencv": str(cv2.__version__), "pillow": PIL.__version__}


def check_versions(wanted: dict[str, str]) -> None:
    """Raises `UserError` unless the versions installed here are those that the job was started with."""
    own = find_library_versions()
    if other := [name for name in wanted if own.get(name) != wanted[name]]:
        listed = ", ".join(f"{name} {own.get(name)} and not {wanted[name]}" for name in other)
        raise UserError(f"a worker has {listed}: install the versions of the machine that starts the job")
