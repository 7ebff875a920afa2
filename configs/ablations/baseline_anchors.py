"""The notebook's anchors: five maps, three boxes a cell, scales by cell; positive from IoU 0.3."""

from dataclasses import replace

from configs.ablations.reference import CONFIG as REFERENCE
from pipeline.config import presets

CONFIG = replace(
    REFERENCE,
    name="ablations.baseline_anchors",
    records=replace(REFERENCE.records, anchors=presets.BASELINE_ANCHORS, matching=presets.BASELINE_MATCHING),
)
