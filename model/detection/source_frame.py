"""The source's image behind a canvas: detections are evaluated in the image's own pixels."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.records.ground_truth import GroundTruth
from pipeline.views.view import View


@dataclass(frozen=True)
class SourceFrame:
    """A source's image with its objects, and how it lies on the canvas."""

    view: View  # shows the whole image, in the source's own pixels
    truth: GroundTruth
    image_id: int | str | None = None  # the source's id of the image, if it has one
