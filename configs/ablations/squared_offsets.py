"""The squared error of the offsets, as in `baseline`, instead of Huber.

make ablations ONLY=squared_offsets DATA_DIR=...

Score: AP 0.3488, -0.0305 against `reference`.
"""

from dataclasses import replace

from configs.ablations.reference import CONFIG as REFERENCE

CONFIG = replace(
    REFERENCE,
    name="ablations.squared_offsets",
    loss=replace(REFERENCE.loss, offsets="squared"),
)
