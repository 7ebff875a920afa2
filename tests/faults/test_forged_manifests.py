"""Manifests, receipts and rejected.jsonl with one value altered and right checksums: harmless, or refused in a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipeline.records.manifest import MANIFEST
from tests.faults.forging.altered_json import Alteration, choose_alterations
from tests.faults.forging.campaign import Campaign
from tests.faults.forging.sealed import sealed_json
from tests.faults.repetitions import repetitions

MANIFESTS = repetitions(full=1000, short=40)
RECEIPTS = repetitions(full=200, short=12)
REJECTED = repetitions(full=40, short=4)

# What a set was made from and cannot be told from its files. Other valid values are not found; impossible ones are.
PROVENANCE = (
    "config.source",
    "config.copies",
    "config.val_fraction",
    "config.limit",
    "config.letterbox.crop",  # what it changes is found, but not every change changes a view of a small set
    "config.letterbox.image_side",
    "versions",
    "class_names",
    "category_ids",
)
IMPOSSIBLE = ("missing", "an object", "1e999", "NaN", "not UTF-8", "deep nesting", "deep objects", "10^5000")


def changes_meaning(honest: dict[str, Any], alteration: Alteration, text: bytes) -> bool:
    """Whether `verify` must report it: a reader gets other values, and not only other provenance."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return True
    if {**values, "checksum": 0} == {**honest, "checksum": 0}:  # 3 and 3.0 are the same
        return False
    path = ".".join(map(str, alteration.path))
    if path.startswith("config.anchors.strides") and _same_maps(honest, values):
        return False
    if path.startswith("versions.") and alteration.kind == "missing":
        return False  # any version may be absent
    return not path.startswith(PROVENANCE) or alteration.kind in IMPOSSIBLE


def _same_maps(honest: dict[str, Any], altered: dict[str, Any]) -> bool:
    """Whether strides give maps of the same sizes, so that all anchors are the same."""
    size = honest["config"]["letterbox"]["size"]
    sizes = []
    for values in (honest, altered):
        strides = values["config"]["anchors"]["strides"]
        if not isinstance(strides, list) or not all(type(stride) is int and stride > 0 for stride in strides):
            return False
        sizes.append([-(-size // stride) for stride in strides])
    return sizes[0] == sizes[1]


def test_forged_manifests(campaign: Campaign) -> None:
    campaign.begin()
    forged = campaign.forged
    honest = forged.json_of(Path(MANIFEST))
    for alteration in choose_alterations(honest, MANIFESTS, seed=0):
        text = sealed_json(alteration.apply(honest), indent=1)
        forged.write(Path(MANIFEST), text)
        campaign.try_tools(f"manifest, {alteration}", must_report=changes_meaning(honest, alteration, text))
    campaign.end("manifests")


def test_forged_receipts(campaign: Campaign) -> None:
    campaign.begin()
    forged = campaign.forged
    paths = forged.receipt_paths()
    for number, path in enumerate(paths):
        honest = forged.json_of(path)
        for alteration in choose_alterations(honest, RECEIPTS // len(paths), seed=number):
            text = sealed_json(alteration.apply(honest), indent=None)
            forged.write(path, text)
            must_report = changes_meaning(honest, alteration, text)
            campaign.try_tools(f"receipt, {alteration}", must_report=must_report, tools=("verify",))
    campaign.end("receipts")


def test_forged_rejections(campaign: Campaign) -> None:
    campaign.begin()
    forged = campaign.forged
    honest = {"lines": forged.rejected()}
    for alteration in choose_alterations(honest, REJECTED, seed=0):
        altered = alteration.apply(honest).get("lines")
        lines = altered if isinstance(altered, list) else [altered]
        text = b"".join(sealed_json({"line": line}, indent=None)[8:] for line in lines)
        forged.write_rejected(text)
        campaign.try_tools(f"rejected.jsonl, {alteration}", must_report=True, tools=("verify",))
    campaign.end("rejected.jsonl")
