"""What a batch looks like as it leaves the reader: sparse, padded to sizes that the manifest names."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.geometry.anchors import Anchors
from pipeline.records.manifest import Manifest
from pipeline.records.packed_view import BOX_WORDS, HEADER, POSITIVE_WORDS

# A sparse batch is a dict of tensors; B images, each as one of its views shows it.
IMAGES = "images"  # uint8 [B, h, w, 3]: each fills its upper left, at the size of its place; the rest is black
WORDS = "words"  # int32 [B, W]: the view, as packed_view.py has it, without ground truth, padded with zeros


@dataclass(frozen=True)
class Feed:
    """The sizes of a split's batches. All are known before a record is read, so shapes are static."""

    canvas_size: int  # pixels
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
        """W, the most words of a view without its ground truth."""
        return HEADER + POSITIVE_WORDS * self.positives + self.ignored

    @property
    def all_words(self) -> int:
        """The most words of a view with its ground truth."""
        return self.words + BOX_WORDS * self.boxes


def feed_of(manifest: Manifest, split: str) -> Feed:
    """The sizes of a split's batches, from the manifest's statistics."""
    statistics, size = manifest.statistics[split], manifest.canvas_size
    least, most = ((statistics[f"{kind}_height"], statistics[f"{kind}_width"]) for kind in ("least", "most"))
    stored_as_shown = manifest.config.collage is not None  # a letterbox scales each image to its place
    height, width = most if stored_as_shown and statistics["examples"] else (size, size)
    return Feed(
        canvas_size=size,
        anchors=manifest.anchors,
        background=manifest.background,
        height=height,
        width=width,
        same_size=stored_as_shown and least == most,
        mirrors=manifest.config.views_of(split) > 1 and manifest.config.composition.flip,
        positives=statistics["most_positives"],
        ignored=statistics["most_ignored"],
        boxes=statistics["most_boxes"],
    )
