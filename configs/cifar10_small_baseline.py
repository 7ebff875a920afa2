"""`baseline` on CIFAR-10 at half size, to compare with `cifar10_small`: the same canvases, batch and number of steps.

make records CONFIG=cifar10_small_baseline
make train CONFIG=cifar10_small_baseline
make evaluate RUN=runs/cifar10_small_baseline RECORDS=records/cifar10_small_baseline LIMIT=1000

Hardware and time: 2 cores of an Intel Xeon with AVX-512, no GPU: 22 minutes, on a machine that was busy with other
work.
Score: AP 0.0002, AP50 0.0011 on the first 1,000 test images (CIFAR-10, JPEG copy, 2026-11-27).
"""

from dataclasses import replace

from pipeline.compositions.collage import Collage
from pipeline.config import presets
from pipeline.config.records_config import RecordsConfig, ShardCounts
from pipeline.config.run_config import Config

CONFIG = Config(
    name="cifar10_small_baseline",
    records=RecordsConfig(
        source="cifar10",
        anchors=presets.BASELINE_ANCHORS,
        matching=presets.BASELINE_MATCHING,
        composition=Collage(canvas=(112, 112), object_size=(32, 32)),
        shards=ShardCounts(train=32, val=4, test=8),
        copies=2,
    ),
    model=presets.BASELINE_MODEL,
    loss=presets.BASELINE_LOSS,
    decode=presets.BASELINE_DECODE,
    training=replace(presets.BASELINE_TRAINING, epoch_steps=500, epochs=6, evaluate_examples=1000),
)
