"""Pictures as they are, none mirrored.

make ablations ONLY=no_flip DATA_DIR=...
"""

from dataclasses import replace

from configs.ablations.reference import CONFIG as REFERENCE

_collage = REFERENCE.records.collage
assert _collage is not None

CONFIG = replace(
    REFERENCE,
    name="ablations.no_flip",
    records=replace(REFERENCE.records, collage=replace(_collage, flip=False)),
)
