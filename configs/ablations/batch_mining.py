"""Hard negatives mined over the batch, as in `baseline`, instead of in each image.

make ablations ONLY=batch_mining DATA_DIR=...

Score: AP 0.3888, +0.0096 against `reference`.
"""

from dataclasses import replace

from configs.ablations.reference import CONFIG as REFERENCE

CONFIG = replace(
    REFERENCE,
    name="ablations.batch_mining",
    loss=replace(REFERENCE.loss, mining="batch"),
)
