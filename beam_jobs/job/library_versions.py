"""Versions of the libraries that affect the records' bytes, through pixels and logarithms."""

from __future__ import annotations

import cv2
import numpy as np
import PIL

from pipeline.errors import UserError


def library_versions() -> dict[str, str]:
    """The versions that are installed where this runs."""
    return {"numpy": np.__version__, "opencv": str(cv2.__version__), "pillow": PIL.__version__}


def check_versions(wanted: dict[str, str]) -> None:
    """Raises `UserError` unless the versions installed here are those that the job was started with."""
    own = library_versions()
    if other := [name for name in wanted if own.get(name) != wanted[name]]:
        listed = ", ".join(f"{name} {own.get(name)} and not {wanted[name]}" for name in other)
        raise UserError(f"a worker has {listed}: install the versions of the machine that starts the job")
