"""CIFAR-10 on 224-pixel canvases, 64-pixel objects: `baseline`, the notebook's detector as it is.

make records CONFIG=cifar10_baseline
make train CONFIG=cifar10_baseline
"""

from pipeline.config import CanvasConfig, RecordsConfig, ShardCounts
from pipeline.presets import (
    BASELINE_ANCHORS,
    BASELINE_DECODE,
    BASELINE_LOSS,
    BASELINE_MATCHING,
    BASELINE_MODEL,
    BASELINE_TRAINING,
)
from pipeline.recipe import Config

CONFIG = Config(
    name="cifar10_baseline",
    records=RecordsConfig(
        source="cifar10",
        anchors=BASELINE_ANCHORS,
        matching=BASELINE_MATCHING,
        canvas=CanvasConfig(size=224, object_size=(64, 64)),
        shards=ShardCounts(train=64, val=8, test=16),
    ),
    model=BASELINE_MODEL,
    loss=BASELINE_LOSS,
    decode=BASELINE_DECODE,
    training=BASELINE_TRAINING,
)
