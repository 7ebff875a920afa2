"""Pictures as they are, none flipped left to right."""

from dataclasses import replace

from configs.changes.reference import CONFIG as REFERENCE

CONFIG = replace(
    REFERENCE,
    name="changes.no_flip",
    records=replace(REFERENCE.records, canvas=replace(REFERENCE.records.canvas, flip=False)),
)
