"""Runs on a cluster take minutes, and ports of the machine: only `make test-cluster` collects them."""

import os

collect_ignore = [] if "CLUSTER_ENGINE" in os.environ else ["test_recovery.py"]
