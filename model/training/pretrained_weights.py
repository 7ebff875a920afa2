"""Pretrained weights that a run begins with: ImageNet's, a file's, or another run's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import tensorflow as tf

from model.network.backbones.backbone import Backbone
from model.network.backbones.registry import find_backbone
from model.network.ssd import build_network
from model.network.weights.keras_file import find_imagenet_file, read_keras_file
from model.network.weights.parts import HEADS, PYRAMID, Weights, list_network_parts, list_network_weights, take_weights
from model.training.checkpoints import restore_best
from model.training.run_folder import Run, RunFolder
from pipeline.errors import UserError

IMAGENET = "imagenet"


@dataclass(frozen=True)
class PretrainedWeights:
    """Weights by name, where they are from, and which parts of the network cannot take them, with the reason."""

    source: str
    backbone: Backbone
    weights: Weights
    unfit: Mapping[str, str] = field(default_factory=dict)  # by part, as `list_network_parts` names it

    def give_to(self, network: tf.keras.Model, *, freeze: int) -> str:
        """Puts them into a new network. -> a line that tells what was loaded and what is newly initialised.

        A part of the network takes all of its weights or none.

        Raises `UserError` if they do not fit, if none of them is the network's, or if they lack a frozen block.
        """
        parts = list_network_parts(network, self.backbone)
        wanted = {part: variables for part, variables in parts.items() if part not in self.unfit}
        taken = take_weights(wanted, self.weights, source=self.source)
        if not taken:
            raise UserError(f"{self.source} holds no whole part of the network")
        frozen = self.backbone.frozen_parts(freeze)
        if missing := [part for part in frozen if part not in taken]:
            raise UserError(
                f"--freeze={freeze} must name blocks that {self.source} holds, got one without {_list_parts(missing)}"
            )
        anew = [part for part in parts if part not in taken]
        reason = f" ({self.unfit[HEADS]})" if HEADS in self.unfit else ""
        kept = f"; {_list_parts(frozen)} frozen" if frozen else ""
        return (
            f"weights of {self.source}: loaded {_list_parts(taken)}{kept}; "
            f"{f'newly initialised {_list_parts(anew)}{reason}' if anew else 'nothing newly initialised'}"
        )


def load_pretrained_weights(init: str, run: Run) -> PretrainedWeights:
    """What `init` names: `imagenet`, a weight file as Keras Applications publishes them, or the folder of a run.

    Call it before the process's seed is set: building another run's network draws random numbers.

    Raises `UserError`, one line, if the weights cannot be loaded.
    """
    backbone = find_backbone(run.config.model)
    if init == IMAGENET:
        if (width := run.config.model.width_multiplier) != 1.0:
            raise UserError(
                f"--init={IMAGENET} must go with a width_multiplier of 1.0, got {width}; give a file of that width"
            )
        return PretrainedWeights("ImageNet", backbone, read_keras_file(find_imagenet_file(backbone), backbone))
    path = Path(init)
    if not path.exists():
        raise UserError(
            f"--init must be {IMAGENET}, a weight file or the folder of a run, got {init}, which is not there"
        )
    if not path.is_dir():
        return PretrainedWeights(init, backbone, read_keras_file(path, backbone))
    folder = RunFolder(path)
    if not folder.config.is_file():
        raise UserError(f"--init must be the folder of a run, got {init} without {folder.config.name}")
    earlier = folder.load()
    if (theirs := earlier.config.model.backbone) != run.config.model.backbone:
        raise UserError(f"--init={init} is a run with the backbone {theirs}; this run has {run.config.model.backbone}")
    network = build_network(earlier.config.model, earlier.shape)
    restore_best(folder, network)
    return PretrainedWeights(init, backbone, list_network_weights(network), _find_unfit_parts(earlier, run))


def _find_unfit_parts(earlier: Run, run: Run) -> dict[str, str]:
    if earlier.config.model.feature_pyramid_channels != run.config.model.feature_pyramid_channels:
        return dict.fromkeys((PYRAMID, HEADS), "another feature pyramid")
    if earlier.class_names != run.class_names:
        return {HEADS: "other classes"}
    if replace(earlier.shape, canvas=run.shape.canvas) != run.shape:
        return {HEADS: "other anchors"}
    return {}


def _list_parts(parts: Sequence[str]) -> str:
    """`stem, blocks 0 to 9, extra layers 0 to 3, feature pyramid, heads`."""
    words: dict[str, list[int]] = {}  # with the numbers of the parts
    for part in parts:
        kind, _, number = part.rpartition("_")
        if number.isdigit():
            words.setdefault({"block": "blocks", "extra": "extra layers"}.get(kind, kind), []).append(int(number))
        else:
            words[part.replace("_", " ")] = []
    return ", ".join(f"{word} {_join_ranges(numbers)}" if numbers else word for word, numbers in words.items())


def _join_ranges(numbers: Sequence[int]) -> str:
    """`0 to 5, 7` of 0, 1, 2, 3, 4, 5, 7."""
    found: list[list[int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in found)
