"""The processes that train together, as TF_CONFIG names them to each of them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

from pipeline.errors import UserError

VARIABLE = "TF_CONFIG"
_EXAMPLE = '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}'


@dataclass(frozen=True)
class Worker:
    """One of them. The first writes what all have in common: history, checkpoints, pictures."""

    index: int = 0
    count: int = 1

    @property
    def is_chief(self) -> bool:
        """Whether it is the first."""
        return self.index == 0


def worker_from_environment() -> Worker:
    """The worker that TF_CONFIG makes of this process. Raises `UserError` where that says nothing usable."""
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
        raise UserError(f"{VARIABLE} must name this process among the cluster's, got task {kind} {index} of {counts}")
    before = counts.get("chief", 0) if kind == "worker" else 0
    return Worker(before + index, sum(counts.values()))
