"""`improved` on CIFAR-10 at half size, for a CPU: 112-pixel canvases, one 32-pixel object on each, 3,000 steps of 32.

make records CONFIG=cifar10_small
make train CONFIG=cifar10_small
make evaluate RUN=runs/cifar10_small RECORDS=records/cifar10_small LIMIT=1000

Hardware and time: 2 cores of an Intel Xeon with AVX-512, no GPU: 22 to 40 minutes, on a machine that was busy with
other work.
Score: AP 0.585, AP50 0.612 on the first 1,000 test images; starting from ImageNet's weights (INIT), AP 0.773, AP50
0.808 on all 10,000 (CIFAR-10, JPEG copy, 2026-11-27).
"""

from dataclasses import replace

from pipeline.compositions.collage import Collage
from pipeline.config import presets
from pipeline.config.records_config import RecordsConfig, ShardCounts
from pipeline.config.run_config import Config, ScheduleConfig

CONFIG = Config(
    name="cifar10_small",
    records=RecordsConfig(
        source="cifar10",
        anchors=presets.IMPROVED_ANCHORS,
        matching=presets.IMPROVED_MATCHING,
        composition=Collage(canvas=(112, 112), object_size=(32, 32), flip=True),
        shards=ShardCounts(train=32, val=4, test=8),
        copies=2,
    ),
    model=presets.IMPROVED_MODEL,
    # Huber's gradient vanishes for boxes that are a pixel off, GIoU's for those many times too large (docs/report.md).
    loss=replace(presets.IMPROVED_LOSS, offsets="giou+huber", offsets_weight=2.0),
    decode=presets.IMPROVED_DECODE,
    training=replace(
        presets.IMPROVED_TRAINING,
        schedule=ScheduleConfig(kind="cosine", base=2e-3, warmup_steps=300),
        epoch_steps=500,
        epochs=6,
        evaluate_examples=1000,
        average_decay=0.998,
    ),
)
