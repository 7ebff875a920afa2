"""CIFAR-10 on 224-pixel canvases, 64-pixel objects: `improved`.

make records CONFIG=cifar10_improved
make train CONFIG=cifar10_improved STRATEGY=mirrored
"""

from pipeline.config import CanvasConfig, RecordsConfig, ShardCounts
from pipeline.presets import (
    IMPROVED_ANCHORS,
    IMPROVED_DECODE,
    IMPROVED_LOSS,
    IMPROVED_MATCHING,
    IMPROVED_MODEL,
    IMPROVED_TRAINING,
)
from pipeline.recipe import Config

CONFIG = Config(
    name="cifar10_improved",
    records=RecordsConfig(
        source="cifar10",
        anchors=IMPROVED_ANCHORS,
        matching=IMPROVED_MATCHING,
        canvas=CanvasConfig(size=224, object_size=(64, 64), flip=True),
        shards=ShardCounts(train=64, val=8, test=16),
    ),
    model=IMPROVED_MODEL,
    loss=IMPROVED_LOSS,
    decode=IMPROVED_DECODE,
    training=IMPROVED_TRAINING,
)
