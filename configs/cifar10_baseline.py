"""`baseline` on CIFAR-10: the exercise that docs/baseline.md describes, at its own size.

224-pixel canvases, one 64-pixel object on each, batch 32, 50 epochs.

make records CONFIG=cifar10_baseline
make train CONFIG=cifar10_baseline

Hardware: a GPU; 50 epochs are about 70,000 steps. Not measured.
"""

from pipeline.compositions.collage import Collage
from pipeline.config import presets
from pipeline.config.records_config import RecordsConfig, ShardCounts
from pipeline.config.run_config import Config

CONFIG = Config(
    name="cifar10_baseline",
    records=RecordsConfig(
        source="cifar10",
        anchors=presets.BASELINE_ANCHORS,
        matching=presets.BASELINE_MATCHING,
        composition=Collage(canvas=(224, 224), object_size=(64, 64)),
        shards=ShardCounts(train=64, val=8, test=16),
    ),
    model=presets.BASELINE_MODEL,
    loss=presets.BASELINE_LOSS,
    decode=presets.BASELINE_DECODE,
    training=presets.BASELINE_TRAINING,
)
