"""`improved` on CIFAR-10: 224-pixel canvases, one 64-pixel object on each, batch 32, 50 epochs.

make records CONFIG=cifar10_improved
make train CONFIG=cifar10_improved STRATEGY=mirrored

Hardware: one or more GPUs; 50 epochs are about 70,000 steps. Training is not measured.
The records of all 60,000 images (797 MB) took 25 seconds on 2 cores of an AMD EPYC (2026-11-22).
"""

from pipeline.compositions.collage import Collage
from pipeline.config import presets
from pipeline.config.records_config import RecordsConfig, ShardCounts
from pipeline.config.run_config import Config

CONFIG = Config(
    name="cifar10_improved",
    records=RecordsConfig(
        source="cifar10",
        anchors=presets.IMPROVED_ANCHORS,
        matching=presets.IMPROVED_MATCHING,
        composition=Collage(canvas=(224, 224), object_size=(64, 64), flip=True),
        shards=ShardCounts(train=64, val=8, test=16),
    ),
    model=presets.IMPROVED_MODEL,
    loss=presets.IMPROVED_LOSS,
    decode=presets.IMPROVED_DECODE,
    training=presets.IMPROVED_TRAINING,
)
