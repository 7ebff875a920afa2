"""Any images with boxes: 320-pixel canvases, sixteen views of each image, 1,600 steps of 16.

make records CONFIG=detection SOURCE=coco DATA_DIR=... RECORDS=records/mine
make train CONFIG=detection RECORDS=records/mine RUN=runs/mine

docs/own_data.md goes through it, from a folder of images to detections.

Hardware and time: 2 cores of an Intel Xeon with AVX-512, no GPU: 29 minutes for BCCD (205 training images).
Score: AP 0.567, AP50 0.902 on its 72 test images, starting from ImageNet's weights (2026-11-27).
"""

from dataclasses import replace

from pipeline.compositions.letterbox import Letterbox
from pipeline.config import presets
from pipeline.config.records_config import RecordsConfig, ShardCounts
from pipeline.config.run_config import AugmentConfig, Config, ScheduleConfig

SIZE = 320  # pixels

CONFIG = Config(
    name="detection",
    records=RecordsConfig(
        source="coco",
        anchors=presets.DETECTION_ANCHORS,
        matching=presets.IMPROVED_MATCHING,
        composition=Letterbox(canvas=(SIZE, SIZE), image_side=2 * SIZE),
        shards=ShardCounts(train=32, val=4, test=4),
        views=16,
        image_format="jpeg",
    ),
    model=replace(presets.IMPROVED_MODEL, feature_pyramid_channels=96),
    loss=replace(presets.IMPROVED_LOSS, offsets="giou+huber", offsets_weight=2.0),
    decode=presets.IMPROVED_DECODE,
    training=replace(
        presets.IMPROVED_TRAINING,
        schedule=ScheduleConfig(kind="cosine", base=1e-3, warmup_steps=200),
        batch=16,
        epoch_steps=200,
        epochs=8,
        average_decay=0.998,
    ),
    augment=AugmentConfig(flip=True, colour=0.3),
)
