"""Puts the values of a command's flags into a configuration."""

from __future__ import annotations

import dataclasses
from typing import Any

from pipeline.config.run_config import GIOU_LOSSES, Config

GIOU_WEIGHT = 2.0  # DETR (arXiv 2005.12872, section A.4). The errors of offsets are far smaller and weigh more.


def with_overrides(
    config: Config,
    *,
    synchronized_batch_norm: bool | None = None,
    freeze: int | None = None,
    box_loss: str | None = None,
    **training: Any,
) -> Config:
    """The configuration with the given values. None leaves a field as it is.

    Args:
        config: of the configs folder.
        synchronized_batch_norm, freeze: the model's.
        box_loss: the loss's `offsets`. A GIoU loss that replaces another kind gets its own weight.
        training: fields of `TrainingConfig`.
    """

    def changed(part: Any, **values: Any) -> Any:
        return dataclasses.replace(part, **{name: value for name, value in values.items() if value is not None})

    becomes_giou = box_loss in GIOU_LOSSES and config.loss.offsets not in GIOU_LOSSES
    return dataclasses.replace(
        config,
        model=changed(config.model, synchronized_batch_norm=synchronized_batch_norm, freeze=freeze),
        loss=changed(config.loss, offsets=box_loss, offsets_weight=GIOU_WEIGHT if becomes_giou else None),
        training=changed(config.training, **training),
    )
