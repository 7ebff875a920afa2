"""What a batch looks like as it leaves the reader: sparse, padded to sizes that the manifest names."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.compositions.view import Shape
from pipeline.geometry.anchors import Anchors
from pipeline.records.manifest import Manifest
from pipeline.records.packed_view import locate_parts

# A sparse batch is a dict of tensors; B images, each as one of its views shows it.
IMAGES = "images"  # uint8 [B, h, w, 3]: each fills its upper left, at the size of its place; the rest is black
WORDS = "words"  # int32 [B, W]: the view, as packed_view.py has it, without boxes, padded with zeros


@dataclass(frozen=True)
class BatchSpec:
    """The sizes of a split's batches. All are known before a record is read, so shapes are static."""

    canvas: Shape  # height and width, pixels
    anchors: Anchors
    background: int  # class of anchors without an object
    height: int  # h of sparse images, pixels
    width: int  # w of sparse images, pixels
    same_size: bool  # whether every image fills all of [h, w]
    mirrors: bool  # whether a view may be mirrored
    positives: int  # of a view, at most
    ignored: int
    boxes: int

    @property
    def words(self) -> int:
        """W, the most words of a view without its boxes."""
        return int(locate_parts(self.positives, self.ignored, self.boxes).boxes)

    @property
    def all_words(self) -> int:
        """The most words of a view with its boxes."""
        return int(locate_parts(self.positives, self.ignored, self.boxes).end)


def make_batch_spec(manifest: Manifest, split: str) -> BatchSpec:
    """The sizes of a split's batches, from the manifest's statistics."""
    statistics, composition = manifest.statistics[split], manifest.config.composition
    least = statistics.least_height, statistics.least_width
    most = statistics.most_height, statistics.most_width
    # A view that is scaled fills its place, which may be all of the canvas.
    height, width = manifest.canvas if composition.scales or not statistics.examples else most
    return BatchSpec(
        canvas=manifest.canvas,
        anchors=manifest.anchors,
        background=manifest.background,
        height=height,
        width=width,
        same_size=not composition.scales and least == most,
        mirrors=manifest.config.views_of(split) > 1 and composition.flip,
        positives=statistics.most_positives,
        ignored=statistics.most_ignored,
        boxes=statistics.most_boxes,
    )
