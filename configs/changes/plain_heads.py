"""Heads without bias and with Keras's own first kernels, as in the notebook."""

from dataclasses import replace

from configs.changes.reference import CONFIG as REFERENCE

CONFIG = replace(
    REFERENCE,
    name="changes.plain_heads",
    model=replace(REFERENCE.model, head_bias=False),
)
