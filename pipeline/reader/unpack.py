"""Turns a sparse batch into canvases and dense targets of static shape, on the replica's own device or the host."""

from __future__ import annotations

import tensorflow as tf

from pipeline.compositions.view import Shape
from pipeline.reader.batch_spec import IMAGES, WORDS, BatchSpec
from pipeline.records import packed_view as layout

IGNORED = -1  # the class, in dense targets, of anchors that are neither object nor background

Batch = dict[str, tf.Tensor]


def unpack(
    batch: Batch, spec: BatchSpec, *, flips: tf.Tensor | None = None, by_matrices: bool = False
) -> tuple[tf.Tensor, Batch]:
    """Canvases and dense targets of a sparse batch.

    Args:
        batch: as `batch_spec.py` describes it.
        spec: its sizes.
        flips: bool [B], which canvases to mirror left to right, with their targets.
        by_matrices: whether to lay each image on its canvas by two matrix products. That suits XLA and accelerators;
            a CPU is faster without. The result is the same: pixels are moved, not computed.

    Returns:
        uint8 [B, H, W, 3]; `classes` int32 [B, N], where background is the index after the last class and ignored
        anchors are -1, and `offsets` float32 [B, N, 4].
    """
    images, words = batch[IMAGES], batch[WORDS]
    place = words[:, layout.PLACE : layout.MIRRORED]
    mirrored = words[:, layout.MIRRORED] == 1
    if flips is not None:
        xmin, width = place[:, 1:2], place[:, 3:]
        other = tf.concat([place[:, :1], spec.canvas[1] - xmin - width, place[:, 2:]], axis=1)
        place = tf.where(flips[:, None], other, place)
        mirrored = mirrored ^ flips
    if by_matrices:
        canvases = _lay_by_matrices(images, place, mirrored, spec.canvas)
    else:
        some = spec.mirrors or flips is not None
        canvases = _lay_one_by_one(images, place, mirrored if some else None, spec.canvas)
    return canvases, scatter_targets(words, spec, flips)


def scatter_targets(words: tf.Tensor, spec: BatchSpec, flips: tf.Tensor | None = None) -> Batch:
    """Scatters the targets of a batch at once: `classes` and `offsets` as `unpack` returns them.

    Padding goes to an extra place after the last anchor, which is cut off at the end.
    """
    total = len(spec.anchors)
    count, ignored_count = words[:, layout.POSITIVES, None], words[:, layout.IGNORED, None]
    number, ignored_number = tf.range(spec.positives), tf.range(spec.ignored)
    starts = layout.locate_parts(count, ignored_count, words[:, layout.BOXES, None])
    anchors = _at(words, starts.anchors + number, spec)
    there = number < count
    objects = tf.where(there, _at(words, starts.objects + number, spec), 0)
    classes = _at(words, starts.labels + objects, spec)
    offsets = tf.bitcast(_at(words, starts.offsets[:, :, None] + 4 * number[:, None] + tf.range(4), spec), tf.float32)
    ignored = _at(words, starts.ignored + ignored_number, spec)
    anchors = tf.where(there, anchors, total)
    ignored = tf.where(ignored_number < ignored_count, ignored, total)
    if flips is not None:
        mirror = tf.constant([*spec.anchors.mirrored.tolist(), total], tf.int32)
        anchors = tf.where(flips[:, None], tf.gather(mirror, anchors), anchors)
        ignored = tf.where(flips[:, None], tf.gather(mirror, ignored), ignored)
        signs = tf.where(flips[:, None], tf.constant([1.0, -1.0, 1.0, 1.0]), tf.ones([4]))
        offsets = offsets * signs[:, None]
    batch = tf.shape(words)[0]
    row = tf.range(batch)[:, None] * (total + 1)
    matched_at = tf.reshape(anchors + row, [-1, 1])
    ignored_at = tf.reshape(ignored + row, [-1, 1])
    dense = tf.fill([batch * (total + 1)], tf.constant(spec.background, tf.int32))
    dense = tf.tensor_scatter_nd_update(dense, ignored_at, tf.fill(tf.shape(ignored_at)[:1], IGNORED))
    dense = tf.tensor_scatter_nd_update(dense, matched_at, tf.reshape(classes, [-1]))
    shifts = tf.scatter_nd(matched_at, tf.reshape(offsets, [-1, 4]), tf.stack([batch * (total + 1), 4]))
    return {
        "classes": tf.reshape(dense, [-1, total + 1])[:, :total],
        "offsets": tf.reshape(shifts, [-1, total + 1, 4])[:, :total],
    }


def _at(words: tf.Tensor, at: tf.Tensor, spec: BatchSpec) -> tf.Tensor:
    """Words of each row, [B, W], by their indices, [B or 1, ...]; of indices that are too large, the last word."""
    at = tf.minimum(at, spec.words - 1)
    if at.shape.rank == 1:
        return tf.gather(words, at, axis=1)
    return tf.gather(words, at, batch_dims=1)


def _lay_one_by_one(images: tf.Tensor, place: tf.Tensor, mirrored: tf.Tensor | None, canvas: Shape) -> tf.Tensor:
    """One `pad` for each image, as lines of values: so it copies whole lines. -> uint8 [B, H, W, 3]."""
    _, height, width, _ = images.shape
    lines = tf.reshape(images, [-1, height, width * 3])
    left = tf.zeros_like(place[:, 3])
    if mirrored is not None:
        mirror_images = tf.reverse(tf.reshape(images, [-1, width, 3]), axis=[1])  # faster than an axis of a 4-D tensor
        lines = tf.where(mirrored[:, None, None], tf.reshape(mirror_images, [-1, height, width * 3]), lines)
        left = tf.where(mirrored, width - place[:, 3], left)  # a mirrored image lies at the right of its padding

    def lay(parts: tuple[tf.Tensor, ...]) -> tf.Tensor:
        line, start = parts[0], 3 * parts[2]
        ymin, xmin, shown_height, shown_width = tf.unstack(parts[1])
        shown = line[:shown_height, start : start + 3 * shown_width]
        margins = [[ymin, canvas[0] - ymin - shown_height], [3 * xmin, 3 * (canvas[1] - xmin - shown_width)]]
        return tf.reshape(tf.pad(shown, margins), [*canvas, 3])

    return tf.map_fn(lay, (lines, place, left), fn_output_signature=tf.uint8, parallel_iterations=1)


def _lay_by_matrices(images: tf.Tensor, place: tf.Tensor, mirrored: tf.Tensor, canvas: Shape) -> tf.Tensor:
    """Canvas = rows · image · columns, with matrices of zeros and ones. -> uint8 [B, H, W, 3]."""
    _, height, width, _ = images.shape
    ymin, xmin, shown_height, shown_width = (place[:, k, None] for k in range(4))
    row, column = tf.range(height), tf.range(width)
    # Where each row and column of an image goes; those that are padding go nowhere.
    to_y = tf.where(row < shown_height, ymin + row, -1)
    to_x = tf.where(column < shown_width, xmin + tf.where(mirrored[:, None], shown_width - 1 - column, column), -1)
    rows = tf.cast(tf.range(canvas[0])[:, None] == to_y[:, None], tf.float32)  # [B, H, h]
    columns = tf.cast(tf.range(canvas[1]) == to_x[:, :, None], tf.float32)  # [B, w, W]
    canvases = tf.einsum("byh,bhwc,bwx->byxc", rows, tf.cast(images, tf.float32), columns)
    return tf.cast(tf.round(canvases), tf.uint8)
