"""What a backbone is: feature maps by stride, parts that can be frozen, and its layers' names in weight files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import tensorflow as tf

from model.network.layers.layer_maker import LayerMaker
from pipeline.config.run_config import ModelConfig
from pipeline.errors import require_between

KERAS = "Keras Applications"  # a kind of weight file: HDF5, with the layer names of that package


@dataclass(frozen=True)
class PublishedFile:
    """A weight file on the web, of a network whose width is 1.0."""

    url: str
    sha256: str


@dataclass(frozen=True)
class Backbone:
    """A backbone. A file of this folder defines it, and one line of registry.py gives it its name.

    Attributes:
        title: its network's name in messages.
        parts: from the image on: the stem, then the blocks that `freeze` counts. Layers of a part are called like it,
            or like it with `_…` after it: `block_1_expand` belongs to `block_1`.
        build: makes it, from uint8 images [B, H, W, 3], whose values it scales itself, and a function that gives the
            `LayerMaker` of a part. -> float feature maps [B, ⌈H / stride⌉, ⌈W / stride⌉, C] by stride in pixels, in
            ascending order, each stride twice the one before. Extra layers follow the last of them.
        names: by kind of weight file, what gives our name of a weight, `<layer>/<weight>`, for the file's, or None for
            a weight that the backbone lacks.
        most_weights: numbers in the weights of the widest network, at most; of a file no more are read.
        imagenet: ImageNet's weights, a file of the kind `KERAS`.
        layers: makes its layers, and those that follow it.
    """

    title: str
    parts: tuple[str, ...]
    build: Callable[[tf.Tensor, Callable[[str], LayerMaker]], dict[int, tf.Tensor]]
    names: Mapping[str, Callable[[str], str | None]]
    most_weights: int
    imagenet: PublishedFile | None = None
    layers: type[LayerMaker] = LayerMaker

    def feature_maps(self, images: tf.Tensor, config: ModelConfig) -> dict[int, tf.Tensor]:
        """What `build` makes, with the first parts frozen as the configuration says."""
        frozen = self.frozen_parts(config.freeze)
        return self.build(images, lambda part: self.layers(config, frozen=part in frozen))

    def frozen_parts(self, freeze: int) -> tuple[str, ...]:
        """The stem and so many blocks after it; nothing for 0. Raises `UserError` if there are not so many."""
        require_between("freeze", freeze, 0, len(self.parts) - 1)
        return self.parts[: freeze + 1] if freeze else ()

    def part_of(self, layer: str) -> str | None:
        """The part that a layer belongs to, by its name; None for a layer after the backbone."""
        return next((part for part in self.parts if f"{layer}_".startswith(f"{part}_")), None)
