"""`cifar10_small` with ten copies of each picture, 480,000 pictures seen (15,000 steps of 32): hours on a CPU.

make records CONFIG=cifar10_small_long
make train CONFIG=cifar10_small_long
"""

from dataclasses import replace

from configs.cifar10_small import CONFIG as SMALL

CONFIG = replace(
    SMALL,
    name="cifar10_small_long",
    records=replace(SMALL.records, copies=10),
    training=replace(SMALL.training, epochs=30),
)
