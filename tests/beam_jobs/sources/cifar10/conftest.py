"""The cache of tests that download and unpack."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder."""
    monkeypatch.setenv("PREMATCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"
