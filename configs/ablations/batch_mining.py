"""Hard negatives mined over the batch, as in the notebook, in place of each picture."""

from dataclasses import replace

from configs.ablations.reference import CONFIG as REFERENCE

CONFIG = replace(
    REFERENCE,
    name="ablations.batch_mining",
    loss=replace(REFERENCE.loss, mining="batch"),
)
