"""The finest map has boxes of the objects' own size, 32 of 112 pixels; the next map's are a little larger.

make ablations ONLY=scales_of_objects DATA_DIR=...

Score: AP 0.3949, +0.0156 against `reference`.
"""

from dataclasses import replace

from configs.ablations.reference import CONFIG as REFERENCE
from pipeline.config import presets

CONFIG = replace(
    REFERENCE,
    name="ablations.scales_of_objects",
    records=replace(
        REFERENCE.records,
        anchors=replace(presets.IMPROVED_ANCHORS, scales=(32 / 112, 0.4, 0.5, 0.6, 0.75, 0.9)),
    ),
)
