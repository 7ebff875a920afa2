"""`baseline`'s anchors: five maps, three boxes in each cell, scales relative to the cell; positive from IoU 0.3.

make ablations ONLY=baseline_anchors DATA_DIR=...

Score: AP 0.2208, -0.1584 against `reference`.
"""

from dataclasses import replace

from configs.ablations.reference import CONFIG as REFERENCE
from pipeline.config import presets

CONFIG = replace(
    REFERENCE,
    name="ablations.baseline_anchors",
    records=replace(REFERENCE.records, anchors=presets.BASELINE_ANCHORS, matching=presets.BASELINE_MATCHING),
)
