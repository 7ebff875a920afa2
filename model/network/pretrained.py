"""Weights by name: read from Keras Applications' MobileNetV2 files or our own networks, and put into a network."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import h5py
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipeline.config.run_config import BACKBONE_BLOCKS
from pipeline.download import download
from pipeline.errors import UserError
from pipeline.files import cache_folder, open_regular

# Keras Applications, MobileNetV2, width 1.0, 224 pixels, ImageNet. Width and layers decide what fits, not pixels.
URL = (
    "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/"
    "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5"
)
SHA256 = "3e195a2857356cfc092cbbb460beb2a5bce279015d7792598b8d3d9e451902e3"

_LARGEST = 1 << 24  # numbers in all the weights that are read; the widest network's part of them has 13.7 million
_BLOCKS = "|".join(str(number) for number in range(BACKBONE_BLOCKS))
_OUR_LAYERS = re.compile(rf"stem(_bn)?|block_({_BLOCKS})_(expand|depthwise|project)(_bn)?")

Weights = Mapping[str, NDArray[np.float32]]  # `<layer>/<weight>`, such as `block_1_expand_bn/gamma`


def imagenet_file() -> Path:
    """The published file, from the cache or downloaded to it.

    Raises `UserError` if the network does not answer or the checksum is wrong.
    """
    way_out = f"download it elsewhere and give it as INIT={Path(URL).name}"
    return download(URL, cache_folder() / Path(URL).name, sha256=SHA256, way_out=way_out)


def weights_of_file(path: Path) -> dict[str, NDArray[np.float32]]:
    """The weights of a file in the layout of Keras Applications, under our names.

    Takes the layers of MobileNetV2's stem and of our network's blocks, even if the saved model has other layers too.

    Raises `UserError` if the file is not HDF5, is truncated, holds no such layer, holds too many numbers, or keeps some
    in another file; `OSError` like `open_regular`.
    """
    open_regular(path).close()  # HDF5 would wait for a FIFO
    weights: dict[str, NDArray[np.float32]] = {}
    left = _LARGEST
    try:
        with h5py.File(path, "r") as file:
            for name, value in _stored_weights(file):
                if (ours := _our_name(name)) is not None:
                    weights[ours] = _read(path, name, value, limit=left)
                    left -= weights[ours].size
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:  # what h5py raises
        reason = " ".join(str(error).split())
        raise UserError(
            f"{path} must be a whole HDF5 file of weights as Keras 2 writes them, got something else ({reason})"
        ) from None
    if not weights:
        raise UserError(
            f"{path} must hold weights of MobileNetV2 as Keras Applications names them, got none; "
            "`save_weights` of its model writes such a file"
        )
    return weights


def weights_of_network(network: tf.keras.Model) -> dict[str, NDArray[np.float32]]:
    """The weights of one of our own networks, by name."""
    return {name: variable.numpy() for name, variable in _variables(network).items()}


def parts_of_network(network: tf.keras.Model) -> dict[str, dict[str, tf.Variable]]:
    """A network's variables by part, from the image on: `stem`, `block_0`, …, `extra_0`, …, `top_down`, `heads`."""
    parts: dict[str, dict[str, tf.Variable]] = {}
    for name, variable in _variables(network).items():
        match = re.match(r"stem|block_\d+|extra_\d+|top_down|scores|shifts", name)
        assert match, name
        part = "heads" if match[0] in ("scores", "shifts") else match[0]
        parts.setdefault(part, {})[name] = variable
    return parts


def take_weights(network: tf.keras.Model, weights: Weights, *, source: str, parts: Iterable[str]) -> list[str]:
    """Puts weights into the given parts of a network. A part that lacks any weight is left as it is.

    Returns:
        The parts that took theirs.

    Raises:
        UserError: naming the source, if a weight has another shape than the network's, or holds NaN or infinity.
    """
    taken = []
    known = parts_of_network(network)
    for part in parts:
        if not known[part].keys() <= weights.keys():
            continue
        for name, variable in known[part].items():
            value = weights[name]
            if value.shape != tuple(variable.shape):
                raise UserError(
                    f"{source} must fit the network: {name} must have the shape {tuple(variable.shape)}, got "
                    f"{value.shape}; its width or its kind is another"
                )
            if not np.isfinite(value).all():
                raise UserError(f"{source} must hold finite weights, got NaN or infinity in {name}")
        for name, variable in known[part].items():
            variable.assign(weights[name])
        taken.append(part)
    return taken


def _variables(network: tf.keras.Model) -> dict[str, tf.Variable]:
    return {
        f"{layer.name}/{variable.name.rsplit('/', 1)[-1].partition(':')[0]}": variable
        for layer in network.layers
        for variable in layer.weights
    }


def _stored_weights(file: h5py.File) -> Iterable[tuple[str, object]]:
    """Names and values from a file of weights or of a whole model. A model inside the model has its own group."""
    whole_model = "layer_names" not in file.attrs and "model_weights" in file
    root = _member(file, "model_weights") if whole_model else file
    if "layer_names" not in root.attrs:
        raise ValueError("no layer_names as in Keras's HDF5 files")
    for layer in root.attrs["layer_names"]:
        group = _member(root, _text(layer))
        for weight in group.attrs["weight_names"]:
            yield _text(weight), _member(group, _text(weight))


def _member(group: h5py.Group, path: str) -> h5py.HLObject:
    """What a group holds under a path.

    Raises `ValueError` for a link: it may lead to another file, even to a FIFO, and HDF5 would wait for it.
    """
    member = group
    for name in filter(None, path.split("/")):
        if not isinstance(member, h5py.Group) or not isinstance(member.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"nothing is stored under {path}")
        member = member[name]
    return member


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


def _read(path: Path, name: str, value: object, *, limit: int) -> NDArray[np.float32]:
    if not isinstance(value, h5py.Dataset) or value.dtype.kind != "f":
        raise UserError(f"{path} must hold floats in {name}, got something else")
    if value.external or value.is_virtual:
        raise UserError(f"{path} must hold the floats of {name} itself, got the name of another file")
    if max(value.size, math.prod(value.chunks or ())) > limit:  # HDF5 reads a chunk whole, even for one number
        raise UserError(f"{path} must hold at most {_LARGEST:,} floats in the layers that are read, got more in {name}")
    return np.asarray(value[()], np.float32)


def _our_name(theirs: str) -> str | None:
    """`block_1_expand_BN/gamma:0` -> `block_1_expand_bn/gamma`; None for a layer that our network lacks.

    Their first block is called `expanded_conv`, and the stem `Conv1`.
    """
    match = re.fullmatch(r"(?:.*/)?([^/]+)/([a-z_]+)(?::0)?", theirs)
    if match is None:
        return None
    layer, weight = match.groups()
    layer = {"Conv1": "stem", "bn_Conv1": "stem_bn"}.get(layer, layer)
    layer = re.sub("^expanded_conv_", "block_0_", layer).removesuffix("_BN") + ("_bn" if layer.endswith("_BN") else "")
    return f"{layer}/{weight}" if _OUR_LAYERS.fullmatch(layer) else None
