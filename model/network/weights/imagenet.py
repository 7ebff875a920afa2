"""ImageNet's weights: a published file, downloaded once."""

from __future__ import annotations

from pathlib import Path

from model.network.backbones.backbone import Backbone
from pipeline.download import download
from pipeline.errors import UserError
from pipeline.files import cache_folder


def find_imagenet_file(backbone: Backbone) -> Path:
    """The published file, from the cache or downloaded to it.

    Raises `UserError` if there is none, the network does not answer, or the checksum is wrong.
    """
    published = backbone.imagenet
    if published is None:
        raise UserError(f"no file of ImageNet's weights is known for {backbone.title}; give one as INIT=…")
    name = published.url.rpartition("/")[2]
    way_out = f"download it elsewhere and give it as INIT={name}"
    return download(published.url, cache_folder() / name, sha256=published.sha256, way_out=way_out)
