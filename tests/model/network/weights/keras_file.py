"""Weight files of Keras Applications' MobileNetV2, with random weights in place of ImageNet's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import tensorflow as tf

PIXELS = 64  # of its input, as of tests.model.tiny's


def write_keras_file(path: Path, *, width: float = 0.35) -> tf.keras.Model:
    """Writes a file as Keras Applications publishes them. -> its model, whose batch norm has statistics of its own."""
    model = tf.keras.applications.MobileNetV2((PIXELS, PIXELS, 3), width, include_top=False, weights=None)
    bits = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, tf.keras.layers.BatchNormalization):
            layer.set_weights([bits.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
    model.save_weights(path)
    return model


def edit(path: Path, change: Callable[[h5py.File], object]) -> None:
    """Changes an HDF5 file."""
    with h5py.File(path, "r+") as file:
        change(file)


def without_layers(*gone: str) -> Callable[[h5py.File], object]:
    """Takes the layers that begin with one of these out of a file."""

    def change(file: h5py.File) -> None:
        names = [name.decode() if isinstance(name, bytes) else name for name in file.attrs["layer_names"]]
        file.attrs["layer_names"] = [name for name in names if not name.startswith(gone)]

    return change
