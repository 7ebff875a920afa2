"""How often the tests of faults repeat: FAULTS=full for the figures of the docs, FAULTS=short for minutes."""

from __future__ import annotations

import os


def repetitions(full: int, short: int) -> int:
    """One of the two numbers, as the environment's FAULTS says."""
    return {"full": full, "short": short}[os.environ["FAULTS"]]
