"""Anchors: counts, order, sizes, fingerprints, and what a manifest says of them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import pickle

import msgspec
import numpy as np
import pytest

from pipeline.config.presets import BASELINE_ANCHORS, DETECTION_ANCHORS, IMPROVED_ANCHORS
from pipeline.errors import UserError
from pipeline.geometry.anchors import AnchorConfig, Anchors, Centers, FeatureMap, make_anchors
from pipeline.typed_json import from_dict, to_dict
from tests import reference

PRESETS = pytest.mark.parametrize("config", [BASELINE_ANCHORS, IMPROVED_ANCHORS], ids=["baseline", "improved"])


@pytest.mark.parametrize(
    ("config", "sizes", "boxes", "count", "fingerprint"),
    [
        (BASELINE_ANCHORS, [14, 7, 4, 2, 1], [3] * 5, 798, "fdfd5f201027e7e0"),
        (IMPROVED_ANCHORS, [28, 14, 7, 4, 2, 1], [4, 6, 6, 6, 4, 4], 4722, "14e9b10471aca037"),
    ],
    ids=["baseline", "improved"],
)
def test_presets_at_224_pixels(
    config: AnchorConfig, sizes: list[int], boxes: list[int], count: int, fingerprint: str
) -> None:
    anchors = make_anchors(config, (224, 224))
    assert [m.size for m in anchors.feature_maps] == [(n, n) for n in sizes]
    assert [len(m.boxes) for m in anchors.feature_maps] == boxes
    assert len(anchors) == len(anchors.centroids) == len(anchors.corners) == count
    assert anchors.fingerprint == fingerprint


@pytest.mark.parametrize(
    ("config", "canvas_size", "digest"),
    [
        (BASELINE_ANCHORS, 224, "707f9b8344b36e1e"),
        (IMPROVED_ANCHORS, 224, "5beb3d9e1c38f9c5"),
        (IMPROVED_ANCHORS, 100, "9e5de7406902efb0"),
        (DETECTION_ANCHORS, 320, "1ae8cbfd2fff6e7a"),
    ],
)
def test_the_bits_of_anchors_on_square_canvases(config: AnchorConfig, canvas_size: int, digest: str) -> None:
    """They decide the targets of record sets that exist."""
    centroids = make_anchors(config, (canvas_size, canvas_size)).centroids
    assert hashlib.sha256(centroids.tobytes()).hexdigest().startswith(digest)


@PRESETS
@pytest.mark.parametrize("canvas", [(224, 224), (112, 112), (100, 100), (288, 512), (200, 90)])
def test_anchors_are_the_references_in_order(config: AnchorConfig, canvas: tuple[int, int]) -> None:
    expected = reference.anchors(config, canvas)
    anchors = make_anchors(config, canvas)
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
        make_anchors(IMPROVED_ANCHORS, (224, 224)).feature_maps, IMPROVED_ANCHORS.scales, strict=True
    ):
        ratios = [1.0, 0.5, 2.0, 3.0, 1 / 3][: len(feature_map.boxes) - 1]
        for (h, w), ratio in zip(feature_map.boxes, ratios, strict=False):
            assert w / h == pytest.approx(ratio)
            assert w * h == pytest.approx(scale**2)


def test_the_extra_box_is_square_and_the_last_of_its_cell() -> None:
    maps = make_anchors(IMPROVED_ANCHORS, (224, 224)).feature_maps
    assert maps[0].boxes[-1] == pytest.approx((math.sqrt(0.15 * 0.3),) * 2)
    assert maps[-1].boxes[-1] == pytest.approx((math.sqrt(0.9 * 1.05),) * 2)


def test_scales_of_the_baseline_are_relative_to_the_cell() -> None:
    maps = make_anchors(BASELINE_ANCHORS, (224, 224)).feature_maps
    assert maps[0].boxes[0] == pytest.approx((0.9 / 14, 0.9 / 14))
    assert maps[4].boxes[2] == pytest.approx((0.5 / math.sqrt(2), 0.5 * math.sqrt(2)))


def test_a_wide_canvas_by_hand() -> None:
    """288 × 512 pixels, boxes of 144 and 72 pixels: half and a quarter of the shorter side."""
    config = AnchorConfig((64, 256), (0.5, 0.25), ((1.0,), (4.0,)), "image")
    first, second = make_anchors(config, (288, 512)).feature_maps
    assert first.size == (5, 8) and second.size == (2, 2)
    assert first.boxes == ((144 / 288, 144 / 512),)  # square in pixels
    assert second.boxes == ((36 / 288, 144 / 512),)  # four times as wide as high in pixels
    centroids = Anchors((first,)).centroids
    assert centroids[0].tolist() == [0.1, 1 / 16, 144 / 288, 144 / 512]
    assert centroids[8 + 7].tolist() == [0.3, 15 / 16, 144 / 288, 144 / 512]
    tall = make_anchors(config, (512, 288)).feature_maps[1]
    assert tall.boxes == ((36 / 512, 144 / 288),)


def test_a_scale_relative_to_a_cell_on_a_wide_canvas_is_of_its_shorter_side() -> None:
    """Stride 64 on 288 × 512: cells of 288 / 5 = 57.6 by 64 pixels."""
    config = AnchorConfig((64,), (0.5,), ((1.0,),), "cell")
    (feature_map,) = make_anchors(config, (288, 512)).feature_maps
    assert feature_map.boxes == (pytest.approx((28.8 / 288, 28.8 / 512)),)


SSD300 = AnchorConfig(
    strides=(8, 16, 32, 64, 100, 300),
    scales=(0.07, 0.15, 0.33, 0.51, 0.69, 0.87),
    aspect_ratios=((1.0, 2.0, 1 / 2), *((1.0, 2.0, 1 / 2, 3.0, 1 / 3),) * 3, *((1.0, 2.0, 1 / 2),) * 2),
    relative_to="image",
    scale_after_last=1.05,
    centers="stride",
)


def test_centres_may_lie_a_stride_apart() -> None:
    """As in SSD300, whose last cells of a map reach out of the canvas."""
    anchors = make_anchors(SSD300, (300, 300))
    assert [m.size[0] for m in anchors.feature_maps] == [38, 19, 10, 5, 3, 1] and len(anchors) == 8732
    assert anchors.feature_maps[0].centers == Centers((0.5, 0.5), (37.5, 37.5))
    rows = anchors.centroids[: anchors.map_starts[1], 0].reshape(38, -1)
    np.testing.assert_allclose(rows, ((np.arange(38) + 0.5) * 8 / 300)[:, None].repeat(38 * 4, axis=1), rtol=1e-15)


def test_anchors_that_are_not_symmetric_are_not_mirrored() -> None:
    anchors = make_anchors(SSD300, (300, 300))
    with pytest.raises(UserError, match="canvases cannot be mirrored: the centres of a map of 38 columns"):
        _ = anchors.mirrored
    even = make_anchors(dataclasses.replace(SSD300, strides=(10, 20, 30, 60, 100, 300)), (300, 300))
    np.testing.assert_array_equal(even.mirrored[even.mirrored], np.arange(len(even)))


def test_sides_may_be_clipped_and_corners_are_not() -> None:
    """SSDLite's 3,234 anchors at 320 pixels: 38 of them are longer than the canvas."""
    scales = tuple(0.2 + 0.75 * k / 5 for k in range(6))
    ratios = ((1.0, 2.0, 1 / 2, 3.0, 1 / 3),) * 6
    config = AnchorConfig((16, 32, 64, 128, 256, 512), scales, ratios, "image", 1.0)
    plain, clipped = (make_anchors(dataclasses.replace(config, clip_sides=clip), (320, 320)) for clip in (False, True))
    assert len(plain) == 3234
    np.testing.assert_array_equal(clipped.centroids[:, 2:], plain.centroids[:, 2:].clip(0, 1))
    assert (clipped.centroids != plain.centroids).any(axis=1).sum() == 38
    assert (clipped.corners < 0).any() and (clipped.corners > 1).any()


