"""Record sets that several tests use."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.beam_jobs.record_job import make_set


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished set of digits. Tests alter only copies of it."""
    records = tmp_path_factory.mktemp("made")
    make_set(records)
    return records


@pytest.fixture
def records(made: Path, tmp_path: Path) -> Path:
    """A copy of the finished set."""
    return Path(shutil.copytree(made, tmp_path / "records"))
