"""The offsets' error weighs 1 in the loss, as in `baseline`, instead of 5.

make ablations ONLY=light_offsets DATA_DIR=...

Score: AP 0.4031, +0.0239 against `reference`.
"""

from dataclasses import replace

from configs.ablations.reference import CONFIG as REFERENCE

CONFIG = replace(
    REFERENCE,
    name="ablations.light_offsets",
    loss=replace(REFERENCE.loss, offsets_weight=1.0),
)