def test_map_sizes_round_up() -> None:
    assert [m.size[0] for m in make_anchors(IMPROVED_ANCHORS, (112, 112)).feature_maps] == [14, 7, 4, 2, 1, 1]


STORED = {"size": [1, 1], "boxes": [[1, 1]], "centers": {"offset": [0.5, 0.5], "cells": [1, 1]}}


def test_a_manifest_states_centres() -> None:
    anchors = Anchors((FeatureMap((2, 3), ((0.5, 0.25),)),))
    anchors.centroids, anchors.corners  # noqa: B018 - what is computed once is not stored
    stored = to_dict(anchors)
    assert stored == {
        "feature_maps": [
            {"size": [2, 3], "boxes": [[0.5, 0.25]], "centers": {"offset": [0.5, 0.5], "cells": [2.0, 3.0]}}
        ],
        "fingerprint": anchors.fingerprint,
    }
    assert msgspec.json.decode(msgspec.json.encode(anchors)) == stored


def test_a_manifest_rebuilds_exactly_these_anchors() -> None:
    anchors = make_anchors(IMPROVED_ANCHORS, (224, 224))
    again = from_dict(Anchors, json.loads(json.dumps(to_dict(anchors))), where="m")
    assert again == anchors and hash(again) == hash(anchors)
    np.testing.assert_array_equal(again.centroids, anchors.centroids)


