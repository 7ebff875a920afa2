"""`baseline`'s learning rate, 0.001 throughout the first epoch, instead of warm-up and cosine.

make ablations ONLY=constant_rate DATA_DIR=...

Score: AP 0.4135, +0.0342 against `reference`.
"""

from dataclasses import replace

from configs.ablations.reference import CONFIG as REFERENCE
from pipeline.config import presets

CONFIG = replace(
    REFERENCE,
    name="ablations.constant_rate",
    training=replace(REFERENCE.training, schedule=presets.BASELINE_TRAINING.schedule),
)
