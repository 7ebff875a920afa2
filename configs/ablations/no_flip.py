"""Pictures as they are, none flipped left to right."""

from dataclasses import replace

from configs.ablations.reference import CONFIG as REFERENCE

CONFIG = replace(
    REFERENCE,
    name="ablations.no_flip",
    records=replace(REFERENCE.records, canvas=replace(REFERENCE.records.canvas, flip=False)),
)
