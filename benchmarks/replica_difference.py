"""How far what two numbers of replicas do is apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

TOLERANCE = 1e-5  # of gradients


@dataclass(frozen=True)
class Difference:
    """How far two numbers of replicas are apart."""

    gradients: float  # the largest difference, beside the largest gradient
    tensors: int  # of gradients
    tensors_apart: int  # those that differ by more than the tolerance, beside the largest gradient
    weights: float  # the largest difference of any trained weight after the SGD steps
    loss: float  # the largest difference of a step's loss in training, beside that loss


def difference(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> Difference:
    """Compares what two processes of `benchmarks.replica_run` found."""

    def differences(prefix: str) -> list[float]:
        return [float(np.abs(one[name] - other[name]).max()) for name in one if name.startswith(prefix)]

    losses, others = (found.get("losses", np.ones(1)) for found in (one, other))  # none after 0 steps
    scale = max(float(np.abs(one[name]).max()) for name in one if name.startswith("gradient_"))
    gradients = [value / scale for value in differences("gradient_")]
    return Difference(
        gradients=max(gradients),
        tensors=len(gradients),
        tensors_apart=sum(value > TOLERANCE for value in gradients),
        weights=max(differences("weight_"), default=0.0),
        loss=float(np.abs(losses / others - 1).max()),
    )
