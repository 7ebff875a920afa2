"""Images as they are, none mirrored.

make ablations ONLY=no_flip DATA_DIR=...

Score: AP 0.3740, -0.0078 against `reference` on the same, newer canvases (docs/report.md).
"""

from dataclasses import replace

from msgspec import structs

from configs.ablations.reference import CONFIG as REFERENCE

CONFIG = replace(
    REFERENCE,
    name="ablations.no_flip",
    records=replace(REFERENCE.records, composition=structs.replace(REFERENCE.records.composition, flip=False)),
)
