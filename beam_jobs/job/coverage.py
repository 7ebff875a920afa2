"""Measures on a sample how well the anchors fit the boxes, before anything is written."""

from __future__ import annotations

import contextlib
import heapq
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from beam_jobs.job.composer import Composer
from beam_jobs.job.entries import Entry, limit_items, make_entries, record_split
from beam_jobs.sources.source import BadImage, Item, Source
from pipeline.anchor_proposal.anchor_fit import GOOD_IOU, AnchorFit, find_covered, measure_fit
from pipeline.anchor_proposal.proposal import Proposal, make_proposal
from pipeline.compositions.view import Shape
from pipeline.config.records_config import RecordsConfig
from pipeline.errors import UserError, format_count
from pipeline.geometry.anchors import make_anchors
from pipeline.records.keys import hash63

SAMPLE = 10_000  # items
SAMPLE_BOXES = 30_000


@dataclass(frozen=True)
class Coverage:
    """How the anchors fit the boxes of a sample, and what the boxes that they miss look like."""

    fit: AnchorFit
    missed: tuple[str, ...]  # kinds of boxes below `GOOD_IOU`, the most frequent first

    def lines(self) -> list[str]:
        """The lines that the job prints."""
        return [*self.fit.lines(), *(f"  missed: {kind}" for kind in self.missed)]


def measure_coverage(config: RecordsConfig, source: Source) -> Coverage:
    """Measures how the anchors fit the boxes of up to `SAMPLE` items, chosen by hash of their ids, in every view."""
    boxes, canvas = sample_boxes(config, source), config.canvas
    anchors = make_anchors(config.anchors, canvas)
    return Coverage(
        fit=measure_fit(boxes, anchors, canvas=canvas, positive_iou=config.matching.positive_iou),
        missed=tuple(_kinds(boxes[~find_covered(boxes, anchors)], canvas)),
    )


def sample_boxes(config: RecordsConfig, source: Source, *, split: str | None = None) -> NDArray[np.float32]:
    """The boxes of up to `SAMPLE` items, chosen by hash of their ids, in every view: corners in [0, 1], [G, 4].

    Stops after `SAMPLE_BOXES` boxes. With `split`, only items of that split of the records.
    """
    composer = Composer(config, source)
    items = (
        item
        for item in limit_items(config, source.items())
        if split is None or record_split(config, source, item) == split
    )
    boxes, count = [np.zeros((0, 4), np.float32)], 0
    for item in heapq.nsmallest(SAMPLE, items, key=lambda i: hash63(f"coverage/{i.source_id}")):
        with contextlib.suppress(BadImage):  # the job itself counts it and says why
            boxes.append(composer.find_boxes(_first_entry(config, source, item)))
            count += len(boxes[-1])
        if count >= SAMPLE_BOXES:
            break
    return np.concatenate(boxes)


def propose(config: RecordsConfig, source: Source) -> Proposal:
    """Proposes anchors from the boxes of training views. Raises `UserError` if there are none."""
    return make_proposal(
        sample_boxes(config, source, split="train"),
        config.anchors,
        strides=sorted(set(config.anchors.strides)),
        canvas=config.canvas,
        positive_iou=config.matching.positive_iou,
    )


def check_coverage(coverage: Coverage, least: float) -> None:
    """Raises `UserError`, naming the kinds of missed boxes, if the anchors fit less than the share `least`."""
    if coverage.fit.covered < least:
        raise UserError(
            f"anchors must fit {least:.1%} of the boxes (--min_coverage) with a best IoU of at least {GOOD_IOU}, "
            f"got {coverage.fit.covered:.1%}; they miss {'; '.join(coverage.missed)}: "
            "add scales and ratios for these, or lower --min_coverage"
        )


def _first_entry(config: RecordsConfig, source: Source, item: Item) -> Entry:
    _, entry = next(make_entries(config, source, item))
    return entry


def _kinds(boxes: NDArray[np.float32], canvas: Shape) -> list[str]:
    """Kinds of boxes by side (powers of √2, pixels) and shape, most frequent first, at most five."""
    height, width = ((boxes[:, 2 + k] - boxes[:, k]) * canvas[k] for k in range(2))
    kinds: Counter[str] = Counter()
    for h, w in zip(height.tolist(), width.tolist(), strict=True):
        step = round(2 * np.log2(max((h * w) ** 0.5, 1.0)))
        ratio = w / h
        shape = "square" if 2 / 3 <= ratio <= 1.5 else f"{'wide' if ratio > 1 else 'tall'}, ratio {ratio:.1f}"
        kinds[f"about {2 ** (step / 2):.0f} pixels, {shape}"] += 1
    return [f"{format_count(count, 'box')} of {kind}" for kind, count in kinds.most_common(5)]
