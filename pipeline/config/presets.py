"""The presets: `baseline` reproduces the exercise that docs/baseline.md describes, `improved` is our own detector."""

from __future__ import annotations

from pipeline.config.run_config import DecodeConfig, LossConfig, ModelConfig, ScheduleConfig, TrainingConfig
from pipeline.geometry.anchors import AnchorConfig
from pipeline.geometry.matching import MatchingConfig

BASELINE_ANCHORS = AnchorConfig(
    strides=(16, 32, 64, 128, 256),
    scales=(0.9, 0.8, 0.7, 0.6, 0.5),
    aspect_ratios=((1.0, 1 / 2, 2.0),) * 5,
    relative_to="cell",
)
BASELINE_MATCHING = MatchingConfig(positive_iou=0.3, ignore_iou=None)

_THREE = (1.0, 1 / 2, 2.0)
_FIVE = (*_THREE, 3.0, 1 / 3)

# Scales as in equation 4 of SSD (arXiv 1512.02325): from 0.15 to 0.9 over six maps.
IMPROVED_ANCHORS = AnchorConfig(
    strides=(8, 16, 32, 64, 128, 256),
    scales=(0.15, 0.3, 0.45, 0.6, 0.75, 0.9),
    aspect_ratios=(_THREE, _FIVE, _FIVE, _FIVE, _THREE, _THREE),
    relative_to="image",
    scale_after_last=1.05,
)
IMPROVED_MATCHING = MatchingConfig(positive_iou=0.5, ignore_iou=0.4)

# For objects of many sizes. At 320 pixels the least scale is 22 pixels; `make coverage` proposes others for a set.
DETECTION_ANCHORS = AnchorConfig(
    strides=(8, 16, 32, 64, 128, 256),
    scales=(0.07, 0.15, 0.28, 0.45, 0.65, 0.85),
    aspect_ratios=(_THREE, _FIVE, _FIVE, _FIVE, _THREE, _THREE),
    relative_to="image",
    scale_after_last=1.0,
)

BASELINE_MODEL = ModelConfig(
    batch_norm_momentum=0.999, batch_norm_in_extra_layers=False, head_bias=False, weight_decay=4e-5
)
BASELINE_LOSS = LossConfig(offsets="squared", mining="batch", negatives_per_positive=3.0, min_negatives=0)
BASELINE_DECODE = DecodeConfig(max_candidates=None)
BASELINE_TRAINING = TrainingConfig(
    schedule=ScheduleConfig(kind="exponential", base=1e-3, decay=0.98), average_decay=None
)

IMPROVED_MODEL = ModelConfig()
IMPROVED_LOSS = LossConfig()
IMPROVED_DECODE = DecodeConfig()
IMPROVED_TRAINING = TrainingConfig(schedule=ScheduleConfig(kind="cosine", base=1e-3, warmup_steps=300))
