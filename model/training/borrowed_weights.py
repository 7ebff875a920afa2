"""Weights that a run begins with, borrowed from ImageNet, from a file, or from another run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import tensorflow as tf

from model.network.pretrained import (
    Weights,
    imagenet_file,
    parts_of_network,
    take_weights,
    weights_of_file,
    weights_of_network,
)
from model.network.ssd import build_network
from model.training.checkpoints import restore_best
from model.training.run_folder import Run, RunFolder
from pipeline.errors import UserError

IMAGENET = "imagenet"


@dataclass(frozen=True)
class BorrowedWeights:
    """Weights by name, where they are from, and which parts of the network cannot take them, with the reason."""

    source: str
    weights: Weights
    unfit: Mapping[str, str] = field(default_factory=dict)  # by part, as `parts_of_network` names it

    def give_to(self, network: tf.keras.Model, *, freeze: int) -> str:
        """Puts them into a new network. -> a line that tells what was loaded and what is newly initialised.

        A part of the network takes all of its weights or none.

        Raises `UserError` if they do not fit, if none of them is the network's, or if they lack a frozen block.
        """
        parts = list(parts_of_network(network))
        wanted = [part for part in parts if part not in self.unfit]
        taken = take_weights(network, self.weights, source=self.source, parts=wanted)
        if not taken:
            raise UserError(f"{self.source} must hold all weights of some part of the network, got no whole part")
        frozen = ["stem", *(f"block_{number}" for number in range(freeze))] if freeze else []
        if missing := [part for part in frozen if part not in taken]:
            raise UserError(
                f"--freeze={freeze} must name blocks that {self.source} holds, got one without {_listed(missing)}"
            )
        anew = [part for part in parts if part not in taken]
        reason = f" ({self.unfit['heads']})" if "heads" in self.unfit else ""
        kept = f"; {_listed(frozen)} frozen" if frozen else ""
        return (
            f"weights of {self.source}: loaded {_listed(taken)}{kept}; "
            f"{f'newly initialised {_listed(anew)}{reason}' if anew else 'nothing newly initialised'}"
        )


def borrowed_weights(init: str, run: Run) -> BorrowedWeights:
    """What `init` names: `imagenet`, a weight file as Keras Applications publishes them, or the folder of a run.

    Call it before the process's seed is set: building another run's network draws random numbers.

    Raises `UserError`, one line, if the weights cannot be loaded.
    """
    if init == IMAGENET:
        if (width := run.config.model.width_multiplier) != 1.0:
            raise UserError(
                f"--init={IMAGENET} must go with a width_multiplier of 1.0, got {width}; give a file of that width"
            )
        return BorrowedWeights("ImageNet", weights_of_file(imagenet_file()))
    path = Path(init)
    if not path.exists():
        raise UserError(
            f"--init must be {IMAGENET}, a weight file or the folder of a run, got {init}, which is not there"
        )
    if not path.is_dir():
        return BorrowedWeights(init, weights_of_file(path))
    folder = RunFolder(path)
    if not folder.config.is_file():
        raise UserError(f"--init must be the folder of a run, got {init} without {folder.config.name}")
    lender = folder.load()
    network = build_network(lender.config.model, lender.shape)
    restore_best(folder, network)
    return BorrowedWeights(init, weights_of_network(network), _unfit_parts(lender, run))


def _unfit_parts(lender: Run, run: Run) -> dict[str, str]:
    if lender.config.model.top_down_channels != run.config.model.top_down_channels:
        return dict.fromkeys(("top_down", "heads"), "other top-down layers")
    if lender.class_names != run.class_names:
        return {"heads": "other classes"}
    if (lender.shape.strides, lender.shape.anchors) != (run.shape.strides, run.shape.anchors):
        return {"heads": "other anchors"}
    return {}


def _listed(parts: Sequence[str]) -> str:
    """`stem, blocks 0 to 9, extra layers 0 to 3, top-down layers, heads`."""
    words = []
    for kind, name in (("block", "blocks"), ("extra", "extra layers")):
        numbers = [int(part.removeprefix(f"{kind}_")) for part in parts if part.startswith(f"{kind}_")]
        if numbers:
            words.append(f"{name} {_ranges(numbers)}")
    last = {"top_down": "top-down layers", "heads": "heads"}
    return ", ".join(
        [*(part for part in parts if part == "stem"), *words, *(last[part] for part in parts if part in last)]
    )


def _ranges(numbers: Sequence[int]) -> str:
    """`0 to 5, 7` of 0, 1, 2, 3, 4, 5, 7."""
    found: list[list[int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in found)
