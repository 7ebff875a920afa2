"""Weights from a file of Keras Applications' layout: HDF5, as Keras 2 saves weights or a whole model."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from model.network.backbones.backbone import KERAS, Backbone
from pipeline.download import download
from pipeline.errors import UserError
from pipeline.files import cache_folder, open_regular


def find_imagenet_file(backbone: Backbone) -> Path:
    """The published file, from the cache or downloaded to it.

    Raises `UserError` if there is none, the network does not answer, or the checksum is wrong.
    """
    published = backbone.imagenet
    if published is None:
        raise UserError(f"no file of ImageNet's weights is known for {backbone.title}; give one as INIT=…")
    name = published.url.rpartition("/")[2]
    way_out = f"download it elsewhere and give it as INIT={name}"
    return download(published.url, cache_folder() / name, sha256=published.sha256, way_out=way_out)


def read_keras_file(path: Path, backbone: Backbone) -> dict[str, NDArray[np.float32]]:
    """The weights of a backbone in a file of the kind `KERAS`, under our names.

    Takes what is the backbone's, even if the saved model has other layers too.

    Raises `UserError` if the file is not HDF5, is truncated, holds no layer of the backbone, holds too many numbers, or
    keeps some in another file; `OSError` like `open_regular`.
    """
    if KERAS not in backbone.names:
        raise UserError(f"{path} cannot be read: how {KERAS} names {backbone.title}'s layers is not known")
    our_name = backbone.names[KERAS]
    open_regular(path).close()  # HDF5 would wait for a FIFO
    weights: dict[str, NDArray[np.float32]] = {}
    left = backbone.most_weights
    try:
        with h5py.File(path, "r") as file:
            for name, value in _list_stored_weights(file):
                if (ours := our_name(name)) is not None:
                    weights[ours] = _read(path, name, value, limit=left, most=backbone.most_weights)
                    left -= weights[ours].size
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:  # what h5py raises
        reason = " ".join(str(error).split())
        raise UserError(f"{path} is no whole HDF5 file of weights as Keras 2 writes them ({reason})") from None
    if not weights:
        raise UserError(
            f"{path} holds no weights of {backbone.title} as {KERAS} names them; "
            "`save_weights` of its model writes such a file"
        )
    return weights


def _list_stored_weights(file: h5py.File) -> Iterable[tuple[str, object]]:
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


def _read(path: Path, name: str, value: object, *, limit: int, most: int) -> NDArray[np.float32]:
    if not isinstance(value, h5py.Dataset) or value.dtype.kind != "f":
        raise UserError(f"{path} holds something other than floats in {name}")
    if value.external or value.is_virtual:
        raise UserError(f"{path} names another file instead of holding {name} itself")
    if max(value.size, math.prod(value.chunks or ())) > limit:  # HDF5 reads a chunk whole, even for one number
        raise UserError(f"{path} holds more than {most:,} floats in the layers that are read: the last is {name}")
    return np.asarray(value[()], np.float32)
