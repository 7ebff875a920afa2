"""Faults take minutes to an hour, so that only `make test-faults` collects these tests: it sets FAULTS."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.faults.forging.campaign import Campaign

collect_ignore_glob = [] if "FAULTS" in os.environ else ["test_*.py"]


@pytest.fixture(scope="session")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Campaign]:
    """The tools that look at forged sets, started once."""
    from tests.faults.forging.campaign import Campaign

    campaign = Campaign(tmp_path_factory.mktemp("forged"))
    yield campaign
    campaign.close()
