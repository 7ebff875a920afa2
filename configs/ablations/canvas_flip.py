"""Whole canvases mirrored at random while training reads them, besides the images mirrored in the records.

make ablations ONLY=canvas_flip DATA_DIR=...

Score: AP 0.3805, +0.0012 against `reference`.
"""

from dataclasses import replace

from configs.ablations.reference import CONFIG as REFERENCE
from pipeline.config.run_config import AugmentConfig

CONFIG = replace(
    REFERENCE,
    name="ablations.canvas_flip",
    augment=AugmentConfig(flip=True),
)
