"""No batch norm in the layers after MobileNetV2, as in the notebook."""

from dataclasses import replace

from configs.ablations.reference import CONFIG as REFERENCE

CONFIG = replace(
    REFERENCE,
    name="ablations.plain_extra_layers",
    model=replace(REFERENCE.model, batch_norm_in_extra_layers=False),
)
