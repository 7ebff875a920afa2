"""Eight black squares of 16 pixels at random on each canvas: an eighth of an object is hidden, on average."""

from dataclasses import replace

from configs.ablations.reference import CONFIG as REFERENCE
from pipeline.config.run_config import AugmentConfig

CONFIG = replace(
    REFERENCE,
    name="ablations.cutout",
    augment=AugmentConfig(cutouts=8, cutout_side=1 / 7),
)
