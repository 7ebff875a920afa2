"""Offsets that weigh 1 in the loss, as in the notebook, in place of 5."""

from dataclasses import replace

from configs.ablations.reference import CONFIG as REFERENCE

CONFIG = replace(
    REFERENCE,
    name="ablations.light_offsets",
    loss=replace(REFERENCE.loss, offsets_weight=1.0),
)
