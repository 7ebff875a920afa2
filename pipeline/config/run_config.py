"""Configuration of a run: model, loss, decoding, training and augmentation."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.config.records_config import MAX_SEED, RecordsConfig
from pipeline.errors import require, require_between
from pipeline.typed_json import MAX_COUNT, MAX_PATH, Name, PathText

PRECISIONS = ("float32", "bfloat16", "float16")

# Limits far above any real setting. They keep a forged file from asking for memory or time without end.
MAX_WIDTH = 8.0
MAX_CHANNELS = 4096
MAX_WEIGHT = 1e6  # of a part of the loss
MAX_BATCH = 1_000_000
MAX_EPOCHS = 1_000_000
MAX_STEPS = 10**9
MAX_RATE = 1e30  # well inside of float32
MAX_DETECTIONS = 100_000
MAX_CUTOUTS = 10_000

MAX_BLOCKS = 1000  # of a backbone, which knows how many it has


@dataclass(frozen=True)
class ModelConfig:
    """SSD on a backbone. Its heads are not configured here: they follow from the manifest's anchors."""

    width_multiplier: float = 1.0
    batch_norm_momentum: float = 0.99
    batch_norm_in_extra_layers: bool = True
    head_bias: bool = True
    weight_decay: float = 4e-5  # L2 on convolution kernels; the value is MobileNetV2's
    synchronized_batch_norm: bool = False  # statistics over the global batch instead of each replica's part
    freeze: int = 0  # the stem and so many blocks after it keep their pretrained weights
    feature_pyramid_channels: int = 0  # of its maps; 0: no feature pyramid
    backbone: Name = "mobilenet_v2_block9"  # one of model/network/backbones/registry.py

    def __post_init__(self) -> None:
        require_between("model.width_multiplier", self.width_multiplier, 0.01, MAX_WIDTH)
        require(0 < self.batch_norm_momentum < 1, "model.batch_norm_momentum", "in (0, 1)", self.batch_norm_momentum)
        require_between("model.weight_decay", self.weight_decay, 0, MAX_WEIGHT)
        require_between("freeze", self.freeze, 0, MAX_BLOCKS)
        require_between("model.feature_pyramid_channels", self.feature_pyramid_channels, 0, MAX_CHANNELS)


@dataclass(frozen=True)
class LossConfig:
    """Cross entropy on positives and mined negatives, plus the error of the positives' boxes, per positive."""

    offsets: Name = "huber"  # the error of the boxes, one of BOX_LOSSES in model/training/loss.py
    offsets_weight: float = 1.0
    mining: str = "image"  # the hardest negatives of each image ("image") or of each replica's batch ("batch")
    negatives_per_positive: float = 3.0
    min_negatives: int = 8  # of each image; with mining by image
    label_smoothing: float = 0.0  # share of each target that is spread over all classes

    def __post_init__(self) -> None:
        require_between("loss.offsets_weight", self.offsets_weight, 0, MAX_WEIGHT)
        require(self.mining in ("image", "batch"), "loss.mining", '"image" or "batch"', self.mining)
        negatives = self.negatives_per_positive
        require(0 < negatives <= MAX_WEIGHT, "loss.negatives_per_positive", f"in (0, {MAX_WEIGHT}]", negatives)
        require_between("loss.min_negatives", self.min_negatives, 0, MAX_STEPS)
        require(0 <= self.label_smoothing < 1, "loss.label_smoothing", "in [0, 1)", self.label_smoothing)


@dataclass(frozen=True)
class ScheduleConfig:
    """The learning rate: "exponential", base · decay^(epoch − 1) with epochs from 1, or "cosine", after a warm-up."""

    kind: str
    base: float
    decay: float = 0.98  # for "exponential", per epoch
    warmup_steps: int = 0  # for "cosine": linear up to `base`, then half a cosine down to about 0

    def __post_init__(self) -> None:
        require(self.kind in ("exponential", "cosine"), "schedule.kind", '"exponential" or "cosine"', self.kind)
        require(0 < self.base <= MAX_RATE, "schedule.base", f"in (0, {MAX_RATE}]", self.base)
        require(0 < self.decay <= MAX_RATE, "schedule.decay", f"in (0, {MAX_RATE}]", self.decay)
        require_between("schedule.warmup_steps", self.warmup_steps, 0, MAX_STEPS)


