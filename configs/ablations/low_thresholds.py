"""Positive from IoU 0.4 and ignored from 0.3 instead of 0.5 and 0.4: more anchors match each object.

make ablations ONLY=low_thresholds DATA_DIR=...

Score: AP 0.3724, -0.0069 against `reference`.
"""

from dataclasses import replace

from configs.ablations.reference import CONFIG as REFERENCE
from pipeline.geometry.matching import MatchingConfig

CONFIG = replace(
    REFERENCE,
    name="ablations.low_thresholds",
    records=replace(REFERENCE.records, matching=MatchingConfig(positive_iou=0.4, ignore_iou=0.3)),
)
