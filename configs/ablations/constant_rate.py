"""The notebook's learning rate, 0.001 through its first epoch, in place of warm-up and cosine."""

from dataclasses import replace

from configs.ablations.reference import CONFIG as REFERENCE
from pipeline.config import presets

CONFIG = replace(
    REFERENCE,
    name="ablations.constant_rate",
    training=replace(REFERENCE.training, schedule=presets.BASELINE_TRAINING.schedule),
)
