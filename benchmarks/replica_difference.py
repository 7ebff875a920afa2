"""How far what two numbers of replicas do is apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Difference:
    """How far two numbers of replicas are apart."""

    gradients: float  # the largest difference, beside the largest gradient
    weights: float  # the largest difference of any trained weight after the SGD steps
    adam_loss: float  # the largest difference of a step's loss, beside that loss


def difference(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> Difference:
    """Compares what two processes of `benchmarks.replica_run` found."""

    def largest(prefix: str) -> float:
        return max((float(np.abs(one[n] - other[n]).max()) for n in one if n.startswith(prefix)), default=0.0)

    losses, others = (found.get("adam_losses", np.ones(1)) for found in (one, other))  # none after 0 steps
    scale = max(float(np.abs(one[name]).max()) for name in one if name.startswith("gradient_"))
    return Difference(
        gradients=largest("gradient_") / scale,
        weights=largest("weight_"),
        adam_loss=float(np.abs(losses / others - 1).max()),
    )
