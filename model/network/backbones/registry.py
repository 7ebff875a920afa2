"""The backbones by name, as `ModelConfig.backbone` has it. A new one is a file of this folder and a line here."""

from __future__ import annotations

from model.network.backbones import mobilenet_v2_block9
from model.network.backbones.backbone import Backbone
from pipeline.config.run_config import ModelConfig
from pipeline.errors import require

BACKBONES: dict[str, Backbone] = {
    "mobilenet_v2_block9": mobilenet_v2_block9.BACKBONE,
}


def find_backbone(config: ModelConfig) -> Backbone:
    """The backbone of a configuration. Raises `UserError` if its name is unknown, or `freeze` is beyond its blocks."""
    require(config.backbone in BACKBONES, "model.backbone", f"one of {', '.join(BACKBONES)}", config.backbone)
    backbone = BACKBONES[config.backbone]
    backbone.frozen_parts(config.freeze)
    return backbone