@dataclass(frozen=True)
class DecodeConfig:
    """From predictions to detections: score threshold, greedy NMS in each class, then the best of all classes."""

    min_score: float = 0.01
    nms_iou: float = 0.45
    max_detections: int = 200
    max_candidates: int | None = 400  # for each class, before NMS; None: all, as `baseline` has it

    def __post_init__(self) -> None:
        require(0 <= self.min_score < 1, "decode.min_score", "in [0, 1)", self.min_score)
        require(0 < self.nms_iou <= 1, "decode.nms_iou", "in (0, 1]", self.nms_iou)
        require_between("decode.max_detections", self.max_detections, 1, MAX_DETECTIONS)
        if self.max_candidates is not None:
            require_between("decode.max_candidates", self.max_candidates, 1, MAX_DETECTIONS)


@dataclass(frozen=True)
class TrainingConfig:
    """Batches, epochs, learning rate, evaluation during training, and the arithmetic."""

    schedule: ScheduleConfig
    optimizer: Name = "adam"
    batch: int = 32  # images in a global batch, divided among the replicas
    epochs: int = 50
    epoch_steps: int | None = None  # None: one pass over the training records
    average_decay: float | None = 0.999  # of the averaged weights, which are evaluated; None: the raw weights are
    evaluate_every: int = 1  # epochs
    evaluate_examples: int | None = None  # the first of val; None: all
    seed: int = 0
    precision: str = "float32"  # of the network's arithmetic; weights and losses stay float32
    xla: bool = False  # compile the step with XLA
    deterministic: bool = False  # the same bits in every run on the same devices; slower
    init: PathText | None = None  # pretrained weights: see pretrained_weights.py
    patience: int | None = None  # stop after so many evaluations without a higher AP

    def __post_init__(self) -> None:
        known = self.precision in PRECISIONS
        require(known, "training.precision", f"one of {', '.join(PRECISIONS)}", self.precision)
        require_between("batch", self.batch, 1, MAX_BATCH)
        require_between("epochs", self.epochs, 1, MAX_EPOCHS)
        if self.epoch_steps is not None:
            require_between("training.epoch_steps", self.epoch_steps, 1, MAX_STEPS)
        decay = self.average_decay
        require(decay is None or 0 < decay < 1, "training.average_decay", "in (0, 1) or None", decay)
        require_between("training.evaluate_every", self.evaluate_every, 1, MAX_EPOCHS)
        if self.evaluate_examples is not None:
            require_between("training.evaluate_examples", self.evaluate_examples, 1, MAX_COUNT)
        require_between("training.seed", self.seed, -MAX_SEED, MAX_SEED)
        if self.patience is not None:
            require_between("patience", self.patience, 1, MAX_EPOCHS)
        if self.init is not None:
            require(_is_path(self.init), "init", "a path in UTF-8", self.init)


@dataclass(frozen=True)
class AugmentConfig:
    """Random changes of training images that need no new matching. All are off by default."""

    flip: bool = False  # mirror the whole canvas left to right with probability one half
    colour: float = 0.0  # contrast, saturation and channel gains are drawn from 1 ± colour; black stays black
    cutouts: int = 0  # black squares on each canvas
    cutout_side: float = 0.125  # as a share of the canvas

    def __post_init__(self) -> None:
        require(0 <= self.colour < 1, "augment.colour", "in [0, 1)", self.colour)
        require_between("augment.cutouts", self.cutouts, 0, MAX_CUTOUTS)
        require(0 < self.cutout_side < 1, "augment.cutout_side", "in (0, 1)", self.cutout_side)


@dataclass(frozen=True)
class Config:
    """What a file of `configs/` defines: a record set and a run on it."""

    name: Name
    records: RecordsConfig
    model: ModelConfig
    loss: LossConfig
    decode: DecodeConfig
    training: TrainingConfig
    augment: AugmentConfig = AugmentConfig()

    def __post_init__(self) -> None:
        """Refuses `freeze` without `init`: random weights are not worth keeping."""
        freeze, init = self.model.freeze, self.training.init
        require(not freeze or init is not None, "freeze", "0 unless init says whose weights to keep", freeze)


def _is_path(text: str) -> bool:
    try:
        return 0 < len(text.encode()) <= MAX_PATH
    except UnicodeEncodeError:
        return False
