"""Anchors: counts, order, sizes, fingerprints, and what a manifest says of them."""

from __future__ import annotations

import dataclasses
import json
import math
import pickle

import numpy as np
import pytest

from pipeline.config.presets import BASELINE_ANCHORS, IMPROVED_ANCHORS
from pipeline.errors import UserError
from pipeline.geometry.anchors import AnchorConfig, Anchors, FeatureMap, StoredAnchors, make_anchors
from pipeline.typed_json import from_dict
from tests import reference

PRESETS = pytest.mark.parametrize("config", [BASELINE_ANCHORS, IMPROVED_ANCHORS], ids=["baseline", "improved"])


@pytest.mark.parametrize(
    ("config", "sizes", "boxes", "count", "fingerprint"),
    [
        (BASELINE_ANCHORS, [14, 7, 4, 2, 1], [3] * 5, 798, "9f1363268fa47c3b"),
        (IMPROVED_ANCHORS, [28, 14, 7, 4, 2, 1], [4, 6, 6, 6, 4, 4], 4722, "449361eadec9f271"),
    ],
    ids=["baseline", "improved"],
)
def test_presets_at_224_pixels(
    config: AnchorConfig, sizes: list[int], boxes: list[int], count: int, fingerprint: str
) -> None:
    anchors = make_anchors(config, 224)
    assert [m.size for m in anchors.feature_maps] == [(n, n) for n in sizes]
    assert [len(m.boxes) for m in anchors.feature_maps] == boxes
    assert len(anchors) == len(anchors.centroids) == len(anchors.corners) == count
    assert anchors.fingerprint == fingerprint


@PRESETS
@pytest.mark.parametrize("canvas_size", [224, 112, 100])
def test_anchors_are_the_references_in_order(config: AnchorConfig, canvas_size: int) -> None:
    expected = reference.anchors(config, canvas_size)
    anchors = make_anchors(config, canvas_size)
    np.testing.assert_allclose(anchors.centroids, expected, rtol=1e-15, atol=0)
    np.testing.assert_allclose(anchors.corners, [reference.corners(b) for b in expected], rtol=0, atol=1e-15)


def test_a_map_is_flattened_by_row_then_column_then_box() -> None:
    boxes = ((0.5, 0.25), (0.1, 0.2))
    anchors = Anchors((FeatureMap((2, 3), boxes), FeatureMap((1, 1), ((1.0, 1.0),))))
    expected = [
        [(row + 0.5) / 2, (column + 0.5) / 3, h, w] for row in range(2) for column in range(3) for h, w in boxes
    ]
    np.testing.assert_array_equal(anchors.centroids, [*expected, [0.5, 0.5, 1.0, 1.0]])
    assert anchors.map_starts == (0, 12, 13)


def test_an_aspect_ratio_is_width_over_height_and_keeps_the_area() -> None:
    for feature_map, scale in zip(
        make_anchors(IMPROVED_ANCHORS, 224).feature_maps, IMPROVED_ANCHORS.scales, strict=True
    ):
        ratios = [1.0, 0.5, 2.0, 3.0, 1 / 3][: len(feature_map.boxes) - 1]
        for (h, w), ratio in zip(feature_map.boxes, ratios, strict=False):
            assert w / h == pytest.approx(ratio)
            assert w * h == pytest.approx(scale**2)


def test_the_extra_box_is_square_and_the_last_of_its_cell() -> None:
    maps = make_anchors(IMPROVED_ANCHORS, 224).feature_maps
    assert maps[0].boxes[-1] == pytest.approx((math.sqrt(0.15 * 0.3),) * 2)
    assert maps[-1].boxes[-1] == pytest.approx((math.sqrt(0.9 * 1.05),) * 2)


def test_scales_of_the_baseline_are_relative_to_the_cell() -> None:
    maps = make_anchors(BASELINE_ANCHORS, 224).feature_maps
    assert maps[0].boxes[0] == pytest.approx((0.9 / 14, 0.9 / 14))
    assert maps[4].boxes[2] == pytest.approx((0.5 / math.sqrt(2), 0.5 * math.sqrt(2)))


def test_map_sizes_round_up() -> None:
    assert [m.size[0] for m in make_anchors(IMPROVED_ANCHORS, 112).feature_maps] == [14, 7, 4, 2, 1, 1]


def test_a_manifest_rebuilds_exactly_these_anchors() -> None:
    anchors = make_anchors(IMPROVED_ANCHORS, 224)
    again = from_dict(StoredAnchors, json.loads(json.dumps(anchors.to_dict())), where="m").anchors
    assert again == anchors
    np.testing.assert_array_equal(again.centroids, anchors.centroids)


def test_the_fingerprint_changes_with_size_box_and_order() -> None:
    anchors = make_anchors(BASELINE_ANCHORS, 224)
    first, *rest = anchors.feature_maps
    (height, width), *others = first.boxes
    taller = ((math.nextafter(height, 1), width), *others)
    altered = [
        Anchors((FeatureMap((13, 14), first.boxes), *rest)),
        Anchors((FeatureMap(first.size, first.boxes[::-1]), *rest)),
        Anchors((FeatureMap(first.size, taller), *rest)),
        Anchors((*rest, first)),
        make_anchors(dataclasses.replace(BASELINE_ANCHORS, relative_to="image"), 224),
    ]
    assert len({a.fingerprint for a in [anchors, *altered]}) == 6


@pytest.mark.parametrize(
    "values",
    [
        None,
        [],
        {},
        {"feature_maps": []},
        {"feature_maps": [{"size": [1], "boxes": [[1, 1]]}], "fingerprint": "0"},
        {"feature_maps": [{"size": [1, 1], "boxes": [[1, 1, 1]]}], "fingerprint": "0"},
        {"feature_maps": [{"size": [1, 1], "boxes": [["a", 1]]}], "fingerprint": "0"},
        {"feature_maps": [{"size": [1, 1], "boxes": [[1, 1]]}], "fingerprint": "0"},
    ],
)
def test_a_manifests_broken_anchors_are_one_line_that_names_it(values: object) -> None:
    with pytest.raises(UserError, match=r"^DIR/manifest.json: anchors[^\n]* must [^\n]*$"):
        from_dict(StoredAnchors, values, where="DIR/manifest.json: anchors")


@PRESETS
@pytest.mark.parametrize("canvas_size", [224, 112, 100])
def test_a_mirrored_anchor_is_the_mirror_image_of_its_box(config: AnchorConfig, canvas_size: int) -> None:
    anchors = make_anchors(config, canvas_size)
    ymin, xmin, ymax, xmax = anchors.corners.T
    images = np.stack([ymin, 1 - xmax, ymax, 1 - xmin], axis=-1)
    np.testing.assert_allclose(anchors.corners[anchors.mirrored], images, rtol=0, atol=1e-15)
    np.testing.assert_array_equal(anchors.mirrored[anchors.mirrored], np.arange(len(anchors)))


def test_mirrored_anchors_by_hand() -> None:
    """Two rows of three cells with two boxes each, then a map of one cell."""
    boxes = ((0.5, 0.25), (0.1, 0.2))
    anchors = Anchors((FeatureMap((2, 3), boxes), FeatureMap((1, 1), ((1.0, 1.0),))))
    assert anchors.mirrored.tolist() == [4, 5, 2, 3, 0, 1, 10, 11, 8, 9, 6, 7, 12]


def test_anchors_travel_to_other_processes() -> None:
    anchors = make_anchors(BASELINE_ANCHORS, 224)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(anchors)).corners, anchors.corners)
