"""Eight black squares of 16 pixels at random on each canvas: an eighth of an object is hidden, on average."""

from dataclasses import replace

from configs.changes.reference import CONFIG as REFERENCE
from pipeline.recipe import AugmentConfig

CONFIG = replace(
    REFERENCE,
    name="changes.cutout",
    augment=AugmentConfig(cutouts=8, cutout_side=1 / 7),
)
