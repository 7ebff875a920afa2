"""Configuration of a run: model, loss, decoding, training and augmentation."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.config.plain import LATER
from pipeline.config.records_config import RecordsConfig
from pipeline.errors import require

BOX_LOSSES = ("huber", "squared", "giou", "tfa:giou")
PRECISIONS = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class ModelConfig:
    """MobileNetV2-SSD. Its heads are not configured here: they follow from the manifest's anchors."""

    width_multiplier: float = 1.0
    batch_norm_momentum: float = 0.99
    batch_norm_in_extra_layers: bool = True
    head_bias: bool = True
    weight_decay: float = 4e-5  # L2 on convolution kernels; the value is MobileNetV2's
    synchronized_batch_norm: bool = False  # statistics over the global batch instead of each replica's part

    def __post_init__(self) -> None:
        require(self.width_multiplier > 0, "model.width_multiplier", "positive", self.width_multiplier)
        require(0 < self.batch_norm_momentum < 1, "model.batch_norm_momentum", "in (0, 1)", self.batch_norm_momentum)
        require(self.weight_decay >= 0, "model.weight_decay", "at least 0", self.weight_decay)


@dataclass(frozen=True)
class LossConfig:
    """Cross entropy on positives and mined negatives, plus the error of the positives' boxes, per positive."""

    offsets: str = "huber"  # on offsets: "huber" (δ = 1) or "squared"; on boxes: "giou" or "tfa:giou"
    offsets_weight: float = 1.0
    mining: str = "image"  # the hardest negatives of each picture ("image") or of each replica's batch ("batch")
    negatives_per_positive: float = 3.0
    min_negatives: int = 8  # of each picture; with mining by image
    label_smoothing: float = field(default=0.0, metadata=LATER)  # share of each target that is spread over all classes

    def __post_init__(self) -> None:
        require(self.offsets in BOX_LOSSES, "loss.offsets", f"one of {', '.join(BOX_LOSSES)}", self.offsets)
        require(self.offsets_weight >= 0, "loss.offsets_weight", "at least 0", self.offsets_weight)
        require(self.mining in ("image", "batch"), "loss.mining", '"image" or "batch"', self.mining)
        require(self.negatives_per_positive > 0, "loss.negatives_per_positive", "positive", self.negatives_per_positive)
        require(self.min_negatives >= 0, "loss.min_negatives", "at least 0", self.min_negatives)
        require(0 <= self.label_smoothing < 1, "loss.label_smoothing", "in [0, 1)", self.label_smoothing)


@dataclass(frozen=True)
class ScheduleConfig:
    """The learning rate: "exponential", base · decay^(epoch − 1) with epochs from 1, or "cosine", after a warm-up."""

    kind: str
    base: float
    decay: float = 0.98  # for "exponential", per epoch
    warmup_steps: int = 0  # for "cosine": linear from 0 up to `base`, then down to 0 at the end of training

    def __post_init__(self) -> None:
        require(self.kind in ("exponential", "cosine"), "schedule.kind", '"exponential" or "cosine"', self.kind)
        require(self.base > 0, "schedule.base", "positive", self.base)
        require(self.decay > 0, "schedule.decay", "positive", self.decay)
        require(self.warmup_steps >= 0, "schedule.warmup_steps", "at least 0", self.warmup_steps)


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
        require(self.max_detections > 0, "decode.max_detections", "positive", self.max_detections)
        candidates = self.max_candidates
        require(candidates is None or candidates > 0, "decode.max_candidates", "positive or None", candidates)


@dataclass(frozen=True)
class TrainingConfig:
    """Batches, epochs, learning rate, evaluation during training, and the arithmetic."""

    schedule: ScheduleConfig
    optimizer: str = "adam"
    batch: int = 32  # pictures in a global batch, divided among the replicas
    epochs: int = 50
    epoch_steps: int | None = None  # None: one pass over the training records
    average_decay: float | None = 0.999  # of the averaged weights, which are evaluated; None: the raw weights are
    evaluate_every: int = 1  # epochs
    evaluate_examples: int | None = None  # the first of val; None: all
    seed: int = 0
    precision: str = "float32"  # of the network's arithmetic; weights and losses stay float32
    xla: bool = False  # compile the step with XLA
    deterministic: bool = False  # the same bits in every run on the same devices; slower

    def __post_init__(self) -> None:
        known = self.precision in PRECISIONS
        require(known, "training.precision", f"one of {', '.join(PRECISIONS)}", self.precision)
        require(self.batch > 0, "batch", "positive", self.batch)
        require(self.epochs > 0, "epochs", "positive", self.epochs)
        require(self.epoch_steps is None or self.epoch_steps > 0, "training.epoch_steps", "positive", self.epoch_steps)
        decay = self.average_decay
        require(decay is None or 0 < decay < 1, "training.average_decay", "in (0, 1) or None", decay)
        require(self.evaluate_every > 0, "training.evaluate_every", "positive", self.evaluate_every)
        examples = self.evaluate_examples
        require(examples is None or examples > 0, "training.evaluate_examples", "positive or None", examples)


@dataclass(frozen=True)
class AugmentConfig:
    """Random changes of training pictures that need no new matching. All are off by default."""

    flip: bool = False  # mirror the whole canvas left to right with probability one half
    colour: float = 0.0  # contrast, saturation and channel gains are drawn from 1 ± colour; black stays black
    cutouts: int = 0  # black squares on each canvas
    cutout_side: float = 0.125  # as a share of the canvas

    def __post_init__(self) -> None:
        require(0 <= self.colour < 1, "augment.colour", "in [0, 1)", self.colour)
        require(self.cutouts >= 0, "augment.cutouts", "at least 0", self.cutouts)
        require(0 < self.cutout_side < 1, "augment.cutout_side", "in (0, 1)", self.cutout_side)


@dataclass(frozen=True)
class Config:
    """What a file of `configs/` defines: a record set and a run on it."""

    name: str
    records: RecordsConfig
    model: ModelConfig
    loss: LossConfig
    decode: DecodeConfig
    training: TrainingConfig
    augment: AugmentConfig = field(default=AugmentConfig(), metadata=LATER)
