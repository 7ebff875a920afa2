"""Whole canvases flipped left to right at random as they are read, beside the pictures flipped in the records."""

from dataclasses import replace

from configs.ablations.reference import CONFIG as REFERENCE
from pipeline.config.run_config import AugmentConfig

CONFIG = replace(
    REFERENCE,
    name="ablations.canvas_flip",
    augment=AugmentConfig(flip=True),
)
