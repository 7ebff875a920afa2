"""Eight black squares of 16 pixels at random places on each canvas; on average they hide an eighth of an object.

make ablations ONLY=cutout DATA_DIR=...

Score: AP 0.3552, -0.0240 against `reference`.
"""

from dataclasses import replace

from configs.ablations.reference import CONFIG as REFERENCE
from pipeline.config.run_config import AugmentConfig

CONFIG = replace(
    REFERENCE,
    name="ablations.cutout",
    augment=AugmentConfig(cutouts=8, cutout_side=1 / 7),
)
