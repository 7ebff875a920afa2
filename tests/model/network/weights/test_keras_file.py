"""Keras Applications' weights in our network: the same features, and files that do not fit are one line."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import tensorflow as tf

from model.network.backbones.backbone import Backbone
from model.network.backbones.mobilenet_v2_block9 import BACKBONE
from model.network.backbones.registry import BACKBONES
from model.network.ssd import NetworkShape, build_network
from model.network.weights.keras_file import find_imagenet_file, read_keras_file
from model.network.weights.parts import list_network_parts, list_network_weights, take_weights
from pipeline.config.run_config import MAX_WIDTH
from pipeline.errors import UserError
from pipeline.files import hash_file
from tests.model import tiny
from tests.model.network.weights.keras_file import PIXELS, edit, without_layers, write_keras_file
from tests.record_sets import TINY

PARTS = ["stem", *(f"block_{number}" for number in range(10))]


def our_network(width: float = 0.35) -> tf.keras.Model:
    shape = NetworkShape((PIXELS, PIXELS), TINY.anchors.strides, tiny.ANCHORS, tiny.CLASS_COUNT)
    return build_network(replace(tiny.MODEL, width_multiplier=width), shape)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tf.keras.Model]:
    path = tmp_path_factory.mktemp("keras") / "weights.h5"
    return path, write_keras_file(path)


@pytest.fixture
def path(original: tuple[Path, tf.keras.Model], tmp_path: Path) -> Path:
    """A copy of the file."""
    return Path(shutil.copy(original[0], tmp_path / "weights.h5"))


def test_features_are_those_of_keras_applications(original: tuple[Path, tf.keras.Model]) -> None:
    path, theirs = original
    ours = our_network()
    assert take_weights(list_network_parts(ours, BACKBONE), read_keras_file(path, BACKBONE), source="file") == PARTS
    names = {"stem_relu": "Conv1_relu", "block_2_add": "block_2_add", "block_9_add": "block_9_add"}
    pixels = np.random.default_rng(1).integers(0, 256, (2, PIXELS, PIXELS, 3), dtype=np.uint8)
    found = tf.keras.Model(ours.input, [ours.get_layer(name).output for name in names])(pixels, training=False)
    scaled = pixels.astype(np.float32) / 127.5 - 1
    features = [theirs.get_layer(name).output for name in names.values()]
    for a, b in zip(found, tf.keras.Model(theirs.input, features)(scaled, training=False), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4 * np.abs(b).max())


def test_a_part_takes_all_of_its_weights_or_none(path: Path) -> None:
    edit(path, without_layers("block_4_project_BN", "block_8_", "block_9_"))
    network = our_network()
    before = list_network_weights(network)
    taken = take_weights(list_network_parts(network, BACKBONE), read_keras_file(path, BACKBONE), source="file")
    assert taken == [part for part in PARTS if part not in ("block_4", "block_8", "block_9")]
    for name, value in list_network_weights(network).items():
        if name.startswith(("block_4_", "block_8_", "extra_", "scores_")):
            np.testing.assert_array_equal(value, before[name])


def test_a_file_of_a_whole_model_around_it_fits_too(tmp_path: Path) -> None:
    backbone = tf.keras.applications.MobileNetV2((PIXELS, PIXELS, 3), 0.35, include_top=False, weights=None)
    pooled = tf.keras.layers.GlobalAveragePooling2D()(backbone.output)
    outputs = {"around": tf.keras.Model(backbone.input, tf.keras.layers.Dense(2)(pooled))}
    outputs["inside"] = tf.keras.Sequential([backbone, tf.keras.layers.Flatten(), tf.keras.layers.Dense(2)])
    for name, model in outputs.items():
        model.save(tmp_path / f"{name}.h5", include_optimizer=False)
        weights = read_keras_file(tmp_path / f"{name}.h5", BACKBONE)
        np.testing.assert_array_equal(weights["stem/kernel"], backbone.get_layer("Conv1").get_weights()[0])
        np.testing.assert_array_equal(
            weights["block_9_project_bn/moving_variance"], backbone.get_layer("block_9_project_BN").get_weights()[3]
        )


def refused(path: Path, network: tf.keras.Model | None = None, *, backbone: Backbone = BACKBONE) -> str:
    with pytest.raises((UserError, OSError)) as raised:
        weights = read_keras_file(path, backbone)
        assert network is not None
        take_weights(list_network_parts(network, backbone), weights, source=str(path))
    message = str(raised.value)
    assert str(path) in message and "\n" not in message
    return message


def test_files_that_are_something_else_are_one_line(path: Path, tmp_path: Path) -> None:
    whole = path.read_bytes()
    for size in (0, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert "is no whole HDF5 file of weights" in refused(path)
    path.write_text("weights")
    assert "is no whole HDF5 file of weights" in refused(path)
    path.unlink()
    os.mkfifo(path)
    assert "must be a regular file, got a FIFO" in refused(path)
    assert "must be a regular file, got a folder" in refused(tmp_path)


def _replace(weight: str, value: object) -> Callable[[h5py.File], object]:
    def change(file: h5py.File) -> None:
        del file["block_1_expand"][weight]
        file["block_1_expand"][weight] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda file: file.attrs.__delitem__("layer_names"), "no layer_names as in Keras's HDF5 files"),
        (lambda file: file.__delitem__("block_3_expand"), "is no whole HDF5 file"),
        (lambda file: file.attrs.__setitem__("layer_names", [b"conv_dw_1"]), "is no whole HDF5 file"),
        (without_layers("Conv1", "bn_Conv1", "expanded_conv", "block_"), "holds no weights of MobileNetV2 as"),
        (_replace("block_1_expand/kernel:0", "text"), "something other than floats in block_1_expand/kernel:0"),
        (_replace("block_1_expand/kernel:0", np.zeros((2, 2), np.float32)), "must have the shape .*, got .2, 2"),
        (
            lambda file: file["block_2_expand_BN"]["block_2_expand_BN/gamma:0"].__setitem__(3, np.nan),
            "has NaN or infinity in block_2_expand_bn/gamma",
        ),
    ],
)
def test_files_that_were_altered_are_one_line(change: Callable[[h5py.File], object], message: str, path: Path) -> None:
    edit(path, change)
    line = refused(path, our_network())
    assert re.search(message, line), line


def _link(link: object) -> Callable[[h5py.File], object]:
    def change(file: h5py.File) -> None:
        del file["block_1_expand"]
        file["block_1_expand"] = link

    return change


@pytest.mark.parametrize("link", [h5py.ExternalLink("fifo", "/layer"), h5py.SoftLink("/gone")])
def test_links_are_not_followed(link: object, path: Path, tmp_path: Path) -> None:
    """HDF5 waited for ever for a FIFO that a link named."""
    os.mkfifo(tmp_path / "fifo")
    edit(path, _link(link))
    assert "(nothing is stored under block_1_expand)" in refused(path)
    edit(path, lambda file: [file.attrs.__delitem__("layer_names"), file.__setitem__("model_weights", link)])
    assert "(nothing is stored under model_weights)" in refused(path)


@pytest.mark.parametrize("kind", ["external", "virtual"])
def test_floats_in_another_file_are_not_read(kind: str, path: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")

    def change(file: h5py.File) -> None:
        group, name = file["block_1_expand"], "block_1_expand/kernel:0"
        del group[name]
        if kind == "external":
            group.create_dataset(name, (2, 2), np.float32, external=[(tmp_path / "fifo", 0, 16)])
        else:
            layout = h5py.VirtualLayout((2, 2), np.float32)
            layout[:] = h5py.VirtualSource(str(tmp_path / "fifo"), "x", (2, 2))
            group.create_virtual_dataset(name, layout)

    edit(path, change)
    assert "names another file instead of holding block_1_expand/kernel:0 itself" in refused(path)


def test_the_numbers_in_all_weights_are_limited(path: Path) -> None:
    """Each weight had a limit, but a file of 1 MB could have any number of them."""
    weights = read_keras_file(path, BACKBONE)
    assert {BACKBONE.part_of(name.partition("/")[0]) for name in weights} == set(PARTS)
    total = sum(value.size for value in weights.values())
    assert read_keras_file(path, replace(BACKBONE, most_weights=total)).keys() == weights.keys()
    line = refused(path, backbone=replace(BACKBONE, most_weights=total - 1))
    assert re.search(rf"more than {total - 1:,} floats in the layers that are read: the last is block_9_", line)


def test_a_chunk_is_limited_too(path: Path) -> None:
    """HDF5 unpacks it whole: 1 MB of packed zeros may be many GB."""

    def change(file: h5py.File) -> None:
        group, name = file["block_1_expand"], "block_1_expand/kernel:0"
        shape = group[name].shape
        del group[name]
        group.create_dataset(name, shape, np.float32, maxshape=(None, *shape[1:]), chunks=(1 << 21, *shape[1:]))

    edit(path, change)
    assert "floats in the layers that are read: the last is block_1_expand/kernel:0" in refused(path)


@pytest.mark.parametrize("name", BACKBONES)
def test_the_limit_leaves_room_for_the_widest_network(name: str) -> None:
    images = tf.keras.Input([PIXELS, PIXELS, 3], dtype=tf.uint8)
    maps = BACKBONES[name].feature_maps(images, replace(tiny.MODEL, backbone=name, width_multiplier=MAX_WIDTH))
    assert tf.keras.Model(images, list(maps.values())).count_params() <= BACKBONES[name].most_weights


def test_another_width_is_one_line(path: Path) -> None:
    assert "stem/kernel must have the shape (3, 3, 3, 24), got (3, 3, 3, 16)" in refused(path, our_network(0.75))


def test_a_backbone_whose_names_are_not_known_is_one_line(path: Path) -> None:
    backbone = replace(BACKBONE, title="OtherNet", names={})
    assert refused(path, backbone=backbone).endswith("how Keras Applications names OtherNet's layers is not known")


def test_the_published_file_comes_from_the_cache_or_a_download(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREMATCH_CACHE", str(tmp_path / "cache"))
    assert BACKBONE.imagenet is not None
    published = replace(BACKBONE.imagenet, url="http://localhost:1/published.h5")
    backbone = replace(BACKBONE, imagenet=published)
    with pytest.raises(UserError, match=r"cannot be downloaded: .*give it as INIT=published.h5$"):
        find_imagenet_file(backbone)
    shutil.copy(path, tmp_path / "cache" / "published.h5")
    with pytest.raises(UserError, match="cannot be downloaded"):  # not the published one: downloaded again
        find_imagenet_file(backbone)
    ours = replace(backbone, imagenet=replace(published, sha256=hash_file(path)))
    assert find_imagenet_file(ours) == tmp_path / "cache" / "published.h5"
    with pytest.raises(UserError, match=r"^no file of ImageNet's weights is known for MobileNetV2; give one as INIT="):
        find_imagenet_file(replace(BACKBONE, imagenet=None))