def test_the_fingerprint_changes_with_size_box_and_order() -> None:
    anchors = make_anchors(BASELINE_ANCHORS, (224, 224))
    first, *rest = anchors.feature_maps
    (height, width), *others = first.boxes
    taller = ((math.nextafter(height, 1), width), *others)
    altered = [
        Anchors((FeatureMap((13, 14), first.boxes), *rest)),
        Anchors((FeatureMap(first.size, first.boxes[::-1]), *rest)),
        Anchors((FeatureMap(first.size, taller), *rest)),
        Anchors((*rest, first)),
        Anchors((FeatureMap(first.size, first.boxes, Centers((0.5, 0.0), first.centers.cells)), *rest)),
        Anchors((FeatureMap(first.size, first.boxes, Centers((0.5, 0.5), (14.0, 13.5))), *rest)),
        make_anchors(dataclasses.replace(BASELINE_ANCHORS, relative_to="image"), (224, 224)),
    ]
    assert len({a.fingerprint for a in [anchors, *altered]}) == 8


@pytest.mark.parametrize(
    "values",
    [
        None,
        [],
        {},
        {"feature_maps": []},
        {"feature_maps": [STORED | {"size": [1]}], "fingerprint": "0"},
        {"feature_maps": [STORED | {"boxes": [[1, 1, 1]]}], "fingerprint": "0"},
        {"feature_maps": [STORED | {"boxes": [["a", 1]]}], "fingerprint": "0"},
        {"feature_maps": [{"size": [1, 1], "boxes": [[1, 1]]}], "fingerprint": "0"},
        {"feature_maps": [STORED | {"centers": None}], "fingerprint": "0"},
        {"feature_maps": [STORED | {"centers": {"offset": [0.5, 2], "cells": [1, 1]}}], "fingerprint": "0"},
        {"feature_maps": [STORED | {"centers": {"offset": [0.5, 0.5], "cells": [1, 1e-9]}}], "fingerprint": "0"},
        {"feature_maps": [STORED], "fingerprint": "0"},
    ],
)
def test_a_manifests_broken_anchors_are_one_line_that_names_it(values: object) -> None:
    with pytest.raises(UserError, match=r"^DIR/manifest.json: anchors: [^\n]+$"):
        from_dict(Anchors, values, where="DIR/manifest.json: anchors")


@PRESETS
@pytest.mark.parametrize("canvas_size", [224, 112, 100])
def test_a_mirrored_anchor_is_the_mirror_image_of_its_box(config: AnchorConfig, canvas_size: int) -> None:
    anchors = make_anchors(config, (canvas_size, canvas_size))
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
    anchors = make_anchors(BASELINE_ANCHORS, (224, 224))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(anchors)).corners, anchors.corners)
