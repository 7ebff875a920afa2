"""Label smoothing of 0.1 instead of none.

make ablations ONLY=label_smoothing DATA_DIR=...

Score: AP 0.3785, -0.0007 against `reference`.
"""

from dataclasses import replace

from configs.ablations.reference import CONFIG as REFERENCE

CONFIG = replace(
    REFERENCE,
    name="ablations.label_smoothing",
    loss=replace(REFERENCE.loss, label_smoothing=0.1),
)
