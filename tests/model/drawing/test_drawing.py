"""Whatever names and keys hold is drawn to the letter, and what cannot be drawn is one line."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from model.detection.coco import DetectedImage
from model.drawing import curves
from model.drawing.curves import draw_ap_curves, draw_loss_curves
from model.drawing.image_grid import ImageGrid, draw_detections, draw_views
from model.training.run_log import EpochRow
from pipeline.errors import UserError
from tests.model import tiny
from tests.record_sets import TINY, make_records

pytestmark = pytest.mark.any_stack

NAMES = ("US$1_$5", r"_\frac{1}{$", "a\nb\x1b[31m", "$", "", "\ud800\x00", "고양이", r"\$x^", "{" * 50)
ROW = EpochRow(1, 3, 1e-3, 2.0, 1.5, 0.5, 0.1, 0.2, None, None, 1.0, 96.0, 0.0)


def image(key: str, label: int) -> DetectedImage:
    box = np.array([[0.25, 0.25, 0.75, 0.75]], np.float32)
    return DetectedImage(
        key=key,
        image=np.zeros((64, 64, 3), np.uint8),
        boxes=box,
        labels=np.array([label], np.int64),
        detected_boxes=box,
        detected_classes=np.array([label], np.int32),
        scores=np.array([0.9], np.float32),
    )


def drawn(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


@pytest.mark.filterwarnings("error")
def test_any_name_and_key_can_be_drawn() -> None:
    drawn(draw_detections([image(name, k) for k, name in enumerate(NAMES)], NAMES))
    records = make_records(TINY, "train", 3)
    for record in records:
        object.__setattr__(record, "key", NAMES[0])
    drawn(draw_views([(record, 0) for record in records], tiny.ANCHORS, NAMES, canvas=(64, 64)))
    drawn(draw_ap_curves({name: (4, [replace(ROW, raw_AP=0.05)]) for name in NAMES}))
    drawn(draw_loss_curves([ROW]))


def test_a_long_title_loses_its_middle_and_stays_above_its_image() -> None:
    grid = ImageGrid(2)
    for key in ("test/street-market_png.rf.84ba83816e3543779f5878584ae3018ab0c1d2e3.jpg/0: 12 anchors", "test/a.jpg/0"):
        grid.add(np.zeros((64, 64, 3), np.uint8), key)
    grid.png()
    long, short = (axis.title for axis in grid._axes)
    assert long.get_text() == "test/street-market_png.…1d2e3.jpg/0: 12 anchors" and short.get_text() == "test/a.jpg/0"
    assert long.get_window_extent().x1 < grid._axes[1].get_window_extent().x0


def test_a_long_name_is_cut_short() -> None:
    long = "x" * 10_000_000  # matplotlib would work on it for an hour
    one = drawn(draw_detections([image(long, 0)], [long]))
    np.testing.assert_array_equal(one, drawn(draw_detections([image(long + "y", 0)], [long + "y"])))
    drawn(draw_ap_curves({long: (4, [ROW])}))


def test_text_is_drawn_to_the_letter() -> None:
    texts = ("$x$", "_x_", r"x\n")
    images = [drawn(draw_ap_curves({text: (4, [ROW])})) for text in (*texts, *texts)]
    for k in range(3):
        np.testing.assert_array_equal(images[k], images[k + 3])
        assert not np.array_equal(images[k], drawn(draw_ap_curves({"x": (4, [ROW])})))


def test_what_cannot_be_drawn_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: Any) -> None:
        raise RuntimeError("no\nfont")

    monkeypatch.setattr(curves, "new_figure", fail)
    with pytest.raises(UserError, match=r"^images cannot be drawn \(RuntimeError: no font\)$"):
        draw_loss_curves([ROW])
