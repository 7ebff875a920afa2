"""Contrast, saturation and channel gains changed at random by up to 0.3 while training reads the records.

make ablations ONLY=colour DATA_DIR=...

Score: AP 0.3545, -0.0247 against `reference`.
"""

from dataclasses import replace

from configs.ablations.reference import CONFIG as REFERENCE
from pipeline.config.run_config import AugmentConfig

CONFIG = replace(
    REFERENCE,
    name="ablations.colour",
    augment=AugmentConfig(colour=0.3),
)
