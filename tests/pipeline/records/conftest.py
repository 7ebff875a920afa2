"""A small record set for tests of manifests and shards."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.record_sets import write_record_set


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small record set, which nobody changes."""
    folder = tmp_path_factory.mktemp("whole")
    write_record_set(folder, train=3, val=1, test=2)
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A copy of the record set."""
    return shutil.copytree(whole, tmp_path / "records")
