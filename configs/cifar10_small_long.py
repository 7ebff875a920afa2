"""`cifar10_small` for longer: ten views of each image, 15,000 steps of 32.

make records CONFIG=cifar10_small_long
make train CONFIG=cifar10_small_long
make evaluate RUN=runs/cifar10_small_long RECORDS=records/cifar10_small_long

Hardware and time: 2 cores of an Intel Xeon with AVX-512, no GPU: 80 minutes to two hours, alongside other work.
Score: AP 0.778, AP50 0.793 on all 10,000 test images, after 12 of its 15 epochs; with ANCHORS=auto and BOX_LOSS=giou
AP 0.797, AP50 0.800 after all (CIFAR-10, JPEG copy, 2026-11-27 and 26).
"""

from dataclasses import replace

from configs.cifar10_small import CONFIG as SMALL

CONFIG = replace(
    SMALL,
    name="cifar10_small_long",
    records=replace(SMALL.records, copies=1, views=10),
    training=replace(SMALL.training, epoch_steps=1000, epochs=15),
)
