"""Pictures as they are, none mirrored.

make ablations ONLY=no_flip DATA_DIR=...
"""

from dataclasses import replace

from configs.ablations.reference import CONFIG as REFERENCE

CONFIG = replace(
    REFERENCE,
    name="ablations.no_flip",
    records=replace(REFERENCE.records, canvas=replace(REFERENCE.records.canvas, flip=False)),
)
