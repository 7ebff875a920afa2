"""Targets: offsets both ways, whole images against the slow reference, the golden case, symmetry."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.config.presets import BASELINE_ANCHORS, BASELINE_MATCHING, IMPROVED_ANCHORS, IMPROVED_MATCHING
from pipeline.geometry.anchors import AnchorConfig, Anchors, make_anchors
from pipeline.geometry.boxes import iou
from pipeline.geometry.matching import MatchingConfig, match
from pipeline.geometry.targets import (
    Targets,
    encode_offsets,
    encode_views,
)
from tests import reference
from tests.offsets_to_corners import offsets_to_corners
from tests.one_view import encode_targets

PRESETS = pytest.mark.parametrize(
    ("anchor_config", "matching"),
    [(BASELINE_ANCHORS, BASELINE_MATCHING), (IMPROVED_ANCHORS, IMPROVED_MATCHING)],
    ids=["baseline", "improved"],
)
CANVAS = 224
GOLDEN = [743, 786, 787, 788]


def corners_of(placements: list[tuple[int, int, int, int]]) -> NDArray[np.float32]:
    """ymin, xmin, height, width in pixels -> [G, 4] float32, as a record stores them."""
    corners = [(y, x, y + h, x + w) for y, x, h, w in placements]
    return (np.array(corners, np.float64).reshape(-1, 4) / CANVAS).astype(np.float32)


def random_placements(random: np.random.Generator, count: int) -> list[tuple[int, int, int, int]]:
    sides = random.integers(6, 120, (count, 2)).tolist()
    return [(int(random.integers(0, CANVAS - h)), int(random.integers(0, CANVAS - w)), h, w) for h, w in sides]


def assert_as_reference(
    targets: Targets, boxes: NDArray[np.float32], labels: NDArray[np.int64], anchors: Anchors, matching: MatchingConfig
) -> None:
    centroids = anchors.centroids.tolist()
    overlaps = [[reference.iou(b, reference.corners(c)) for c in centroids] for b in boxes.astype(np.float64).tolist()]
    expected = reference.assign(overlaps, matching.positive_iou, matching.ignore_iou)
    assert targets.anchors.tolist() == sorted(expected.ground_truth_of)
    assert targets.ignored.tolist() == sorted(expected.ignored)
    owners = [expected.ground_truth_of[a] for a in sorted(expected.ground_truth_of)]
    assert targets.objects.tolist() == owners
    assert targets.classes.tolist() == [int(labels[g]) for g in owners]
    offsets = [
        reference.offsets(boxes[g].astype(np.float64).tolist(), centroids[a])
        for a, g in zip(targets.anchors.tolist(), owners, strict=True)
    ]
    np.testing.assert_allclose(targets.offsets, np.reshape(offsets, (-1, 4)), rtol=0, atol=1e-6)


def test_offsets_by_hand() -> None:
    ground_truth = np.array([[0.4, 0.5, 0.4, 0.2]])
    anchor = np.array([[0.5, 0.5, 0.2, 0.4]])
    offsets = encode_offsets(ground_truth, anchor)
    assert offsets.dtype == np.float32
    np.testing.assert_allclose(offsets, [[-0.5, 0.0, np.log(2), -np.log(2)]], rtol=1e-6, atol=1e-7)


def test_offsets_are_weighted() -> None:
    anchors = make_anchors(IMPROVED_ANCHORS, (CANVAS, CANVAS))
    matching = replace(IMPROVED_MATCHING, coder_weights=(10.0, 10.0, 5.0, 4.0))
    boxes = corners_of([(18, 113, 64, 50), (90, 20, 40, 80)])
    plain, _ = encode_targets(boxes, np.arange(2), anchors=anchors, matching=IMPROVED_MATCHING)
    weighted, _ = encode_targets(boxes, np.arange(2), anchors=anchors, matching=matching)
    assert weighted.offsets.dtype == np.float32
    np.testing.assert_allclose(weighted.offsets, plain.offsets * np.array([10, 10, 5, 4]), rtol=1e-6)
    np.testing.assert_array_equal(weighted.anchors, plain.anchors)


def test_targets_do_not_depend_on_the_canvas_shape_but_on_the_anchors() -> None:
    """288 × 512 pixels. The box is the anchor in the middle of the second row and third column of stride 64."""
    anchors = make_anchors(AnchorConfig((64,), (0.5,), ((1.0,),), "image"), (288, 512))
    index = 1 * 8 + 2
    boxes = anchors.corners[[index]].astype(np.float32)
    targets, matches = encode_targets(boxes, np.array([4]), anchors=anchors, matching=IMPROVED_MATCHING)
    assert index in targets.anchors.tolist() and matches.best_iou[0] == pytest.approx(1.0, abs=1e-6)
    np.testing.assert_allclose(targets.offsets[targets.anchors == index], np.zeros((1, 4)), atol=1e-6)
    # A neighbour to the right lies 64 pixels away: IoU (144 - 64) / (144 + 64). One below lies 57.6 pixels away.
    assert iou(boxes.astype(np.float64), anchors.corners[[index + 1]])[0, 0] == pytest.approx(80 / 208, abs=1e-6)
    assert iou(boxes.astype(np.float64), anchors.corners[[index + 8]])[0, 0] == pytest.approx(86.4 / 201.6, abs=1e-6)


def test_an_anchor_that_is_its_object_has_offsets_0() -> None:
    anchors = make_anchors(BASELINE_ANCHORS, (CANVAS, CANVAS))
    offsets = encode_offsets(anchors.centroids, anchors.centroids)
    np.testing.assert_array_equal(offsets, np.zeros((798, 4)))


@PRESETS
def test_offsets_lead_back_to_the_ground_truth(anchor_config: AnchorConfig, matching: MatchingConfig) -> None:
    random = np.random.default_rng(0)
    anchors = make_anchors(anchor_config, (CANVAS, CANVAS))
    for _ in range(50):
        boxes = corners_of(random_placements(random, 5))
        targets, matches = encode_targets(boxes, np.arange(5), anchors=anchors, matching=matching)
        back = offsets_to_corners(targets.offsets, anchors.centroids[targets.anchors])
        np.testing.assert_allclose(back, boxes[matches.ground_truths], rtol=0, atol=5e-7)


@PRESETS
def test_targets_are_the_references(anchor_config: AnchorConfig, matching: MatchingConfig) -> None:
    random = np.random.default_rng(1)
    anchors = make_anchors(anchor_config, (CANVAS, CANVAS))
    for count in [1] * 15 + [2, 3, 4, 6]:
        boxes, labels = corners_of(random_placements(random, count)), random.integers(0, 10, count)
        targets, _ = encode_targets(boxes, labels, anchors=anchors, matching=matching)
        assert_as_reference(targets, boxes, labels, anchors, matching)


@PRESETS
@pytest.mark.parametrize("counts", [[], [0], [1], [1] * 16, [3, 0, 12, 1], [0, 0], [40]])
def test_a_view_has_the_same_targets_among_others_and_alone(
    anchor_config: AnchorConfig, matching: MatchingConfig, counts: list[int]
) -> None:
    random = np.random.default_rng(2)
    anchors = make_anchors(anchor_config, (CANVAS, CANVAS))
    boxes = [corners_of(random_placements(random, count)) for count in counts]
    labels = [random.integers(0, 10, count) for count in counts]
    together = encode_views(boxes, labels, anchors=anchors, matching=matching)
    assert len(together) == len(counts)
    for view, view_labels, (targets, matches) in zip(boxes, labels, together, strict=True):
        alone, matches_alone = encode_targets(view, view_labels, anchors=anchors, matching=matching)
        for found, expected in ((targets, alone), (matches, matches_alone)):
            for name, value in vars(expected).items():
                assert getattr(found, name).dtype == value.dtype
                np.testing.assert_array_equal(getattr(found, name), value, name)


def test_every_placement_of_the_notebooks_size_has_a_match() -> None:
    anchors = make_anchors(IMPROVED_ANCHORS, (CANVAS, CANVAS))
    for ymin in range(0, 160, 13):
        for xmin in range(0, 160, 11):
            targets, matches = encode_targets(
                corners_of([(ymin, xmin, 64, 64)]), np.array([0]), anchors=anchors, matching=IMPROVED_MATCHING
            )
            assert len(targets.anchors) > 0 and matches.best_iou[0] > 0.5


def test_the_golden_case() -> None:
    anchors = make_anchors(BASELINE_ANCHORS, (CANVAS, CANVAS))
    boxes = corners_of([(18, 113, 64, 64)])
    targets, _ = encode_targets(boxes, np.array([7]), anchors=anchors, matching=BASELINE_MATCHING)
    assert targets.anchors.tolist() == GOLDEN
    assert targets.classes.tolist() == [7] * 4
    assert targets.ignored.tolist() == []


def test_only_20_placements_have_the_golden_anchors() -> None:
    corners = make_anchors(BASELINE_ANCHORS, (CANVAS, CANVAS)).corners
    found = []
    columns = np.arange(160)
    for ymin in range(160):
        placements = [(ymin, xmin, 64, 64) for xmin in columns.tolist()]
        overlaps = iou(corners_of(placements).astype(np.float64), corners)
        found += [
            (ymin, xmin)
            for xmin, row in zip(columns.tolist(), overlaps, strict=True)
            if match(row[None], BASELINE_MATCHING).anchors.tolist() == GOLDEN
        ]
    assert len(found) == 20
    assert (18, 113) in found


@PRESETS
def test_a_image_without_objects_has_empty_targets(anchor_config: AnchorConfig, matching: MatchingConfig) -> None:
    anchors = make_anchors(anchor_config, (CANVAS, CANVAS))
    targets, matches = encode_targets(
        np.zeros((0, 4), np.float32), np.zeros(0, np.int64), anchors=anchors, matching=matching
    )
    assert targets.anchors.shape == targets.classes.shape == targets.ignored.shape == (0,)
    assert targets.objects.shape == (0,) and targets.offsets.shape == (0, 4) and targets.offsets.dtype == np.float32
    assert matches.best_iou.shape == (0,)


def test_an_object_without_area_matches_nothing_and_harms_no_other() -> None:
    anchors = make_anchors(IMPROVED_ANCHORS, (CANVAS, CANVAS))
    good = corners_of([(18, 113, 64, 64)])
    both = np.concatenate([corners_of([(50, 120, 0, 30)]), good])
    alone, _ = encode_targets(good, np.array([7]), anchors=anchors, matching=IMPROVED_MATCHING)
    with np.errstate(all="raise"):
        targets, matches = encode_targets(both, np.array([3, 7]), anchors=anchors, matching=IMPROVED_MATCHING)
    np.testing.assert_array_equal(targets.anchors, alone.anchors)
    np.testing.assert_array_equal(targets.offsets, alone.offsets)
    assert set(targets.classes.tolist()) == {7} and matches.best_iou[0] == 0


def test_objects_that_touch_do_not_disturb_each_other() -> None:
    """Far enough apart in IoU that each has the targets it has alone."""
    anchors = make_anchors(IMPROVED_ANCHORS, (CANVAS, CANVAS))
    left, right = corners_of([(40, 30, 64, 64)]), corners_of([(40, 94, 64, 64)])
    matching = MatchingConfig(positive_iou=0.6, ignore_iou=0.6)
    both, _ = encode_targets(np.concatenate([left, right]), np.array([1, 2]), anchors=anchors, matching=matching)
    for label, box in ((1, left), (2, right)):
        alone, _ = encode_targets(box, np.array([label]), anchors=anchors, matching=matching)
        chosen = both.classes == label
        assert chosen.any()
        np.testing.assert_array_equal(both.anchors[chosen], alone.anchors)
        np.testing.assert_array_equal(both.offsets[chosen], alone.offsets)


def test_matching_sees_the_float32_boxes_that_a_record_stores() -> None:
    anchors = make_anchors(IMPROVED_ANCHORS, (CANVAS, CANVAS))
    exact: Any = np.array([[18, 113, 82, 177]]) / CANVAS
    from_exact, _ = encode_targets(exact, np.array([1]), anchors=anchors, matching=IMPROVED_MATCHING)
    stored, _ = encode_targets(exact.astype(np.float32), np.array([1]), anchors=anchors, matching=IMPROVED_MATCHING)
    np.testing.assert_array_equal(from_exact.offsets, stored.offsets)


@PRESETS
def test_flipping_the_canvas_flips_the_targets(anchor_config: AnchorConfig, matching: MatchingConfig) -> None:
    """A single object matches every anchor from the threshold on; a tie decides only if no anchor reaches it."""
    random = np.random.default_rng(4)
    anchors = make_anchors(anchor_config, (CANVAS, CANVAS))
    mirror = anchors.mirrored
    compared = 0
    for _ in range(200):
        ((ymin, xmin, height, width),) = random_placements(random, 1)
        boxes = corners_of([(ymin, xmin, height, width)])
        flipped_boxes = corners_of([(ymin, CANVAS - xmin - width, height, width)])
        targets, matches = encode_targets(boxes, np.array([1]), anchors=anchors, matching=matching)
        flipped, _ = encode_targets(flipped_boxes, np.array([1]), anchors=anchors, matching=matching)
        if matches.best_iou[0] < matching.positive_iou:
            continue
        order = np.argsort(mirror[targets.anchors])
        np.testing.assert_array_equal(flipped.anchors, mirror[targets.anchors][order])
        np.testing.assert_array_equal(flipped.ignored, np.sort(mirror[targets.ignored]))
        np.testing.assert_allclose(flipped.offsets, (targets.offsets * [1, -1, 1, 1])[order], rtol=0, atol=1e-5)
        compared += 1
    assert compared > 60
