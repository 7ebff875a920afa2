"""The rank of a process among those that train together, as TF_CONFIG tells each of them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

from pipeline.errors import UserError

VARIABLE = "TF_CONFIG"
_EXAMPLE = '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}'


@dataclass(frozen=True)
class Rank:
    """One of the processes that train together. The chief, rank 0, writes the files that they share."""

    index: int = 0
    count: int = 1

    @property
    def is_chief(self) -> bool:
        """Whether this is rank 0."""
        return self.index == 0


def read_rank() -> Rank:
    """The rank that TF_CONFIG gives this process: the chief first, if it names one, then the workers in order.

    Raises `UserError` if TF_CONFIG is missing or unusable.
    """
    text = os.environ.get(VARIABLE)
    if not text:
        raise UserError(f"--strategy=multiworker needs the environment variable {VARIABLE}, like {_EXAMPLE}, got none")
    try:
        values = json.loads(text)
        cluster, kind, index = values["cluster"], values["task"]["type"], int(values["task"]["index"])
        counts = {name: len(addresses) for name, addresses in cluster.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f"{VARIABLE} must be like {_EXAMPLE}, got {text!r}") from None
    unknown = sorted({*counts, kind} - {"chief", "worker"})
    if unknown:
        raise UserError(f"{VARIABLE} must name tasks of type worker (and one chief) only, got {', '.join(unknown)}")
    if not 0 <= index < counts.get(kind, 0) or counts.get("chief", 0) > 1:
        raise UserError(f"{VARIABLE} has no task {kind} {index}: its cluster is {counts}")
    before = counts.get("chief", 0) if kind == "worker" else 0
    return Rank(before + index, sum(counts.values()))
