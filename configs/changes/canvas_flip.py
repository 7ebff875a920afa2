"""Whole canvases flipped left to right at random as they are read, beside the pictures flipped in the records."""

from dataclasses import replace

from configs.changes.reference import CONFIG as REFERENCE
from pipeline.recipe import AugmentConfig

CONFIG = replace(
    REFERENCE,
    name="changes.canvas_flip",
    augment=AugmentConfig(flip=True),
)
