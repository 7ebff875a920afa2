"""CIFAR-10 on 112-pixel canvases, 32-pixel objects: `improved`, 96,000 pictures seen (3,000 steps of 32).

make records CONFIG=cifar10_small
make train CONFIG=cifar10_small
"""

from dataclasses import replace

from pipeline.config import presets
from pipeline.config.records_config import CanvasConfig, RecordsConfig, ShardCounts
from pipeline.config.run_config import Config, ScheduleConfig

CONFIG = Config(
    name="cifar10_small",
    records=RecordsConfig(
        source="cifar10",
        anchors=presets.IMPROVED_ANCHORS,
        matching=presets.IMPROVED_MATCHING,
        canvas=CanvasConfig(size=112, object_size=(32, 32), flip=True),
        shards=ShardCounts(train=32, val=4, test=8),
        copies=2,
    ),
    model=presets.IMPROVED_MODEL,
    # Offsets have no variances: SSD's 0.1 and 0.2 amount to weights of 10 and 5.
    loss=replace(presets.IMPROVED_LOSS, offsets_weight=5.0),
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
