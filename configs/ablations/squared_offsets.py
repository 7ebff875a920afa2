"""The notebook's squared error of the offsets, in place of Huber."""

from dataclasses import replace

from configs.ablations.reference import CONFIG as REFERENCE

CONFIG = replace(
    REFERENCE,
    name="ablations.squared_offsets",
    loss=replace(REFERENCE.loss, offsets="squared"),
)
