"""Contrast, saturation and each channel's gain changed at random, by up to 0.3 each, as pictures are read."""

from dataclasses import replace

from configs.ablations.reference import CONFIG as REFERENCE
from pipeline.config.run_config import AugmentConfig

CONFIG = replace(
    REFERENCE,
    name="ablations.colour",
    augment=AugmentConfig(colour=0.3),
)
