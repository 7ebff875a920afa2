"""Small records with everything in them that a record can hold, and with next to nothing."""

from __future__ import annotations

import dataclasses

import numpy as np

from pipeline.geometry.targets import Targets
from pipeline.records.ground_truth import GroundTruth
from pipeline.records.packed_view import RecordView
from pipeline.records.record import Record
from pipeline.views.placement import Rectangle
from pipeline.views.view import View

FIRST = RecordView(
    view=View(Rectangle(0, 0, 2, 3), Rectangle(3, 5, 2, 3), mirrored=False),
    boxes=np.array([[0.125, 0.25, 0.5, 0.75], [0.5, 0.5, 0.875, 1.0]], np.float32),
    labels=np.array([3, 200]),
    targets=Targets(
        anchors=np.array([0, 5, 300_000]),
        classes=np.array([3, 3, 200]),
        offsets=(np.arange(12) / 8).astype(np.float32).reshape(3, 4),
        ignored=np.array([1, 2]),
        objects=np.array([-1, -1, -1]),
    ),
)
NONE = np.zeros(0, np.int64)
SECOND = RecordView(
    view=View(Rectangle(1, 0, 1, 2), Rectangle(0, 0, 24, 48), mirrored=True),
    boxes=np.zeros((0, 4), np.float32),
    labels=NONE,
    targets=Targets(NONE, NONE, np.zeros((0, 4), np.float32), NONE, NONE),
)
TRUTH = GroundTruth(
    corners=np.array([[2.5, 5, 10, 15], [10.0, 10, 17.5, 30], [-0.5, 0, 20, 30]]),
    labels=np.array([3, 200, 3]),
    crowd=np.array([False, False, True]),
    difficult=np.array([False, True, False]),
    area=np.array([75.0, 150.0, 0.25]),
)
SMALL = Record(
    key="train/00001/0",
    source_id="00001",
    height=2,
    width=3,
    encoded=bytes(range(2 * 3 * 3)),
    format="raw",
    views=(FIRST, SECOND),
    source_size=(20, 30),
    truth=TRUTH,
    image_id="397133",
)
NOTHING = dataclasses.replace(SMALL, views=(SECOND,), source_size=None, truth=None, image_id=None)
