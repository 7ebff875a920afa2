"""Positive from IoU 0.4 and neutral from 0.3, in place of 0.5 and 0.4: more anchors an object."""

from dataclasses import replace

from configs.changes.reference import CONFIG as REFERENCE
from pipeline.config import MatchingConfig

CONFIG = replace(
    REFERENCE,
    name="changes.low_thresholds",
    records=replace(REFERENCE.records, matching=MatchingConfig(positive_iou=0.4, neutral_iou=0.3)),
)
