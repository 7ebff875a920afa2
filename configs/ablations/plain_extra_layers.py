"""No batch norm in the layers after MobileNetV2, as in `baseline`.

make ablations ONLY=plain_extra_layers DATA_DIR=...

Score: AP 0.3848, +0.0055 against `reference`.
"""

from dataclasses import replace

from configs.ablations.reference import CONFIG as REFERENCE

CONFIG = replace(
    REFERENCE,
    name="ablations.plain_extra_layers",
    model=replace(REFERENCE.model, batch_norm_in_extra_layers=False),
)
