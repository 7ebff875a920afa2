"""The shape of the tiny detector's network; apart from the rest of it, because this starts TensorFlow."""

from __future__ import annotations

from model.network.ssd import NetworkShape
from tests.model import tiny
from tests.record_sets import TINY

SHAPE = NetworkShape(TINY.canvas, TINY.anchors.strides, tiny.ANCHORS, tiny.CLASS_COUNT)
