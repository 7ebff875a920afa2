"""The notebook's squared error of the offsets, in place of Huber."""

from dataclasses import replace

from configs.changes.reference import CONFIG as REFERENCE

CONFIG = replace(
    REFERENCE,
    name="changes.squared_offsets",
    loss=replace(REFERENCE.loss, offsets="squared"),
)
