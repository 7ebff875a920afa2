"""The notebook's anchors: five maps, three boxes a cell, scales by cell; positive from IoU 0.3."""

from dataclasses import replace

from configs.changes.reference import CONFIG as REFERENCE
from pipeline import presets

CONFIG = replace(
    REFERENCE,
    name="changes.baseline_anchors",
    records=replace(REFERENCE.records, anchors=presets.BASELINE_ANCHORS, matching=presets.BASELINE_MATCHING),
)
