"""Runs with faults take minutes: only `make test-faults` collects them."""

import os

collect_ignore_glob = [] if "FAULTS" in os.environ else ["test_*.py"]
