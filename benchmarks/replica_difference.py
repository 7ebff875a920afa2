"""How far the results of two numbers of replicas are apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

TOLERANCE = 1e-5  # of gradients


@dataclass(frozen=True)
class Difference:
    """How far the results of two numbers of replicas are apart."""

    gradients: float  # the largest difference, relative to the largest gradient
    tensors: int  # of gradients
    tensors_apart: int  # how many differ by more than `TOLERANCE` of the largest gradient
    weights: float  # the largest difference of a trained weight after the SGD steps
    loss: float  # the largest relative difference of a step's loss


def difference(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> Difference:
    """Compares the arrays that two runs of `benchmarks.replica_run` wrote."""

    def differences(prefix: str) -> list[float]:
        return [float(np.abs(one[name] - other[name]).max()) for name in one if name.startswith(prefix)]

    losses, others = (found.get("losses", np.ones(1)) for found in (one, other))  # after 0 steps there are none
    scale = max(float(np.abs(one[name]).max()) for name in one if name.startswith("gradient_"))
    gradients = [value / scale for value in differences("gradient_")]
    return Difference(
        gradients=max(gradients),
        tensors=len(gradients),
        tensors_apart=sum(value > TOLERANCE for value in gradients),
        weights=max(differences("weight_"), default=0.0),
        loss=float(np.abs(losses / others - 1).max()),
    )
