"""CIFAR-10 on 112-pixel canvases, 32-pixel objects: `baseline`, 96,000 pictures seen (3,000 steps of 32).

make records CONFIG=cifar10_small_baseline
make train CONFIG=cifar10_small_baseline
"""

from dataclasses import replace

from pipeline.config import presets
from pipeline.config.records_config import CanvasConfig, RecordsConfig, ShardCounts
from pipeline.config.run_config import Config

CONFIG = Config(
    name="cifar10_small_baseline",
    records=RecordsConfig(
        source="cifar10",
        anchors=presets.BASELINE_ANCHORS,
        matching=presets.BASELINE_MATCHING,
        canvas=CanvasConfig(size=112, object_size=(32, 32)),
        shards=ShardCounts(train=32, val=4, test=8),
        copies=2,
    ),
    model=presets.BASELINE_MODEL,
    loss=presets.BASELINE_LOSS,
    decode=presets.BASELINE_DECODE,
    training=replace(presets.BASELINE_TRAINING, epoch_steps=500, epochs=6, evaluate_examples=1000),
)
