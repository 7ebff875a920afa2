"""Shards that are missing, of another size, or altered in place."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.records.manifest import check_shards, load_manifest
from tests.pipeline.records.altered_manifest import refusal


def test_a_missing_shard(folder: Path) -> None:
    shard = folder / load_manifest(str(folder)).shards["train"][1].name
    shard.unlink()
    assert refusal(folder).startswith(f"{shard} is missing, although the manifest lists it; run its `make records`")


@pytest.mark.parametrize("content", [b"", b"longer" * 10_000])
def test_a_shard_of_another_size(folder: Path, content: bytes) -> None:
    shard = folder / load_manifest(str(folder)).shards["val"][0].name
    shard.write_bytes(content)
    message = refusal(folder)
    assert message.startswith(f"{shard} must have ") and f"bytes, got {len(content)}; run its `make rec" in message


def test_a_shard_altered_in_place_is_found_by_its_checksum(folder: Path) -> None:
    manifest = load_manifest(str(folder))
    check_shards(manifest, "train")
    shard = folder / manifest.shards["train"][1].name
    data = bytearray(shard.read_bytes())
    data[3] ^= 1
    shard.write_bytes(data)
    load_manifest(str(folder))  # sizes alone do not show it
    message = refusal(folder, lambda: check_shards(manifest, "train"))
    assert message.startswith(f"{shard} must have the SHA-256 ") and "it was altered" in message
    check_shards(manifest, "test")
