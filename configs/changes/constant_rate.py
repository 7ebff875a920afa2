"""The notebook's learning rate, 0.001 through its first epoch, in place of warm-up and cosine."""

from dataclasses import replace

from configs.changes.reference import CONFIG as REFERENCE
from pipeline import presets

CONFIG = replace(
    REFERENCE,
    name="changes.constant_rate",
    training=replace(REFERENCE.training, schedule=presets.BASELINE_TRAINING.schedule),
)
