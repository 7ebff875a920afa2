"""Heads without bias and with Keras's own first kernels, as in the notebook."""

from dataclasses import replace

from configs.ablations.reference import CONFIG as REFERENCE

CONFIG = replace(
    REFERENCE,
    name="ablations.plain_heads",
    model=replace(REFERENCE.model, head_bias=False),
)
