"""Decodes images and takes the part that a view shows, at the size of its place on the canvas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from pipeline.reader.batch_spec import BatchSpec
from pipeline.records import packed_view as layout
from pipeline.records import record
from pipeline.records.image_codec import MAX_PIXELS
from pipeline.records.manifest import Manifest

BROKEN_RECORD = "record must hold"  # how messages about a broken record begin
_OTHER_SIZE = f"{BROKEN_RECORD} an image of the size that it states"


def take_shown_parts(features: dict[str, Any], words: tf.Tensor, manifest: Manifest, spec: BatchSpec) -> tf.Tensor:
    """The part of each image that its view shows, scaled to its place; not mirrored yet.

    Args:
        features: `image/encoded` string [B], `image/height` and `image/width` int64 [B].
        words: the header of each view, int32 [B, ...].
        manifest: of the record set.
        spec: of the split.

    Returns:
        uint8 [B, h, w, 3] as `IMAGES` describes it.
    """
    sizes = tf.cast(tf.stack([features[record.HEIGHT], features[record.WIDTH]], axis=1), tf.int32)
    shown = words[:, layout.SHOWN : layout.PLACE]
    place = words[:, layout.PLACE : layout.MIRRORED]
    mirrored = words[:, layout.MIRRORED]
    holds = [
        (sizes > 0) & (sizes <= MAX_PIXELS),
        tf.cast(sizes[:, 0], tf.int64) * tf.cast(sizes[:, 1], tf.int64) <= MAX_PIXELS,
        _inside(shown, sizes),
        _inside(place, tf.constant(spec.canvas)),
        place[:, 2:] <= tf.constant([spec.height, spec.width]),
        (mirrored == 0) | (mirrored == 1),
    ]
    scales = manifest.config.composition.scales
    if not scales:
        holds += [tf.concat([shown[:, :2], shown[:, 2:] - sizes, place[:, 2:] - sizes], axis=1) == 0]
    sizes = require_all(sizes, holds, f"{BROKEN_RECORD} views that lie inside the canvas")
    encoded, image_format = features[record.ENCODED], manifest.config.image_format
    if not scales and spec.same_size and image_format == "raw":
        return _take_raw_images(encoded, sizes, spec)

    def take_part(parts: tuple[tf.Tensor, ...]) -> tf.Tensor:
        one, size, part, where = parts
        image = tf.reshape(_decode(one, image_format, size), [size[0], size[1], 3])
        if scales:
            image = scale(image[part[0] : part[0] + part[2], part[1] : part[1] + part[3]], where[2:])
        height, width = where[2], where[3]
        padded = tf.pad(image, [[0, spec.height - height], [0, spec.width - width], [0, 0]])
        return tf.ensure_shape(padded, [spec.height, spec.width, 3])

    return tf.map_fn(take_part, (encoded, sizes, shown, place), fn_output_signature=tf.uint8)


def scale(image: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """An image, uint8 [h, w, 3], at another size, int32 [2]: bilinear, with antialiasing when it shrinks.

    An image that has that size already keeps its pixels.
    """
    resized = tf.image.resize(image, size, method="bilinear", antialias=True)
    return tf.saturate_cast(tf.round(resized), tf.uint8)


def _take_raw_images(encoded: tf.Tensor, sizes: tf.Tensor, spec: BatchSpec) -> tf.Tensor:
    """Raw images of one size, decoded together."""
    length = spec.height * spec.width * 3
    holds = [tf.strings.length(encoded) == length, sizes == tf.constant([spec.height, spec.width])]
    encoded = require_all(encoded, holds, _OTHER_SIZE)
    pixels = tf.io.decode_raw(encoded, tf.uint8, fixed_length=length)
    return tf.reshape(pixels, [-1, spec.height, spec.width, 3])


def _inside(rectangles: tf.Tensor, sizes: tf.Tensor) -> tf.Tensor:
    """Whether rectangles lie inside of an image. No sum: it could overflow."""
    corners, sides = rectangles[:, :2], rectangles[:, 2:]
    return (corners >= 0) & (sides > 0) & (sides <= sizes) & (corners <= sizes - sides)


def _decode(encoded: tf.Tensor, image_format: str, size: tf.Tensor) -> tf.Tensor:
    """The uint8 values of an image; its shape depends on the format.

    The size that the header states is compared with `size`, height and width, before anything is decoded.
    """
    if image_format == "raw":
        encoded = require_all(encoded, [tf.strings.length(encoded) == tf.reduce_prod(size) * 3], _OTHER_SIZE)
        return tf.io.decode_raw(encoded, tf.uint8)
    if image_format == "png":
        encoded = require_all(encoded, [tf.strings.length(encoded) >= 24], f"{BROKEN_RECORD} a whole PNG")
        stated = tf.io.decode_raw(tf.strings.substr(encoded, 16, 8), tf.int32, little_endian=False)[::-1]
        encoded = require_all(encoded, [stated == size], _OTHER_SIZE)
        return tf.io.decode_png(encoded, channels=3)
    stated = tf.io.extract_jpeg_shape(encoded)[:2]
    encoded = require_all(encoded, [stated == size], _OTHER_SIZE)
    # OpenCV, which the records job uses, decodes with the exact transform too.
    return tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE")


def require_all(value: tf.Tensor, holds: Sequence[tf.Tensor], message: str) -> tf.Tensor:
    """The value itself. Evaluating it fails with the message unless all conditions hold everywhere."""
    whole = tf.reduce_all([tf.reduce_all(condition) for condition in holds])
    with tf.control_dependencies([tf.debugging.Assert(whole, [message])]):
        return tf.identity(value)
