"""`cifar10_small` in 1,000 steps of 32, evaluated on all of val at the end: what the others are compared with.

make ablations ONLY=reference DATA_DIR=...

Score: AP 0.3792.
"""

from dataclasses import replace

from configs.cifar10_small import CONFIG as SMALL

CONFIG = replace(
    SMALL,
    name="ablations.reference",
    loss=replace(SMALL.loss, offsets="huber", offsets_weight=5.0),  # as when all of these were measured
    training=replace(SMALL.training, epochs=1, epoch_steps=1000, evaluate_examples=None),
)
