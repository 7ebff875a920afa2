"""Contrast, saturation and each channel's gain changed at random, by up to 0.3 each, as pictures are read."""

from dataclasses import replace

from configs.changes.reference import CONFIG as REFERENCE
from pipeline.recipe import AugmentConfig

CONFIG = replace(
    REFERENCE,
    name="changes.colour",
    augment=AugmentConfig(colour=0.3),
)
