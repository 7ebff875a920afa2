"""The source's picture behind a canvas: detections are evaluated in the picture's own pixels."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.records.ground_truth import GroundTruth
from pipeline.views.view import View


@dataclass(frozen=True)
class SourceFrame:
    """A source's picture with its objects, and how it lies on the canvas."""

    view: View  # shows the whole picture, in the source's own pixels
    truth: GroundTruth
    image_id: int | str | None = None  # the source's id of the picture, if it has one
