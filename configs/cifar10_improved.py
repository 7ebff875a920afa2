"""CIFAR-10 on 224-pixel canvases, 64-pixel objects: `improved`.

make records CONFIG=cifar10_improved
make train CONFIG=cifar10_improved STRATEGY=mirrored
"""

from pipeline.config import presets
from pipeline.config.records_config import CanvasConfig, RecordsConfig, ShardCounts
from pipeline.config.run_config import Config

CONFIG = Config(
    name="cifar10_improved",
    records=RecordsConfig(
        source="cifar10",
        anchors=presets.IMPROVED_ANCHORS,
        matching=presets.IMPROVED_MATCHING,
        canvas=CanvasConfig(size=224, object_size=(64, 64), flip=True),
        shards=ShardCounts(train=64, val=8, test=16),
    ),
    model=presets.IMPROVED_MODEL,
    loss=presets.IMPROVED_LOSS,
    decode=presets.IMPROVED_DECODE,
    training=presets.IMPROVED_TRAINING,
)
