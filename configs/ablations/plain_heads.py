"""Heads without bias and with Keras's default kernel initializer, as in `baseline`.

make ablations ONLY=plain_heads DATA_DIR=...

Score: AP 0.1030, -0.2762 against `reference`.
"""

from dataclasses import replace

from configs.ablations.reference import CONFIG as REFERENCE

CONFIG = replace(
    REFERENCE,
    name="ablations.plain_heads",
    model=replace(REFERENCE.model, head_bias=False),
)
