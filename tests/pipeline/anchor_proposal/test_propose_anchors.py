"""Proposed anchors: what they reach on made and on real boxes, and that the same boxes give the same anchors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.anchor_proposal.anchor_fit import AnchorFit, count_coverable, measure_fit
from pipeline.anchor_proposal.proposal import make_proposal
from pipeline.anchor_proposal.propose_anchors import MOST_BOXES, cluster_sizes, propose_anchors
from pipeline.config.presets import IMPROVED_ANCHORS, IMPROVED_MATCHING
from pipeline.errors import UserError
from pipeline.geometry.anchors import MAX_ANCHORS, AnchorConfig, make_anchors
from pipeline.geometry.boxes import Array, iou
from pipeline.geometry.matching import match
from pipeline.geometry.near_matching import match_views
from tests.pipeline.anchor_proposal.annotated_sets import make_coco_boxes, voc_boxes

pytestmark = pytest.mark.any_stack

SIZE = 320
STRIDES = IMPROVED_ANCHORS.strides
REAL = Path(__file__).resolve().parents[4] / "shared" / "data"


def boxes_of(heights: Array, widths: Array) -> Array:
    """Boxes of these sides in pixels, spread over the canvas."""
    sizes = np.clip(np.stack([heights, widths], axis=1) / SIZE, 1 / SIZE, 1.0)
    low = np.random.default_rng(1).uniform(0, 1 - sizes)
    return np.concatenate([low, low + sizes], axis=1)


def drawn(least: float, most: float, *, ratio: float = 1.0, spread: float = 0.2, count: int = 150) -> Array:
    """Boxes with an area between two squares, sides in pixels; half are `ratio` times as wide as high, half as high."""
    rng = np.random.default_rng(0)
    sizes = np.exp(rng.uniform(np.log(least), np.log(most), count))
    sides = np.exp(rng.normal(0, spread, count) + np.where(np.arange(count) % 2, 0.5, -0.5) * np.log(ratio))
    return boxes_of(sizes / sides, sizes * sides)


def fit(boxes: Array, config: AnchorConfig, size: int = SIZE) -> AnchorFit:
    return measure_fit(boxes, make_anchors(config, (size, size)), canvas=(size, size), positive_iou=0.5)


@pytest.mark.parametrize(
    ("boxes", "least", "preset_at_most"),
    [
        (drawn(40, 40, spread=0.0), 1.0, 1.0),
        (drawn(150, 300), 0.995, 1.0),
        (drawn(16, 300), 0.97, 0.8),
        (drawn(20, 120, ratio=4.0), 0.97, 0.6),
        (drawn(24, 32, ratio=1.5, count=7), 1.0, 0.3),
    ],
    ids=["one size", "big", "all sizes", "elongated", "few"],
)
def test_made_boxes_are_covered(boxes: Array, least: float, preset_at_most: float) -> None:
    assert fit(boxes, IMPROVED_ANCHORS).covered <= preset_at_most
    assert fit(boxes, propose_anchors(boxes, canvas=(SIZE, SIZE), strides=STRIDES)).covered >= least


def test_tiny_boxes_are_covered_as_far_as_that_is_possible() -> None:
    boxes = drawn(12, 16)
    possible = sum(count_coverable(boxes, canvas=(SIZE, SIZE), strides=STRIDES)) / len(boxes)
    assert 0.8 < possible < 1.0
    assert fit(boxes, propose_anchors(boxes, canvas=(SIZE, SIZE), strides=STRIDES)).covered > possible - 0.1


@pytest.mark.skipif(not REAL.is_dir(), reason="the sets are not on this machine")
@pytest.mark.parametrize(
    ("read", "least", "added"),
    [
        (lambda: voc_boxes(REAL / "bccd" / "Annotations"), 0.95, ()),
        (lambda: make_coco_boxes(sorted((REAL / "facemask" / "annotations").glob("*.json"))), 0.99, (4,)),
        (lambda: make_coco_boxes(sorted((REAL / "coco_tiny" / "annotations").glob("*.json"))), 0.95, (4,)),
    ],
    ids=["bccd", "facemask", "coco_tiny"],
)
def test_real_boxes_of_at_least_12_pixels_are_covered(
    read: Callable[[], Array], least: float, added: tuple[int, ...]
) -> None:
    proposal = make_proposal(read(), IMPROVED_ANCHORS, strides=STRIDES, canvas=(SIZE, SIZE), positive_iou=0.5)
    assert proposal.fit.covered_from(12) >= least > proposal.current_fit.covered_from(12)
    assert proposal.added_strides == added
    assert proposal.fit.anchors <= (5 if added else 2) * proposal.current_fit.anchors


def test_anchors_for_some_boxes_fit_others_of_their_kind() -> None:
    boxes = drawn(16, 150, spread=0.3, count=400)
    config = propose_anchors(boxes[::4], canvas=(SIZE, SIZE), strides=STRIDES)
    assert fit(boxes, config).covered >= fit(boxes[::4], config).covered - 0.05 >= 0.85


@pytest.mark.parametrize("size", [64, 300])
def test_a_proposal_stays_within_maps_and_limits(size: int) -> None:
    boxes = drawn(6, 300, spread=0.5)
    config = propose_anchors(boxes, canvas=(size, size), strides=STRIDES)
    assert set(config.strides) == set(STRIDES) and config.strides == tuple(sorted(config.strides))
    assert len(config.strides) <= len(STRIDES) + 2
    scales = (*config.scales, config.scale_after_last)
    assert scales == tuple(sorted(scales, key=lambda s: s or 0.0)) and config.relative_to == "image"
    for stride in STRIDES:
        boxes_a_cell = sum(
            len(ratios) + 1 for s, ratios in zip(config.strides, config.aspect_ratios, strict=True) if s == stride
        )
        assert 2 <= boxes_a_cell <= MOST_BOXES
    assert len(make_anchors(config, (size, size))) <= 2 * len(make_anchors(IMPROVED_ANCHORS, (size, size)))
    assert fit(boxes, config, size).covered > fit(boxes, IMPROVED_ANCHORS, size).covered


@pytest.mark.parametrize("canvas", [(288, 512), (512, 288)])
def test_anchors_are_proposed_for_a_canvas_that_is_no_square(canvas: tuple[int, int]) -> None:
    """Boxes of 40 to 50 pixels a side, square in pixels: so are the anchors that fit them."""
    rng = np.random.default_rng(4)
    sizes = rng.uniform(40, 50, (80, 1)) / np.array(canvas)
    low = rng.uniform(0, 1 - sizes)
    boxes = np.concatenate([low, low + sizes], axis=1)
    proposal = make_proposal(boxes, IMPROVED_ANCHORS, strides=STRIDES, canvas=canvas, positive_iou=0.5)
    assert proposal.fit.boxes_by_size == (0, 0, 0, 0, 80, 0)  # 32 to 96 pixels
    assert proposal.fit.covered == 1.0
    assert proposal.anchors.strides == STRIDES and 1.0 in proposal.anchors.aspect_ratios[0]
    assert proposal.lines()[0] == f"how anchors fit 80 boxes on a canvas of {canvas[0]} × {canvas[1]} pixels:"
    corners = make_anchors(proposal.anchors, canvas).corners
    assert proposal.fit.covered_by_size[4] == (iou(boxes, corners).max(axis=1) >= 0.5).sum()


def test_the_order_of_the_boxes_does_not_matter() -> None:
    boxes = drawn(10, 200, spread=0.1, count=50)
    shuffled = np.random.default_rng(5).permutation(boxes).astype(np.float32)
    one, other = (
        propose_anchors(b, canvas=(SIZE, SIZE), strides=STRIDES) for b in (boxes.astype(np.float32), shuffled)
    )
    assert one == other
    # Strides may come from anchors that were proposed before.
    assert propose_anchors(shuffled, canvas=(SIZE, SIZE), strides=(8, *STRIDES[::-1])) == one


def test_boxes_are_matched_to_a_map_that_is_listed_twice() -> None:
    boxes = drawn(16, 150, spread=0.3, count=60)
    config = replace(
        IMPROVED_ANCHORS,
        strides=(8, *STRIDES),
        scales=(0.05, *IMPROVED_ANCHORS.scales),
        aspect_ratios=((1.0, 2.0), *IMPROVED_ANCHORS.aspect_ratios),
    )
    anchors, matching = make_anchors(config, (SIZE, SIZE)), IMPROVED_MATCHING
    (near,) = match_views([boxes], anchors, matching)
    table = match(iou(boxes, anchors.corners), matching)
    for field in fields(table):
        np.testing.assert_array_equal(getattr(near, field.name), getattr(table, field.name))
    assert (near.anchors < anchors.map_starts[1]).any()


def test_one_box_has_an_anchor() -> None:
    box = np.array([(0.2, 0.3, 0.35, 0.6)])
    assert fit(box, propose_anchors(box, canvas=(SIZE, SIZE), strides=STRIDES)).covered == 1.0


@pytest.mark.parametrize("boxes", [np.zeros((0, 4)), np.array([(0.5, 0.5, 0.5, 0.7)])], ids=["none", "no area"])
def test_without_a_box_there_is_no_proposal(boxes: Array) -> None:
    with pytest.raises(UserError, match="the training images have no box with an area"):
        propose_anchors(boxes, canvas=(SIZE, SIZE), strides=STRIDES)


def test_clusters_are_the_medians_of_what_is_alike() -> None:
    rng = np.random.default_rng(3)
    kinds = np.array([(0.05, 0.1), (0.3, 0.1), (0.5, 0.6)])
    sizes = np.concatenate([kind * np.exp(rng.normal(0, 0.02, (100, 2))) for kind in kinds])
    np.testing.assert_allclose(cluster_sizes(sizes, 3), kinds, rtol=0.02)


def test_the_lines_of_a_proposal() -> None:
    boxes = np.array([(0.1, 0.1, 0.4, 0.4), (0.0, 0.0, 7 / 320, 7 / 320), (0.05, 0.05, 0.05 + 5 / 320, 0.05 + 5 / 320)])
    proposal = make_proposal(boxes, IMPROVED_ANCHORS, strides=STRIDES, canvas=(SIZE, SIZE), positive_iou=0.5)
    lines = proposal.lines()
    assert lines[0] == "how anchors fit 3 boxes on a canvas of 320 pixels:"
    assert [line.split() for line in lines[2:6]] == [
        ["pixels", "boxes", "current", "proposed", "possible"],
        ["below", "8", "2", "0.0%", *lines[3].split()[4:]],
        ["from", "96", "1", "100.0%", "100.0%", "100.0%"],
        ["all", "3", "33.3%", *lines[5].split()[3:]],
    ]
    assert lines[6].startswith("current: 9,602 anchors, ") and lines[7].startswith("proposed: ")
    assert lines[8] == "  a map of stride 4 is added, for the small boxes"
    assert sum(line.startswith("  stride 8: ") for line in lines) in (1, 2)


def test_boxes_that_no_anchor_reaches_are_counted() -> None:
    boxes = np.concatenate([drawn(40, 80, count=39), [(0.05, 0.05, 0.05 + 3 / 320, 0.05 + 3 / 320)]])
    proposal = make_proposal(boxes, IMPROVED_ANCHORS, strides=STRIDES, canvas=(SIZE, SIZE), positive_iou=0.5)
    assert proposal.added_strides == ()  # for one box of forty
    assert proposal.lines()[-1].startswith("boxes out of reach: 1, too small for anchors that stand 8 pixels apart")


def test_a_cell_of_a_fine_map_has_few_anchors() -> None:
    config = propose_anchors(drawn(6, 60), canvas=(SIZE, SIZE), strides=(4, *STRIDES))
    pairs = zip(config.strides, config.aspect_ratios, strict=True)
    assert 2 <= sum(len(ratios) + 1 for stride, ratios in pairs if stride == 4) <= MOST_BOXES // 2


def test_a_large_canvas_has_no_more_anchors_than_are_allowed() -> None:
    boxes = drawn(1, 2, spread=0.5, count=20)  # 3 to 20 pixels there
    proposal = make_proposal(boxes, IMPROVED_ANCHORS, strides=STRIDES, canvas=(3000, 3000), positive_iou=0.5)
    assert proposal.fit.anchors == len(make_anchors(proposal.anchors, (3000, 3000))) <= MAX_ANCHORS
