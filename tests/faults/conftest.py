"""Faults take minutes to an hour, so that only `make test-faults` collects these tests: it sets FAULTS."""

from __future__ import annotations

import os

collect_ignore_glob = [] if "FAULTS" in os.environ else ["test_*.py"]
