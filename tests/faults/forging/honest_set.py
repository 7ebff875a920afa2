"""The small record set that is altered, and the configuration that trains on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from beam_jobs.sources.source import Check, Item, Source, SourceBox
from pipeline.config.presets import IMPROVED_ANCHORS, IMPROVED_DECODE, IMPROVED_LOSS, IMPROVED_MATCHING
from pipeline.config.records_config import Letterbox, RecordsConfig, ShardCounts
from pipeline.config.run_config import Config, ModelConfig, ScheduleConfig, TrainingConfig
from pipeline.views.collage import RgbImage
from pipeline.views.placement import Shape
from tests.beam_jobs.record_job import make_set

VIEWS = 3
RECORDS = RecordsConfig(
    source="forged",
    anchors=IMPROVED_ANCHORS,
    matching=IMPROVED_MATCHING,
    letterbox=Letterbox(size=48),
    views=VIEWS,
    shards=ShardCounts(train=2, val=1, test=2),
    val_fraction=0.2,
)
CONFIG = Config(
    name="forged",
    records=RECORDS,
    model=ModelConfig(width_multiplier=0.25),
    loss=IMPROVED_LOSS,
    decode=IMPROVED_DECODE,
    training=TrainingConfig(
        schedule=ScheduleConfig(kind="exponential", base=1e-4),
        optimizer="sgd",
        batch=4,
        epochs=1,
        epoch_steps=1,
        average_decay=0.9,
    ),
)
IMAGES = 10


@dataclass(frozen=True)
class NoisyImages(Source):
    """Images of noise with two boxes each, some a crowd or difficult; one box is of no known class."""

    name: str = "forged"
    class_names: tuple[str, ...] = ("circle", "square")
    category_ids: tuple[int, ...] | None = (3, 7)
    has_test: bool = True

    def fingerprint(self, *, check: Check = "sizes") -> str:
        return "noise"

    def items(self) -> list[Item]:
        return [
            Item(
                "train" if number % 3 else "test",
                f"{number:04d}",
                str(number),
                boxes=self._boxes(number),
                image_id=str(100 + number),
            )
            for number in range(IMAGES)
        ]

    def shape(self, reference: str) -> Shape:
        return 40 + int(reference), 60

    def read(self, reference: str) -> RgbImage:
        noise = np.random.default_rng(int(reference))
        return noise.integers(0, 256, (*self.shape(reference), 3), dtype=np.uint8)

    @staticmethod
    def _boxes(number: int) -> tuple[SourceBox, ...]:
        return (
            SourceBox(2.0, 3.0 + number, 22.0, 27.0 + number, "circle"),
            SourceBox(10.0, 30.0, 38.0, 58.0, "square" if number else "no such class"),
            *(
                SourceBox(2.0, 40.0, 14.0, 55.0, "square", crowd=number % 2 == 0, difficult=number % 2 == 1)
                for _ in range(number % 4 > 1)
            ),
        )


def make_honest_set(folder: Path) -> None:
    """Makes the set as the records job does."""
    make_set(folder, RECORDS, source=NoisyImages(), max_rejected=1.0)
